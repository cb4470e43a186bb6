"""Training of classifier heads on features: all members and all retrained copies at once.

It takes arrays and gives weights. Projects, runs and whole networks are not known here.
"""

"""Training of whole networks with turn-over layers, in our own loop or in somebody else's.

It takes models and rows. It writes no run and knows no project.
"""

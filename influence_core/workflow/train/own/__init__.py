"""Runs of a model that was trained elsewhere: by its probabilities alone, or by its checkpoint.

What a network run keeps on disk is `publish`'s. Nothing is trained here but a linear stand-in.
"""

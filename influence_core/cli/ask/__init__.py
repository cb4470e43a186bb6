"""Verbs that ask a run: items and their causes, slices, the map, proofs, how far to believe it.

They change nothing in a project but what they measured. No arithmetic belongs here.
"""

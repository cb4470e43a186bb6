"""The ground: whole-or-nothing files, fingerprints, checkpoints, records, safe names.

Everything above stores through here. Nothing here knows what a run, a row or a project is.
"""

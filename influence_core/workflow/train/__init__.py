"""From a project to a run: heads, whole networks, published models, audits, comparison of runs.

The arithmetic is in `training`; questions to a run are asked in `explain`.
"""

"""What is wrong with a data set, said before it is trained on: a finding is one sentence.

A check is one small function from a `Dataset` to findings, listed in `check.CHECKS`; it changes
nothing.
"""

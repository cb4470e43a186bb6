"""The label desk: which rows look mislabelled, in what order, and the evidence for either label.

It reads runs and appends decisions. It neither trains nor exports.
"""

"""Does the flipped side really never see its row? A probe, and words for its result.

Pure torch: it neither trains a model nor stores the answer.
"""

"""Parts of a split: by words that people write (`grammar`), or found because the model fails there.

It calls `cleansing.slices` for the search; verbs and pages call it. It draws nothing.
"""

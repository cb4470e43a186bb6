"""Parts of pages: a folder for each page, which that page alone uses.

What several use stands in `frame` (around every page), `draw` (safe drawing of data), `map` and
`train`.
"""

"""Parts of the Labels page: the desk in the browser, the grid, duplicates.

Only that page uses them; what others need belongs in `frame`, `draw`, or beside this folder.
"""

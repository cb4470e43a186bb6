"""Parts of the page Clean data: preview, trial and export.

Only that page uses them; what others need belongs in `frame`, `draw`, or beside this folder.
"""

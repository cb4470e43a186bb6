"""Parts of the Cleanse page: preview, trial and export.

Only that page uses them; what others need belongs in `frame` or `draw`.
"""

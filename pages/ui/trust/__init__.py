"""Parts of the Trust page: charts and the start of an evaluation.

Only that page uses them; what others need belongs in `frame`, `draw`, or beside this folder.
"""

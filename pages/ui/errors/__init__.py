"""Parts of the Errors page: filters, the explained item, comparison, proof.

Only that page uses them; what others need belongs in `frame`, `draw`, or beside this folder.
"""

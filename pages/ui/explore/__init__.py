"""Parts of the Explore page: the selection in the address, its views, and what is done with it.

Only that page uses them; what others need belongs in `frame`, `draw`, or beside this folder.
"""

"""Parts of the Projects page: cards, the wizard, training.

Only that page uses them; what others need belongs in `frame`, `draw`, or beside this folder.
"""

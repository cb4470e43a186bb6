"""Parts of the Runs page: saved slices by run, encoders that were compared.

Only that page uses them; what others need belongs in `frame`, `draw`, or beside this folder.
"""

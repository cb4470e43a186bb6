"""Source files become tables of rows: a module a kind of file (CSV in `text`), one registry.

A reader knows bytes and columns. It knows no project, no key and no split rule; those come later.
"""

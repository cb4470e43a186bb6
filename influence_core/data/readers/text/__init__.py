"""How bytes become text, and text becomes rows: encodings, and CSV in all its dialects.

May not know of other kinds of file, or of what the columns mean.
"""

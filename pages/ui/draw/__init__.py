"""Safe drawing of data: text, numbers, pictures, differences.

Nothing here knows which page it is on, nor starts work.
"""

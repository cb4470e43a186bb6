"""A cleansed copy of the source, unchanged to the byte where nothing was decided, and its manifest.

Exports write files from decided rows. Who decided and why is not known here.
"""

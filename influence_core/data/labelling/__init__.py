"""What labels mean before they are classes: joined, left out, or none at all.

May not know of readers, keys or splits of a made data set.
"""

"""Many items at once: what pushed a group as a whole, its causes, rows behind most errors.

Built on the scores of single items. Nothing is retrained here.
"""

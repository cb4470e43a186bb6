"""How data becomes a project: preview, upload, creation, and the overview of what there is.

No model is trained or read here.
"""

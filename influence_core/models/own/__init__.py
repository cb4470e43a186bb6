"""Features that a user brings: files read block by block, and written as the project's own.

No encoder runs. Only `workflow.projects` imports this.
"""

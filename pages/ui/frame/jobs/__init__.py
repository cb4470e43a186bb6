"""Long work on screen: the panel of jobs, what they will take, and what a first one found.

Any page may use it. No page's own content belongs here.
"""

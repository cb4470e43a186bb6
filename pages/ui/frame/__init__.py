"""What surrounds every page: project and run, login, settings, jobs, paging.

No page's own content belongs here.
"""

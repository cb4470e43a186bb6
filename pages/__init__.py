"""The dashboard: a script for each page, and their parts in `ui`."""

"""Projects, runs, reviews and exports on disk."""

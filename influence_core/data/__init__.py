"""Data sets as rows with a stable key: reading, checking, hashing."""

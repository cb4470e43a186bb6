"""Figures about this project, each by one command."""

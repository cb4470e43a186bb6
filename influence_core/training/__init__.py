"""Fitting heads on features and whole networks, with progress events."""

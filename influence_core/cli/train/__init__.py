"""Verbs that make runs: trained here, published from elsewhere, and what follows a training.

Options are read here and handed on. No arithmetic belongs here.
"""

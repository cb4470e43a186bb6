"""Decisions and rows that travel: CSV, Label Studio and Argilla, in and out.

Formats only: what a decision means stands in `store.reviews`.
"""

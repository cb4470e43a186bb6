"""Runs side by side: their names on screen, their tables, and what differs between two.

Reads what trainings left. Nothing that trains a run of its own belongs here but encoders compared.
"""

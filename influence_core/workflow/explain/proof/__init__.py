"""Proof of an answer by retraining, and what is predicted to come out of it.

The only part of `workflow.explain` that trains. No ranking of rows belongs here.
"""

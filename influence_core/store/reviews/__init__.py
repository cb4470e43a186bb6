"""Decisions on rows as appended events, and the state that is folded from them.

Only this folder speaks SQL. It judges no label and draws no evidence.
"""

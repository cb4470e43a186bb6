"""Verbs of the label desk and of cleansing: decisions in, a better training set out.

They write decisions, cleansings and files. No arithmetic belongs here.
"""

"""Turnover: which training rows helped and which harmed, measured by turn-over dropout."""

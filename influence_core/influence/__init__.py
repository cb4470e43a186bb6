"""Estimators of influence behind one protocol, and the scan that runs them."""

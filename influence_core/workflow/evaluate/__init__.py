"""How far the scores of a run can be believed, by retraining; and the default that follows.

It calls `evaluation` for the mathematics and keeps the results. It draws no chart.
"""

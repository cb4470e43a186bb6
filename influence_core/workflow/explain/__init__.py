"""From an item to the training rows behind it: live scan, proof by retraining, map, score files.

It asks a `Session`; it trains nothing but the retrainings of a proof.
"""

"""How long a training, an evaluation or a cleansing will take, and how much memory.

Formulas and one table of measured rates. It starts no work except to measure a rate.
"""

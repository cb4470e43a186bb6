"""Compiled loops for scans, each the fast twin of a few plain lines of torch in the tests.

Arrays in, arrays out: no estimator, no session and no file belongs here.
"""

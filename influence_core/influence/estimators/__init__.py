"""One file an estimator of influence, all behind the protocol of `influence.base`.

An estimator sees arrays of one run. It reads no disk and draws nothing.
"""

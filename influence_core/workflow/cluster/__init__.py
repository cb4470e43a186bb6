"""Parts of encoding, training and scanning as tasks of a Ray cluster.

Only this folder imports Ray. Tasks keep nothing; the driver alone writes.
"""

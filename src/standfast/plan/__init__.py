"""Which hosts when, which VM where, in what order; rules, balance, bounds.

Pure: imports the model and the prediction, reads no clock, draws no random number, does no I/O.
"""

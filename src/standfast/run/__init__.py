"""The run: decide (pure), observe, act, the loop and the lease.

`decide.py` is the heart: rows and an observation in, actions out. Everything else here carries it out.
"""

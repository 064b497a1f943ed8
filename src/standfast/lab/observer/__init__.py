"""Who measures interruption: a process of its own that shares no code with what it measures.

It imports nothing of the rest (this package's parents are empty), only the standard library, and learns about
the lab from ``lab.json`` as data. Gaps are measured with its own monotonic clock outside the guests, because
a guest's clock stands still with the guest: one that was stopped for 3.0 s saw 0.19 s itself.
"""

"""Committing: transactions, and the one journal group that makes what they say durable together.

Promises: a commit that returned is durable; one that did not is absent or whole; no group is beyond the limits of the
format.
"""

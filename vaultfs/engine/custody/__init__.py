"""Custody of the keys: who can open a vault, how long keys may be used, and turning the epoch, which disposes for good.

Promises: a secret is destroyed when what follows it was read back from every store and copy that needs it, and never
unrecorded.
"""

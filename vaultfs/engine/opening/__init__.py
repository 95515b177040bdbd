"""From the files of a vault to an open one: created, unlocked, recovered, and followed where another process writes.

Promises: a head counts if it is authentic and not older than what stores and anchors have seen; what a crash has left
is finished or undone, and said; nothing that was acknowledged is missing.
"""

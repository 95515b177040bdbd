"""Audit: the events that every access and change leaves, and the log that they form.

Events hold surrogates, numbers and codes; what could name a person is the principal alone. They are sealed; the clear
leaf commits to them. May import `vaultfs_format`. The engine stands on `events` and `errors`, which import nothing of
it; what reads the log back, checks, shows and tells of it stands on the engine.
"""

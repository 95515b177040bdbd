"""Audit: the events that every access and change leaves, and the log that they form.

Events hold surrogates, numbers and codes; what could name a person is the principal alone. They are sealed; the clear
leaf commits to them. May import `vaultfs_format`; `log`, which reads them back, the engine.
"""

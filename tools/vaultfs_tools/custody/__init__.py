"""The room of `vaultfs-keys`: recipients as options and as text, escrow shares in files, and the custody sheet.

Promises that no secret is printed, and that none comes from an argument or the environment. May import the engine.
"""

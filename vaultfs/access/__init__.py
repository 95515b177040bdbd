"""Access: who may do what, decided by the host's policy on every call. The default permits nothing.

May import `vaultfs.model` and `vaultfs.errors`.
"""

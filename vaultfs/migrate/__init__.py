"""Migration: sources of a legacy system into a vault, and out of it again, byte for byte.

Works through sessions and transactions alone, as a host could. Formats come from `vaultfs.interop`. Imports are jobs
that resume: every window of work commits together with its checkpoint.
"""

"""What keeps a vault whole for decades: scrubbing, repair, and the state of its redundancy.

Promises: a repaired file is, byte for byte, the one that was there; what cannot be healed is told to the record. May
import `vaultfs_format`, the engine and `vaultfs.audit`.
"""

"""Exporting: the events of the log on their way to others, as SIEMs and repositories of audit records take them.

What an event looks like outside is an `Encoder`, without I/O; how it gets there, and up to where it has, is a matter of
deliveries. May import `vaultfs_format`, `vaultfs.audit`, `vaultfs.vfs` and the engine, whose log
it reads as it is settled; encoders see events and values alone.
"""

"""Crash tests from a checkout: simulated power cuts, seeded mutants, real power cuts, failing system calls.

A `Host` does what a program with a vault does, and keeps what it was told in a ledger. Whatever then happens to the
process or to the disk, `check` opens what is left and compares it with the states that the ledger allows.
"""

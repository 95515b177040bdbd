"""Adapters for clinical formats: bytes of a source in, its records and what is known of them out.

An adapter is pure: it reads a binary stream and yields `Piece` values; it never stores, logs or guesses. The bytes of
all pieces of a source, joined in order, are the source, byte for byte. Where a source is one record, an adapter can
describe it without having it in memory. May import `vaultfs.model`, `vaultfs.errors`
and `vaultfs.kinds`.
"""

"""Copies of the vault: when each was last made, as far as those who made them have said."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vaultfs.engine.vault import Vault

NAMESPACE = "vaultfs.copies"
KEY = b"times"

_times = msgspec.msgpack.Decoder(dict[bytes, int])


def copies_of(vault: Vault) -> Mapping[bytes, int]:
    """Return when each copy was last made, in microseconds since 1970, by the id of the copy."""
    value = vault.steady(lambda: vault.states.read(NAMESPACE, KEY)).value
    return {} if value is None else _times.decode(value)

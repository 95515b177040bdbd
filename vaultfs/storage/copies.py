"""Copies of the vault: when the last of each was made, as far as whoever made them has said so."""

from __future__ import annotations

from collections.abc import Mapping

from vaultfs.engine.acts import COPIES
from vaultfs.engine.state import states_of
from vaultfs.engine.vault import Vault


def copies_of(vault: Vault) -> Mapping[bytes, int]:
    """Return for each copy that is known, by its id, when it was last brought up to date.

    Nobody has proved it: a copy is claimed in a file that anybody can write who can write to the vault's directory.

    Returns
    -------
    Mapping
        Ids to microseconds since 1970-01-01T00:00Z.

    Raises
    ------
    Closed, VaultDamaged
    """
    found = states_of(vault.engine, COPIES)
    return {key: int.from_bytes(value, "little") for key, value in found.items()}

"""What keeps a witness from its work: 2677 of the registry."""

from __future__ import annotations

from enum import Enum

from vaultfs_format.errors import VaultError


class Part(Enum):
    """What a witness keeps in its directory."""

    KEY = 1
    LOG = 2


class WitnessDamaged(VaultError):
    """The directory is that of no witness, or what the witness keeps in it is missing, damaged, or open to others."""

    code = 2677
    advice = (
        "Cosign nothing by it. If the key or a log is lost, make a new witness and give its key to those who rely on"
        " it: one that has forgotten what it has seen cannot tell an older log from a newer one."
    )

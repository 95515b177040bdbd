"""What goes wrong with escrow shares in files: 9020 to 9029 of the registry."""

from __future__ import annotations

from vaultfs_format.errors import VaultError


class SharesInDoubt(VaultError):
    """The vault failed when it should take new escrow shares into use: they may be in force, and were left."""

    code = 9020
    advice = (
        "Look up the code in the facts. Then try the new shares with `vaultfs-keys escrow drill`: if they do not open"
        " the vault, destroy them; the shares before are in force."
    )

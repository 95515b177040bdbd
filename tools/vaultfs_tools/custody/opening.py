"""Opening a vault for `vaultfs-keys`, and what waits in it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

import vaultfs
from vaultfs.engine.custody.epochs import lagging, pending
from vaultfs.keys import Unlocker
from vaultfs_tools import cli, opening, unlocking


def opened(args: argparse.Namespace, unlock: Unlocker | None = None) -> tuple[vaultfs.Vault, Unlocker]:
    """Open the vault that the options name; return it with what has opened it, `unlock` if it is given."""
    way = unlock or unlocking.unlocker(args)
    return opening.opened(args, way), way


def left(vault: vaultfs.Vault) -> dict[str, int]:
    """Return how many secrets of earlier epochs are kept still, and for how many copies of the vault."""
    return {"secrets_pending": pending(vault.engine), "copies_waiting": lagging(vault.engine)}


def waiting(what: Mapping[str, int]) -> Iterator[str]:
    """Yield a line that says so, where there are any."""
    if what["secrets_pending"]:
        yield (
            f"old secrets that are kept: {what['secrets_pending']}, copies of the vault that wait:"
            f" {what['copies_waiting']}; bring these up to date, or see `vaultfs-keys copies`"
        )


def code(what: Mapping[str, int]) -> int:
    """Return the exit code that says so."""
    return cli.Exit.ATTENTION if what["secrets_pending"] else cli.Exit.DONE

"""Opening a vault for `vaultfs-keys`, and what waits in it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import vaultfs
from vaultfs.engine.epochs import lagging, pending
from vaultfs.keys import TokenStore, Unlocker
from vaultfs.keys.stores import EpochStore
from vaultfs_tools import cli, unlocking


def opened(args: argparse.Namespace, unlock: Unlocker | None = None) -> tuple[vaultfs.Vault, Unlocker]:
    """Open the vault that the options name; return it with what has opened it, `unlock` if it is given."""
    way = unlock or unlocking.unlocker(args)
    stores: list[EpochStore] = [vaultfs.DirectoryStore(one) for one in args.epoch_store or ()]
    stores += [token_store(one) for one in args.epoch_token]
    vault = vaultfs.open(args.vault, unlock=way, epoch_stores=stores, wait=args.wait, accept_risk=args.accept_risk)
    return vault, way


def token_store(words: Sequence[str]) -> TokenStore:
    """Return the epoch store in a token that an option names by module, label and the file with the PIN."""
    module, label, pin = words
    return TokenStore(module, label, cli.secret_of_file(pin))


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

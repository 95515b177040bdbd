"""Opening a vault with keys from the command line: the same options and the same stores for every command that does."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_tools import cli, unlocking

if TYPE_CHECKING:
    import vaultfs
    from vaultfs.keys import TokenStore, Unlocker
    from vaultfs.keys.stores import EpochStore

TOKEN_STORE = ("MODULE", "LABEL", "PIN-FILE")


def add_vault(parser: argparse.ArgumentParser) -> None:
    """Add the vault, how long to wait for it, and what opens it."""
    parser.add_argument("vault", type=Path, metavar="VAULT", help="the vault's directory")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for another writer")
    add_keys(parser)


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add what opens a vault: its epoch stores, and one of the ways."""
    parser.add_argument(
        "--epoch-store",
        type=Path,
        metavar="DIR",
        action="append",
        help="epoch store; repeat it to use several; default: VAULT.epoch",
    )
    parser.add_argument(
        "--epoch-token",
        metavar=TOKEN_STORE,
        nargs=3,
        action="append",
        default=[],
        help="epoch store in a token; repeat it to use several, beside those in directories",
    )
    parser.add_argument(
        "--accept-risk",
        action="store_true",
        help="go on by a recipient that is suspended, compromised or past its date, which is recorded",
    )
    unlocking.add_options(parser)


def opened(
    args: argparse.Namespace, unlock: Unlocker | None = None, policy: vaultfs.Policy | None = None
) -> vaultfs.Vault:
    """Return the vault that the options name, opened by what they say or by `unlock`.

    Raises
    ------
    VaultError
        Whatever `vaultfs.open` does, or what keeps a secret from being read.
    """
    import vaultfs

    return vaultfs.open(
        args.vault,
        unlock=unlock or unlocking.unlocker(args),
        epoch_stores=stores(args),
        policy=policy,
        wait=args.wait,
        accept_risk=args.accept_risk,
    )


def stores(args: argparse.Namespace) -> list[EpochStore]:
    """Return the epoch stores that the options name; none where the one beside the vault is meant."""
    import vaultfs

    return [*map(vaultfs.DirectoryStore, args.epoch_store or ()), *map(token_store, args.epoch_token)]


def token_store(words: Sequence[str]) -> TokenStore:
    """Return the epoch store in a token that an option names by module, label and the file with the PIN."""
    from vaultfs.keys import TokenStore

    module, label, pin = words
    return TokenStore(module, label, cli.secret_of_file(pin))

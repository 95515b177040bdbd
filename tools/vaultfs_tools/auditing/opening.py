"""Opening the vault whose log is looked at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_tools import unlocking

if TYPE_CHECKING:
    import vaultfs


def add_vault(parser: argparse.ArgumentParser) -> None:
    """Add the vault, and what opens it."""
    parser.add_argument("vault", type=Path, metavar="VAULT", help="the vault's directory")
    parser.add_argument("--epoch-store", type=Path, metavar="DIR", action="append", help="default: VAULT.epoch")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for another writer")
    unlocking.add_options(parser)


def opened(args: argparse.Namespace) -> vaultfs.Vault:
    """Return the vault, opened."""
    import vaultfs

    stores = [vaultfs.DirectoryStore(one) for one in args.epoch_store or ()]
    return vaultfs.open(args.vault, unlock=unlocking.unlocker(args), epoch_stores=stores, wait=args.wait)

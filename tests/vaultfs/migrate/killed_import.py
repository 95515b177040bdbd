"""Imports a folder in a process of its own, so that it can be killed: VAULT SOURCE WINDOW_BYTES."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import vaultfs
from tests.vaultfs.support import reopen
from vaultfs.migrate.importer import Importer, ImportOptions


def main() -> None:
    """Run the import; say when the vault is open, and when all is done."""
    vault_path, source, window_bytes = sys.argv[1:]
    with (
        reopen(Path(vault_path), wait=5) as vault,
        vault.session(vaultfs.Principal("importer"), "HSYSADMIN") as session,
    ):
        os.write(1, b"open\n")
        Importer(vault, session, ImportOptions(window_bytes=int(window_bytes))).run([Path(source)])
        os.write(1, b"done\n")


if __name__ == "__main__":
    main()

"""Secrets in new files, and escrow shares above all: a file each, which go again if the vault does not take them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vaultfs_format.errors import VaultError

from vaultfs.keys import Escrow
from vaultfs_tools.copying.errors import PlaceTaken
from vaultfs_tools.custody.errors import SharesInDoubt
from vaultfs_tools.keyless.durable import sync_directory, write_all

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700


def create(path: Path, data: bytes) -> None:
    """Make a file that its owner alone may read, durably.

    Raises
    ------
    PlaceTaken
        There is something of this name.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE)
    except FileExistsError:
        raise PlaceTaken from None
    try:
        write_all(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)


@contextmanager
def handed_out(escrow: Escrow, out: Path, in_force: Callable[[], bool]) -> Iterator[None]:
    """Write the shares into a new directory, durably, before the vault takes them into use in the body.

    Parameters
    ----------
    in_force
        Whether the vault may open by these shares, although the body has failed: then they stay, else they go.

    Raises
    ------
    PlaceTaken
        There is something of this name.
    SharesInDoubt
        The body failed, and the shares may be in force.
    """
    try:
        out.mkdir(mode=_PRIVATE_DIRECTORY)
    except FileExistsError:
        raise PlaceTaken from None
    try:
        for number, group in enumerate(escrow.groups, start=1):
            for share, words in enumerate(group, start=1):
                create(out / f"group-{number}-share-{share}.txt", words.encode() + b"\n")
        sync_directory(out.absolute().parent)
        yield
    except BaseException as error:
        if not in_force():
            shutil.rmtree(out, ignore_errors=True)
            raise
        if isinstance(error, VaultError):
            raise SharesInDoubt(cause=error.code) from None
        raise

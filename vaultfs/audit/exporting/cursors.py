"""Cursors: up to where each delivery has brought the log, in a file of its own, durable before it counts.

A cursor holds the compact range of the tree up to there: at most 64 hashes, from which it is proved, by the leaves that
have come since, that a log has grown from what was delivered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from vaultfs_format.limits import KIB, MAX_NOTE, MAX_NUMBER
from vaultfs_format.merkle import CompactRange, Nodes

from vaultfs.audit.exporting.errors import CursorDamaged, DeliveryBusy
from vaultfs.errors import ArgumentInvalid, VaultMissing
from vaultfs.vfs import Vfs, absolute

FORMAT = "vaultfs-log-cursor@v1"
SUFFIX = ".cursor"
LOCK = ".lock"
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_FILE = 16 * KIB


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to where a log was delivered.

    Parameters
    ----------
    origin
        Name of the log.
    size
        Leaves of its tree that were delivered, those of no event included.
    peaks
        Of the tree of that size, as `CompactRange` has them.
    """

    format: Annotated[str, Meta(pattern=f"^{FORMAT}$")]
    origin: Annotated[str, Meta(min_length=1, max_length=MAX_NOTE)]
    size: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
    peaks: tuple[Annotated[str, Meta(pattern="^[0-9a-f]{64}$")], ...]

    @classmethod
    def of(cls, origin: str, tree: CompactRange) -> Cursor:
        """Return the cursor behind a tree."""
        return cls(FORMAT, origin, tree.size, tuple(peak.hex() for peak in tree.peaks))

    def tree(self, nodes: Nodes) -> CompactRange:
        """Return the tree up to here."""
        return CompactRange(nodes, self.size, [bytes.fromhex(peak) for peak in self.peaks])


_decode = msgspec.json.Decoder(Cursor).decode


def check_name(name: str) -> None:
    """Check the name of a delivery, which is that of a file.

    Raises
    ------
    ArgumentInvalid
        It is not of 1 to 64 letters, digits, dots, hyphens and underscores, the first a letter or digit.
    """
    if not _NAME.fullmatch(name):
        raise ArgumentInvalid


def read_cursor(vfs: Vfs, path: Path) -> Cursor | None:
    """Return the cursor in a file; None where there is no file.

    Raises
    ------
    CursorDamaged
    """
    try:
        data = vfs.read(path, _MAX_FILE)
    except VaultMissing:
        return None
    try:
        found = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = None
    if found is None or len(found.peaks) != found.size.bit_count():
        raise CursorDamaged
    return found


def write_cursor(vfs: Vfs, path: Path, cursor: Cursor) -> None:
    """Put a cursor in place of the one before, durably."""
    vfs.replace(path, msgspec.json.encode(cursor))


def lowest(directory: Path | str, origin: str, vfs: Vfs | None = None) -> int | None:
    """Return up to which leaf every delivery has brought a log: what is behind it must not be pruned.

    Returns
    -------
    int or None
        The lowest size that a cursor for the log has; None where there is no such cursor.

    Raises
    ------
    CursorDamaged
        A cursor cannot be read: how low it is nobody knows.
    """
    return min(sizes(directory, origin, vfs).values(), default=None)


def sizes(directory: Path | str, origin: str, vfs: Vfs | None = None) -> dict[str, int]:
    """Return up to which leaf each delivery has brought a log, by the name of the delivery.

    Raises
    ------
    CursorDamaged
        A cursor cannot be read: of which log it is nobody knows.
    """
    files, place = vfs or Vfs(), absolute(directory)
    names = (name for name in files.names(place) if name.endswith(SUFFIX))
    found = ((name.removesuffix(SUFFIX), read_cursor(files, place / name)) for name in names)
    return {name: one.size for name, one in found if one is not None and one.origin == origin}


@contextmanager
def alone(vfs: Vfs, path: Path) -> Iterator[None]:
    """Hold the lock in a file, which is made where it is missing, as is its directory.

    Raises
    ------
    DeliveryBusy
    """
    vfs.make_directory(path.parent)
    try:
        file = vfs.open(path, writable=True)
    except VaultMissing:
        file = vfs.create(path)
    try:
        if not file.lock():
            raise DeliveryBusy
        yield
    finally:
        file.close()

"""How many bytes of a small file are read, as far as its beginning says: a file may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable

from vaultfs_format import head, keyring, keytable, limits
from vaultfs_format.errors import FormatError
from vaultfs_format.searching import Read
from vaultfs_format.signing import HEAD_SIGNATURES
from vaultfs_format.suite import DIGEST

ANY = 16 * limits.MIB
"""Bytes that are read of any file, whatever it says of itself: its copy may say otherwise."""


def most(read: Read, size: int) -> int:
    """Return the most bytes that are read of a file of `size` bytes.

    Raises
    ------
    FileUnreadable
    """
    if size <= ANY:
        return size
    stated = _STATED.get(read(0, len(head.MAGIC)))
    try:
        return ANY if stated is None else max(ANY, stated(read))
    except FormatError:
        return ANY


def _head(read: Read) -> int:
    *_, journals, segments, _, _, _, peaks, pruned, _ = head.HEADER.unpack(read(0, head.HEADER.size))
    rows = head.JOURNAL_ROW.size * journals + head.SEGMENT_ROW.size * segments
    return int(head.HEADER.size + rows + DIGEST * (peaks + pruned) + HEAD_SIGNATURES + 2 * DIGEST)


def _keyring(read: Read) -> int:
    *_, count, _, _ = keyring.HEADER.unpack(read(0, keyring.HEADER.size))
    end = keyring.HEADER.size
    for _ in range(min(count, len(keyring.Compartment))):
        _, length = keyring.COMPARTMENT.unpack(read(end, keyring.COMPARTMENT.size))
        end += keyring.COMPARTMENT.size + length
    return end + DIGEST


def _table(read: Read) -> int:
    *_, count, _, _ = keytable.HEADER.unpack(read(0, keytable.HEADER.size))
    return keytable.HEADER.size + keytable.sealed_size(count) + DIGEST


_STATED: dict[bytes, Callable[[Read], int]] = {
    head.MAGIC: _head,
    keyring.MAGIC: _keyring,
    keytable.MAGIC: _table,
}

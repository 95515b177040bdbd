"""Part files: the bodies that live journals name, while a settling may be making segments of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head
from vaultfs_format.searching import Read
from vaultfs_format.segment import NO_YEAR, SUPERBLOCK_SIZE, SegmentHead

from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.target import Target
from vaultfs_tools.keyless.durable import make_directory, sync_directory, write_all
from vaultfs_tools.keyless.files import CHUNK, LOCATION, VaultFiles, copy_name, part_name
from vaultfs_tools.keyless.findings import FileMissing, FileUnreadable
from vaultfs_tools.keyless.segments import Lenient

_SECTOR = 4096
_TRIES = 2
"""Times to look for a file: a settling that was given up renames it back."""


class Span(NamedTuple):
    """Bytes of a part file that are to be copied."""

    segment_id: bytes
    start: int
    end: int


def copy_part(files: VaultFiles, target: Target, head: Head, span: Span, pace: Pace) -> None:
    """Write bytes of a part file, and of its mirror, durably.

    They are written in place, behind what the journals of the copy name: until one that names them is there, they count
    for nothing. The bodies lie where they lie while a settling makes a segment of the file and renames it; its
    superblock, which that writes anew, is made here.

    Raises
    ------
    FileMissing
        Neither file is there, or has all of the bytes.
    FileUnreadable
        Some of them cannot be read; zeros stand for them.
    """
    name = part_name(span.segment_id)
    about = SegmentHead(head.suite, FrameClass.BLOB, 0, 0, NO_YEAR, NO_YEAR, 0, head.vault_id, span.segment_id, 0)
    with _opened(files, span.segment_id) as sides:
        _write(target, name, about.encode(), sides, span, pace)
        _write(target, copy_name(name), about.encode(), sides[::-1], span, pace)


@contextmanager
def _opened(files: VaultFiles, segment_id: bytes) -> Iterator[Sequence[Read]]:
    """Open the bodies and their mirror, whichever of them there are.

    Raises
    ------
    FileMissing
    """
    with ExitStack() as stack:

        def first_of(names: Iterable[str]) -> list[Read]:
            for name in names:
                with suppress(VaultError):
                    return [Lenient(stack.enter_context(files.open(name)))]
            return []

        found = first_of(_names(files, segment_id)) + first_of([copy_name(part_name(segment_id))])
        if not found:
            raise FileMissing(structure=Structure.SEGMENT)
        yield found


def _names(files: VaultFiles, segment_id: bytes) -> Iterator[str]:
    """Yield the names that the file may have by now."""
    for _ in range(_TRIES):
        yield part_name(segment_id)
        for place in sorted((files.root / LOCATION / "blob").glob(f"*/{segment_id.hex()}.vseg")):
            yield str(place.relative_to(files.root))


def _write(target: Target, name: str, superblock: bytes, sides: Sequence[Read], span: Span, pace: Pace) -> None:
    path = target.root / name
    make_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    lost = 0
    try:
        size = os.fstat(descriptor).st_size
        write_all(descriptor, superblock, 0)
        for at in range(min(span.start, max(size, SUPERBLOCK_SIZE)), span.end, CHUNK):
            lost += _write_chunk(descriptor, sides, at, min(CHUNK, span.end - at))
            pace(min(CHUNK, span.end - at))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
    target.written += max(0, span.end - span.start)
    if lost:
        raise FileUnreadable(structure=Structure.SEGMENT, size=lost)


def _write_chunk(descriptor: int, sides: Sequence[Read], offset: int, length: int) -> int:
    """Write bytes from the side that has them; return how many neither has."""
    lost = 0
    data = _either(sides, offset, length)
    if data is not None:
        write_all(descriptor, data, offset)
        return 0
    for sector in range(offset, offset + length, _SECTOR):
        count = min(_SECTOR, offset + length - sector)
        piece = _either(sides, sector, count)
        lost += 0 if piece is not None else count
        write_all(descriptor, piece or bytes(count), sector)
    return lost


def _either(sides: Sequence[Read], offset: int, length: int) -> bytes | None:
    for read in sides:
        data = read(offset, length)
        if len(data) == length:
            return data
    return None

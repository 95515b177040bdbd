"""Part files: the bodies that live journals name, while a settling may be making segments of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head
from vaultfs_format.searching import Read
from vaultfs_format.segment import NO_YEAR, SUPERBLOCK_SIZE, SegmentHead

from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.target import Target, read_nothing
from vaultfs_tools.keyless.durable import write_all
from vaultfs_tools.keyless.errors import FileMissing, FileUnreadable
from vaultfs_tools.keyless.files import CHUNK, LOCATION, Reader, VaultFiles, copy_name, part_name
from vaultfs_tools.keyless.segments import Lenient

_SECTOR = 4096
_TRIES = 2
"""Times to look for a file: a settling that was given up renames it back."""

Both = Sequence[bytes | None]
"""What a part file has at some place, and what its mirror has; None where it has not all of it."""


class Span(NamedTuple):
    """Bytes of a part file that are to be copied.

    Parameters
    ----------
    known
        Where ends what the journals of the copy name: before it, the copy may be right where the vault is not.
    """

    segment_id: bytes
    start: int
    end: int
    known: int


def copy_part(files: VaultFiles, target: Target, head: Head, span: Span, pace: Pace) -> None:
    """Write bytes of a part file, and of its mirror, durably.

    They are written in place, behind what the journals of the copy name: until one that names them is there, they count
    for nothing. The bodies lie where they lie while a settling makes a segment of the file and renames it; its
    superblock, which that writes anew, is made here.

    Only the keys prove a body. So what the journals of the copy name stays where more of the four files agree with it
    than with the vault. Zeros agree with nothing: they stand for what could not be read.

    Raises
    ------
    FileMissing
        The vault has neither file.
    FileUnreadable
        Some of the bytes are nowhere; zeros stand for them, in both.
    """
    name = part_name(span.segment_id)
    about = SegmentHead(head.suite, FrameClass.BLOB, 0, 0, NO_YEAR, NO_YEAR, 0, head.vault_id, span.segment_id, 0)
    with (
        _opened(files, span.segment_id) as sides,
        target.in_place(name) as part,
        target.in_place(copy_name(name)) as mirror,
    ):
        filling = _Filling(sides, [_Own(part), _Own(mirror)], pace)
        filling.begin(about.encode())
        begin = min(span.start, max(SUPERBLOCK_SIZE, filling.size))
        filling.fill(begin, min(span.known, span.end), named=True)
        filling.fill(max(span.known, begin), span.end, named=False)
    target.written += filling.written
    if filling.lost:
        raise FileUnreadable(structure=Structure.SEGMENT, size=filling.lost)


@contextmanager
def _opened(files: VaultFiles, segment_id: bytes) -> Iterator[Sequence[Read]]:
    """Open the bodies and their mirror; nothing is read of one that is missing.

    Raises
    ------
    FileMissing
        Both are.
    """
    with ExitStack() as stack:

        def first_of(names: Iterable[str]) -> Read:
            for name in names:
                with suppress(VaultError):
                    return Lenient(stack.enter_context(files.open(name)))
            return read_nothing

        found = [first_of(_names(files, segment_id)), first_of([copy_name(part_name(segment_id))])]
        if found == [read_nothing, read_nothing]:
            raise FileMissing(structure=Structure.SEGMENT)
        yield found


def _names(files: VaultFiles, segment_id: bytes) -> Iterator[str]:
    """Yield the names that the file may have by now."""
    for _ in range(_TRIES):
        yield part_name(segment_id)
        for place in sorted((files.root / LOCATION / "blob").glob(f"*/{segment_id.hex()}.vseg")):
            yield str(place.relative_to(files.root))


class _Own:
    """A file of the copy, as it was found, and to be written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.read = Lenient(Reader(descriptor))

    def write(self, data: bytes, offset: int) -> int:
        write_all(self._descriptor, data, offset)
        return len(data)


@dataclass(slots=True)
class _Filling:
    """A part file of the copy and its mirror, which are filled from those of the vault.

    Parameters
    ----------
    sides
        The file in the vault, and its mirror.
    own
        Those of the copy.

    Attributes
    ----------
    written
        Bytes that were written.
    lost
        Bytes that neither place has.
    """

    sides: Sequence[Read]
    own: Sequence[_Own]
    pace: Pace
    written: int = 0
    lost: int = 0

    @property
    def size(self) -> int:
        """Bytes of the shorter one of the copy, as they were found."""
        return min(one.read.size for one in self.own)

    def begin(self, superblock: bytes) -> None:
        """Have both begin with this superblock."""
        for one in self.own:
            if one.read(0, len(superblock)) != superblock:
                self.written += one.write(superblock, 0)

    def fill(self, start: int, end: int, *, named: bool) -> None:
        """Fill the bytes from `start` to `end`; `named` says whether the copy's journals name what it has there."""
        for at in range(start, end, CHUNK):
            length = min(CHUNK, end - at)
            self._fill(at, length, named=named)
            self.pace(length)

    def _fill(self, at: int, length: int, *, named: bool) -> None:
        vault = [_all_of(read, at, length) for read in self.sides]
        copy = [_all_of(one.read, at, length) if named else None for one in self.own]
        if None not in copy and copy == [_first(vault, number) for number in (0, 1)]:
            return
        if length > _SECTOR and (named or None in vault):
            for sector in range(at, at + length, _SECTOR):
                self._fill(sector, min(_SECTOR, at + length - sector), named=named)
            return
        if vault == [None, None] and not any(any(data) for data in copy if data is not None):
            self.lost += length
        for number, one in enumerate(self.own):
            data = _right(vault, copy, number) or bytes(length)
            if data != copy[number]:
                self.written += one.write(data, at)


def _all_of(read: Read, offset: int, length: int) -> bytes | None:
    data = read(offset, length)
    return data if len(data) == length else None


def _first(both: Both, number: int) -> bytes | None:
    """Return what a file has, or else its like."""
    return both[number] if both[number] is not None else both[1 - number]


def _right(vault: Both, copy: Both, number: int) -> bytes | None:
    """Return what the file of the copy with this number should have; None where nothing is known."""
    new, there = _first(vault, number), _first(copy, number)
    if new is None or there is None:
        return there if new is None else new
    agree = [*vault, *copy].count
    return there if any(there) and agree(there) > (agree(new) if any(new) else 0) else new

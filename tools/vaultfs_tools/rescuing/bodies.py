"""The sealed bodies of frames, from whatever file holds them: as they lie there, and as parity gives them back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from vaultfs_format import limits
from vaultfs_format.errors import DecryptionFailed, FormatError, Structure, VaultError
from vaultfs_format.frame import open_body
from vaultfs_format.healing import SlicedFile
from vaultfs_format.searching import Read
from vaultfs_format.segment import SegmentFooter
from vaultfs_format.suite import Suite

from vaultfs_tools.rescuing.frames import Frame, Place
from vaultfs_tools.rescuing.reading import Library
from vaultfs_tools.rescuing.sources import Source

_SLICED = 8
"""Segments whose leaf hashes are kept."""


class Covered:
    """The covered bytes of a segment. Each slice, parity included, is taken from any file in which it is good.

    Parameters
    ----------
    reads
        Read the files that hold the segment.
    footer
        Its footer, from any of them.
    """

    def __init__(self, reads: Sequence[Read], footer: SegmentFooter) -> None:
        files = [SlicedFile(read, footer) for read in reads]
        self._file = next((file for file in files if file.right(file.leaves)), files[0])
        self._file.read = self._best
        self._reads = reads
        self._size = self._file.geometry.slice_size
        self._last: OrderedDict[int, tuple[bytes, bool]] = OrderedDict()

    def _best(self, offset: int, length: int) -> bytes:
        """Return a slice from a file in which it is good; as it lies in one of them where it is good in none."""
        footer, data = self._file.footer, b""
        beyond = offset - footer.parity_offset
        number = offset // self._size if beyond < 0 else self._file.geometry.slices + beyond // self._size
        for read in self._reads:
            found = read(offset, length)
            if self._file.good(number, found):
                return found
            data = max(data, found, key=len)
        return data

    def read(self, offset: int, length: int) -> tuple[bytes, bool]:
        """Return bytes at an offset, and whether the root proves all of them. What is lost comes as it lies there."""
        end = min(offset + length, self._file.footer.head.covered)
        first = offset // self._size
        pieces = [self._slice(number) for number in range(first, -(-end // self._size))]
        data = b"".join([piece for piece, _ in pieces])
        return data[offset - first * self._size : end - first * self._size], all(good for _, good in pieces)

    def _slice(self, number: int) -> tuple[bytes, bool]:
        if number not in self._last:
            self._last[number] = self._found(number)
            if len(self._last) > max(2, limits.MIB // self._size):
                self._last.popitem(last=False)
        return self._last[number]

    def _found(self, number: int) -> tuple[bytes, bool]:
        length = self._file.length_of(number)
        for proved in (True, False):
            try:
                return self._file.read_good(number * self._size, length, proved=proved), proved
            except FormatError:
                continue
        return self._file.stored(number).ljust(length, b"\0"), False


class Bodies:
    """Reads bodies.

    Parameters
    ----------
    homes
        The files of every segment and open blob segment, by id.
    footers
        The footers of segments that have one.
    strays
        Files of which it is not known what they are: any may hold a body at its place.
    """

    def __init__(
        self,
        suite: Suite,
        library: Library,
        homes: Mapping[bytes, Sequence[Source]],
        footers: Mapping[bytes, SegmentFooter],
        strays: Sequence[Source],
    ) -> None:
        self._suite = suite
        self._library = library
        self._homes = homes
        self._footers = footers
        self._strays = strays
        self._covered: OrderedDict[bytes, Covered] = OrderedDict()
        self._last: tuple[bytes, bytes] = b"", b""

    def covered(self, segment_id: bytes) -> Covered | None:
        """Return the covered bytes of a segment, None where no footer says what they must be."""
        footer = self._footers.get(segment_id)
        if footer is None:
            return None
        if segment_id not in self._covered:
            reads = [self._library.file(source) for source in self._homes[segment_id]]
            self._covered[segment_id] = Covered(reads, footer)
            if len(self._covered) > _SLICED:
                self._covered.popitem(last=False)
        self._covered.move_to_end(segment_id)
        return self._covered[segment_id]

    def forget(self, segment_id: bytes) -> None:
        """Let a further file of a segment count, from now on."""
        self._covered.pop(segment_id, None)

    def open(self, frame: Frame) -> bytes:
        """Return the plaintext body of a frame; that of the last one is kept.

        Raises
        ------
        DecryptionFailed
            It is good in none of the places.
        VaultError
            It is authentic and does not expand.
        """
        error: VaultError = DecryptionFailed(structure=Structure.FRAME)
        if self._last[0] == frame.header.frame_id:
            return self._last[1]
        for place in frame.places:
            for sealed in self._sealed(place, frame.header.body_sealed):
                try:
                    body = open_body(self._suite, frame.header, frame.key, sealed)
                except VaultError as failure:
                    error = failure
                else:
                    self._last = frame.header.frame_id, body
                    return body
        raise error

    def _sealed(self, place: Place, length: int) -> Iterator[bytes]:
        """Yield what may be the body: first as it lies in a file, which its seal judges, then healed."""
        home = place.home
        if isinstance(home, Source):
            yield self._library.file(home)(place.offset, length)
            return
        for source in self._homes.get(home, ()):
            yield self._library.file(source)(place.offset, length)
        covered = self.covered(home)
        if covered is not None:
            yield covered.read(place.offset, length)[0]
        for source in self._strays:
            yield self._library.file(source)(place.offset, length)

"""Finding which key is that of a frame. Key tables name no frames: they have the order of rows, which damage breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from vaultfs_format.entries import EntryBlock
from vaultfs_format.errors import CommitmentMismatch, VaultError
from vaultfs_format.frame import FrameHeader, open_entries
from vaultfs_format.keytable import DISPOSED
from vaultfs_format.suite import Suite

from vaultfs_tools.rescuing.errors import FrameDisposed, KeyLost

TRIALS = 1 << 21
"""Keys that are tried in vain, which takes ten seconds, before only the nearest ones are tried."""

_NEAREST = 64


class Pool:
    """Keys of frames whose places in the order are not known. A key is that of one frame, and is tried no more then.

    Parameters
    ----------
    keys
        In the order of the rows; None where a key is lost, `DISPOSED` where there is none any more.
    known
        Keys of frames that have opened elsewhere, by frame id.

    Attributes
    ----------
    trials
        How many keys may still be tried in vain.
    """

    def __init__(self, suite: Suite, keys: Sequence[bytes | None], known: Mapping[bytes, bytes] | None = None) -> None:
        self._suite = suite
        self._disposed = {number for number, key in enumerate(keys) if key == DISPOSED}
        self._left = {number: key for number, key in enumerate(keys) if key not in {None, DISPOSED}}
        self._known: Mapping[bytes, bytes] = known or {}
        self._keys: dict[bytes, bytes | None] = {}
        self._next = 0
        self.trials = TRIALS

    def open(self, header: FrameHeader, sealed: bytes) -> tuple[bytes, EntryBlock]:
        """Return the key of a frame, and its entries; the key behind that of the last frame is tried first.

        Raises
        ------
        FrameDisposed
            Its place is that of a frame that was disposed of, and the next key is not that of it.
        KeyLost
            No key is that of the frame.
        NotAuthentic, FormatError
            One is, and the entries are damaged.
        """
        for number, key in self._candidates(header):
            try:
                block = open_entries(self._suite, header, key, sealed)
            except CommitmentMismatch:
                self.trials -= 1
                continue
            except VaultError:
                self._taken(header, number, key)
                raise
            self._taken(header, number, key)
            return key, block
        if self._next in self._disposed:
            raise FrameDisposed
        self._keys[_committed(header)] = None
        raise KeyLost

    def skip(self) -> None:
        """Pass over the key that comes next: its frame cannot be read."""
        self._next += 1

    def _taken(self, header: FrameHeader, number: int, key: bytes) -> None:
        self._keys[_committed(header)] = key
        if number >= 0:
            del self._left[number]
            self._next = number + 1

    def _candidates(self, header: FrameHeader) -> Iterator[tuple[int, bytes]]:
        """Yield numbers and keys that may be those of a frame, the likeliest first; -1 for one that is no more left."""
        key = self._keys.get(_committed(header), b"")
        if key:
            yield -1, key
        if key != b"":
            return
        if header.frame_id in self._known:
            yield -1, self._known[header.frame_id]
        following = self._next
        while following in self._disposed:
            following += 1
        if following in self._left:
            yield following, self._left[following]
        if following != self._next:
            return
        behind = [number for number in self._left if number > self._next]
        before = (number for number in self._left if number < self._next)
        near = None if self.trials > 0 else _NEAREST
        for number in islice(chain(behind, before), near):
            yield number, self._left[number]


def _committed(header: FrameHeader) -> bytes:
    """Return what of a header tells the key: other fields may be damaged in one copy of a row, and good in another."""
    return header.frame_id + header.commitment

"""Damage for a drill: at random, from a seed, within what heals whatever else is good (SPEC.md 14.2, FIL-21, FIL-26).

Each segment, and each pair of files, is damaged once at most, and of a pair one of the two.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path

from vaultfs_format.errors import VaultError
from vaultfs_format.head import Head
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

from vaultfs_tools.keyless.files import (
    HEAD,
    JOURNALS,
    LOCATION,
    VaultFiles,
    copy_name,
    keyring_name,
    segment_name,
    superblock_name,
    table_name,
)

_SECTOR = 4096


class Kind(StrEnum):
    """What was done to a file."""

    FLIPPED = "bit flipped"
    ZEROED = "sector zeroed"
    CUT = "end cut off"
    REMOVED = "one of two removed"


class Damager:
    """Damages the files of a copy.

    Parameters
    ----------
    keyed
        Whether those who heal have keys: only they tell which of two journals or part files is right where one is
        altered in what its chain does not cover.
    """

    def __init__(self, root: Path, head: Head, seed: int, *, keyed: bool) -> None:
        self._root = root
        self._files = VaultFiles(root)
        self._head = head
        self._chance = random.Random(seed)  # noqa: S311 - damage that a seed gives again
        self._keyed = keyed
        self.done: Counter[Kind] = Counter()

    def run(self, count: int) -> None:
        """Damage `count` segments and pairs, or as many as there are."""
        victims = [*self._segments(), *self._small(), *self._mirrored()]
        for act in self._chance.sample(victims, min(count, len(victims))):
            self.done[act()] += 1

    def _segments(self) -> Iterator[Callable[[], Kind]]:
        for row in self._head.segments:
            yield partial(self._damage_segment, segment_name(row))

    def _small(self) -> Iterator[Callable[[], Kind]]:
        head = self._head
        names = [HEAD, superblock_name(head.superblock_generation), keyring_name(head.epoch)]
        for name in (*names, *map(table_name, head.segments)):
            yield partial(self._damage_pair, name, [*Kind])

    def _mirrored(self) -> Iterator[Callable[[], Kind]]:
        kinds = [*Kind] if self._keyed else [Kind.CUT, Kind.REMOVED]
        for name in (*self._files.names(JOURNALS), *self._files.names(f"{LOCATION}/blob")):
            if name.endswith((".vjrn", ".part")) and self._files.size(copy_name(name)) == self._files.size(name):
                yield partial(self._damage_pair, name, kinds)

    def _damage_segment(self, name: str) -> Kind:
        path, size = self._root / name, self._files.size(name)
        kind = self._chance.choice([Kind.FLIPPED, Kind.ZEROED, Kind.CUT])
        footer = self._footer(name, size)
        if footer is None and size == 0:
            return Kind.CUT  # as it was found: there is nothing left to damage
        if footer is None:
            kind = Kind.FLIPPED  # what else would heal is not known
        if footer is None or kind is Kind.FLIPPED:
            self._flip(path, self._chance.randrange(size))
        elif kind is Kind.ZEROED:  # within one slice
            _zero(path, self._chance.randrange(-(-footer.head.covered // _SECTOR)) * _SECTOR, footer.head.covered)
        else:
            os.truncate(path, self._chance.randrange(footer.footer_offsets[0] + FOOTER_SIZE, size))
        return kind

    def _footer(self, name: str, size: int) -> SegmentFooter | None:
        """Return the footer of a segment; None where it is damaged already."""
        try:
            with self._files.open(name) as file:
                return SegmentFooter.decode(file.read(max(0, size - FOOTER_SIZE), min(size, FOOTER_SIZE)))
        except VaultError:
            return None

    def _damage_pair(self, name: str, kinds: list[Kind]) -> Kind:
        path = self._root / self._chance.choice([name, copy_name(name)])
        size, kind = path.stat().st_size, self._chance.choice(kinds)
        if kind is Kind.FLIPPED:
            self._flip(path, self._chance.randrange(size))
        elif kind is Kind.ZEROED:
            _zero(path, self._chance.randrange(-(-size // _SECTOR)) * _SECTOR, size)
        elif kind is Kind.CUT:
            os.truncate(path, self._chance.randrange(size))
        else:
            path.unlink()
        return kind

    def _flip(self, path: Path, offset: int) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 1 << self._chance.randrange(8)]))


def _zero(path: Path, offset: int, end: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(min(_SECTOR, end - offset)))

"""What a peer is: somewhere to put records, and an honest statement of what it does for them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.material import Item

Batches = Iterable[Iterable[Item]]


class Missing(Exception):
    """A peer is not installed; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a peer does, as it is set up here; each field is a column of the table of differences."""

    encryption: str
    keys: str
    audit: str
    compression: str
    durability: str
    point_read: str
    integrity: str


class Peer(ABC):
    """An archive under test, in a directory of its own that does not exist yet; it is made from the records' batches.

    Making it is not measured. It raises `Missing` where the peer cannot be run.
    """

    name: str
    traits: Traits
    point_reads = 500
    """Point reads that are timed; few where each starts a program."""

    def __init__(self, place: Path, batches: Batches) -> None:
        self.place = place
        self.batches = batches

    @abstractmethod
    def store(self) -> None:
        """Store every batch; all of it is durable, as far as the peer goes, when this returns."""

    @abstractmethod
    def read(self, number: int) -> bytes:
        """Return the record that was stored as the `number`-th."""

    @abstractmethod
    def restore(self) -> int:
        """Read everything back; return how many bytes came."""

    def size(self) -> int:
        """Return the bytes of the archive's files."""
        return tree_size(self.place)

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open."""


def tree_size(root: Path) -> int:
    """Return the lengths of the files below `root`."""
    return sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(root) for name in names)

"""The base of a log that was pruned: what must be known of the leaves that are gone, to go on and to prove from there.

It lies sealed in a segment of the log, in parts. The head vouches for it: its edge has the pruned peaks that the head
states, the last entry of the edge states heads of subjects, and the rows have that root.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.edge import RightEdge
from vaultfs_format.errors import CommitmentMismatch, LimitExceeded, Structure
from vaultfs_format.layout import Field, Layout, require
from vaultfs_format.limits import MAX_LOG_BASE_PART, MAX_NUMBER
from vaultfs_format.subjectheads import BUCKETS, ROW, bucket_leaves, bucket_of, root
from vaultfs_format.suite import DIGEST, Suite, same

PART = Layout(
    Structure.LOG_BASE,
    "log base: part",
    Field("first_leaf", "Q", "the minimum index: index of the first leaf that is kept"),
    Field("since", "Q", "every event of this time and later is kept, in microseconds since 1970-01-01T00:00Z"),
    Field("number", "I", "which part this is, from 0 on"),
    Field("parts", "I", "how many there are"),
)


@dataclass(frozen=True, slots=True)
class BasePart:
    """A part of a base. Fields as in `PART`."""

    first_leaf: int
    since: int
    number: int
    parts: int
    data: bytes

    @classmethod
    def decode(cls, data: bytes) -> BasePart:
        """Parse a part.

        Raises
        ------
        Truncated, FieldInvalid, LimitExceeded
        """
        if len(data) > MAX_LOG_BASE_PART:
            raise LimitExceeded(structure=Structure.LOG_BASE, length=len(data))
        first_leaf, since, number, parts = PART.unpack(data)
        good = 0 < first_leaf <= MAX_NUMBER and number < parts
        require(good, Structure.LOG_BASE, 1)
        return cls(first_leaf, since, number, parts, data[PART.size :])

    def __repr__(self) -> str:
        return "<BasePart>"


@dataclass(frozen=True, slots=True)
class LogBase:
    """What is kept of the leaves that were pruned.

    Parameters
    ----------
    since
        Every event of this time and later is kept, in microseconds since 1970.
    edge
        Right edge of the tree of the leaves that are gone.
    rows
        The heads of all subjects as the last of these leaves states them, in ascending order.
    """

    suite: Suite
    since: int
    edge: RightEdge
    rows: bytes

    def __repr__(self) -> str:
        return "<LogBase>"

    @property
    def first_leaf(self) -> int:
        """Index of the first leaf that is kept."""
        return self.edge.size

    def encode(self) -> list[bytes]:
        """Return its parts."""
        data, most = self.edge.encode() + self.rows, MAX_LOG_BASE_PART - PART.size
        pieces = [data[at : at + most] for at in range(0, len(data), most)]
        start = (self.first_leaf, self.since)
        return [PART.pack(*start, number, len(pieces)) + piece for number, piece in enumerate(pieces)]

    @classmethod
    def decode(cls, suite: Suite, parts: Iterable[BasePart]) -> LogBase:
        """Put a base together from its parts, which may come in any order.

        Raises
        ------
        FieldInvalid
            One is missing or of another base, or they hold something else.
        """
        found = sorted(parts, key=lambda part: part.number)
        like = {(part.first_leaf, part.since, part.parts) for part in found}
        whole = len(like) == 1 and len(found) == found[0].parts
        require(whole and [part.number for part in found] == list(range(len(found))), Structure.LOG_BASE, 1)
        data = b"".join([part.data for part in found])
        edge, end = RightEdge.decode(suite, found[0].first_leaf, data)
        rows = data[end:]
        require(len(rows) % ROW == 0, Structure.LOG_BASE, 2)
        keys = (rows[at : at + DIGEST] for at in range(0, len(rows), ROW))
        require(all(left < right for left, right in pairwise(keys)), Structure.LOG_BASE, 4)
        return cls(suite, found[0].since, edge, rows)

    def entry(self) -> AuditEntry:
        """Return the last of the leaves that are gone, as the rows give it: it states the heads of subjects."""
        buckets = self.buckets()
        leaves = bucket_leaves(self.suite, (buckets.get(number, b"") for number in range(BUCKETS)))
        return AuditEntry(LeafKind.SUBJECTS, self.first_leaf - 1, root(self.suite, leaves))

    def buckets(self) -> Mapping[int, bytes]:
        """Return the rows by the buckets in which they lie."""
        found = defaultdict[int, list[bytes]](list)
        for at in range(0, len(self.rows), ROW):
            row = self.rows[at : at + ROW]
            found[bucket_of(row)].append(row)
        return {bucket: b"".join(rows) for bucket, rows in found.items()}

    def check(self, first_leaf: int, pruned: Sequence[bytes]) -> None:
        """Check that it is the base of the log of which a head states what was pruned.

        Raises
        ------
        CommitmentMismatch
        """
        found = [self.first_leaf.to_bytes(8, "little"), self.edge.entries[-1], *self.edge.tree().peaks]
        stated = [first_leaf.to_bytes(8, "little"), self.entry().encode(), *pruned]
        if not same(b"".join(found), b"".join(stated)):
            raise CommitmentMismatch(structure=Structure.LOG_BASE)

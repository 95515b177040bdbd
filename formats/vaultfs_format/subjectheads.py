"""Subject heads: how many events there are about each subject, in a form that shows that none was left out.

The head of a subject is a count and a digest over the leaves of all events about it. The heads of all subjects lie in
buckets, the buckets are the leaves of a tree as in RFC 9162, and its root is a leaf of the audit tree. So whoever has
the events about one subject, its bucket and two inclusion proofs knows that these are all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

from vaultfs_format import merkle
from vaultfs_format.suite import DIGEST, Suite

BUCKETS = 4096
_BITS = 12
_ROW = Struct("<32sQ32s")

ROW = _ROW.size
"""Bytes of a row of a bucket: what a subject is found by, count and digest."""


class SubjectHead(NamedTuple):
    """How many events about a subject there are, and the digest over their leaves."""

    events: int = 0
    digest: bytes = bytes(DIGEST)


def row_keys(suite: Suite, subjects: Iterable[bytes]) -> list[bytes]:
    """Return what subjects are found by: SHA-256 of the surrogate, which is random, and so cannot be guessed."""
    return suite.sha256_each(subjects)


def bucket_of(key: bytes) -> int:
    """Return the bucket in which a row lies: the first 12 bits of what the subject is found by."""
    return int.from_bytes(key[:2], "big") >> 16 - _BITS


def folded(suite: Suite, heads: Iterable[tuple[SubjectHead, Sequence[bytes]]]) -> list[SubjectHead]:
    """Return heads after more events about each subject, by the hashes of their leaves in order."""
    each = list(heads)
    digests = suite.sha256_each([head.digest + b"".join(leaves) for head, leaves in each])
    return [
        SubjectHead(head.events + len(leaves), digest) for (head, leaves), digest in zip(each, digests, strict=True)
    ]


def head_in(rows: bytes, key: bytes) -> SubjectHead:
    """Return the head of a subject out of the rows of its bucket; that before any event where it has none."""
    at = _place(rows, key, 0)
    return SubjectHead(*_ROW.unpack_from(rows, at)[1:]) if rows.startswith(key, at) else SubjectHead()


def with_heads(rows: bytes, heads: Iterable[tuple[bytes, SubjectHead]]) -> bytes:
    """Return the rows of a bucket with these heads, in ascending order of what they are found by."""
    pieces: list[bytes] = []
    at = 0
    for key, head in heads:
        place = _place(rows, key, at)
        pieces += (rows[at:place], _ROW.pack(key, *head))
        at = place + ROW if rows.startswith(key, place) else place
    pieces.append(rows[at:])
    return b"".join(pieces)


def _place(rows: bytes, key: bytes, start: int) -> int:
    """Return where the row of a subject begins, or would, in those from `start` on."""
    found = bisect_left(range(start, len(rows), ROW), key, key=lambda at: rows[at : at + DIGEST])
    return start + found * ROW


def bucket_leaves(suite: Suite, buckets: Iterable[bytes]) -> list[bytes]:
    """Return the hashes of buckets, each given by its rows in ascending order."""
    return merkle.audit_leaves(suite, buckets)


def root(suite: Suite, buckets: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of all buckets."""
    tree = merkle.CompactRange(merkle.audit_nodes(suite))
    tree.extend(buckets)
    return tree.root(merkle.AUDIT_EMPTY)

"""Subject heads: how many events there are about each subject, in a form that shows that none was left out.

The head of a subject is a count and a digest over the leaves of all events about it. The heads of all subjects lie in
buckets, the buckets are the leaves of a tree as in RFC 9162, and its root is a leaf of the audit tree. So whoever has
the events about one subject, its bucket and two inclusion proofs knows that these are all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from struct import Struct

from vaultfs_format import merkle
from vaultfs_format.suite import DIGEST, Suite

BUCKETS = 4096
_BITS = 12
_ROW = Struct("<32sQ32s")

_NONE = bytes(DIGEST)
"""The digest over no leaves."""

ROW = _ROW.size
"""Bytes of a row of a bucket: what a subject is found by, count and digest."""


def row_keys(suite: Suite, subjects: Iterable[bytes]) -> list[bytes]:
    """Return what subjects are found by: SHA-256 of the surrogate, which is random, and so cannot be guessed."""
    return suite.sha256_each(subjects)


def bucket_of(key: bytes) -> int:
    """Return the bucket in which a row lies: the first 12 bits of what the subject is found by."""
    return int.from_bytes(key[:2], "big") >> 16 - _BITS


def advanced(suite: Suite, rows: bytes, found: Iterable[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """Return the rows of a bucket after more events about its subjects.

    Parameters
    ----------
    rows
        Those before, in ascending order.
    found
        What each subject is found by, in ascending order, and the hashes of the leaves of the events about it.
    """
    pieces: list[bytes] = []
    at = 0
    for key, leaves in found:
        place = end = _place(rows, key, at)
        events, digest = 0, _NONE
        if rows.startswith(key, place):
            _, events, digest = _ROW.unpack_from(rows, place)
            end += ROW
        (digest,) = suite.sha256_each((digest + b"".join(leaves),))
        pieces += (rows[at:place], _ROW.pack(key, events + len(leaves), digest))
        at = end
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

"""Subject heads: how many events there are about each subject, in a form that shows that none was left out.

The head of a subject is a count and a digest over the leaves of all events about it. The heads of all subjects lie in
buckets, the buckets are the leaves of a tree as in RFC 9162, and its root is a leaf of the audit tree. So whoever has
the events about one subject, its bucket and two inclusion proofs knows that these are all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vaultfs_format import merkle
from vaultfs_format.suite import DIGEST, Suite

BUCKETS = 4096
_BITS = 12
_COUNT = 8

ROW = DIGEST + _COUNT + DIGEST
"""Bytes of a row of a bucket: what a subject is found by, count and digest."""


class SubjectHead(NamedTuple):
    """How many events about a subject there are, and the digest over their leaves."""

    events: int = 0
    digest: bytes = bytes(DIGEST)

    def encode(self) -> bytes:
        """Return the bytes that stand in a row, behind what the subject is found by."""
        return self.events.to_bytes(_COUNT, "little") + self.digest

    @classmethod
    def decode(cls, data: bytes) -> SubjectHead:
        """Parse what `encode` returned."""
        return cls(int.from_bytes(data[:_COUNT], "little"), data[_COUNT:])


def row_key(suite: Suite, subject: bytes) -> bytes:
    """Return what a subject is found by: SHA-256 of its surrogate, which is random, and so cannot be guessed."""
    return suite.sha256_each([subject])[0]


def bucket_of(key: bytes) -> int:
    """Return the bucket in which a row lies: the first 12 bits of what the subject is found by."""
    return int.from_bytes(key[:2], "big") >> 16 - _BITS


def first_key(bucket: int) -> bytes:
    """Return the bytes that no row of a bucket is before."""
    return (bucket << 16 - _BITS).to_bytes(2, "big")


def folded(suite: Suite, head: SubjectHead, leaves: Sequence[bytes]) -> SubjectHead:
    """Return the head after more events about the subject, by the hashes of their leaves in order."""
    return SubjectHead(head.events + len(leaves), suite.sha256_each([head.digest + b"".join(leaves)])[0])


def bucket_leaf(suite: Suite, rows: Iterable[bytes]) -> bytes:
    """Return the hash of a bucket: of its rows, in ascending order."""
    return merkle.audit_leaf(suite, b"".join(rows))


def root(suite: Suite, buckets: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of all buckets."""
    tree = merkle.CompactRange(merkle.audit_nodes(suite))
    tree.extend(buckets)
    return tree.root(merkle.AUDIT_EMPTY)

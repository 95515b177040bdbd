"""Heads of subjects as section 16.3 of SPEC.md writes them, from nothing but the leaves and what they are about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vaultfs_format.audit import AuditEntry, LeafKind


class Logged(NamedTuple):
    """A leaf, and the subject of its event; empty where it has none."""

    entry: AuditEntry
    subject: bytes = b""


def leaf_hash(entry: AuditEntry) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + entry.encode()).digest()


def heads_of(log: Iterable[Logged]) -> dict[bytes, tuple[int, bytes]]:
    """Return count and digest of each subject, as the last leaf of kind 3 states them."""
    heads: dict[bytes, tuple[int, bytes]] = {}
    since: dict[bytes, list[bytes]] = {}
    for entry, subject in log:
        if entry.kind is LeafKind.EVENT and any(subject):
            since.setdefault(subject, []).append(leaf_hash(entry))
        if entry.kind is LeafKind.SUBJECTS:
            for one, hashes in since.items():
                count, digest = heads.get(one, (0, bytes(32)))
                heads[one] = count + len(hashes), hashlib.sha256(digest + b"".join(hashes)).digest()
            since = {}
    return heads


def rows_of(heads: dict[bytes, tuple[int, bytes]]) -> list[bytes]:
    """Return the rows of all subjects in ascending order."""
    return sorted(
        hashlib.sha256(subject).digest() + count.to_bytes(8, "little") + digest
        for subject, (count, digest) in heads.items()
    )


def root_of(heads: dict[bytes, tuple[int, bytes]]) -> bytes:
    """Return the root over all buckets."""
    buckets = [b""] * 4096
    for row in rows_of(heads):
        buckets[int.from_bytes(row[:2], "big") >> 4] += row
    return tree_root([hashlib.sha256(b"\0" + rows).digest() for rows in buckets])


def tree_root(level: Sequence[bytes]) -> bytes:
    """Return the root of a perfect tree."""
    while len(level) > 1:
        level = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]

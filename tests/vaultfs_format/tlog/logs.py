"""A small log with fixed keys, a textbook tree, and what several tests make of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.levels import HashLevels, inclusion_proof, root_at
from vaultfs_format.schemes import ED25519, ML_DSA_44, Scheme
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import KeyType, NoteSigner, VerifierKey, sign_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.proof import LogProof

ORIGIN = "vault.example/audit"
TIME = 1_700_000_000
NODES = merkle.audit_nodes(DEFAULT)
EMPTY = merkle.AUDIT_EMPTY


def entry(number: int) -> bytes:
    """Return an audit entry."""
    return AuditEntry(LeafKind.EVENT, number + 1, hashlib.sha256(b"event %d" % number).digest()).encode()


ENTRIES = [entry(number) for number in range(300)]
LEAVES = merkle.audit_leaves(DEFAULT, ENTRIES)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash as section 2.1.1 of RFC 9162 defines it."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def path_of(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PATH of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path_of(index, leaves[:k]), root_of(leaves[k:])]
    return [*path_of(index - k, leaves[k:]), root_of(leaves[:k])]


def subproof_of(old: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """Return SUBPROOF of section 2.1.4.1."""
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*subproof_of(old, leaves[:k], whole), root_of(leaves[k:])]
    return [*subproof_of(old - k, leaves[k:], False), root_of(leaves[:k])]


def split(size: int) -> int:
    """Return the largest power of two that is less than `size`."""
    return 1 << (size - 1).bit_length() - 1


def signer(name: str, kind: KeyType = KeyType.ED25519, seed: bytes = b"a log") -> NoteSigner:
    """Return a key that follows from name, type and seed."""
    scheme: Scheme = ML_DSA_44 if kind == KeyType.LATTICE_COSIGNATURE else ED25519
    private = hashlib.sha256(b"%s %d %s" % (name.encode(), kind, seed)).digest()
    return NoteSigner(VerifierKey(name, kind, scheme.public(private)), lambda message: scheme.sign(private, message))


@cache
def log_signers() -> tuple[NoteSigner, NoteSigner]:
    """Return the two keys of the log."""
    return signer(ORIGIN), signer(ORIGIN, KeyType.LATTICE_COSIGNATURE)


def log_keys() -> tuple[VerifierKey, ...]:
    """Return their public keys."""
    return tuple(one.key for one in log_signers())


@cache
def levels() -> HashLevels:
    """Return the hashes of the log."""
    found = HashLevels(NODES)
    found.extend(LEAVES)
    return found


def head(size: int) -> Checkpoint:
    """Return the checkpoint of a size."""
    return Checkpoint(ORIGIN, size, root_at(NODES, levels(), size, EMPTY))


@cache
def signed(size: int) -> Note:
    """Return the checkpoint of a size with both signatures."""
    return sign_checkpoint(head(size), log_signers(), TIME)


def proof(index: int, size: int) -> LogProof:
    """Return the proof file of an entry."""
    return LogProof(index, tuple(inclusion_proof(NODES, levels(), index, size)), signed(size))

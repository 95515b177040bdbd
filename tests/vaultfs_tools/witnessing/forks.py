"""A log and its forks: trees that go on differently, all signed by the keys of the log."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from vaultfs_format.levels import HashLevels, consistency_proof, root_at
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import NoteSigner, VerifierKey, sign_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.witness import AddCheckpoint

from tests.vaultfs_format.tlog import logs
from tests.vaultfs_format.tlog.logs import EMPTY, LEAVES, NODES, ORIGIN, TIME

SIZE = 24
KEYS = tuple(one.encode() for one in logs.log_keys())
Fork = int
"""From which leaf on a log is another one: `SIZE` is the log itself."""


@cache
def leaves(fork: Fork) -> tuple[bytes, ...]:
    """Return the leaf hashes of a fork."""
    other = [sha256(b"another %d %d" % (fork, number)).digest() for number in range(fork, SIZE)]
    return (*LEAVES[:fork], *other)


@cache
def levels(fork: Fork) -> HashLevels:
    """Return the hashes of a fork."""
    found = HashLevels(NODES)
    found.extend(leaves(fork))
    return found


def head(size: int, fork: Fork = SIZE, origin: str = ORIGIN) -> Checkpoint:
    """Return the checkpoint of a size of a fork."""
    return Checkpoint(origin, size, root_at(NODES, levels(fork), size, EMPTY))


@cache
def first_signer() -> tuple[NoteSigner, ...]:
    """Return the key of a log that signs by Ed25519 alone."""
    return (logs.signer(ORIGIN),)


@cache
def signed(size: int, fork: Fork = SIZE, signers: tuple[NoteSigner, ...] = ()) -> Note:
    """Return a checkpoint, signed by both keys of the log unless it is said by which."""
    return sign_checkpoint(head(size, fork), signers or logs.log_signers(), TIME)


def request(old: int, new: int, fork: Fork = SIZE, signers: tuple[NoteSigner, ...] = ()) -> AddCheckpoint:
    """Return what a witness is asked."""
    path = consistency_proof(NODES, levels(fork), min(old, new), new)
    return AddCheckpoint(old, tuple(path), signed(new, fork, signers))


def asked(old: int, new: int, fork: Fork = SIZE) -> bytes:
    """Return the bytes of a request."""
    return request(old, new, fork).encode()


def public(signers: tuple[NoteSigner, ...]) -> tuple[VerifierKey, ...]:
    """Return the keys that verify what signers sign."""
    return tuple(one.key for one in signers)

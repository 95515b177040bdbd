"""Section 16.6: the exported view of the audit log."""

from __future__ import annotations

from vaultfs_format import merkle
from vaultfs_format.levels import HashLevels, root_at
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey, open_checkpoint, signed_by
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.policy import Policy
from vaultfs_format.tlog.proof import LogProof
from vaultfs_format.tlog.tiles import Tile, decode_bundle, decode_tile
from vaultfs_format.tlog.witness import AddCheckpoint

from vectors.operations.registry import Facts, operation


def _keys(texts: list[str]) -> list[VerifierKey]:
    return [VerifierKey.decode(text) for text in texts]


def _head(head: Checkpoint) -> Facts:
    return {"origin": head.origin, "size": head.size, "root": head.root, "extensions": list(head.extensions)}


@operation
def audit_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> Facts:
    """Whether the tree of `old` leaves is the beginning of that of `new`."""
    nodes, empty = merkle.audit_nodes(DEFAULT), merkle.AUDIT_EMPTY
    return {"consistent": merkle.consistent(nodes, empty, old, old_root, new, new_root, path)}


@operation
def verifier_key(text: str) -> Facts:
    """A verifier key."""
    key = VerifierKey.decode(text)
    return {"name": key.name, "type": key.type, "key_id": key.key_id, "public": key.public}


@operation
def note(data: bytes, keys: list[str]) -> Facts:
    """A note, and who of these keys has signed it."""
    found = Note.decode(data)
    return {
        "text": found.text,
        "signatures": [{"name": one.name, "key_id": one.key_id} for one in found.signatures],
        "signers": [
            {"name": one.key.name, "type": one.key.type, "time": one.time} for one in signed_by(found, _keys(keys))
        ],
    }


@operation
def log_checkpoint(data: bytes, keys: list[str]) -> Facts:
    """A checkpoint that a log has signed with each of its keys."""
    return _head(open_checkpoint(Note.decode(data), _keys(keys)))


@operation
def log_tile(path: str) -> Facts:
    """The tile or bundle that a path names."""
    found = Tile.parse(path)
    return {"level": found.level, "index": found.index, "width": found.width, "end": found.end()}


@operation
def tile_hashes(path: str, data: bytes) -> Facts:
    """A tile of hashes, and the root over them."""
    nodes = merkle.audit_nodes(DEFAULT)
    tree = HashLevels(nodes)
    tree.extend(decode_tile(Tile.parse(path), data))
    return {"hashes": tree.size, "root": root_at(nodes, tree, tree.size, merkle.AUDIT_EMPTY)}


@operation
def entry_bundle(path: str, data: bytes) -> Facts:
    """The entries of a bundle."""
    return {"entries": decode_bundle(Tile.parse(path), data)}


@operation
def log_proof(data: bytes, entry: bytes, keys: list[str]) -> Facts:
    """The proof of an entry in the log of these keys."""
    found = LogProof.decode(data)
    return {"index": found.index, "extra": found.extra} | _head(found.verify(entry, _keys(keys)))


@operation
def log_policy(policy: bytes, data: bytes) -> Facts:
    """A checkpoint, judged by a policy."""
    return _head(Policy.decode(policy).check(Note.decode(data)))


@operation
def add_checkpoint(data: bytes, old_root: bytes) -> Facts:
    """What a witness is asked that has kept this root; its signatures are not looked at."""
    found = AddCheckpoint.decode(data)
    found.check(old_root)
    return {"old": found.old} | _head(found.head)

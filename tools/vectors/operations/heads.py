"""Sections 16 and 17: audit entries, events and trees, the head, witnessed heads, and acts."""

from __future__ import annotations

import msgspec
from vaultfs_format import merkle
from vaultfs_format.act import Act
from vaultfs_format.audit import ENTRY, AuditEntry, LeafKind, check_entries
from vaultfs_format.head import Head
from vaultfs_format.logbase import BasePart, LogBase
from vaultfs_format.signing import Signer
from vaultfs_format.subjectheads import BUCKETS, ROW, advanced, bucket_leaves, bucket_of, root, row_keys
from vaultfs_format.suite import DEFAULT
from vaultfs_format.witness import Witnessed

from vaultfs.audit.events import unsealed
from vectors.operations.registry import Facts, operation


@operation
def audit_entries(data: bytes) -> Facts:
    """A section of audit entries, and the tree over nothing but these."""
    check_entries(data)
    pieces = [data[at : at + ENTRY.size] for at in range(0, len(data), ENTRY.size)]
    found = [AuditEntry.decode(piece) for piece in pieces]
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(merkle.audit_leaves(DEFAULT, pieces))
    entries = [
        {"kind": one.kind, "signer": one.signer, "number": one.number, "commitment": one.commitment} for one in found
    ]
    return {"entries": entries, "root": tree.root(merkle.AUDIT_EMPTY), "peaks": tree.peaks}


@operation
def audit_inclusion(root: bytes, entry: bytes, index: int, size: int, path: list[bytes]) -> Facts:
    """Whether a tree of `size` leaves with this root has this entry at `index`."""
    leaf = merkle.audit_leaf(DEFAULT, entry)
    return {"included": merkle.included(merkle.audit_nodes(DEFAULT), root, leaf, index, size, path)}


@operation
def subject_heads(data: bytes, subjects: list[bytes]) -> Facts:
    """What each leaf states that states heads of subjects, in a log that begins with these entries.

    `subjects` are those of the events, in order, empty where there is none.
    """
    check_entries(data)
    left, rows, found = iter(subjects), [b""] * BUCKETS, list[Facts]()
    pending: dict[bytes, list[bytes]] = {}
    for index in range(len(data) // ENTRY.size):
        entry = AuditEntry.decode(data, index * ENTRY.size)
        if entry.kind is LeafKind.EVENT:
            subject = next(left)
            if any(subject):
                pending.setdefault(subject, []).append(merkle.audit_leaf(DEFAULT, entry.encode()))
        elif entry.kind is LeafKind.SUBJECTS:
            for key, leaves in zip(row_keys(DEFAULT, pending), pending.values(), strict=True):
                rows[bucket_of(key)] = advanced(DEFAULT, rows[bucket_of(key)], [(key, leaves)])
            pending.clear()
            whole = root(DEFAULT, bucket_leaves(DEFAULT, rows))
            right = (entry.number, entry.commitment) == (index, whole)
            found.append({"index": index, "root": whole, "rows": b"".join(rows), "right": right})
    return {"stated": found}


@operation
def log_base(parts: list[bytes], first_leaf: int, pruned: list[bytes]) -> Facts:
    """The base of a log of which a head states what was pruned, by its parts."""
    found = LogBase.decode(DEFAULT, [BasePart.decode(part) for part in parts])
    found.check(first_leaf, pruned)
    return {"since": found.since, "peaks": found.edge.tree().peaks, "subjects": len(found.rows) // ROW}


@operation
def events(body: bytes) -> Facts:
    """The events of the bytes of an EVENTS entry, each with its commitment."""
    return {
        "events": [{"type": event.type, "commitment": one} | _fields(event) for event, one in unsealed(DEFAULT, body)]
    }


def _fields(found: msgspec.Struct) -> Facts:
    values = ((name, getattr(found, name)) for name in found.__struct_fields__)
    return {name: _fields(value) if isinstance(value, msgspec.Struct) else value for name, value in values}


@operation
def head(data: bytes, epoch_root: bytes | None = None, signer: bytes | None = None) -> Facts:
    """A head; with the epoch root its MAC, with a signer its signatures."""
    found = Head.decode(data)
    if epoch_root is not None:
        found.verify(data, epoch_root)
    if signer is not None:
        found.verify_signatures(Signer.decode(found.suite, signer))
    names = (
        *("vault_id", "generation", "epoch", "incarnation", "superblock_generation", "superblock_digest"),
        *("keyring_digest", "last_commit", "next_number", "tree_size", "tree_root", "first_leaf", "signer"),
    )
    return {name: getattr(found, name) for name in names} | {
        "peaks": list(found.peaks),
        "pruned_peaks": list(found.pruned),
        "journals": [row._asdict() for row in found.journals],
        "segments": [row._asdict() for row in found.segments],
        "content": found.content_digest(),
        "live_set": found.live_set().commitment,
    }


@operation
def witnessed_head(data: bytes, signer: bytes) -> Facts:
    """A witnessed head that the signer has signed."""
    found = Witnessed.decode(data)
    found.verify(Signer.decode(found.suite, signer))
    names = ("vault_id", "generation", "tree_size", "tree_root", "content", "signer")
    return {name: getattr(found, name) for name in names}


@operation
def act(data: bytes) -> Facts:
    """What was done without keys."""
    found = Act.decode(data)
    return {name: getattr(found, name) for name in ("kind", "time", "vault_id", "act_id", "about", "count")}


@operation
def same_head(data: bytes, witnessed: bytes) -> Facts:
    """Whether a witnessed head is that of this head."""
    return {"same": Witnessed.of(Head.decode(data)).statement() == Witnessed.decode(witnessed).statement()}

"""Sections 16.1, 16.2 and 16.5: audit entries, their tree, events, and the heads of subjects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.errors import (
    FieldInvalid,
    Structure,
)
from vaultfs_format.events.base import EventType
from vaultfs_format.events.codec import encode_part
from vaultfs_format.suite import DEFAULT

from vectors import scenes, world
from vectors.case import Case, Topic
from vectors.topics.journals import u64
from vectors.topics.small import u32
from vectors.world import EPOCH_ROOT, SIGNER_VALUE, edited, seeded

FIRST = scenes.FIRST_HEAD.encode(EPOCH_ROOT)
SECOND = scenes.SECOND_HEAD.encode(EPOCH_ROOT)
KEYS: dict[str, Any] = {"epoch_root": EPOCH_ROOT, "signer": SIGNER_VALUE}
OTHER_SIGNER = world.OTHER_SIGNING.signer.encode()


def cases() -> list[Case]:
    """Return the scenarios of the audit tree and its events."""
    topic = Topic("audit")
    entries = [AuditEntry(LeafKind.EVENT, number + 1, seeded(f"event {number}", 32)).encode() for number in range(9)]
    live_set, subjects = scenes.LIVE_SET.encode(), scenes.SETTLED_LEAVES[-1].encode()
    topic.good(
        "all-kinds",
        "A live set, an event, and heads of subjects.",
        "audit-entries",
        "AUD-1 AUD-4",
        data=live_set + entries[0] + subjects,
    )
    for count in (0, 1, 2, 3, 7, 8, 9):
        topic.good(
            f"tree-of-{count}",
            f"{count} entries, their root and peaks.",
            "audit-entries",
            "AUD-1 AUD-2 AUD-3" if count else "",
            data=b"".join(entries[:count]),
        )
    for name, comment, rule, data in (
        ("kind-0", "Kind 0.", 1, edited(entries[0], (0, b"\0"))),
        ("kind-4", "Kind 4.", 1, edited(entries[0], (0, b"\4"))),
        ("cut-entry", "A section of 47 bytes.", 2, entries[0][:-1]),
        ("reserved", "A reserved byte is not zero.", 3, edited(entries[0], (3, b"\1"))),
        ("event-of-signer", "An event that names a signer.", 4, edited(entries[0], (4, u32(1)))),
        ("subjects-of-signer", "Heads of subjects that name a signer.", 4, edited(subjects, (4, u32(1)))),
        ("live-set-of-nobody", "A live set that names no signer.", 4, edited(live_set, (4, u32(0)))),
    ):
        topic.bad(name, comment, "audit-entries", f"AUD-{rule}", FieldInvalid, Structure.AUDIT_ENTRY, rule, data=data)
    _inclusion(topic, entries)
    _subjects(topic)
    body = b"".join((len(one) - 16).to_bytes(4, "little") + one for one in [*scenes.EVENTS, *scenes.MORE_EVENTS])
    topic.good(
        "events", "Five events, each with the commitment that its leaf has.", "events", "AUD-22 AUD-5", body=body
    )
    topic.good(
        "session-event",
        "The event that opens a session, with all that it can have.",
        "events",
        "AUD-5",
        body=_event(scenes.SESSION_EVENT),
    )
    later = [60_000, scenes.STARTED, bytes(16), {"a": [None, "b"]}]
    topic.good("later-event", "An event of a later type.", "events", "AUD-5", body=_event(encode_part(later)))
    topic.bad(
        "event-cut",
        "The last event ends behind the bytes.",
        "events",
        "",
        FieldInvalid,
        Structure.AUDIT_ENTRY,
        body=body[:-1],
    )
    start = [int(EventType.SUBJECT_DISPOSED), scenes.STARTED, bytes(16)]
    for name, comment, data in (
        ("event-not-messagepack", "An event that is no MessagePack.", b"\xc1"),
        ("event-not-an-array", "An event that is an integer.", encode_part(71)),
        ("event-of-a-string", "An event whose type is text.", encode_part(["71", *start[1:], bytes(16)])),
        ("event-type-0", "An event of type 0.", encode_part([0, *start[1:], bytes(16)])),
        ("event-field-missing", "A disposal of no subject.", encode_part(start)),
        ("event-field-added", "A disposal with a field too many.", encode_part([*start, bytes(16), 0])),
        ("event-field-short", "A surrogate of 15 bytes.", encode_part([*start, bytes(15)])),
        ("event-field-of-text", "A surrogate that is text.", encode_part([*start, "a" * 16])),
        ("event-time-negative", "A time before 1970.", encode_part([start[0], -1, bytes(16), bytes(16)])),
        (
            "event-long-form",
            "A type in two bytes that one holds.",
            b"\x94\xcc\x47" + encode_part(start)[2:] + encode_part(bytes(16)),
        ),
        ("event-outcome-missing", "A drill without an outcome.", encode_part([16, *start[1:], None, 0])),
        (
            "event-signature-missing",
            "A session that does not say whether it was signed.",
            encode_part([10, *start[1:], "a", [], "b", False, 0, None, None]),
        ),
        ("event-outcome-3", "A drill with outcome 3.", encode_part([16, *start[1:], None, 0, 3])),
        ("later-event-without-session", "A later type without a session.", encode_part([60_000, scenes.STARTED])),
    ):
        body = _event(data)
        topic.bad(name, comment, "events", "AUD-5", FieldInvalid, Structure.AUDIT_ENTRY, 5, body=body)
    return topic.cases


def _event(data: bytes) -> bytes:
    """Return the bytes of an EVENTS entry with one event, under a salt of zeros."""
    return u32(len(data)) + bytes(16) + data


def _subjects(topic: Topic) -> None:
    leaves, more = list(scenes.SETTLED_LEAVES), seeded("another subject", 16)
    nobody, person, other = bytes(16), world.SUBJECT, more
    abouts = [b"", person, person, nobody, b""]
    log = b"".join(one.encode() for one in leaves)
    right: dict[str, Any] = {"probe": lambda facts: all(one["right"] for one in facts["stated"])}
    wrong: dict[str, Any] = {"probe": lambda facts: not facts["stated"][-1]["right"]}
    first = [replace(leaves[1], number=number) for number in range(3, 8)]
    topic.good(
        "subjects", "Two events about one subject.", "subject-heads", "AUD-24", data=log, subjects=abouts, **right
    )
    topic.good(
        "subjects-none",
        "Nothing is about anybody.",
        "subject-heads",
        "AUD-24",
        data=b"".join(one.encode() for one in [*leaves[:-1], world.stated({}, 6)]),
        subjects=[b"", nobody, nobody, nobody, b""],
        **right,
    )
    again = b"".join(one.encode() for one in [*leaves, *first])
    topic.good(
        "subjects-twice",
        "More events about the same subject and another one, and heads of both.",
        "subject-heads",
        "AUD-24",
        data=again + _stated_twice([*leaves, *first], {person: [7, 10], other: [8, 9, 11]}).encode(),
        subjects=[*abouts, person, other, other, person, other],
        **right,
    )
    for name, comment, leaf in (
        ("root", "Another root than that of the heads.", replace(leaves[-1], commitment=bytes(32))),
        ("index", "Another index than its own.", replace(leaves[-1], number=5)),
        ("nobody", "Events about nobody are counted.", world.stated({person: leaves[2:4], nobody: leaves[4:5]}, 6)),
        ("fewer", "An event is left out.", world.stated({person: leaves[2:3]}, 6)),
        ("order", "The events are in another order.", world.stated({person: leaves[3:1:-1]}, 6)),
    ):
        topic.good(
            f"subjects-{name}",
            f"{comment[:-1]}: the leaf is wrong.",
            "subject-heads",
            breaks="AUD-24",
            data=log[:-48] + leaf.encode(),
            subjects=abouts,
            **wrong,
        )


def _stated_twice(leaves: Sequence[AuditEntry], later: Mapping[bytes, Sequence[int]]) -> AuditEntry:
    """Return the second leaf that states heads, written out: of the one subject before, and of all events since."""
    hashes = [hashlib.sha256(b"\0" + one.encode()).digest() for one in leaves]
    heads = {world.SUBJECT: (2, hashlib.sha256(bytes(32) + hashes[2] + hashes[3]).digest())}
    buckets = [b""] * 4096
    for subject, events in later.items():
        count, digest = heads.get(subject, (0, bytes(32)))
        digest = hashlib.sha256(digest + b"".join(hashes[index] for index in events)).digest()
        row = hashlib.sha256(subject).digest() + u64(count + len(events)) + digest
        buckets[int.from_bytes(row[:2], "big") >> 4] += row
    level = [hashlib.sha256(b"\0" + rows).digest() for rows in buckets]
    while len(level) > 1:
        level = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=True)]
    return AuditEntry(LeafKind.SUBJECTS, len(leaves), level[0])


def _inclusion(topic: Topic, entries: Sequence[bytes]) -> None:
    for count, index in ((1, 0), (2, 1), (3, 2), (7, 0), (7, 6), (8, 5), (9, 8), (9, 3)):
        leaves = merkle.audit_leaves(DEFAULT, entries[:count])
        tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
        tree.extend(leaves)
        root = tree.root(merkle.AUDIT_EMPTY)
        path = merkle.inclusion_path(merkle.audit_nodes(DEFAULT), leaves, index)
        given: dict[str, Any] = {"root": root, "entry": entries[index], "index": index, "size": count}
        topic.good(
            f"entry-{index}-of-{count}",
            f"Entry {index} of {count} is in the tree.",
            "audit-inclusion",
            path=path,
            facts={"included": True},
            **given,
        )
        topic.good(
            f"entry-{index}-of-{count}-more",
            "A path with a hash too many proves nothing.",
            "audit-inclusion",
            path=[*path, bytes(32)],
            facts={"included": False},
            **given,
        )
        if path:
            topic.good(
                f"entry-{index}-of-{count}-less",
                "A path with a hash too few proves nothing.",
                "audit-inclusion",
                path=path[:-1],
                facts={"included": False},
                **given,
            )
    topic.good(
        "entry-behind-the-tree",
        "An index that the tree does not have.",
        "audit-inclusion",
        root=merkle.audit_leaf(DEFAULT, entries[0]),
        entry=entries[0],
        index=1,
        size=1,
        path=[],
        facts={"included": False},
    )


# Heads.

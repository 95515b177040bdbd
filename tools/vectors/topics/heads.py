"""Sections 16 and 17: audit entries, events, the tree, heads, witnessed heads and acts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vaultfs_format import labels, limits, merkle
from vaultfs_format.act import FILE as ACT_FIELDS
from vaultfs_format.act import Act, ActKind
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.errors import (
    BadMagic,
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    MacMismatch,
    SignatureInvalid,
    Structure,
    TrailingBytes,
    Truncated,
    UnsupportedFeature,
    VaultError,
)
from vaultfs_format.events.base import EventType
from vaultfs_format.events.codec import encode_part
from vaultfs_format.head import HEADER, SEGMENT_ROW, Head, JournalRow
from vaultfs_format.signing import HEAD_SIGNATURES
from vaultfs_format.suite import DEFAULT, DIGEST
from vaultfs_format.witness import FILE as WITNESS_FIELDS
from vaultfs_format.witness import Witnessed

from vectors import scenes, world
from vectors.case import Case, Topic
from vectors.topics.journals import u64
from vectors.topics.small import prefix, u16, u32
from vectors.world import EPOCH_ROOT, SIGNER_VALUE, edited, flipped, seeded, with_digest

FIRST = scenes.FIRST_HEAD.encode(EPOCH_ROOT)
SECOND = scenes.SECOND_HEAD.encode(EPOCH_ROOT)
KEYS: dict[str, Any] = {"epoch_root": EPOCH_ROOT, "signer": SIGNER_VALUE}
OTHER_SIGNER = world.OTHER_SIGNING.signer.encode()


def audit_cases() -> list[Case]:
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


def remade(data: bytes, *changes: tuple[int, bytes]) -> bytes:
    """Return a head with other bytes before its signatures, MAC and digest made to fit, the signatures as they were."""
    content = edited(data, *changes)[: -2 * DIGEST]
    context = world.VAULT_ID + content[HEADER.offset_of("epoch") : HEADER.offset_of("epoch") + 4]
    key = DEFAULT.derive(EPOCH_ROOT, labels.HEAD_KEY, context, 32)
    content += DEFAULT.mac(key, labels.HEAD_MAC, content)
    return content + DEFAULT.digest(content)


def head_cases() -> list[Case]:
    """Return the scenarios of heads."""
    topic = Topic("heads")
    holds = "GEN-20 GEN-21 GEN-22 GEN-25 HED-1 HED-2 HED-3 HED-5 HED-6 HED-20 HED-25 SGN-21"
    topic.good(
        "first",
        "The head of a new vault: its tree has one leaf, its live set.",
        "head",
        f"{holds} HED-21",
        data=FIRST,
        **KEYS,
        facts={"generation": 1, "tree_size": 1},
    )
    topic.good("second", "A head that names five segments.", "head", f"{holds} HED-4 HED-7", data=SECOND, **KEYS)
    topic.good("keyless", "The same without keys: digest, rules and tree.", "head", "HED-6", data=SECOND)
    journals = [JournalRow(seeded("journal a", 16), 3), JournalRow(seeded("journal b", 16), 1)]
    named = world.signed(world.with_tree(world.first_head(journals=sorted(journals))))
    topic.good(
        "journal-rows",
        "A head with journal rows, which this version reads and does not write.",
        "head",
        "HED-5",
        data=named.encode(EPOCH_ROOT),
        **KEYS,
    )
    peaks = seeded("peak a", 32), seeded("peak b", 32)
    pruned = scenes.second_head(list(scenes.SEGMENTS.values()), first_leaf=3, pruned=peaks)
    topic.good(
        "pruned",
        "The first three leaves were pruned; two peaks stand for them, which the live set covers.",
        "head",
        "HED-8",
        data=pruned.encode(EPOCH_ROOT),
        **KEYS,
        facts={"first_leaf": 3},
    )
    _bad_heads(topic, named)
    _bad_codes(topic)
    return topic.cases


def _bad_heads(topic: Topic, named: Head) -> None:
    fields, rows = HEADER.offset_of, HEADER.size

    def bad(
        name: str, comment: str, rule: int | None, data: bytes, breaks: str = "", error: type[VaultError] = FieldInvalid
    ) -> None:
        topic.bad(name, comment, "head", breaks or f"HED-{rule}", error, Structure.HEAD, rule, data=data, **KEYS)

    def field(name: str, value: bytes, data: bytes = FIRST) -> bytes:
        return remade(data, (fields(name), value))

    def row(number: int, name: str, value: bytes) -> bytes:
        return remade(SECOND, (rows + SEGMENT_ROW.size * number + SEGMENT_ROW.offset_of(name), value))

    bad("generation-0", "Generation 0.", 1, field("generation", u64(0)))
    bad("epoch-0", "Epoch 0.", 1, field("epoch", u32(0)))
    bad("vault-generation-0", "Generation 0 of VAULT.", 1, field("superblock_generation", u64(0)))
    bad("next-number-0", "The next record number is 0.", 1, field("next_number", u64(0)))
    bad("signer-0", "Signer 0.", 2, field("signer", u32(0)))
    bad("tree-size-0", "An empty tree.", 3, field("tree_size", u64(0)))
    bad("peaks-missing", "A tree of three leaves, and one peak.", 3, field("tree_size", u64(3)))
    bad("segment-class-0", "A segment of class 0.", 4, row(0, "class", b"\0"))
    bad("segment-class-6", "A segment of class 6.", 4, row(0, "class", b"\6"), breaks="HED-4 GEN-23")
    start, end = rows, rows + SEGMENT_ROW.size
    first, second = SECOND[start:end], SECOND[end : end + SEGMENT_ROW.size]
    bad("segments-descend", "Two segment rows are exchanged.", 5, remade(SECOND, (start, second + first)))
    bad("segment-twice", "A segment is named twice.", 5, remade(SECOND, (start, first + first)))
    data = named.encode(EPOCH_ROOT)
    bad(
        "journals-descend",
        "Two journal rows are exchanged.",
        5,
        remade(data, (rows, data[rows + 24 : rows + 48] + data[rows : rows + 24])),
    )
    bad("root", "The root is not that of the peaks.", 6, field("tree_root", bytes(32)))
    peak = SECOND[: -2 * DIGEST - HEAD_SIGNATURES]
    bad("peak", "A peak is another.", 6, remade(SECOND, (len(peak) - 32, bytes(32))))
    bad("years-descend", "A segment whose last year is before its first.", 7, row(0, "first_year", u16(3000)))
    bad("no-frames", "A segment without frames.", 7, row(0, "frames", u32(0)))
    bad("fewer-entries-than-frames", "A segment with fewer entries than frames.", 7, row(0, "entries", u64(0)))
    bad("table-epoch-0", "A key table of epoch 0.", 7, row(0, "table_epoch", u32(0)))
    bad("table-of-a-later-epoch", "A key table of an epoch after the head's.", 7, row(0, "table_epoch", u32(2)))
    bad("pruned-without-peak", "A leaf was pruned, and no peak stands for it.", 8, field("first_leaf", u64(1), SECOND))
    bad("pruned-all", "As many leaves were pruned as there are.", 8, _all_pruned())
    at = fields("pruned_peaks")
    more = remade(FIRST[:rows] + bytes(32) + FIRST[rows:], (at, b"\1"))
    bad("pruned-peak-of-nothing", "A peak, and nothing was pruned.", 8, more)
    bad("too-many-pruned-peaks", "More than 64 peaks.", None, field("pruned_peaks", b"\x41"), "GEN-21", LimitExceeded)
    bad("reserved", "Reserved bytes are not zero.", None, field("pruned_peaks", b"\0\1"), "GEN-20")
    bad("row-reserved", "Reserved bytes of a row are not zero.", None, remade(SECOND, (rows + 17, b"\1")), "GEN-20")
    bad(
        "too-many-segments",
        "More segments than MAX_HEAD_SEGMENTS.",
        None,
        field("segments", u32(limits.MAX_HEAD_SEGMENTS + 1)),
        "GEN-21",
        LimitExceeded,
    )
    bad(
        "too-many-journals",
        "More journals than MAX_HEAD_JOURNALS.",
        None,
        field("journals", u32(limits.MAX_HEAD_JOURNALS + 1)),
        "GEN-21",
        LimitExceeded,
    )
    bad(
        "rows-missing",
        "A segment row more than there is room for.",
        None,
        field("segments", u32(1)),
        "GEN-21",
        Truncated,
    )
    bad("cut", "The last byte is missing.", None, FIRST[:-1], "GEN-21", Truncated)
    bad("trailing", "A byte follows.", None, FIRST + b"\0", "GEN-22", TrailingBytes)
    bad("empty", "An empty file.", None, b"", "GEN-21", Truncated)
    bad("magic", "The magic of a keyring.", None, prefix("K") + FIRST[16:], "PFX-20", BadMagic)
    bad(
        "feature",
        "A feature that is not known.",
        None,
        prefix("H", features=1) + FIRST[16:],
        "PFX-22 GEN-24",
        UnsupportedFeature,
    )


def _all_pruned() -> bytes:
    peaks = tuple(seeded(f"peak {number}", 32) for number in range(scenes.SECOND_HEAD.tree_size.bit_count()))
    segments = list(scenes.SEGMENTS.values())
    return scenes.second_head(segments, first_leaf=scenes.SECOND_HEAD.tree_size, pruned=peaks).encode(EPOCH_ROOT)


def _bad_codes(topic: Topic) -> None:
    def bad(
        name: str, comment: str, breaks: str, error: type[VaultError], data: bytes, keys: dict[str, Any] = KEYS
    ) -> None:
        topic.bad(name, comment, "head", breaks, error, Structure.HEAD, data=data, **keys)

    bad("digest", "One bit is another.", "HED-20", DigestMismatch, flipped(FIRST, 40))
    bad(
        "mac",
        "One bit is another, and the digest made to fit.",
        "HED-20",
        MacMismatch,
        with_digest(flipped(FIRST, 121)),
    )
    bad(
        "other-keys",
        "The head of a vault with another epoch root.",
        "HED-20",
        MacMismatch,
        FIRST,
        KEYS | {"epoch_root": seeded("another epoch root", 32)},
    )
    bad(
        "signed-before-changed",
        "Changed by who has the MAC key and not the signer's: last_commit is another.",
        "HED-25",
        SignatureInvalid,
        remade(FIRST, (HEADER.offset_of("last_commit"), u64(7))),
    )
    at = len(FIRST) - 2 * DIGEST - HEAD_SIGNATURES
    bad("ed25519", "The Ed25519 signature is wrong.", "SGN-21 HED-25", SignatureInvalid, remade(FIRST, (at, bytes(64))))
    bad(
        "ml-dsa",
        "The ML-DSA-44 signature is wrong.",
        "SGN-21 HED-25",
        SignatureInvalid,
        remade(FIRST, (at + 64, bytes(64))),
    )
    other = world.signed(world.with_tree(world.first_head()), world.OTHER_SIGNING).encode(EPOCH_ROOT)
    bad(
        "of-another-signer",
        "Another signer of the same number has signed it.",
        "SGN-20 SGN-21",
        SignatureInvalid,
        other,
    )
    bad(
        "number-of-signer",
        "The signer whose number the head states is another.",
        "SGN-21",
        SignatureInvalid,
        FIRST,
        KEYS | {"signer": edited(SIGNER_VALUE, (0, u32(2)))},
    )


# Witnessed heads.


def witness_cases() -> list[Case]:
    """Return the scenarios of witnessed heads."""
    topic = Topic("witnessed-heads")
    data = Witnessed.of(scenes.SECOND_HEAD).encode()
    given: dict[str, Any] = {"signer": SIGNER_VALUE}
    topic.good(
        "second",
        "What an anchor keeps of a head.",
        "witnessed-head",
        "WIT-1",
        data=data,
        **given,
        facts={"generation": 2},
    )
    topic.good(
        "of-this-head",
        "It is that of this head.",
        "same-head",
        "WIT-21",
        data=SECOND,
        witnessed=data,
        facts={"same": True},
    )
    another = replace(scenes.SECOND_HEAD, last_commit=3)
    topic.good(
        "of-another-head",
        "A head of the same generation with another statement.",
        "same-head",
        "WIT-21",
        data=world.signed(another).encode(EPOCH_ROOT),
        witnessed=data,
        facts={"same": False},
    )
    fields = WITNESS_FIELDS.offset_of

    def bad(
        name: str,
        comment: str,
        breaks: str,
        error: type[VaultError],
        changed: bytes,
        rule: int | None = None,
        signer: bytes = SIGNER_VALUE,
    ) -> None:
        topic.bad(name, comment, "witnessed-head", breaks, error, Structure.WITNESS, rule, data=changed, signer=signer)

    for field, size in (("generation", 8), ("tree_size", 8), ("signer", 4)):
        bad(
            f"{field.replace('_', '-')}-0",
            f"The {field.replace('_', ' ')} is 0.",
            "WIT-1",
            FieldInvalid,
            with_digest(edited(data, (fields(field), bytes(size)))),
            1,
        )
    bad("digest", "One bit is another.", "WIT-20", DigestMismatch, flipped(data, 50))
    bad("cut", "The last byte is missing.", "GEN-21", Truncated, data[:-1])
    bad("trailing", "A byte follows.", "GEN-22", TrailingBytes, data + b"\0")
    bad("reserved", "Reserved bytes are not zero.", "GEN-20", FieldInvalid, with_digest(edited(data, (116, b"\1"))))
    changed = with_digest(edited(data, (fields("generation"), u64(9))))
    bad("forged", "Another generation, and the digest made to fit.", "WIT-20", SignatureInvalid, changed)
    bad(
        "number-of-signer",
        "The signer whose number it states is another.",
        "WIT-20",
        SignatureInvalid,
        data,
        signer=edited(SIGNER_VALUE, (0, u32(2))),
    )
    bad(
        "of-another-signer", "Another signer of the same number.", "WIT-20", SignatureInvalid, data, signer=OTHER_SIGNER
    )
    return topic.cases


def act_cases() -> list[Case]:
    """Return the scenarios of acts without keys."""
    topic = Topic("acts")
    fields = ACT_FIELDS.offset_of
    for kind in ActKind:
        name = kind.name.lower()
        found = Act(
            DEFAULT, kind, 1_700_000_000_000_000 + kind, world.VAULT_ID, seeded(f"act {name}", 16), b"g" * 16, 7
        )
        topic.good(
            name, f"Something was {name}.", "act", "ACT-1", data=found.encode(), facts={"kind": kind, "count": 7}
        )
    data = Act(DEFAULT, ActKind.REPAIRED, 1, world.VAULT_ID, seeded("act", 16), bytes(16), 1).encode()

    def bad(
        name: str, comment: str, breaks: str, error: type[VaultError], changed: bytes, rule: int | None = None
    ) -> None:
        topic.bad(name, comment, "act", breaks, error, Structure.ACT, rule, data=changed)

    for number in (0, 4):
        changed = with_digest(edited(data, (fields("kind"), u16(number))))
        bad(f"kind-{number}", "A kind that this version does not have.", "ACT-1", FieldInvalid, changed, 1)
    bad("digest", "One bit is another.", "GEN-25", DigestMismatch, flipped(data, 50))
    bad("cut", "The last byte is missing.", "GEN-21", Truncated, data[:-1])
    bad("trailing", "A byte follows.", "GEN-22", TrailingBytes, data + b"\0")
    bad("reserved", "Reserved bytes are not zero.", "GEN-20", FieldInvalid, with_digest(edited(data, (18, b"\1"))))
    return topic.cases

"""Sections 16 and 17: audit entries, events, the tree, heads, witnessed heads and acts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vaultfs_format import labels, limits
from vaultfs_format.act import FILE as ACT_FIELDS
from vaultfs_format.act import Act, ActKind
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
    over = u64(limits.MAX_NUMBER + 1)
    bad("tree-too-large", "A tree of 2^63 leaves.", None, field("tree_size", over), "GEN-21", LimitExceeded)
    bad("commit-too-high", "Commit 2^63.", None, field("last_commit", over), "GEN-21", LimitExceeded)
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
    over = with_digest(edited(data, (fields("tree_size"), u64(limits.MAX_NUMBER + 1))))
    bad("tree-too-large", "A tree of 2^63 leaves.", "GEN-21", LimitExceeded, over)
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

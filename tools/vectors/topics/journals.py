"""Sections 11 and 12: frame rows, and the headers of journals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vaultfs_format import labels, limits
from vaultfs_format.access import access_keys
from vaultfs_format.directory import PLACE
from vaultfs_format.errors import (
    DecryptionFailed,
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    MacMismatch,
    Structure,
    Truncated,
    UnsupportedVersion,
    VaultError,
)
from vaultfs_format.frame import HEADER as FRAME_HEADER
from vaultfs_format.journal import HEADER, JournalHeader, JournalKeys, JournalRole
from vaultfs_format.suite import DEFAULT, DIGEST

from vectors import world
from vectors.author import rows_of
from vectors.case import Case, Topic
from vectors.topics.small import prefix, u16, u32
from vectors.world import EPOCH_ROOT, RECORDS, edited, flipped, journal_header, seeded

_DIGEST_AT = 4096 - 2 * DIGEST


def u64(value: int) -> bytes:
    """Return a number of eight bytes."""
    return value.to_bytes(8, "little")


def row_cases() -> list[Case]:
    """Return the scenarios of frame rows."""
    topic = Topic("frame-rows")
    (one,) = rows_of([RECORDS], [[(2, 7)]], 88)
    (two,) = rows_of([RECORDS], [[(1, 7), (1, 9)]], 500)
    topic.good(
        "one-run", "Two entries of one commit.", "frame-rows", "DIR-1 DIR-2 DIR-3 DIR-4 DIR-5", data=one, count=1
    )
    topic.good("two-runs", "Two entries of two commits.", "frame-rows", "DIR-1 DIR-2 DIR-3", data=two, count=1)
    topic.good("two-rows", "Rows follow each other.", "frame-rows", "DIR-5", data=one + two, count=2)
    run = PLACE.size + FRAME_HEADER.size

    def bad(
        name: str,
        comment: str,
        rule: int | None,
        data: bytes,
        count: int = 1,
        breaks: str = "",
        error: type[VaultError] = FieldInvalid,
    ) -> None:
        topic.bad(
            name,
            comment,
            "frame-rows",
            breaks or f"DIR-{rule}",
            error,
            Structure.DIRECTORY,
            rule,
            data=data,
            count=count,
        )

    bad("no-run", "No run.", 1, edited(one, (10, u16(0))))
    bad("more-runs-than-entries", "Three runs for two entries.", 1, edited(two, (10, u16(3))))
    bad("run-of-nothing", "A run of no entries.", 2, edited(one, (run, u32(0))))
    bad("commit-0", "Commit number 0.", 2, edited(one, (run + 4, u64(0))))
    bad("commit-over-limit", "A commit number over MAX_NUMBER.", 2, edited(one, (run + 4, u64(1 << 63))))
    bad("run-too-short", "One run of one entry for two entries.", 3, edited(one, (run, u32(1))))
    bad("runs-too-long", "Runs of three entries for two entries.", 3, edited(two, (run, u32(2))))
    bad("offset-over-limit", "A body behind MAX_NUMBER.", 4, edited(one, (0, u64(1 << 63))))
    bad("bytes-left", "Bytes follow the last row.", 5, one + bytes(4), breaks="DIR-5 GEN-22")
    bad("row-cut", "The sealed entry block of the last row is cut.", None, one[:-1], breaks="GEN-21", error=Truncated)
    bad("reserved", "Reserved bytes are not zero.", None, edited(one, (12, b"\1")), breaks="GEN-20")
    bad("more-rows-than-bytes", "More rows than there is room for.", None, one, 100, "GEN-21", LimitExceeded)
    topic.bad(
        "frame-of-class-9",
        "A row whose frame has an unknown class.",
        "frame-rows",
        "FRM-2",
        FieldInvalid,
        Structure.FRAME,
        2,
        data=edited(one, (PLACE.size + 5, b"\x09")),
        count=1,
    )
    return topic.cases


# Headers.


def header_bytes(header: JournalHeader) -> bytes:
    """Return the bytes of a header under the epoch root."""
    return header.encode(header.keys(EPOCH_ROOT))


def with_digest(data: bytes, keys: JournalKeys | None = None) -> bytes:
    """Return a header with its digest made to fit, and the MAC too where the keys are given."""
    data = edited(data, (_DIGEST_AT, DEFAULT.digest(data[:_DIGEST_AT])))
    if keys is None:
        return data
    return edited(data, (4096 - DIGEST, DEFAULT.mac(keys.mac, labels.JOURNAL_HEADER_MAC, data[:_DIGEST_AT])))


def header_cases() -> list[Case]:
    """Return the scenarios of journal headers."""
    topic = Topic("journal-headers")
    first = journal_header()
    data = header_bytes(first)
    topic.good(
        "first",
        "The first journal of a vault.",
        "journal-header",
        "JNL-1 JNL-2 JNL-3 JNL-4 JNL-5 JNL-6 JNL-20",
        data=data,
        epoch_root=EPOCH_ROOT,
    )
    follows: dict[str, Any] = {"predecessor": first.journal_id, "first_number": 1001, "last_number": 2000}
    empty = journal_header("second", **follows, predecessor_end=4096, predecessor_chain=first.chain(data))
    topic.good(
        "after-an-empty-one",
        "The journal before has no good group: its end is that of its header.",
        "journal-header",
        "JNL-7",
        data=header_bytes(empty),
        epoch_root=EPOCH_ROOT,
    )
    later = journal_header("second", **follows, predecessor_end=5000, predecessor_group=2, predecessor_chain=bytes(32))
    topic.good(
        "after-two-groups",
        "The journal before has two.",
        "journal-header",
        "JNL-7",
        data=header_bytes(later),
        epoch_root=EPOCH_ROOT,
    )
    access = world.ACCESS.encode(world.ACCESS_KEYS)
    given: dict[str, Any] = {"private": world.INBOX_KEY, "access_key": world.ACCESS_KEY}
    topic.good(
        "access",
        "The header of an access journal, its key opened.",
        "access-header",
        "JNL-1 JNL-2 JNL-8 JNL-9",
        data=access,
        **given,
    )
    before = world.ACCESS.journal_id
    later = world.access_header("later", predecessor=before, predecessor_end=5000, predecessor_group=2)
    topic.good(
        "access-after-another",
        "The header of an access journal in which a reader goes on that has written two groups to another.",
        "access-header",
        "JNL-7 JNL-8",
        data=later.encode(access_keys(later, world.JOURNAL_KEY, world.ACCESS_KEY)),
        **given,
    )
    short = world.access_header("short", world.JOURNAL_KEY[:31])
    topic.bad(
        "access-key-of-31",
        "The key that was sealed has 31 bytes.",
        "access-header",
        "JNL-9",
        FieldInvalid,
        Structure.JOURNAL_HEADER,
        9,
        data=short.encode(access_keys(short, world.JOURNAL_KEY, world.ACCESS_KEY)),
        **given,
    )
    moved = replace(world.ACCESS, journal_id=seeded("another journal", 16))
    topic.bad(
        "access-moved",
        "The sealed key stands in the header of another journal.",
        "access-header",
        "",
        DecryptionFailed,
        Structure.JOURNAL_HEADER,
        data=moved.encode(world.ACCESS_KEYS),
        **given,
    )
    topic.bad(
        "access-forged",
        "Whoever has the inbox key of VAULT alone cannot make the MAC.",
        "access-header",
        "JNL-20",
        MacMismatch,
        Structure.JOURNAL_HEADER,
        data=access,
        private=world.INBOX_KEY,
        access_key=seeded("another access key", 32),
    )
    _bad_headers(topic, data)
    return topic.cases


def _bad_headers(topic: Topic, data: bytes) -> None:
    def bad(
        name: str,
        comment: str,
        rule: int | None,
        changed: bytes,
        breaks: str = "",
        error: type[VaultError] = FieldInvalid,
    ) -> None:
        topic.bad(
            name,
            comment,
            "journal-header",
            breaks or f"JNL-{rule}",
            error,
            Structure.JOURNAL_HEADER,
            rule,
            data=changed,
            epoch_root=EPOCH_ROOT,
        )

    def made(**changes: Any) -> bytes:
        return header_bytes(journal_header(**changes))

    keys = journal_header().keys(EPOCH_ROOT)
    before = seeded("journal before", 16)
    bad("role-3", "Role 3.", 1, with_digest(edited(data, (16, b"\3")), keys), breaks="JNL-1 GEN-23")
    bad("sealed-key-of-writer", "A sealed key in the journal of a writer.", 2, made(sealed_key=bytes(40)))
    reader: dict[str, Any] = {"role": JournalRole.READER, "first_number": 0, "last_number": 0}
    bad("no-sealed-key", "No sealed key in an access journal.", 2, made(**reader))
    bad(
        "padding",
        "A byte between the fields and the digest is not zero.",
        3,
        with_digest(edited(data, (3000, b"\1")), keys),
        breaks="JNL-3 GEN-25",
    )
    bad("first-number-0", "The first record number is 0.", 4, made(first_number=0))
    bad("numbers-descend", "The last record number is less than the first.", 4, made(first_number=9, last_number=8))
    bad("epoch-0", "Epoch 0.", 5, made(epoch=0))
    bad("generation-0", "Generation 0.", 5, made(generation=0))
    bad("group-of-no-predecessor", "The number of a last group, and no predecessor.", 6, made(predecessor_group=1))
    bad("end-of-no-predecessor", "An end, and no predecessor.", 6, made(predecessor_end=4096))
    bad("chain-of-no-predecessor", "A chain value, and no predecessor.", 6, made(predecessor_chain=b"\1" * 32))
    bad(
        "empty-predecessor-too-long",
        "No good group, and an end behind the header.",
        7,
        made(predecessor=before, predecessor_end=4097),
    )
    bad(
        "predecessor-without-groups",
        "A last good group, and an end within the header.",
        7,
        made(predecessor=before, predecessor_group=1, predecessor_end=4096),
    )
    sealed: dict[str, Any] = {**reader, "sealed_key": bytes(40)}
    bad(
        "group-of-no-predecessor-of-a-reader",
        "An access journal with the number of a last group, and no predecessor.",
        6,
        made(**sealed, predecessor_group=1),
    )
    bad(
        "reader-with-numbers",
        "An access journal that reserves record numbers.",
        8,
        made(**{**sealed, "first_number": 1, "last_number": 2}),
    )
    bad("reader-with-leaf", "An access journal with a first leaf.", 8, made(**sealed, first_leaf=1))
    bad("digest", "One bit is another.", None, flipped(data, 100), "JNL-20", DigestMismatch)
    bad(
        "mac",
        "One bit is another, and the digest made to fit.",
        None,
        with_digest(flipped(data, 60)),
        "JNL-20",
        MacMismatch,
    )
    bad(
        "digest-before-rules",
        "A role that is not defined, under a digest that does not fit.",
        None,
        edited(data, (16, b"\3")),
        "JNL-20",
        DigestMismatch,
    )
    bad("cut", "The header is cut.", None, data[:4000], "GEN-21", Truncated)
    bad("version-2", "A journal of version 2.", None, prefix("J", version=2) + data[16:], "GEN-24", UnsupportedVersion)
    bad(
        "sealed-key-too-long",
        "A sealed key longer than MAX_SEALED_KEY.",
        None,
        with_digest(edited(data, (HEADER.offset_of("sealed_key_length"), u32(limits.MAX_SEALED_KEY + 1))), keys),
        "GEN-21",
        LimitExceeded,
    )
    bad("reserved", "Reserved bytes are not zero.", None, with_digest(edited(data, (17, b"\1")), keys), "GEN-20")

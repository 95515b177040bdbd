"""Section 9: entry blocks."""

from __future__ import annotations

from collections.abc import Mapping

from vaultfs_format import limits
from vaultfs_format.entries import NO_SUBJECT, PART_ROW, PROLOGUE, ROW, Entry, EntryBlock, PartRow, Role
from vaultfs_format.errors import (
    FieldInvalid,
    LimitExceeded,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.frame import FrameClass, SealedFrame

from vectors.case import Case, Topic
from vectors.world import FIRST, SECOND, SUBJECT, UNDATED, edited, frame, frame_of, record, seeded

# Entry blocks.

ENTRY = record(1, FIRST, 0)


def cases() -> list[Case]:
    """Return the scenarios of entry blocks."""
    topic = Topic("entries")
    for name, comment, sealed, holds in _legal():
        topic.good(name, comment, "open-entries", holds, header=sealed.encoded, entries=sealed.entries, key=sealed.key)
    _illegal_rows(topic)
    _illegal_blocks(topic)
    return topic.cases


def _legal() -> list[tuple[str, str, SealedFrame, str]]:
    body = FIRST + SECOND
    roles = frame(
        "every role of class record",
        [
            record(1, FIRST, 0, before=0),
            Entry(Role.DELETE, kind=4, number=1, version=2, offset=len(FIRST)),
            Entry(Role.UNDELETE, kind=4, number=1, version=3, offset=len(body)),
            Entry(Role.SUBJECT, offset=0, length=32),
            Entry(Role.ALIAS, flags=1, precision=1, date=0, length=20, token=seeded("alias", 16)),
            Entry(Role.LINK, token=seeded("other subject", 16)),
            Entry(Role.UNLINK, token=seeded("other subject", 16)),
        ],
        body,
    )
    dates = [
        record(number, b"", 0, precision=precision, date=date, offset_minutes=offset)
        for number, (precision, date, offset) in enumerate(
            [
                (1, -62_135_596_800_000, -32768),
                (2, 0, 1439),
                (4, 60_000, -1439),
                (5, 1_000, 0),
                (6, 253_402_300_799_999, -32768),
            ],
            start=1,
        )
    ]
    part = frame("a part", [Entry(Role.PART, length=len(FIRST), token=seeded("part", 16))], FIRST, FrameClass.BLOB)
    whole = frame(
        "last of a blob",
        [record(1, bytes(110), 0, before=4, after=6)],
        bytes(20),
        FrameClass.BLOB,
        parts=[PartRow(seeded("part", 16), 50), PartRow(seeded("part 2", 16), 50)],
    )
    state = frame(
        "a state",
        [Entry(Role.STATE, version=3, length=8, token=seeded("state", 16))],
        bytes(8),
        FrameClass.CONTROL,
        subject=NO_SUBJECT,
    )
    logged = frame("events", [Entry(Role.EVENTS, length=9)], bytes(9), FrameClass.AUDIT, subject=NO_SUBJECT)
    undated = frame("undated", [record(1, FIRST, 0, **UNDATED)], FIRST, subject=NO_SUBJECT)
    return [
        ("every-role", "Every role that class record has.", roles, "ENT-1 ENT-2 ENT-3 ENT-4 ENT-5 ENT-7 ENT-8 ENT-12"),
        (
            "dates",
            "The first and the last date, every precision, offsets at their ends.",
            frame("dates", dates, b""),
            "ENT-6",
        ),
        ("undated", "A record with neither subject nor date.", undated, "ENT-6 ENT-13 ENT-16"),
        ("part", "A part of a blob.", part, "ENT-9 ENT-10"),
        ("blob", "The last frame of a blob, with bytes around the record and two parts.", whole, "ENT-11 ENT-15"),
        ("state", "A control state.", state, "ENT-14 ENT-8"),
        ("events", "Events.", logged, "ENT-14"),
    ]


def _row(changes: Mapping[str, object] | None = None, raw: Mapping[str, bytes] | None = None) -> bytes:
    """Return the row of a record with other fields, and other bytes at fields whose names do not tell them."""
    row = ROW.pack(*ENTRY._replace(**(changes or {})))  # type: ignore[arg-type] # the fields that a vector changes
    for name, value in (raw or {}).items():
        row = edited(row, (int(name), value))
    return row


def _illegal_rows(topic: Topic) -> None:
    def bad(
        name: str,
        comment: str,
        rule: int,
        row: bytes,
        breaks: str = "",
        body: bytes = FIRST,
        frame_class: FrameClass = FrameClass.RECORD,
        subject: bytes = SUBJECT,
    ) -> None:
        sealed = frame_of(name, PROLOGUE.pack(subject, 0, 1, 0) + row, 1, body, frame_class)
        topic.bad(
            name,
            comment,
            "open-entries",
            breaks or f"ENT-{rule}",
            FieldInvalid,
            Structure.ENTRIES,
            rule,
            header=sealed.encoded,
            entries=sealed.entries,
            key=sealed.key,
        )

    bad("role-0", "Role 0.", 3, _row({"role": 0}))
    bad("role-12", "Role 12, which is not defined.", 3, _row({"role": 12}), breaks="ENT-3 GEN-23")
    bad("reserved-byte", "The reserved byte at 7 is not zero.", 3, _row(raw={"7": b"\1"}), breaks="ENT-3 GEN-20")
    bad("reserved-bytes", "A reserved byte at 10 is not zero.", 3, _row(raw={"10": b"\1"}), breaks="ENT-3 GEN-20")
    link = Entry(Role.LINK, token=seeded("other", 16))
    for field, value in (("kind", 1), ("length", 1), ("version", 1), ("offset_minutes", 0), ("before", 1)):
        row = ROW.pack(*link._replace(**{field: value}))  # type: ignore[arg-type] # of several types
        bad(f"link-with-{field.replace('_', '-')}", f"A link that has a {field}.", 4, row, breaks="ENT-4 GEN-25")
    deletion = Entry(Role.DELETE, kind=4, number=1, version=2, token=seeded("a token", 16))
    bad("deletion-with-token", "A deletion that has a token.", 4, ROW.pack(*deletion))
    for field in ("kind", "media", "number", "version"):
        bad(f"record-without-{field}", f"A record whose {field} is 0.", 5, _row({field: 0}))
    bad("precision-7", "Precision 7.", 6, _row({"precision": 7}))
    bad("date-without-precision", "A date, and precision 0.", 6, _row({"precision": 0, "offset_minutes": -32768}))
    bad("offset-without-precision", "An offset from UTC, and precision 0.", 6, _row({"precision": 0, "date": 0}))
    bad("date-before-year-1", "A millisecond before the year 1.", 6, _row({"date": -62_135_596_800_001}))
    bad("date-after-year-9999", "The year 10000.", 6, _row({"date": 253_402_300_800_000}))
    bad("offset-of-a-day", "An offset of 24 hours.", 6, _row({"offset_minutes": 1440}))
    bad("offset-of-minus-a-day", "An offset of minus 24 hours.", 6, _row({"offset_minutes": -1440}))
    alias = Entry(Role.ALIAS, flags=2, length=4, token=seeded("alias", 16))
    bad("alias-flag", "A flag that is not defined.", 7, ROW.pack(*alias))
    bad(
        "record-too-long",
        "A record longer than MAX_RECORD.",
        7,
        _row({"length": limits.MAX_RECORD + 1}),
        breaks="ENT-7 GEN-21",
    )
    bad("content-key-of-31", "A content key of 31 bytes.", 7, ROW.pack(*Entry(Role.SUBJECT, length=31)))
    bad(
        "state-among-records",
        "A control state in a frame of class record.",
        8,
        ROW.pack(*Entry(Role.STATE, version=1, length=4, token=seeded("state", 16))),
    )
    bad(
        "record-among-states",
        "A record in a frame of class control.",
        8,
        _row(),
        frame_class=FrameClass.CONTROL,
        subject=NO_SUBJECT,
    )
    bad("class-terminology", "Class 5 has no roles in this version.", 8, _row(), frame_class=FrameClass.TERMINOLOGY)
    bad("beyond-body", "A record that ends a byte behind the body.", 13, _row(), body=FIRST[:-1])
    bad(
        "offset-beyond-body",
        "A deletion that points behind the body.",
        13,
        ROW.pack(*Entry(Role.DELETE, kind=4, number=1, version=2, offset=1)),
        body=b"",
    )
    bad(
        "subject-of-a-state",
        "A control state with a subject.",
        14,
        ROW.pack(*Entry(Role.STATE, version=1, length=4, token=seeded("state", 16))),
        frame_class=FrameClass.CONTROL,
    )
    bad(
        "subject-of-events",
        "Events with a subject.",
        14,
        ROW.pack(*Entry(Role.EVENTS, length=4)),
        frame_class=FrameClass.AUDIT,
    )
    part = Entry(Role.PART, length=len(FIRST), token=seeded("part", 16))
    bad(
        "part-of-another-length",
        "A part that is shorter than its body.",
        10,
        ROW.pack(*part._replace(length=len(FIRST) - 1)),
        frame_class=FrameClass.BLOB,
    )
    bad(
        "part-of-nothing",
        "A part with an empty body.",
        10,
        ROW.pack(*part._replace(length=0)),
        body=b"",
        frame_class=FrameClass.BLOB,
    )
    bad(
        "blob-with-offset",
        "A record of class blob that begins behind its first byte.",
        11,
        _row({"offset": 1, "length": len(FIRST) - 1}),
        frame_class=FrameClass.BLOB,
    )
    bad(
        "blob-of-another-length",
        "A record of class blob that is shorter than its body.",
        11,
        _row({"length": len(FIRST) - 1}),
        frame_class=FrameClass.BLOB,
    )
    bad(
        "blob-of-nothing",
        "A record of class blob without any bytes.",
        11,
        _row({"length": 0}),
        body=b"",
        frame_class=FrameClass.BLOB,
    )


def _illegal_blocks(topic: Topic) -> None:
    def bad(
        name: str,
        comment: str,
        breaks: str,
        error: type[VaultError],
        rule: int | None,
        block: bytes,
        count: int,
        body: bytes = FIRST,
        frame_class: FrameClass = FrameClass.RECORD,
    ) -> None:
        sealed = frame_of(name, block, count, body, frame_class)
        topic.bad(
            name,
            comment,
            "open-entries",
            breaks,
            error,
            Structure.ENTRIES,
            rule,
            header=sealed.encoded,
            entries=sealed.entries,
            key=sealed.key,
        )

    row, one = _row(), EntryBlock(SUBJECT, 0, [ENTRY]).encode()
    bad(
        "no-rows",
        "The prologue says that there are no rows.",
        "ENT-1",
        FieldInvalid,
        1,
        PROLOGUE.pack(SUBJECT, 0, 0, 0) + row,
        1,
    )
    bad(
        "row-missing",
        "The prologue says that there are two rows, and there is one.",
        "ENT-1 GEN-21",
        Truncated,
        None,
        PROLOGUE.pack(SUBJECT, 0, 2, 0) + row,
        1,
    )
    bad(
        "part-row-too-many",
        "A part row that the prologue does not count.",
        "ENT-1 GEN-22",
        TrailingBytes,
        None,
        one + PART_ROW.pack(seeded("part", 16), 5),
        1,
    )
    bad(
        "too-many-rows",
        "More rows than a frame can have.",
        "GEN-21",
        LimitExceeded,
        None,
        PROLOGUE.pack(SUBJECT, 0, limits.MAX_ENTRIES + 1, 0) + row,
        1,
    )
    bad(
        "too-many-parts",
        "More part rows than a blob can have.",
        "GEN-21",
        LimitExceeded,
        None,
        PROLOGUE.pack(SUBJECT, 0, 1, limits.MAX_PARTS + 1) + row,
        1,
    )
    bad("disposition", "A disposition class.", "ENT-16 GEN-23", FieldInvalid, 16, edited(one, (16, b"\1")), 1)
    bad(
        "reserved",
        "The reserved bytes of the prologue are not zero.",
        "GEN-20",
        FieldInvalid,
        None,
        edited(one, (28, b"\1")),
        1,
    )
    parts = PROLOGUE.pack(SUBJECT, 0, 1, 18) + row + PART_ROW.pack(seeded("part", 16), 1) * 18
    bad(
        "other-count",
        "The header counts 6 entries, the block one and 18 part rows: they are as long.",
        "ENT-2",
        FieldInvalid,
        2,
        parts,
        6,
    )
    bad(
        "two-rows-of-a-blob",
        "A frame of class blob with two rows.",
        "ENT-9",
        FieldInvalid,
        9,
        PROLOGUE.pack(SUBJECT, 0, 2, 0) + row + row,
        2,
        frame_class=FrameClass.BLOB,
    )
    bad(
        "part-with-parts",
        "A part that has part rows.",
        "ENT-10",
        FieldInvalid,
        10,
        PROLOGUE.pack(SUBJECT, 0, 1, 1)
        + ROW.pack(*Entry(Role.PART, length=len(FIRST), token=seeded("part", 16)))
        + PART_ROW.pack(seeded("part", 16), 5),
        1,
        frame_class=FrameClass.BLOB,
    )
    bad(
        "record-with-parts",
        "A frame of class record with part rows.",
        "ENT-12",
        FieldInvalid,
        12,
        PROLOGUE.pack(SUBJECT, 0, 1, 1) + row + PART_ROW.pack(seeded("part", 16), 5),
        1,
    )
    for name, length in (("part-row-of-nothing", 0), ("part-row-too-long", limits.MAX_BODY + 1)):
        bad(
            name,
            f"A part of {length:,} bytes.",
            "ENT-15",
            FieldInvalid,
            15,
            PROLOGUE.pack(SUBJECT, 0, 1, 1) + row + PART_ROW.pack(seeded("part", 16), length),
            1,
            frame_class=FrameClass.BLOB,
        )

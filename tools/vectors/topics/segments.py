"""Section 14: superblocks and footers."""

from __future__ import annotations

from typing import Any

from vaultfs_format.entries import Entry, Role
from vaultfs_format.errors import (
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    Structure,
    TrailingBytes,
    Truncated,
    UnsupportedVersion,
    VaultError,
)
from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import FOOTER, FOOTER_SIZE, SUPERBLOCK, SUPERBLOCK_SIZE

from vectors import scenes, world
from vectors.author import Segment, segment
from vectors.case import Case, Topic
from vectors.topics.journals import u64
from vectors.topics.small import prefix, u16, u32
from vectors.world import edited, flipped, seeded, with_digest

RECORD = scenes.SEGMENTS["record"]


def _large_frames() -> Segment:
    """Return a segment of 25 slices in two stripes."""
    bodies = [seeded(f"body {number}", 24_000) for number in range(4)]
    frames = [
        world.frame(
            f"large {number}", [Entry(Role.PART, length=len(body), token=world.content_id(body))], body, FrameClass.BLOB
        )
        for number, body in enumerate(bodies)
    ]
    return segment("large", FrameClass.BLOB, frames)


LARGE = _large_frames()


def cases() -> list[Case]:
    """Return the scenarios of superblocks and footers."""
    topic = Topic("segments")
    for name, one in scenes.SEGMENTS.items():
        holds = "SEG-1 SEG-2 SEG-3 SEG-4 SEG-5 SEG-10"
        topic.good(
            f"{name}-superblock",
            f"The superblock of the segment {name}.",
            "segment-superblock",
            holds,
            data=one.data[:SUPERBLOCK_SIZE],
        )
        topic.good(
            f"{name}-footer",
            f"Its footer, which stands at the end of a file of {len(one.data):,} bytes.",
            "segment-footer",
            "SEG-6 SEG-7 SEG-8 SEG-9 SEG-11 SEG-12 SEG-13",
            data=one.data[-FOOTER_SIZE:],
            file_length=len(one.data),
        )
        topic.good(
            f"{name}-frames",
            "Its frames, opened with the keys of its table.",
            "segment-frames",
            "KTB-21 SEG-24 SEG-25 SEG-26 SEG-27",
            data=one.data,
            table=one.table,
            epoch_root=world.EPOCH_ROOT,
        )
        topic.good(
            f"{name}-checked",
            "It is good by itself, without a key.",
            "check-file",
            "SEG-21",
            file_name=f"{name}.vseg",
            data=one.data,
            facts={"verdict": "good"},
        )
    topic.good(
        "part-file",
        "The superblock of a part file.",
        "segment-superblock",
        "SEG-3 SEG-4 SEG-5",
        data=scenes.PART_FILE[:SUPERBLOCK_SIZE],
        facts={"covered": 0, "epoch": 0},
    )
    _years(topic)
    _bad_superblocks(topic)
    _bad_footers(topic)
    return topic.cases


def _years(topic: Topic) -> None:
    def years(name: str, comment: str, one: Segment, holds: str = "", breaks: str = "", **facts: Any) -> None:
        given: dict[str, Any] = {"data": one.data, "table": one.table, "epoch_root": world.EPOCH_ROOT}
        topic.good(f"years-{name}", comment, "segment-years", holds, breaks=breaks, facts=facts, **given)

    for name, one in scenes.SEGMENTS.items():
        years(
            name,
            "The years are those of its records that have a date and a subject.",
            one,
            "SEG-28 FRM-24",
            mixed=False,
        )
    other = segment("other years", FrameClass.RECORD, [scenes.PERSON], years=(1999, 2001))
    years("too-wide", "The years begin before the first record.", other, breaks="SEG-28", found=[2001, 2001])
    none = segment("years of none", FrameClass.RECORD, [scenes.NOBODYS], years=(2001, 2001))
    years("of-nobody", "Years, and no record with a date and a subject.", none, breaks="SEG-28", found=[0, 0])
    both = [world.record(1, world.FIRST, 0), world.record(2, world.SECOND, len(world.FIRST), **world.UNDATED)]
    mixed = segment(
        "mixed", FrameClass.RECORD, [world.frame("mixed", both, world.FIRST + world.SECOND)], years=(2001, 2001)
    )
    years(
        "mixed", "A frame of a subject holds a record with a date and one without.", mixed, breaks="FRM-24", mixed=True
    )


def _bad_superblocks(topic: Topic) -> None:
    data = RECORD.data[:SUPERBLOCK_SIZE]

    def bad(
        name: str,
        comment: str,
        rule: int | None,
        changed: bytes,
        breaks: str = "",
        error: type[VaultError] = FieldInvalid,
    ) -> None:
        topic.bad(
            name, comment, "segment-superblock", breaks or f"SEG-{rule}", error, Structure.SEGMENT, rule, data=changed
        )

    def field(name: str, value: bytes) -> bytes:
        return with_digest(edited(data, (SUPERBLOCK.offset_of(name), value)))

    bad(
        "padding",
        "A byte between the fields and the digest is not zero.",
        1,
        with_digest(edited(data, (3000, b"\1"))),
        breaks="SEG-1 GEN-25",
    )
    bad("class-0", "Class 0.", 2, field("class", b"\0"))
    bad("class-6", "Class 6.", 2, field("class", b"\6"), breaks="SEG-2 GEN-23 PFX-23")
    bad("covered-4096", "No bytes but those of the superblock are covered.", 3, field("covered", u64(4096)))
    bad("slice-size", "Large slices for few bytes.", 4, field("slice_log2", b"\x10"))
    bad("data-pieces", "Another number of data pieces.", 4, field("data_pieces", u16(9)))
    bad("parity-pieces", "Another number of parity pieces.", 4, field("parity_pieces", u16(1)))
    bad(
        "pieces-of-a-part-file",
        "A part file with a slice size.",
        4,
        with_digest(edited(scenes.PART_FILE[:SUPERBLOCK_SIZE], (17, b"\x0c"))),
    )
    bad("years-descend", "The last year is before the first.", 5, field("last_year", u16(2000)))
    bad("first-year-alone", "A first year, and no last one.", 5, field("last_year", u16(0)))
    bad("year-10000", "The year 10000.", 5, field("last_year", u16(10000)))
    bad("across", "Parity across locations, which this version does not have.", 10, field("across_data", u16(4)))
    bad("digest", "One bit is another.", None, flipped(data, 40), "SEG-20", DigestMismatch)
    bad("cut", "The superblock is cut.", None, data[:4095], "GEN-21", Truncated)
    bad(
        "covered-over-limit",
        "More covered bytes than MAX_COVERED.",
        None,
        field("covered", u64((1 << 42) + 1)),
        "GEN-21",
        LimitExceeded,
    )
    bad(
        "version-1",
        "A segment of version 1, whatever follows.",
        None,
        prefix("S", version=1) + data[16:],
        "GEN-24 SEG-20",
        UnsupportedVersion,
    )
    bad("reserved", "Reserved bytes are not zero.", None, with_digest(edited(data, (26, b"\1"))), "GEN-20")


def _bad_footers(topic: Topic) -> None:
    data, length = RECORD.data[-FOOTER_SIZE:], len(RECORD.data)
    fields = FOOTER.offset_of

    def bad(
        name: str,
        comment: str,
        rule: int | None,
        changed: bytes,
        breaks: str = "",
        error: type[VaultError] = FieldInvalid,
        file_length: int = length,
    ) -> None:
        topic.bad(
            name,
            comment,
            "segment-footer",
            breaks or f"SEG-{rule}",
            error,
            Structure.SEGMENT,
            rule,
            data=changed,
            file_length=file_length,
        )

    def field(name: str, value: bytes, base: bytes = data) -> bytes:
        return with_digest(edited(base, (fields(name), value)))

    footer = RECORD.footer
    bad(
        "footer-padding",
        "A byte between the fields and the digest is not zero.",
        6,
        with_digest(edited(data, (900, b"\1"))),
        breaks="SEG-6 GEN-25",
    )
    bad("signer-0", "Signer 0.", 7, field("signer", u32(0)))
    bad("length", "A length that does not follow from what is covered.", 8, field("length", u64(length + 1)))
    bad("leaves-length", "Leaf hashes for one slice less.", 8, field("leaves_length", u64(footer.leaves_length - 32)))
    bad("parity-length", "One slice of parity less.", 8, field("parity_length", u64(footer.parity_length - 4096)))
    bad("file-length", "The file is a byte longer than its footer says.", 8, data, file_length=length + 1)
    bad(
        "bodies-length",
        "Bodies of a byte more than are covered.",
        9,
        field("bodies_length", u64(footer.bodies_length + 1)),
    )
    audit = scenes.SEGMENTS["audit"]
    ending = audit.data[-FOOTER_SIZE:]
    shifted = edited(
        ending,
        (fields("audit_length"), u64(audit.footer.audit_length - 1)),
        (fields("directory_length"), u64(audit.footer.directory_length + 1)),
    )
    bad(
        "audit-not-whole",
        "Audit entries of 287 bytes.",
        11,
        with_digest(shifted),
        "SEG-11 AUD-2",
        file_length=len(audit.data),
    )
    bad(
        "audit-missing",
        "A segment of class audit without audit entries.",
        12,
        with_digest(
            edited(
                ending,
                (fields("audit_length"), u64(0)),
                (fields("directory_length"), u64(audit.footer.directory_length + audit.footer.audit_length)),
            )
        ),
        file_length=len(audit.data),
    )
    bad(
        "audit-of-records",
        "A segment of class record with audit entries.",
        12,
        with_digest(
            edited(
                data, (fields("audit_length"), u64(48)), (fields("directory_length"), u64(footer.directory_length - 48))
            )
        ),
    )
    bad("first-leaf-of-records", "A segment of class record with a first leaf.", 12, field("first_leaf", u64(1)))
    bad("no-frames", "No frame.", 13, field("frames", u32(0)))
    bad("fewer-entries-than-frames", "Fewer entries than frames.", 13, field("entries", u64(0)))
    epoch = fields("superblock") + SUPERBLOCK.offset_of("epoch")
    bad("epoch-0", "Epoch 0.", 13, with_digest(edited(data, (epoch, u32(0)))))
    bad("footer-digest", "One bit is another.", None, flipped(data, 100), "SEG-23", DigestMismatch)
    bad("footer-cut", "The footer is cut.", None, data[:-1], "GEN-21", Truncated)
    bad("footer-trailing", "A byte follows.", None, data + b"\0", "GEN-22", TrailingBytes)
    bad(
        "too-many-frames",
        "More frames than MAX_SEGMENT_FRAMES.",
        None,
        field("frames", u32((1 << 24) + 1)),
        "GEN-21",
        LimitExceeded,
    )
    bad("footer-reserved", "Reserved bytes are not zero.", None, with_digest(edited(data, (76, b"\1"))), "GEN-20")

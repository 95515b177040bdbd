"""Vaults with segments: what the head, the directory and the key table say of each other, and the audit tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry
from vaultfs_format.directory import RUN, FrameRow, encode_row
from vaultfs_format.entries import Entry, Role
from vaultfs_format.frame import FrameClass, SealedFrame
from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import seal_table
from vaultfs_format.segment import FOOTER, FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter
from vaultfs_format.suite import DEFAULT, DIGEST

from vaultfs.errors import VaultDamaged
from vectors import scenes, world
from vectors.author import Segment, rows_of, runs_of, segment, vault
from vectors.case import Case, Topic
from vectors.topics.chains import checks_codes
from vectors.topics.small import prefix
from vectors.topics.vaults import KEYS, Checks, damaged, name_of
from vectors.world import edited, flipped, seeded, with_digest

SETTLED = scenes.SETTLED


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("sealed")
    checks = Checks(topic)
    _files(checks)
    _forged(checks)
    _rows(checks)
    _directories(checks)
    _blobs(checks)
    _tables(checks)
    _trees(checks)
    return topic.cases


def _check(checks: Checks, name: str, comment: str, files: Mapping[str, bytes], breaks: str) -> None:
    """Add a check of what is damaged."""
    checks.check(name, comment, files, "damage", checks_codes(dict(files)), breaks=breaks)


def _files(checks: Checks) -> None:
    name = name_of(".vseg", part="segments/main/record/2001")
    harmed = damaged(SETTLED, name)
    checks.check(
        "slice-damaged",
        "One bit of a segment is another: its parity gives it back.",
        harmed,
        "damage",
        (9107,),
        "SEG-29",
    )
    checks.open("slice-damaged", "Every record is read.", harmed, "SEG-29", records=4)
    longer = SETTLED | {name: SETTLED[name] + b"more"}
    checks.check(
        "appended",
        "Bytes follow a segment: its footer stands where the superblock says.",
        longer,
        "damage",
        checks_codes(longer),
        "SEG-31",
    )
    checks.open("appended", "Every record is read.", longer, "SEG-31", records=4)
    newer = SETTLED | {name: prefix("S", version=1) + SETTLED[name][16:]}
    checks.check(
        "newer",
        "A segment of version 1, with footers of this version: it is unsupported, not damaged.",
        newer,
        "unsupported",
        (1111,),
        "GEN-24 SEG-20",
    )
    half = dict(newer) | {name: newer[name][:-1024] + bytes(1024)}
    checks.check(
        "newer-without-footer",
        "The same without a footer at the end: the prefix is looked at first.",
        half,
        "unsupported",
        (1111,),
        "SEG-20",
    )
    _check(
        checks,
        "prefix-damaged",
        "The prefix is damaged, the footers are good: it is damaged, not unsupported.",
        SETTLED | {name: flipped(SETTLED[name], 8)},
        "SEG-20 GEN-24",
    )
    gone = SETTLED | {name: bytes(len(SETTLED[name]))}
    _check(checks, "zeros", "A segment of nothing but zeros.", gone, "SEG-31")
    control = name_of(".vseg", part="segments/main/control")
    swapped = SETTLED | {name: SETTLED[control], control: SETTLED[name]}
    _check(checks, "exchanged", "Two segments are exchanged.", swapped, "SEG-22")
    checks.topic.bad("open-exchanged", "It does not open.", "open-vault", "SEG-22", VaultDamaged, vault=swapped, **KEYS)


def _forged(checks: Checks) -> None:
    """Add what takes no key: a change, and all that is stored to find it by, changed with it."""
    name = name_of(".vseg", part="segments/main/record/2001")
    data = SETTLED[name]
    footer = SegmentFooter.decode(data[-FOOTER_SIZE:])
    _, last = footer.footer_offsets
    changed = with_digest(edited(data[-FOOTER_SIZE:], (FOOTER.offset_of("root"), bytes(32))))
    checks.open(
        "footer-changed",
        "The footer at the end has another root, and its digest fits: the first one is that of the head.",
        SETTLED | {name: data[:-FOOTER_SIZE] + changed},
        "SEG-22 SEG-31",
        records=4,
    )
    newer = SETTLED | {name: edited(data, (last, prefix("F", version=1)))}
    checks.open(
        "footer-newer", "The footer at the end is of version 1, the superblock is not.", newer, "SEG-20", records=4
    )
    checks.check("footer-newer", "It is damaged, not unsupported.", newer, "damage", (9117,), "GEN-24 SEG-20")
    row, end = FrameRow.decode(data, footer.directory_offset)
    count, _ = row.runs[0]
    at = data.index(RUN.pack(*row.runs[0]), footer.directory_offset, end)
    forged = edited(data, (at, RUN.pack(count, 77)))
    size, hashes = footer.geometry.slice_size, []
    for number in range(at // size, (at + RUN.size - 1) // size + 1):
        piece = forged[number * size : min((number + 1) * size, footer.head.covered)]
        leaf = merkle.slice_leaf(DEFAULT, footer.head.segment_id, number, piece)
        hashes += [(place + DIGEST * number, leaf) for place in footer.leaves_offsets]
    forged = edited(forged, *hashes)
    parity = DIGEST * footer.geometry.slices
    doubtful = flipped(forged, footer.parity_offset)
    for way, place in enumerate(footer.leaves_offsets):
        doubtful = flipped(doubtful, place + parity + way)
    for which, comment, harmed in (
        ("commit-forged", "A commit number is another, with the hash of its slice in both places.", forged),
        ("commit-forged-and-parity", "The same, and of a slice of the parity nothing tells what it was.", doubtful),
    ):
        checks.topic.bad(
            f"open-{which}",
            comment,
            "open-vault",
            "DIR-21 SEG-29",
            VaultDamaged,
            vault=SETTLED | {name: harmed},
            **KEYS,
        )


def _rows(checks: Checks) -> None:
    segments = list(scenes.SEGMENTS.values())

    def stated(name: str, comment: str, **changes: Any) -> None:
        first = scenes.SEGMENTS["record"]
        row = first.row._replace(**changes)
        others = [Segment(one.data, one.table, row if one is first else one.row, one.footer) for one in segments]
        files = vault(scenes.second_head(others), segments)
        _check(checks, f"row-{name}", comment, files, "SEG-22")

    stated("entries", "The head states an entry more.", entries=5)
    stated("length", "The head states another length.", length=scenes.SEGMENTS["record"].row.length + 1)
    stated("root", "The head states another root.", root=bytes(32))
    stated("disposition", "The head states another disposition class.", disposition=3)
    inner = segment("record", FrameClass.RECORD, [scenes.PERSON], years=(2001, 2001), inner={"generation": 0})
    _check(
        checks,
        "other-superblock",
        "The superblock in the footer is not the one at the beginning.",
        scenes.settled_with({"record": inner}),
        "SEG-21",
    )


def _directories(checks: Checks) -> None:
    person, state = scenes.PERSON, scenes.STATE

    def made(name: str, comment: str, breaks: str, one: Segment) -> None:
        _check(checks, name, comment, scenes.settled_with({"record": one}), breaks)

    years = (2001, 2001)
    made(
        "frame-of-another-class",
        "A control state in a segment of class record.",
        "SEG-24",
        segment("record", FrameClass.RECORD, [person, state], years=years),
    )
    rows = rows_of([person], runs_of([person], 1), SUPERBLOCK_SIZE)
    made(
        "body-in-a-part-file",
        "A row that has its body in a part file.",
        "SEG-25",
        segment("record", FrameClass.RECORD, [person], years=years, rows=[edited(rows[0], (8, b"\1"))]),
    )
    made(
        "body-in-superblock",
        "A body that begins within the superblock.",
        "SEG-25",
        segment(
            "record",
            FrameClass.RECORD,
            [person],
            years=years,
            rows=rows_of([person], runs_of([person], 1), SUPERBLOCK_SIZE - 1),
        ),
    )
    made(
        "body-in-directory",
        "A body that ends within the directory.",
        "SEG-25",
        segment(
            "record",
            FrameClass.RECORD,
            [person],
            years=years,
            rows=rows_of([person], runs_of([person], 1), SUPERBLOCK_SIZE + 1),
        ),
    )
    two = [person, world.RECORDS]
    over = [encode_row(one.encoded, one.entries, SUPERBLOCK_SIZE, 0, runs_of([one], 1)[0]) for one in two]
    made(
        "bodies-overlap",
        "Two bodies begin at the same byte.",
        "SEG-26",
        segment("record", FrameClass.RECORD, two, years=years, rows=over),
    )
    bodies = person.body + bytes(8) + world.RECORDS.body
    gap = [
        encode_row(one.encoded, one.entries, at, 0, runs_of([one], 1)[0])
        for one, at in zip(two, (SUPERBLOCK_SIZE, SUPERBLOCK_SIZE + len(person.body) + 8), strict=True)
    ]
    made(
        "bodies-with-gap",
        "Eight bytes between two bodies of class record.",
        "SEG-26",
        segment("record", FrameClass.RECORD, two, years=years, rows=gap, bodies=bodies),
    )
    made(
        "bodies-too-long",
        "Bytes between the last body and the directory.",
        "SEG-26",
        segment("record", FrameClass.RECORD, [person], years=years, bodies=person.body + bytes(8)),
    )
    made(
        "entries-of-the-footer",
        "The footer states an entry more than there are.",
        "SEG-27",
        segment("record", FrameClass.RECORD, [person], years=years, entries=5),
    )
    made(
        "rows-too-long",
        "Bytes follow the last row of the directory.",
        "DIR-5",
        segment("record", FrameClass.RECORD, [person], years=years, rows=[*rows, bytes(4)]),
    )


def _blobs(checks: Checks) -> None:
    parts, last = scenes.PART_FRAMES, scenes.LAST_PART

    def made(name: str, comment: str, breaks: str, frames: Sequence[SealedFrame]) -> None:
        one = segment("blob", FrameClass.BLOB, frames, years=(2001, 2001))
        files = scenes.settled_with({"blob": one})
        checks.open(name, comment, files, breaks=breaks, records=3)

    at, places = SUPERBLOCK_SIZE, []
    for each in reversed(scenes.BLOB_FRAMES):
        places.append((each, at))
        at += each.body_sealed + 10
    rows = [encode_row(each.encoded, each.entries, place, 0, runs_of([each], 2)[0]) for each, place in reversed(places)]
    bodies = b"".join(each.body + bytes(10) for each, _ in places)
    scattered = segment("blob", FrameClass.BLOB, scenes.BLOB_FRAMES, years=(2001, 2001), rows=rows, bodies=bodies)
    files = scenes.settled_with({"blob": scattered})
    checks.check(
        "blob-scattered",
        "Bodies of class blob in another order than their rows, with gaps.",
        files,
        "good",
        (),
        "SEG-26",
    )
    checks.open("blob-scattered", "The blob is read.", files, "SEG-26", records=4)
    over = [encode_row(each.encoded, each.entries, SUPERBLOCK_SIZE, 0, runs_of([each], 2)[0]) for each in parts]
    _check(
        checks,
        "blob-bodies-overlap",
        "Bodies of class blob that begin at the same byte.",
        scenes.settled_with({"blob": segment("blob", FrameClass.BLOB, parts, years=(0, 0), rows=over)}),
        "SEG-26",
    )
    made(
        "part-missing",
        "A part that a record lists is not there: that record is not read, all others are.",
        "REC-27 REC-22",
        [*parts[1:], last],
    )
    other = world.frame(
        "part of another",
        [Entry(Role.PART, length=300, token=world.content_id(scenes.PARTS[0]))],
        scenes.PARTS[0],
        FrameClass.BLOB,
        subject=seeded("another subject", 16),
    )
    made(
        "part-of-another-subject",
        "A part with the right content id in another subject's shred unit.",
        "REC-22 REC-27",
        [other, *parts[1:], last],
    )
    shorter = world.frame(
        "a shorter part",
        [Entry(Role.PART, length=299, token=world.content_id(scenes.PARTS[0]))],
        scenes.PARTS[0][:299],
        FrameClass.BLOB,
    )
    made(
        "part-of-another-length",
        "A part with the content id of its row and another length.",
        "REC-22",
        [shorter, *parts[1:], last],
    )
    token = world.content_id(scenes.PARTS[0])
    record = world.frame(
        "a record for a part",
        [world.record(5, scenes.PARTS[0], 0)._replace(token=token)],
        scenes.PARTS[0],
        FrameClass.BLOB,
    )
    one = segment("blob", FrameClass.BLOB, [record, *parts[1:], last], years=(2001, 2001))
    checks.open(
        "part-of-another-role",
        "The content id of a part stands in a record: that is no part.",
        scenes.settled_with({"blob": one}),
        breaks="REC-22",
        records=4,
    )


def _tables(checks: Checks) -> None:
    names = [name for name in sorted(SETTLED) if ".vkey." in name and not name.startswith("copies/")][:2]
    harmed = damaged(SETTLED, names[0])
    checks.check(
        "table-damaged", "One of the two copies of a key table is damaged.", harmed, "damage", (1106,), "FIL-21"
    )
    checks.open("table-damaged", "The other one is read.", harmed, "FIL-21", records=4)
    one, other = (SETTLED[name] for name in names)
    swapped = dict(SETTLED)
    for name, data in ((names[0], other), (names[1], one)):
        swapped |= {name: data, f"copies/{name}": data}
    _check(checks, "tables-exchanged", "Two key tables are exchanged.", swapped, "KTB-20")
    person = scenes.SEGMENTS["record"]
    keys = [scenes.PERSON.key, bytes(32)]
    table = seal_table(
        DEFAULT, world.VAULT_ID, person.row.segment_id, 1, world.EPOCH_ROOT, seeded("salt of two", 32), keys
    )
    row: SegmentRow = person.row._replace(table_digest=table.encode()[-32:])
    _check(
        checks,
        "table-of-more-keys",
        "A key table with a key more than there are frames.",
        scenes.settled_with({"record": Segment(person.data, table.encode(), row, person.footer)}),
        "KTB-21",
    )


def _trees(checks: Checks) -> None:
    leaves: list[AuditEntry] = scenes.SETTLED_LEAVES
    segments = list(scenes.SEGMENTS.values())
    fewer = vault(scenes.second_head(segments, leaves[:-1]), segments)
    _check(
        checks,
        "tree-of-the-head",
        "The tree of the head lacks a leaf: it does not extend the one before.",
        fewer,
        "HED-22",
    )
    head = scenes.second_head(segments)
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(merkle.audit_leaves(DEFAULT, [one.encode() for one in [*leaves, scenes.LIVE_SET]]))
    other = world.signed(replace(head, tree_size=tree.size, peaks=tree.peaks))
    _check(
        checks,
        "live-set-not-last",
        "The last leaf of the tree is the live set of another head.",
        vault(other, segments),
        "HED-21",
    )
    late = scenes.audit_segment(leaves, [scenes.LOG, scenes.MORE_LOG], first_leaf=2)
    _check(
        checks,
        "audit-segment-late",
        "The first leaf of an audit segment is not where the tree ends before it.",
        scenes.settled_with({"audit": late}),
        "SET-30 AUD-22",
    )
    _check(
        checks,
        "audit-flipped",
        "An audit entry is another, the segment made to fit.",
        scenes.settled_with({"audit": scenes.audit_segment([*leaves[:-1], leaves[0]], [scenes.LOG, scenes.MORE_LOG])})
        | {name: SETTLED[name] for name in ("head", "copies/head")},
        "AUD-22 SEG-22",
    )

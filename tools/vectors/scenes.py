"""Small vaults: one with a live journal, and the same one settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vaultfs_format import labels, merkle
from vaultfs_format.audit import AuditEntry
from vaultfs_format.directory import encode_row
from vaultfs_format.entries import NO_SUBJECT, Entry, PartRow, Role
from vaultfs_format.events.records import StateSet, SubjectCreated
from vaultfs_format.events.session import CareSetting, PersonSignature, SessionOpened, SignatureScheme
from vaultfs_format.events.vault import VaultCreated
from vaultfs_format.frame import FrameClass, SealedFrame
from vaultfs_format.group import GroupDraft, PartFile
from vaultfs_format.head import Head
from vaultfs_format.segment import SUPERBLOCK_SIZE, SegmentHead
from vaultfs_format.suite import DEFAULT
from vaultfs_tools.keyless import files as names

from vaultfs.audit.events import NOBODYS_SESSION, encode_event
from vectors import world
from vectors.author import Journal, Segment, closing, commit_group, doubled, journal, segment, vault
from vectors.world import CONTENT_KEY, IDENTIFIER_KEY, NOBODYS_KEY, SUBJECT, UNDATED, event, put_event, record, seeded

# What is stored.

SYSTEM, VALUE = b"urn:oid:2.999.1", b"A-17"
ALIAS_BODY = len(SYSTEM).to_bytes(4, "little") + SYSTEM + VALUE
ALIAS_TOKEN = DEFAULT.mac(IDENTIFIER_KEY, labels.ALIAS, ALIAS_BODY)[:16]
_NAMED = CONTENT_KEY + ALIAS_BODY + world.FIRST + world.SECOND
_FIRST_AT = len(CONTENT_KEY) + len(ALIAS_BODY)
PERSON = world.frame(
    "a person",
    [
        Entry(Role.SUBJECT, offset=0, length=32),
        Entry(Role.ALIAS, offset=32, length=len(ALIAS_BODY), token=ALIAS_TOKEN),
        record(1, world.FIRST, _FIRST_AT),
        record(2, world.SECOND, _FIRST_AT + len(world.FIRST), media=11),
    ],
    _NAMED,
)
THIRD = b"a record of nobody, without a date"
NOBODYS = world.frame("nobodys", [record(3, THIRD, 0, key=NOBODYS_KEY, **UNDATED)], THIRD, subject=NO_SUBJECT)
NAMESPACE, STATE_KEY = b"example", b"k"
STATE_BODY = b"\7\0\1\0" + NAMESPACE + STATE_KEY + b"value"
STATE_TOKEN = DEFAULT.mac(IDENTIFIER_KEY, labels.STATE, len(NAMESPACE).to_bytes(4, "little") + NAMESPACE + STATE_KEY)[
    :16
]
STATE = world.frame(
    "a state",
    [Entry(Role.STATE, version=1, length=len(STATE_BODY), token=STATE_TOKEN)],
    STATE_BODY,
    FrameClass.CONTROL,
    subject=NO_SUBJECT,
)
PARTS = [seeded(f"part {number}", 300) for number in range(3)]
BLOB = b"".join(PARTS) + b"and the rest"
PART_FRAMES = [
    world.frame(
        f"part {number}",
        [Entry(Role.PART, length=len(data), token=world.content_id(data))],
        data,
        FrameClass.BLOB,
    )
    for number, data in enumerate(PARTS)
]
LAST_PART = world.frame(
    "the last of a blob",
    [record(4, BLOB, 0)],
    b"and the rest",
    FrameClass.BLOB,
    parts=[PartRow(world.content_id(data), len(data)) for data in PARTS],
)
BLOB_FRAMES = [*PART_FRAMES, LAST_PART]

# What was done: two commits, and their events.

STARTED = 1_700_000_000_000_000
EVENTS = [
    event(VaultCreated(STARTED, NOBODYS_SESSION)),
    event(SubjectCreated(STARTED + 1, NOBODYS_SESSION, SUBJECT, 1)),
    put_event(STARTED + 2, SUBJECT),
]
MORE_EVENTS = [put_event(STARTED + 3), event(StateSet(STARTED + 4, NOBODYS_SESSION, seeded("state of event", 16), 1))]
SESSION_EVENT = encode_event(
    SessionOpened(
        *(STARTED, seeded("session", 16), "dr-example", ("nurse", "physician"), "TREAT", True, CareSetting.IMP),
        *(seeded("encounter", 16), seeded("order", 16)),
        PersonSignature(SignatureScheme.ED25519, b"key-1", seeded("a signature", 64)),
    )
)
LOG, LEAVES = world.events_frame("events", EVENTS, [1, 1, 1])
MORE_LOG, MORE_LEAVES = world.events_frame("more events", MORE_EVENTS, [2, 2])

FIRST_HEAD = world.signed(world.with_tree(world.first_head()))
LIVE_SET = FIRST_HEAD.live_set()
GROUPS = [
    commit_group(1, 1, [PERSON, LOG], [LIVE_SET, *LEAVES]),
    commit_group(2, 2, [NOBODYS, STATE, MORE_LOG], MORE_LEAVES),
]
JOURNAL = journal(world.journal_header(), GROUPS)
CLOSED = journal(world.journal_header(), [*GROUPS, closing(3)])

# Part files.

PART_ID = seeded("id of a part file", 16)
PART_HEAD = SegmentHead(DEFAULT, FrameClass.BLOB, 0, 0, 0, 0, 0, world.VAULT_ID, PART_ID, 0)
PART_FILE = PART_HEAD.encode() + b"".join(one.body for one in BLOB_FRAMES)
PART_NAME = names.part_name(PART_ID)
PART_FILES = doubled(PART_NAME, PART_FILE)


def part_group(number: int, commit: int, valid_end: int = len(PART_FILE), **changes: Any) -> GroupDraft:
    """Return a group whose frames are of class blob and have their bodies in the part file."""
    rows, at = [], SUPERBLOCK_SIZE
    for one in BLOB_FRAMES:
        rows.append(encode_row(one.encoded, one.entries, at, 1, [(one.header.entry_count, commit)]))
        at += one.body_sealed
    draft = commit_group(number, commit, BLOB_FRAMES, parts=[PartFile(PART_ID, valid_end)], bodies=())
    return replace(draft, rows=rows, **changes)


# Settled.


def audit_segment(leaves: Sequence[AuditEntry], frames: Sequence[SealedFrame], **changes: Any) -> Segment:
    """Return the audit segment of a settling."""
    runs = [[(one.header.entry_count, commit)] for commit, one in enumerate(frames, start=1)]
    return segment("audit", FrameClass.AUDIT, frames, runs, audit=leaves, **changes)


_FOUND = [LIVE_SET, *LEAVES, *MORE_LEAVES]
SETTLED_LEAVES = [*_FOUND, world.stated({SUBJECT: LEAVES[1:]}, len(_FOUND))]
SEGMENTS = {
    "record": segment("record", FrameClass.RECORD, [PERSON], years=(2001, 2001)),
    "undated": segment("undated", FrameClass.RECORD, [NOBODYS], [[(1, 2)]]),
    "control": segment("control", FrameClass.CONTROL, [STATE], [[(1, 2)]]),
    "audit": audit_segment(SETTLED_LEAVES, [LOG, MORE_LOG]),
    "blob": segment("blob", FrameClass.BLOB, BLOB_FRAMES, [[(1, 2)]] * 4, years=(2001, 2001)),
}


def second_head(segments: Sequence[Segment], leaves: Sequence[AuditEntry] = SETTLED_LEAVES, **changes: Any) -> Head:
    """Return the head that names these segments, over a tree of these leaves and its own."""
    rows = sorted(one.row for one in segments)
    fields: dict[str, object] = {"generation": 2, "last_commit": 2, "next_number": 1001, "segments": rows}
    head = world.first_head(**fields | changes)
    return world.signed(world.with_tree(head, merkle.audit_leaves(DEFAULT, [one.encode() for one in leaves])))


SECOND_HEAD = second_head(list(SEGMENTS.values()))
LIVE = vault(FIRST_HEAD, journals=[JOURNAL])
SETTLED = vault(SECOND_HEAD, list(SEGMENTS.values()))


def settled_with(replaced: dict[str, Segment]) -> dict[str, bytes]:
    """Return the settled vault with other segments in the place of some of its own, named by a head that is signed."""
    segments = list((SEGMENTS | replaced).values())
    return vault(second_head(segments), segments)


def segment_signed_by_another() -> dict[str, bytes]:
    """Return the settled vault with a segment that another signer has signed."""
    return settled_with(
        {"control": segment("control", FrameClass.CONTROL, [STATE], [[(1, 2)]], signing=world.OTHER_SIGNING)}
    )


def live_with(*journals: Journal, head: Head = FIRST_HEAD, **files: bytes) -> dict[str, bytes]:
    """Return a vault with these live journals."""
    return vault(head, journals=journals, extra=files)

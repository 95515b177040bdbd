"""Section 12.1 and 12.2: groups, whole journals, access journals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vaultfs_format import labels, limits
from vaultfs_format.errors import (
    BadMagic,
    ChainBroken,
    FieldInvalid,
    LimitExceeded,
    MacMismatch,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.group import GROUP, GroupDraft, GroupKind, PartFile, bodies_offset
from vaultfs_format.journal import JournalHeader, JournalKeys
from vaultfs_format.suite import DEFAULT, DIGEST

from vectors import scenes, world
from vectors.author import closing, commit_group, journal, rows_of
from vectors.case import Case, Topic
from vectors.topics.journals import u64
from vectors.topics.small import u16, u32
from vectors.world import EPOCH_ROOT, edited, flipped, journal_header, seeded

# Groups.

CHAIN = seeded("a chain value", 32)
HEADER_OF_ALL = journal_header()
KEYS = HEADER_OF_ALL.keys(EPOCH_ROOT)


def group_bytes(draft: GroupDraft, header: JournalHeader = HEADER_OF_ALL, keys: JournalKeys = KEYS) -> bytes:
    """Return a group by itself, after `CHAIN`."""
    return b"".join(draft.encode(DEFAULT, header.journal_id, keys, CHAIN)[0])


def rechained(data: bytes) -> bytes:
    """Return a group with its chain value and MAC made to fit."""
    content = data[: -2 * DIGEST]
    chain = DEFAULT.digest(CHAIN + content)
    number = data[GROUP.offset_of("number") : GROUP.offset_of("number") + 8]
    return content + chain + DEFAULT.mac(KEYS.mac, labels.JOURNAL_GROUP_MAC, HEADER_OF_ALL.journal_id + number + chain)


def cases() -> list[Case]:
    """Return the scenarios of groups, and of whole journals."""
    topic = Topic("journal-groups")
    plain, part = scenes.GROUPS[0], scenes.part_group(1, 1)
    _group(
        topic,
        "commit",
        "A commit with two frames and four audit entries.",
        "GRP-1 GRP-2 GRP-4 GRP-5 GRP-6 GRP-7 GRP-10 GRP-11 GRP-12 GRP-20 DIR-21 AUD-1 AUD-2 AUD-3 AUD-22",
        plain,
    )
    _group(topic, "part-file", "Four frames whose bodies lie in a part file.", "GRP-8 GRP-9 GRP-25", part)
    bare = GroupDraft(GroupKind.COMMIT, 1, 0, 5, 3, seeded("salt", 16))
    _group(topic, "commits-alone", "Three commits with neither frames nor audit entries.", "GRP-2 GRP-6", bare)
    _group(topic, "closing", "A closing record.", "GRP-3 GRP-5 GRP-6", closing(4), number=4)
    last = replace(bare, first_commit=limits.MAX_NUMBER, commits=1)
    _group(topic, "last-commit", "The largest commit number.", "GRP-11", last)
    _bad_groups(topic)
    _order_of_checks(topic)
    _access_groups(topic)
    topic.good(
        "journal",
        "A journal of two groups and a closing record.",
        "journal",
        "GRP-4 GRP-27",
        data=scenes.CLOSED.data,
        epoch_root=EPOCH_ROOT,
    )
    after = journal(HEADER_OF_ALL, [*scenes.GROUPS, closing(3), commit_group(4, 3, [])])
    topic.bad(
        "journal-group-after-closing",
        "A good group behind the closing record.",
        "journal",
        "GRP-27",
        FieldInvalid,
        Structure.JOURNAL_GROUP,
        data=after.data,
        epoch_root=EPOCH_ROOT,
    )
    topic.good(
        "journal-zeros",
        "Zeros behind the last group are part of nothing.",
        "journal",
        "JNL-25",
        data=scenes.JOURNAL.data + bytes(900),
        epoch_root=EPOCH_ROOT,
    )
    topic.bad(
        "journal-group-missing",
        "The first group is missing: the second does not follow the header.",
        "journal",
        "GRP-4",
        ChainBroken,
        Structure.JOURNAL_GROUP,
        data=scenes.JOURNAL.data[:4096] + scenes.JOURNAL.data[scenes.JOURNAL.offsets[1] :],
        epoch_root=EPOCH_ROOT,
    )
    return topic.cases


def _given(data: bytes, number: int = 1, *, access: bool = False, keys: JournalKeys = KEYS) -> dict[str, Any]:
    header = world.ACCESS if access else HEADER_OF_ALL
    return {
        "data": data,
        "number": number,
        "chain": CHAIN,
        "journal_id": header.journal_id,
        "table_key": keys.table,
        "mac_key": keys.mac,
        "access": access,
    }


def _group(topic: Topic, name: str, comment: str, holds: str, draft: GroupDraft, number: int = 1) -> None:
    topic.good(name, comment, "journal-group", holds, **_given(group_bytes(draft), number))


def _bad_groups(topic: Topic) -> None:
    def bad(
        name: str,
        comment: str,
        rule: int | None,
        data: GroupDraft | bytes,
        breaks: str = "",
        number: int = 1,
        error: type[VaultError] = FieldInvalid,
        structure: Structure = Structure.JOURNAL_GROUP,
    ) -> None:
        data = data if isinstance(data, bytes) else group_bytes(data)
        topic.bad(
            name, comment, "journal-group", breaks or f"GRP-{rule}", error, structure, rule, **_given(data, number)
        )

    plain, part = scenes.GROUPS[0], scenes.part_group(1, 1)
    data, fields = group_bytes(plain), GROUP.offset_of

    def field(name: str, value: bytes) -> bytes:
        return rechained(edited(data, (fields(name), value)))

    bad(
        "version-1",
        "A group of version 1 in a file of version 0 is damage.",
        1,
        field("version", b"\1"),
        breaks="GRP-1 GEN-24",
    )
    bad("kind-3", "Kind 3.", 1, field("kind", b"\3"), breaks="GRP-1 GEN-23")
    bad("keys-of-one", "Keys for one frame less than there are.", 2, replace(plain, frame_keys=plain.frame_keys[1:]))
    bad(
        "keys-without-frames",
        "Keys, and no frames.",
        2,
        GroupDraft(GroupKind.COMMIT, 1, 0, 1, 1, seeded("salt", 16), frame_keys=[bytes(32)]),
    )
    bad("closing-with-audit", "A closing record with an audit entry.", 3, closing(1, audit=scenes.LEAVES[0].encode()))
    bad("closing-with-frames", "A closing record with frames.", 3, replace(plain, kind=GroupKind.CLOSING))
    bad(
        "closing-with-parts",
        "A closing record that names a part file.",
        3,
        closing(1, parts=[PartFile(scenes.PART_ID, 5000)]),
    )
    bad("number-skipped", "Group 3 where group 2 must be.", 4, replace(plain, number=3), number=2)
    bad("last-durable-itself", "A group that says of itself that it was durable.", 5, replace(plain, last_durable=1))
    bad(
        "closing-not-durable",
        "A closing record, and the group before it was not durable.",
        5,
        closing(3, last_durable=1),
        number=3,
    )
    bad("no-commits", "A commit group without commits.", 6, replace(plain, commits=0))
    bad("closing-with-commits", "A closing record with a commit.", 6, closing(1, first_commit=1, commits=1))
    bad("commit-0", "The first commit number is 0, and there is a commit.", 6, replace(plain, first_commit=0))
    frames = [scenes.PERSON, scenes.LOG]
    runs = [[(one.header.entry_count, 1)] for one in frames]
    bad(
        "bodies-not-in-order",
        "The bodies lie in another order than the rows.",
        7,
        replace(plain, rows=rows_of(frames, runs, bodies_offset(0))[::-1], frame_keys=plain.frame_keys[::-1]),
    )
    bad(
        "bodies-with-gap",
        "The first body does not begin behind the header.",
        7,
        replace(plain, rows=rows_of(frames, runs, bodies_offset(0) + 1)),
    )
    home_2 = [edited(row, (8, u16(2))) for row in part.rows]
    bad("part-not-named", "A row of the second part file, where one is named.", 8, replace(part, rows=home_2))
    bad(
        "body-in-part-header",
        "A body that begins within the superblock of the part file.",
        9,
        replace(part, rows=[edited(part.rows[0], (0, u64(4095))), *part.rows[1:]]),
    )
    bad(
        "body-beyond-valid-end",
        "A body that ends behind what was durable of the part file.",
        9,
        scenes.part_group(1, 1, len(scenes.PART_FILE) - 1),
        breaks="GRP-9 GRP-25",
    )
    bad(
        "bodies-too-long",
        "Bytes between the last body and the rows.",
        10,
        replace(plain, bodies=[*plain.bodies, b"\0"]),
    )
    bare = GroupDraft(GroupKind.COMMIT, 1, 0, limits.MAX_NUMBER, 2, seeded("salt", 16))
    bad("commit-over-limit", "The second commit number is over MAX_NUMBER.", 11, bare)
    for name, commit in (("commit-before", 1), ("commit-behind", 3)):
        bad(
            name,
            "A run of a commit that is not of the group.",
            12,
            commit_group(1, 2, frames, rows=rows_of(frames, [[(4, 2)], [(3, commit)]], bodies_offset(0))),
        )
    leaf = scenes.LEAVES[0].encode()
    audit = Structure.AUDIT_ENTRY
    bad(
        "audit-kind",
        "An audit entry of kind 4.",
        1,
        replace(plain, audit=edited(leaf, (0, b"\4"))),
        "AUD-1 GEN-23",
        structure=audit,
    )
    bad(
        "audit-reserved",
        "Reserved bytes of an audit entry are not zero.",
        3,
        replace(plain, audit=edited(leaf, (3, b"\1"))),
        "AUD-3 GEN-20",
        structure=audit,
    )
    bad(
        "reserved",
        "Reserved bytes of the header are not zero.",
        None,
        field("first_commit", u64(1))[:44] + b"\1" + data[45:],
        "GEN-20",
    )
    bad("magic", "Another magic.", None, b"VGRQ" + data[4:], "GEN-23", error=BadMagic)


def _order_of_checks(topic: Topic) -> None:
    data, fields = group_bytes(scenes.GROUPS[0]), GROUP.offset_of

    def bad(name: str, comment: str, breaks: str, error: type[VaultError], changed: bytes) -> None:
        topic.bad(name, comment, "journal-group", breaks, error, Structure.JOURNAL_GROUP, **_given(changed))

    bad("chain", "One bit of a body is another.", "GRP-20", ChainBroken, flipped(data, 100))
    run_at = len(data) - 2 * DIGEST - 4 * 48 - (2 * 32 + 16) - scenes.LOG.header.entries_sealed - 8
    bad(
        "commit-number-flipped",
        "One bit of a commit number is another: the frame is as it was, the chain is not.",
        "DIR-21",
        ChainBroken,
        flipped(data, run_at),
    )
    bad(
        "mac",
        "The chain value is made to fit, the MAC is not.",
        "GRP-20",
        MacMismatch,
        edited(data, (100, bytes([data[100] ^ 1])))[: -2 * DIGEST]
        + DEFAULT.digest(CHAIN + flipped(data, 100)[: -2 * DIGEST])
        + data[-DIGEST:],
    )
    bad(
        "sizes-before-chain",
        "More bytes than MAX_GROUP, under a chain value that does not fit.",
        "GRP-20 GEN-21",
        LimitExceeded,
        edited(data, (fields("bodies_length"), u64(limits.MAX_GROUP + 1))),
    )
    bad(
        "chain-before-rules",
        "A number that is not the next, under a chain value that does not fit.",
        "GRP-20",
        ChainBroken,
        edited(data, (fields("number"), u64(9))),
    )
    bad("cut", "The group ends before its last byte.", "GEN-21", Truncated, data[:-1])
    bad("trailing", "Bytes follow the group.", "GEN-22", TrailingBytes, data + bytes(1))
    bad(
        "too-many-frames",
        "More frames than MAX_GROUP_FRAMES.",
        "GEN-21",
        LimitExceeded,
        edited(data, (fields("frames"), u32(limits.MAX_GROUP_FRAMES + 1))),
    )
    bad(
        "too-many-part-files",
        "More part files than MAX_GROUP_PARTS.",
        "GEN-21",
        LimitExceeded,
        edited(data, (fields("part_files"), u16(limits.MAX_GROUP_PARTS + 1))),
    )
    bad(
        "too-many-audit-entries",
        "More audit entries than MAX_GROUP_AUDIT.",
        "GEN-21",
        LimitExceeded,
        edited(data, (fields("audit_entries"), u32(limits.MAX_GROUP_AUDIT + 1))),
    )
    topic.bad(
        "of-another-journal",
        "The group of a journal with other keys, under the same chain value.",
        "journal-group",
        "GRP-20",
        MacMismatch,
        Structure.JOURNAL_GROUP,
        **_given(group_bytes(scenes.GROUPS[0], keys=JournalKeys(bytes(32), bytes(32)))),
    )


def _access_groups(topic: Topic) -> None:
    header, keys = world.ACCESS, world.ACCESS_KEYS
    audit = commit_group(1, 1, [scenes.LOG], scenes.LEAVES)
    topic.good(
        "access",
        "A group of an access journal: events alone.",
        "journal-group",
        "GRP-13",
        **_given(group_bytes(audit, header, keys), access=True, keys=keys),
    )
    for name, comment, draft in (
        ("access-with-records", "A group of an access journal with a record.", commit_group(1, 1, [scenes.PERSON])),
        (
            "access-with-live-set",
            "A group of an access journal with the leaf of a live set.",
            commit_group(1, 1, [scenes.LOG], [scenes.LIVE_SET, *scenes.LEAVES]),
        ),
        (
            "access-with-parts",
            "A group of an access journal that names a part file.",
            replace(
                audit, parts=[PartFile(scenes.PART_ID, 5000)], rows=rows_of([scenes.LOG], [[(3, 1)]], bodies_offset(1))
            ),
        ),
    ):
        topic.bad(
            name,
            comment,
            "journal-group",
            "GRP-13",
            FieldInvalid,
            Structure.JOURNAL_GROUP,
            13,
            **_given(group_bytes(draft, header, keys), access=True, keys=keys),
        )
    whole = journal(header, [audit, closing(2)], keys)
    topic.good(
        "access-journal",
        "A whole access journal.",
        "access-journal",
        "GRP-13",
        data=whole.data,
        private=world.INBOX_KEY,
        access_key=world.ACCESS_KEY,
    )

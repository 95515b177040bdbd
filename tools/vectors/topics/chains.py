"""Vaults with journals: who follows whom, what counts of each, what is torn and what was durable; part files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vaultfs_format.errors import CommitmentMismatch, Structure
from vaultfs_format.group import GroupDraft

from vaultfs.errors import VaultDamaged
from vectors import scenes, world
from vectors.author import Journal, closing, commit_group, doubled, journal
from vectors.case import Case, Topic
from vectors.operations.registry import Directory
from vectors.operations.vaults import check_vault
from vectors.topics.vaults import KEYS, NEW, Checks, damaged, without
from vectors.world import flipped, journal_header, record, seeded

LEAVES = 6
"""Leaves of the journal of `scenes`, with the live set that it begins with."""


def follower(before: Journal, groups: int, name: str = "second", **changes: Any) -> dict[str, Any]:
    """Return the fields of the header of a journal after so many groups of another."""
    fields: dict[str, Any] = {
        "predecessor": before.header.journal_id,
        "predecessor_group": groups,
        "predecessor_end": before.offsets[groups],
        "predecessor_chain": before.chains[groups],
        "first_number": 1001,
        "last_number": 2000,
        "first_leaf": LEAVES,
    }
    return {"name": name} | fields | changes


FOURTH = b"a record of the second journal"
FOURTH_FRAME = world.frame("fourth", [record(1001, FOURTH, 0)], FOURTH)
THIRD_LOG, THIRD_LEAVES = world.events_frame("third events", [world.put_event(scenes.STARTED + 9, world.SUBJECT)], [3])


def third_group(number: int = 1, commit: int = 3, **changes: Any) -> GroupDraft:
    """Return a group with the third commit."""
    return commit_group(number, commit, [FOURTH_FRAME, THIRD_LOG], THIRD_LEAVES, **changes)


def second(before: Journal = scenes.JOURNAL, groups: int = 2, **changes: Any) -> Journal:
    """Return a journal with the third commit, which follows another."""
    return journal(journal_header(**follower(before, groups, **changes)), [third_group()])


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("chains")
    checks = Checks(topic)
    _successions(checks)
    _tails(checks)
    _numbers(checks)
    _parts(checks)
    _access(checks)
    return topic.cases


def _refused(
    checks: Checks, name: str, comment: str, files: dict[str, bytes], codes: tuple[int, ...], breaks: str
) -> None:
    checks.check(name, comment, files, "damage", codes, breaks=breaks)
    checks.topic.bad(f"open-{name}", "It does not open.", "open-vault", breaks, VaultDamaged, vault=files, **KEYS)


def _successions(checks: Checks) -> None:
    one = scenes.JOURNAL
    two = scenes.live_with(one, second())
    checks.check(
        "two-journals", "A journal, and the one after it.", two, "recovery", (9152,), "JNL-4 JNL-24 TOK-21 RCV-20"
    )
    checks.open("two-journals", "The records of both.", two, "JNL-24 RCV-20", records=4)
    longer = journal(one.header, [*scenes.GROUPS, commit_group(3, 3, [])])
    void = scenes.live_with(longer, second())
    checks.check(
        "void-group",
        "A good group behind the end that the successor states: it is void.",
        void,
        "recovery",
        (9152,),
        "JNL-24",
    )
    checks.open("void-group", "The successor has the commit of that number.", void, "JNL-24", records=4)
    _refused(
        checks,
        "group-of-predecessor-missing",
        "The journal ends before its successor says.",
        scenes.live_with(replace(one, data=one.data[: one.offsets[1]]), second()),
        (9113, 9104, 9152),
        "JNL-24 RCV-20",
    )
    other = second(predecessor_chain=bytes(32))
    _refused(
        checks,
        "other-chain",
        "The successor states another chain value.",
        scenes.live_with(one, other),
        (9113, 9152),
        "JNL-24 RCV-20",
    )
    checks.check(
        "predecessor-missing",
        "The journal that another follows is not there.",
        NEW | second().files(),
        "damage",
        (9112,),
        breaks="RCV-20",
    )
    fork = scenes.live_with(one, second(), second(name="third", first_number=2001, last_number=3000))
    codes = checks_codes(fork)
    checks.check("fork", "Two journals follow the same one.", fork, "damage", codes, breaks="FIL-23")
    checks.topic.bad("open-fork", "It does not open.", "open-vault", "FIL-23", VaultDamaged, vault=fork, **KEYS)
    settled = scenes.SETTLED | scenes.JOURNAL.files()
    checks.check(
        "settled-journal", "A journal of a lower generation: it is settled.", settled, "good", (9161,), "FIL-20"
    )
    checks.open("settled-journal", "What is in it counts for nothing.", settled, "FIL-20", records=4)
    later = scenes.live_with(journal(journal_header(generation=2), scenes.GROUPS))
    _refused(checks, "later-journal", "A journal of a later head than there is.", later, checks_codes(later), "HED-22")


def checks_codes(files: dict[str, bytes]) -> tuple[int, ...]:
    """Return the codes that the reference check finds, where more than what is shown follows from it."""
    return tuple(one["code"] for one in check_vault(Directory(files))["findings"])


def _tails(checks: Checks) -> None:
    one = scenes.JOURNAL

    def tailed(data: bytes) -> dict[str, bytes]:
        return scenes.live_with(replace(one, data=data))

    checks.check(
        "zeros",
        "Zeros follow the last group: blocks that were allocated before.",
        tailed(one.data + bytes(5000)),
        "recovery",
        (9152,),
        "JNL-25",
    )
    checks.open("zeros", "They are part of nothing.", tailed(one.data + bytes(5000)), "JNL-25", records=3)
    torn = one.data[: one.offsets[2] - 100]
    checks.check(
        "torn",
        "The last group is cut: nobody says that it was durable.",
        tailed(torn),
        "recovery",
        (9151,),
        breaks="JNL-25",
    )
    checks.open("torn", "It is void.", tailed(torn), holds="RCV-23", records=2)
    broken = flipped(one.data, one.offsets[1] + 100)
    checks.check(
        "torn-within", "One bit of the last group is another.", tailed(broken), "recovery", (9151,), "GRP-20", "JNL-25"
    )
    claimed = journal(one.header, [*scenes.GROUPS, third_group(3)])
    lost = scenes.live_with(replace(claimed, data=flipped(claimed.data, claimed.offsets[1] + 100)))
    _refused(
        checks,
        "durable-group-lost",
        "A bad group; the one behind it says that it was durable.",
        lost,
        (1107, 9113),
        "RCV-20",
    )
    closed = scenes.CLOSED
    gone = scenes.live_with(replace(closed, data=flipped(closed.data, closed.offsets[0] + 100)))
    _refused(checks, "closed-group-lost", "A bad group before a closing record.", gone, (1107, 9113), "RCV-20")
    after = journal(one.header, [*scenes.GROUPS, closing(3), third_group(4)])
    files = scenes.live_with(after)
    _refused(checks, "group-after-closing", "A group behind a closing record.", files, (1104,), "GRP-27")
    empty = doubled(f"journal/{seeded('unused', 16).hex()}.vjrn", bytes(4096))
    checks.check(
        "never-used",
        "A journal that has no more than a header, which is not good.",
        scenes.LIVE | empty,
        "recovery",
        (9152, 9153),
    )
    _refused(
        checks,
        "header-damaged",
        "The header of a journal with groups is damaged.",
        damaged(scenes.LIVE, *one.files()),
        (1106,),
        "JNL-20",
    )


def _numbers(checks: Checks) -> None:
    one = scenes.JOURNAL
    overlapping = scenes.live_with(one, second(first_number=1000))
    checks.check(
        "numbers-reserved-twice",
        "Two journals reserve the same record number.",
        overlapping,
        "damage",
        checks_codes(overlapping),
        breaks="JNL-4 TOK-21",
    )
    fallen = (
        scenes.SETTLED
        | journal(
            journal_header(generation=2, first_number=900, last_number=999, first_leaf=LEAVES),
            [commit_group(1, 3, [], [scenes.SECOND_HEAD.live_set()])],
        ).files()
    )
    checks.check(
        "numbers-of-the-head",
        "A journal reserves numbers that the head says were reserved before.",
        fallen,
        "damage",
        checks_codes(fallen),
        breaks="HED-23 TOK-21",
    )
    commits = (
        scenes.SETTLED
        | journal(
            journal_header(generation=2, first_number=1001, last_number=2000, first_leaf=LEAVES),
            [commit_group(1, 2, [], [scenes.SECOND_HEAD.live_set()])],
        ).files()
    )
    checks.check(
        "commits-fall",
        "The first commit of a journal is not behind the last one of the head.",
        commits,
        "damage",
        checks_codes(commits),
        breaks="HED-23",
    )
    first = scenes.GROUPS[0]
    wrong = replace(first, audit=scenes.SECOND_HEAD.live_set().encode() + first.audit[48:])
    strange = scenes.live_with(journal(one.header, [wrong]))
    checks.check(
        "other-live-set",
        "The first group does not begin with the live set of the head.",
        strange,
        "damage",
        checks_codes(strange),
        breaks="GRP-26 AUD-22",
    )
    leaf = scenes.live_with(journal(journal_header(first_leaf=3), scenes.GROUPS))
    _refused(
        checks,
        "other-first-leaf",
        "The first leaf is not where the tree of the head ends.",
        leaf,
        checks_codes(leaf),
        "GRP-26",
    )
    changed = replace(scenes.LEAVES[0], commitment=bytes(32))
    lying = scenes.live_with(
        journal(
            one.header,
            [commit_group(1, 1, [scenes.PERSON, scenes.LOG], [scenes.LIVE_SET, changed, *scenes.LEAVES[1:]])],
        )
    )
    checks.topic.bad(
        "log-other-commitment",
        "A leaf that is not that of its event.",
        "audit-log",
        "AUD-22",
        CommitmentMismatch,
        Structure.AUDIT_ENTRY,
        vault=lying,
        count=5,
        **KEYS,
    )
    dated = world.frame("badly dated", [record(1, world.FIRST, 0, date=world.DATE + 1)], world.FIRST)
    files = scenes.live_with(journal(one.header, [commit_group(1, 1, [dated], [scenes.LIVE_SET])]))
    checks.open(
        "date-beyond-precision",
        "A date to the day that has a millisecond: the record is not given out.",
        files,
        breaks="ENT-20",
        records=0,
    )


def _parts(checks: Checks) -> None:
    whole = journal(journal_header(), [*scenes.GROUPS, scenes.part_group(3, 3)])
    files = scenes.live_with(whole) | scenes.PART_FILES
    checks.check("part-file", "A journal that names a part file.", files, "recovery", (9152,), "GRP-25 FIL-20")
    checks.open("part-file", "A blob whose parts lie there.", files, "PRT-21 REC-22 GRP-25", records=4)
    longer = files | doubled(scenes.PART_NAME, scenes.PART_FILE + b"bytes that no group names")
    checks.open("part-file-longer", "What no group names counts for nothing.", longer, "PRT-21", records=4)
    flip = files | doubled(scenes.PART_NAME, flipped(scenes.PART_FILE, 40))
    checks.check(
        "part-file-torn",
        "A bit of the superblock of the part file is another: nothing relies on it.",
        flip,
        "recovery",
        checks_codes(flip),
        breaks="PRT-21",
    )
    checks.open("part-file-torn", "The blob is read.", flip, breaks="PRT-21", records=4)
    short = files | doubled(scenes.PART_NAME, scenes.PART_FILE[:-10])
    checks.check(
        "part-file-short",
        "The part file is shorter than what was durable of it.",
        short,
        "damage",
        checks_codes(short),
        breaks="GRP-25",
    )
    checks.check(
        "part-file-missing",
        "The part file is not there.",
        without(files, *scenes.PART_FILES),
        "damage",
        checks_codes(without(files, *scenes.PART_FILES)),
        breaks="GRP-25",
    )
    unnamed = scenes.LIVE | scenes.PART_FILES
    checks.check(
        "part-file-unnamed", "A part file that no journal names.", unnamed, "recovery", checks_codes(unnamed), "FIL-20"
    )


def _access(checks: Checks) -> None:
    header, keys = world.ACCESS, world.ACCESS_KEYS
    name = f"journal/{header.journal_id.hex()}.vacc"
    read = journal(header, [commit_group(1, 1, [scenes.LOG], scenes.LEAVES)], keys)
    checks.check(
        "access-journal",
        "An access journal that is not merged yet.",
        NEW | {name: read.data},
        "good",
        (),
        "GRP-13 JNL-8",
    )
    torn = NEW | {name: read.data[:-20]}
    checks.check(
        "access-journal-torn",
        "Its last group is cut: a read that was never released.",
        torn,
        "good",
        checks_codes(torn),
        "GRP-13",
    )
    writer = NEW | {name: journal(journal_header("access"), []).data}
    checks.check(
        "access-journal-of-writer",
        "The journal of a writer under the name of an access journal.",
        writer,
        "damage",
        checks_codes(writer),
        breaks="JNL-1",
    )
    reader = NEW | doubled(name.replace(".vacc", ".vjrn"), read.data)
    checks.check(
        "journal-of-reader",
        "An access journal under the name of a journal.",
        reader,
        "damage",
        checks_codes(reader),
        breaks="JNL-1",
    )

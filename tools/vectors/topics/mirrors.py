"""Mirrors of journals and part files: what a reader takes from them, and what neither copy has."""

from __future__ import annotations

from collections.abc import Mapping

from vaultfs_format.journal import HEADER_SIZE
from vaultfs_format.segment import SUPERBLOCK_SIZE
from vaultfs_tools.keyless.files import copy_name

from vaultfs.errors import VaultDamaged
from vectors import scenes
from vectors.author import closing, journal
from vectors.case import Case, Topic
from vectors.topics.chains import second
from vectors.topics.vaults import KEYS, Checks, without
from vectors.world import flipped, journal_header

Files = dict[str, bytes]

DRAFTS = [*scenes.GROUPS, scenes.part_group(3, 3)]
WHOLE = journal(journal_header(), DRAFTS)
MIRROR = copy_name(WHOLE.name)
PART, PART_MIRROR = scenes.PART_FILES
FILES = scenes.live_with(WHOLE) | scenes.PART_FILES
FIRST, SECOND, _ = (at + 100 for at in WHOLE.offsets[:-1])
"""Where the first and the second group are damaged."""
BODY = SUPERBLOCK_SIZE + 100
"""Where the first body of the part file is damaged."""


def harmed(files: Mapping[str, bytes], *places: tuple[str, int]) -> Files:
    """Return a vault with one bit changed at each of these places: name of the file, offset in it."""
    changed = dict(files)
    for name, at in places:
        changed[name] = flipped(changed[name], at)
    return changed


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("mirrors")
    checks = Checks(topic)
    _journals(checks)
    _lost(checks)
    _parts(checks)
    _not_needed(checks)
    _neither(checks)
    return topic.cases


def _both(
    checks: Checks, name: str, comment: str, files: Mapping[str, bytes], verdict: str, codes: tuple[int, ...]
) -> None:
    """Add what a check finds where only one copy is good, and that everything is read."""
    checks.check(name, comment, files, verdict, codes, holds="FIL-26")
    checks.open(name, "All four records are found.", files, "FIL-26", records=4)


def _journals(checks: Checks) -> None:
    name, end = WHOLE.name, WHOLE.offsets[1]
    _both(
        checks,
        "group",
        "A group of the journal is damaged: the mirror has it.",
        harmed(FILES, (name, FIRST)),
        "damage",
        (9120, 9152),
    )
    _both(
        checks,
        "header",
        "The header of the journal is damaged: the mirror has it.",
        harmed(FILES, (name, 50)),
        "damage",
        (1106, 9152),
    )
    _both(
        checks,
        "groups-of-both",
        "Another group is damaged in each copy: all that count are there.",
        harmed(FILES, (name, FIRST), (MIRROR, SECOND)),
        "damage",
        (9166, 9120, 9152),
    )
    _both(
        checks,
        "short-journal",
        "The journal ends before its mirror, which has a group that was durable.",
        FILES | {name: WHOLE.data[: WHOLE.offsets[1]]},
        "damage",
        (9120, 9152),
    )
    _both(
        checks,
        "mac",
        "A bit of the MAC of a group is another in the journal: without keys either copy may be right.",
        harmed(FILES, (name, end - 5)),
        "recovery",
        (9152, 9167),
    )


def _lost(checks: Checks) -> None:
    _both(
        checks,
        "journal-lost",
        "The journal is not there: its mirror is the journal.",
        without(FILES, WHOLE.name),
        "damage",
        (9101, 9152),
    )
    two = scenes.live_with(scenes.JOURNAL, second())
    _both(
        checks,
        "predecessor-lost",
        "The first of two journals is not there: its mirror is.",
        without(two, scenes.JOURNAL.name),
        "damage",
        (9101, 9152),
    )
    _both(
        checks,
        "part-file-lost",
        "The part file is not there: its mirror is the part file.",
        without(FILES, PART),
        "damage",
        (9152, 9101),
    )


def _parts(checks: Checks) -> None:
    _both(
        checks,
        "part-file-short",
        "The part file ends before what was durable of it: the mirror has the rest.",
        FILES | {PART: scenes.PART_FILE[:-10]},
        "damage",
        (9152, 9104),
    )
    _both(
        checks,
        "body",
        "A body in the part file is damaged: only its key tells, and the mirror has it.",
        harmed(FILES, (PART, BODY)),
        "recovery",
        (9152,),
    )
    _both(
        checks,
        "bodies-of-both",
        "Another body is damaged in each copy: every one of them is there.",
        harmed(FILES, (PART, BODY), (PART_MIRROR, len(scenes.PART_FILE) - 5)),
        "recovery",
        (9152,),
    )


def _not_needed(checks: Checks) -> None:
    """Add scenarios in which the files themselves are whole."""
    closed = scenes.live_with(scenes.CLOSED)
    mirror = copy_name(scenes.CLOSED.name)
    for name, comment, files in (
        ("missing", "There is no mirror: all is well, and that is remarked.", without(closed, mirror)),
        ("behind", "The mirror ends before the journal.", closed | {mirror: scenes.CLOSED.data[: SECOND + 20]}),
        ("torn", "The mirror is damaged, and the journal is not.", harmed(closed, (mirror, FIRST))),
    ):
        checks.check(name, comment, files, "good", (9166,), holds="FIL-25")
        checks.open(name, "And it opens.", files, "FIL-25", records=3)
    settled = scenes.SETTLED | {mirror: scenes.JOURNAL.data}
    checks.check(
        "settled-journal",
        "The mirror of a journal of a lower generation: it counts for nothing.",
        settled,
        "good",
        (9161,),
        "FIL-20 FIL-26",
    )
    checks.open("settled-journal", "It does not bring the journal back.", settled, "FIL-26", records=4)


def _refused(
    checks: Checks,
    name: str,
    comment: str,
    files: Mapping[str, bytes],
    codes: tuple[int, ...],
    breaks: str = "FIL-26",
) -> None:
    checks.check(name, comment, files, "damage", codes, breaks=breaks)
    checks.topic.bad(f"open-{name}", "It does not open.", "open-vault", breaks, VaultDamaged, vault=files, **KEYS)


def _neither(checks: Checks) -> None:
    """Add scenarios in which neither copy has what counts."""
    name = WHOLE.name
    _refused(
        checks,
        "group-of-neither",
        "A group that was durable is damaged in both copies alike.",
        harmed(FILES, (name, FIRST), (MIRROR, FIRST)),
        (1107, 9113),
    )
    cut = {name: WHOLE.data[:HEADER_SIZE]}
    _refused(
        checks,
        "durable-groups-of-mirror",
        "The journal ends after its header, the mirror is damaged in the first group: later ones show it was durable.",
        harmed(FILES | cut, (MIRROR, FIRST)),
        (1102, 9113),
        "FIL-26 RCV-22",
    )
    _refused(
        checks,
        "header-of-neither",
        "The header is damaged in both copies, at different places.",
        harmed(FILES, (name, 50), (MIRROR, 60)),
        (1106,),
    )
    _refused(
        checks,
        "groups-of-mirror-alone",
        "The journal ends in its header, and the header of the mirror is damaged: the mirror has groups, it was used.",
        harmed(FILES | {name: WHOLE.data[:100]}, (MIRROR, 60)),
        (1102,),
        "FIL-26 RCV-26",
    )
    strange = journal(journal_header("another"), DRAFTS)
    _refused(
        checks,
        "mirror-of-another-journal",
        "A group is damaged, and the mirror is that of a journal of another id.",
        harmed(FILES | {MIRROR: strange.data}, (name, FIRST)),
        (1107, 9113),
    )
    two = scenes.live_with(scenes.JOURNAL, second())
    first, mirror = scenes.JOURNAL.name, copy_name(scenes.JOURNAL.name)
    _refused(
        checks,
        "lost-mirror-of-another-journal",
        "The first of two journals is not there, and its mirror is that of a journal of another id.",
        without(two, first) | {mirror: journal(journal_header("another"), scenes.GROUPS).data},
        (9162, 9112),
    )
    _refused(
        checks,
        "lost-mirror-damaged",
        "The first of two journals is not there, and the header of its mirror is damaged.",
        harmed(without(two, first), (mirror, 50)),
        (9162, 9112),
    )
    later = journal(journal_header(generation=2), scenes.GROUPS)
    _refused(
        checks,
        "lost-mirror-of-later-journal",
        "A journal is not there, and its mirror is of a later head than there is.",
        without(scenes.live_with(later), later.name),
        (9101, 9114, 9152),
    )
    doubtful = harmed(FILES, (PART, BODY), (PART_MIRROR, BODY))
    checks.topic.bad(
        "open-body-of-neither",
        "A body is damaged in both copies, and nothing says that its group was durable: it cannot be written again.",
        "open-vault",
        "FIL-26",
        VaultDamaged,
        vault=doubtful,
        **KEYS,
    )
    closed = scenes.live_with(journal(WHOLE.header, [*DRAFTS, closing(4)])) | scenes.PART_FILES
    checks.open(
        "durable-body-of-neither",
        "A body is damaged in both copies, and its group was durable: its record alone is lost.",
        harmed(closed, (PART, BODY), (PART_MIRROR, BODY)),
        breaks="FIL-26",
        records=3,
    )
    empty = scenes.PART_FILE[:SUPERBLOCK_SIZE].ljust(len(scenes.PART_FILE), b"\0")
    checks.open(
        "part-files-of-neither",
        "The part file is not there, and its mirror has zeros for its bodies.",
        without(closed, PART) | {PART_MIRROR: empty},
        breaks="FIL-26",
        records=3,
    )

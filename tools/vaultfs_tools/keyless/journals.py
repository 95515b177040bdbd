"""Journals without keys: headers, who follows whom, every group's chain, and what a bad end means.

A file that a successor names counts up to where the successor says; bytes beyond are void. In the last file a bad group
is a torn write unless a later group states that it was durable: then it is damage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from vaultfs_format.audit import ENTRY
from vaultfs_format.errors import FieldInvalid, FormatError, Structure, VaultError
from vaultfs_format.group import GROUP, GROUP_MAGIC, Group, GroupKind, group_sizes
from vaultfs_format.head import Head
from vaultfs_format.journal import HEADER_SIZE, NO_JOURNAL, JournalHeader, JournalRole
from vaultfs_format.searching import occurrences

from vaultfs_tools.keyless.errors import (
    CopiesDiffer,
    Disagreement,
    DurableLost,
    FileMissing,
    FileUnreadable,
    GroupsDamaged,
    HeadOlder,
    JournalEmpty,
    JournalOpen,
    JournalsFork,
    Leftover,
    MirrorBehind,
    PredecessorMissing,
    Property,
    Superseded,
    TornTail,
)
from vaultfs_tools.keyless.files import CHUNK, COPIES, JOURNALS, Reader, VaultFiles, copy_name
from vaultfs_tools.keyless.findings import Mirrored, Report
from vaultfs_tools.keyless.mirrors import Check, Pair, opened

SUFFIX = ".vjrn"


@dataclass(slots=True)
class Scan:
    """The good groups of a journal: how far they go, and what they hold.

    Parameters
    ----------
    durable
        Number of the last group that a later one states to be durable.
    ascending
        Whether the commit numbers of each group are beyond those of the groups before.
    leaves, first_entry
        Number of audit entries, and the first of them.
    parts
        Bytes that count of each open blob segment.
    taken
        Groups that only the mirror has: where they lie, and why the file is not good there.
    behind, differ
        Whether the mirror lacks a group; whether it has one that differs, and without keys is as good.
    """

    end: int
    chain: bytes
    last_group: int = 0
    durable: int = 0
    closed: bool = False
    first_commit: int = 0
    last_commit: int = 0
    ascending: bool = True
    leaves: int = 0
    first_entry: bytes = b""
    parts: dict[bytes, int] = field(default_factory=dict)
    taken: dict[int, tuple[int, VaultError]] = field(default_factory=dict)
    behind: bool = False
    differ: bool = False


@dataclass(slots=True)
class Journal:
    """A journal whose header is good."""

    name: str
    header: JournalHeader
    chain: bytes
    scan: Scan | None = None


def check_journals(
    files: VaultFiles, report: Report, head: Head | None, advance: Callable[[int], None]
) -> list[Journal]:
    """Check all journals; return the live ones from the first to the last."""
    found = [journal for name in _candidates(files) if (journal := _opened(files, report, head, name))]
    if head is None:
        for journal in found:
            _scan_last(files, report, journal, advance)
        return found
    present = {journal.header.journal_id for journal in found}
    for row in head.journals:
        if row.journal_id not in present:
            report.add(FileMissing(structure=Structure.JOURNAL_HEADER), f"{JOURNALS}/{row.journal_id.hex()}{SUFFIX}")
    ordered = _in_order(report, found)
    for journal, following in pairwise(ordered):
        _scan_followed(files, report, journal, following.header, advance)
    if ordered:
        _scan_last(files, report, ordered[-1], advance)
    _check_succession(report, head, ordered)
    return ordered


def _candidates(files: VaultFiles) -> list[str]:
    """Return the names of all journals, those included of which there is only the mirror."""
    mirrored = {name.removeprefix(f"{COPIES}/") for name in files.names(copy_name(JOURNALS))}
    return [name for name in sorted(mirrored.union(files.names(JOURNALS))) if name.endswith(SUFFIX)]


def _opened(files: VaultFiles, report: Report, head: Head | None, name: str) -> Journal | None:
    """Return a journal that belongs to the head, its header checked."""
    size = 0
    try:
        with opened(files, name) as pair:
            size = pair.size
            found = pair.header()
            header, data = found.value, found.data
    except FileMissing:
        # A mirror alone, of which nothing can be proved.
        report.add(Leftover(structure=Structure.JOURNAL_HEADER), copy_name(name))
        return None
    except FormatError as error:
        # A header is durable before its first group: nothing was ever acknowledged from a file that has no more.
        report.add(error if size > HEADER_SIZE else JournalEmpty(structure=Structure.JOURNAL_HEADER), name)
        return None
    except VaultError as error:
        report.add(error, name)
        return None
    report.checked += len(data)
    report.journals += 1
    if header.role is not JournalRole.WRITER:
        report.add(_differs(Property.ROLE), name)
        return None
    journal = Journal(name, header, header.chain(data))
    if head is not None and not _belongs(report, head, journal):
        return None
    if found.reason is not None:
        report.add(found.reason, name, remedy=Mirrored(name))
    return journal


def _belongs(report: Report, head: Head, journal: Journal) -> bool:
    header, name = journal.header, journal.name
    if header.generation < head.generation:
        report.add(Superseded(structure=Structure.JOURNAL_HEADER, generation=header.generation), name)
        return False
    if header.generation > head.generation:
        later = HeadOlder(structure=Structure.JOURNAL_HEADER, generation=header.generation, head=head.generation)
        report.add(later, name)
    if name != f"{JOURNALS}/{header.journal_id.hex()}{SUFFIX}":
        report.add(_differs(Property.FILE_ID), name)
    for stated, value, expected in (
        (Property.SUITE, header.suite, head.suite),
        (Property.VAULT_ID, header.vault_id, head.vault_id),
        (Property.EPOCH, header.epoch, head.epoch),
        (Property.INCARNATION, header.incarnation, head.incarnation),
    ):
        if value != expected:
            report.add(_differs(stated), name)
    return True


def _differs(stated: Property) -> Disagreement:
    return Disagreement(structure=Structure.JOURNAL_HEADER, property=stated)


def _in_order(report: Report, journals: Sequence[Journal]) -> list[Journal]:
    """Return the journals from the first to the last; each names the one before it."""
    followers: dict[bytes, Journal] = {}
    for journal in journals:
        rival = followers.setdefault(journal.header.predecessor, journal)
        if rival is not journal:
            report.add(JournalsFork(structure=Structure.JOURNAL_HEADER), journal.name)
    ordered: list[Journal] = []
    following = followers.pop(NO_JOURNAL, None)
    while following is not None:
        ordered.append(following)
        following = followers.pop(following.header.journal_id, None)
    for journal in followers.values():
        report.add(PredecessorMissing(structure=Structure.JOURNAL_HEADER), journal.name)
    return ordered


def _check_succession(report: Report, head: Head, ordered: Sequence[Journal]) -> None:
    """Check that leaves, commit numbers and record numbers go on from one file to the next."""
    leaf, commit, number = head.tree_size - 1, head.last_commit, head.next_number
    for journal in ordered:
        header, scan = journal.header, journal.scan
        if header.first_leaf != leaf:
            report.add(_differs(Property.FIRST_LEAF), journal.name)
        if header.first_number < number:
            report.add(_differs(Property.RECORD_NUMBERS), journal.name)
        number = header.last_number + 1
        if scan is None:
            return
        leaf = header.first_leaf + scan.leaves
        if scan.last_commit:
            if scan.first_commit <= commit or not scan.ascending:
                report.add(_differs(Property.COMMIT_NUMBERS), journal.name)
            commit = scan.last_commit


# Groups.


def _scan_followed(
    files: VaultFiles, report: Report, journal: Journal, following: JournalHeader, advance: Callable[[int], None]
) -> None:
    """Scan a journal up to where its successor says that it ends."""
    try:
        with opened(files, journal.name) as pair:
            scan, reason = scanned(pair, report, journal, following.predecessor_group, advance)
    except VaultError as error:
        report.add(error, journal.name)
        return
    journal.scan = scan
    stated = (following.predecessor_group, following.predecessor_end, following.predecessor_chain)
    if (scan.last_group, scan.end, scan.chain) != stated:
        report_lost(report, journal, scan, reason)
    _report_copies(report, journal, scan, scan.last_group)


def _scan_last(files: VaultFiles, report: Report, journal: Journal, advance: Callable[[int], None]) -> None:
    """Scan the last journal to its end and judge what is there."""
    try:
        with opened(files, journal.name) as pair:
            scan, reason = scanned(pair, report, journal, None, advance)
            journal.scan = scan
            tail = _written(pair.main, scan.end)
            _report_copies(report, journal, scan, scan.last_group - 1 if scan.closed else scan.durable)
            if any(claims_durable(one, scan) for one in pair if one is not None):
                report_lost(report, journal, scan, reason)
            elif tail:
                report.add(TornTail(structure=Structure.JOURNAL_GROUP, size=tail), journal.name, scan.end)
            elif not scan.closed or (scan.last_group in scan.taken and pair.file is not None):
                report.add(JournalOpen(structure=Structure.JOURNAL_GROUP, group=scan.last_group), journal.name)
    except VaultError as error:
        report.add(error, journal.name)


def _report_copies(report: Report, journal: Journal, scan: Scan, durable: int) -> None:
    """Report what of the groups up to `durable` only one of the copies has."""
    remedy = Mirrored(journal.name)
    damaged = [where for number, where in scan.taken.items() if number <= durable]
    unreadable = next((reason for _, reason in damaged if isinstance(reason, FileUnreadable)), None)
    if damaged and not any(isinstance(reason, FileMissing) for _, reason in damaged):
        found = GroupsDamaged(structure=Structure.JOURNAL_GROUP, groups=len(damaged))
        report.add(unreadable or found, journal.name, damaged[0][0], remedy)
    if scan.differ:
        report.add(CopiesDiffer(structure=Structure.JOURNAL_GROUP), journal.name)
    if scan.behind:
        report.add(MirrorBehind(structure=Structure.JOURNAL_GROUP), copy_name(journal.name), remedy=remedy)


def _written(file: Reader, start: int) -> int:
    """Return the bytes from `start` on, without the zeros at the end of a file that was preallocated."""
    at, written = start, 0
    while at < file.size:
        piece = file.read(at, min(CHUNK, file.size - at))
        if length := len(piece.rstrip(b"\0")):
            written = at + length - start
        at += len(piece)
    return written


def report_lost(report: Report, journal: Journal, scan: Scan, reason: VaultError | None) -> None:
    """Report that durable groups are damaged or missing."""
    if reason is not None:
        report.add(reason, journal.name, scan.end)
    report.add(DurableLost(structure=Structure.JOURNAL_GROUP, group=scan.last_group + 1), journal.name, scan.end)


def scanned(
    pair: Pair,
    report: Report,
    journal: Journal,
    stop: int | None,
    advance: Callable[[int], None],
    check: Check = lambda _: None,
) -> tuple[Scan, VaultError | None]:
    """Return what the good groups hold, and why the scan ended before `stop` or the end of the file, if it did.

    Parameters
    ----------
    check
        Raises for a group that is not good for this kind of journal.

    Raises
    ------
    FieldInvalid
        A good group follows the closing record.
    """
    scan = Scan(HEADER_SIZE, journal.chain)
    suite = journal.header.suite
    while pair.size > scan.end and (stop is None or scan.last_group < stop):
        try:
            found = pair.group(suite, scan.end, scan.last_group + 1, scan.chain, check)
        except VaultError as error:
            return scan, error
        if scan.closed:
            raise FieldInvalid(structure=Structure.JOURNAL_GROUP)
        group = found.value
        if found.reason is not None:
            scan.taken[group.number] = scan.end, found.reason
        scan.behind = scan.behind or not found.mirrored
        scan.differ = scan.differ or found.differs
        _take(scan, group)
        report.groups += 1
        report.frames += len(group.rows)
        report.entries += sum(row.header.entry_count for row in group.rows)
        report.checked += group.size
        advance(group.size)
    return scan, None


def _take(scan: Scan, group: Group) -> None:
    scan.end += group.size
    scan.chain = group.chain
    scan.last_group = group.number
    scan.durable = max(scan.durable, group.last_durable)
    scan.closed = group.kind is GroupKind.CLOSING
    if group.commits:
        scan.ascending = scan.ascending and group.first_commit > scan.last_commit
        scan.first_commit = scan.first_commit or group.first_commit
        scan.last_commit = group.first_commit + group.commits - 1
    scan.first_entry = scan.first_entry or group.audit[: ENTRY.size]
    scan.leaves += len(group.audit) // ENTRY.size
    for part in group.parts:
        scan.parts[part.segment_id] = max(part.valid_end, scan.parts.get(part.segment_id, 0))


def claims_durable(file: Reader, scan: Scan) -> bool:
    """Return whether a group after the last good one states that more groups were durable."""
    places = occurrences(file.read, GROUP_MAGIC, scan.end, file.size)
    return any(_claims(file.read(at, min(GROUP.size, file.size - at)), scan.last_group) for at in places)


def _claims(data: bytes, last_group: int) -> bool:
    try:
        group_sizes(data)
    except FormatError:
        return False
    _, _, _, _, number, last_durable, *_ = GROUP.unpack(data)
    return bool(number > last_durable > last_group)

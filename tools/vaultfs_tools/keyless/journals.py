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
from vaultfs_format.group import GROUP, GROUP_MAGIC, Group, GroupKind, decode_group, group_sizes
from vaultfs_format.head import Head
from vaultfs_format.journal import HEADER_SIZE, NO_JOURNAL, JournalHeader, JournalRole

from vaultfs_tools.keyless.files import CHUNK, JOURNALS, Reader, VaultFiles
from vaultfs_tools.keyless.findings import (
    Disagreement,
    DurableLost,
    FileMissing,
    HeadOlder,
    JournalEmpty,
    JournalOpen,
    JournalsFork,
    PredecessorMissing,
    Property,
    Report,
    Superseded,
    TornTail,
)

SUFFIX = ".vjrn"


@dataclass(slots=True)
class Scan:
    """The good groups of a journal: how far they go, and what they hold.

    Parameters
    ----------
    durable
        Number of the last group that a later one states to be durable.
    leaves, first_entry
        Number of audit entries, and the first of them.
    parts
        Bytes that count of each open blob segment.
    """

    end: int
    chain: bytes
    last_group: int = 0
    durable: int = 0
    closed: bool = False
    first_commit: int = 0
    last_commit: int = 0
    leaves: int = 0
    first_entry: bytes = b""
    parts: dict[bytes, int] = field(default_factory=dict)


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
    return [name for name in files.names(JOURNALS) if name.endswith(SUFFIX)]


def _opened(files: VaultFiles, report: Report, head: Head | None, name: str) -> Journal | None:
    """Return a journal that belongs to the head, its header checked."""
    size = 0
    try:
        with files.open(name) as file:
            size = file.size
            data = file.read(0, min(HEADER_SIZE, size))
        header = JournalHeader.decode(data)
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
    return journal if head is None or _belongs(report, head, journal) else None


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
            if scan.first_commit <= commit:
                report.add(_differs(Property.COMMIT_NUMBERS), journal.name)
            commit = scan.last_commit


# Groups.


def _scan_followed(
    files: VaultFiles, report: Report, journal: Journal, following: JournalHeader, advance: Callable[[int], None]
) -> None:
    """Scan a journal up to where its successor says that it ends."""
    try:
        with files.open(journal.name) as file:
            scan, reason = scanned(file, report, journal, following.predecessor_group, advance)
    except VaultError as error:
        report.add(error, journal.name)
        return
    journal.scan = scan
    stated = (following.predecessor_group, following.predecessor_end, following.predecessor_chain)
    if (scan.last_group, scan.end, scan.chain) != stated:
        report_lost(report, journal, scan, reason)


def _scan_last(files: VaultFiles, report: Report, journal: Journal, advance: Callable[[int], None]) -> None:
    """Scan the last journal to its end and judge what is there."""
    try:
        with files.open(journal.name) as file:
            scan, reason = scanned(file, report, journal, None, advance)
            journal.scan = scan
            tail = _written(file, scan.end)
            if claims_durable(file, scan):
                report_lost(report, journal, scan, reason)
            elif tail:
                report.add(TornTail(structure=Structure.JOURNAL_GROUP, size=tail), journal.name, scan.end)
            elif not scan.closed:
                report.add(JournalOpen(structure=Structure.JOURNAL_GROUP, group=scan.last_group), journal.name)
    except VaultError as error:
        report.add(error, journal.name)


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
    file: Reader,
    report: Report,
    journal: Journal,
    stop: int | None,
    advance: Callable[[int], None],
    check: Callable[[Group], object] = lambda _: None,
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
    while file.size > scan.end and (stop is None or scan.last_group < stop):
        try:
            sizes = group_sizes(file.read(scan.end, GROUP.size))
            data = file.read(scan.end, sizes.total)
            group = decode_group(suite, data, 0, scan.last_group + 1, scan.chain)
            check(group)
        except VaultError as error:
            return scan, error
        if scan.closed:
            raise FieldInvalid(structure=Structure.JOURNAL_GROUP)
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
        scan.first_commit = scan.first_commit or group.first_commit
        scan.last_commit = group.first_commit + group.commits - 1
    scan.first_entry = scan.first_entry or group.audit[: ENTRY.size]
    scan.leaves += len(group.audit) // ENTRY.size
    for part in group.parts:
        scan.parts[part.segment_id] = max(part.valid_end, scan.parts.get(part.segment_id, 0))


def claims_durable(file: Reader, scan: Scan) -> bool:
    """Return whether a group after the last good one states that more groups were durable."""
    at, kept = scan.end, b""
    while at < file.size:
        piece = file.read(at, min(CHUNK, file.size - at))
        data = kept + piece
        position = data.find(GROUP_MAGIC)
        while position >= 0:
            if _claims(data[position : position + GROUP.size], scan.last_group):
                return True
            position = data.find(GROUP_MAGIC, position + 1)
        at += len(piece)
        kept = data[-(GROUP.size - 1) :]
    return False


def _claims(data: bytes, last_group: int) -> bool:
    try:
        group_sizes(data)
    except FormatError:
        return False
    _, _, _, _, number, last_durable, *_ = GROUP.unpack(data)
    return bool(number > last_durable > last_group)

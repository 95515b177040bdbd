"""Live journals, the part files that they name, and access journals: read while a writer appends to them.

What is read is what stands in whole groups, one after the other by their chain. Each journal is only ever appended to,
and a successor is begun after the last group of the one before; so at whatever moments they were read, together they
are a state that the vault was in, as long as none was removed meanwhile. That shows in the head, which is there before
the first of them goes: the caller reads it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from vaultfs_format.errors import VaultError
from vaultfs_format.head import Head
from vaultfs_format.journal import HEADER_SIZE

from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.target import Target
from vaultfs_tools.keyless.access import SUFFIX as ACCESS_SUFFIX
from vaultfs_tools.keyless.durable import write_all
from vaultfs_tools.keyless.files import JOURNALS, VaultFiles, copy_name
from vaultfs_tools.keyless.findings import Finding, Report, Severity
from vaultfs_tools.keyless.journals import Journal, check_journals
from vaultfs_tools.keyless.mirrors import Pair, opened


@dataclass(slots=True)
class Live:
    """The live journals of a vault, from the first to the last, and what was wrong with them.

    Parameters
    ----------
    ends
        Bytes that count of each part file.
    """

    journals: list[Journal]
    report: Report
    ends: dict[bytes, int] = field(default_factory=dict)


def look(files: VaultFiles, head: Head, pace: Pace) -> Live:
    """Return the live journals as they are now; an end that is not whole yet is no finding."""
    found = Report()
    journals = check_journals(files, found, head, pace)
    bad = (Severity.ERROR, Severity.UNSUPPORTED)
    report = Report(findings=[as_copied(one) for one in found.findings if one.severity in bad])
    live = Live([journal for journal in journals if journal.scan is not None], report)
    for journal in live.journals:
        for segment_id, end in journal.scan.parts.items() if journal.scan else ():
            live.ends[segment_id] = max(end, live.ends.get(segment_id, 0))
    return live


def as_copied(finding: Finding) -> Finding:
    """Return a finding as it is of the copy: what another place has is healed there."""
    return finding if finding.remedy is None else replace(finding, severity=Severity.CORRECTED)


def durable_groups(live: Live) -> dict[bytes, int]:
    """Return for each journal how many of its groups are known to be durable."""
    found: dict[bytes, int] = {}
    for journal, following in zip_longest(live.journals, live.journals[1:]):
        if journal.scan is not None:
            known = following.header.predecessor_group if following is not None else journal.scan.durable
            found[journal.header.journal_id] = min(known, journal.scan.last_group)
    return found


# Journals.


def stage_journal(files: VaultFiles, target: Target, journal: Journal) -> dict[str, str]:
    """Stage a live journal, and its mirror, as far as they are good; return their names by those of what was staged."""
    staged = {}
    end = journal.scan.end if journal.scan else HEADER_SIZE
    with opened(files, journal.name) as pair:
        for name, sides in ((journal.name, pair), (copy_name(journal.name), Pair(pair.mirror or pair.file, pair.file))):
            temporary = f"{name.rpartition('.')[0]}.tmp"
            if _stage(target, temporary, name, sides, end):
                staged[temporary] = name
    return staged


def stage_access(files: VaultFiles, target: Target, name: str) -> str | None:
    """Stage an access journal up to its last whole group; return what was staged, None if there is nothing new.

    Raises
    ------
    VaultError
        It is missing, or of it there is no good header.
    """
    temporary = f"{name.rpartition('.')[0]}.tmp"
    with files.open(name) as file:
        return temporary if _stage(target, temporary, name, Pair(file), None) else None


def access_journals(files: VaultFiles) -> list[str]:
    """Return the names of the access journals in a vault."""
    return [name for name in files.names(JOURNALS) if name.endswith(ACCESS_SUFFIX)]


def _stage(target: Target, temporary: str, name: str, pair: Pair, end: int | None) -> bool:
    """Stage the good bytes of a journal; return whether they are more, or others, than the target has.

    Where the target has more it keeps that: the journal has lost it, or it is void.
    """
    with target.staged(temporary) as descriptor:
        at = same = 0
        with target.present(name) as there:
            for data in _pieces(pair, end):
                write_all(descriptor, data, at)
                if same == at and there(at, len(data)) == data:
                    same += len(data)
                at += len(data)
    if same == at:
        target.remove(temporary)
        return False
    target.written += at - same
    return True


def _pieces(pair: Pair, end: int | None) -> Iterator[bytes]:
    """Yield header and groups of a journal, each from whichever copy is good, up to `end` or the last whole group."""
    beginning = pair.header()
    header = beginning.value
    yield beginning.data
    at, number, chain = HEADER_SIZE, 1, header.chain(beginning.data)
    while at < (pair.size if end is None else end):
        try:
            found = pair.group(header.suite, at, number, chain, lambda _: None)
        except VaultError:
            return
        yield found.data
        at, number, chain = at + len(found.data), number + 1, found.value.chain

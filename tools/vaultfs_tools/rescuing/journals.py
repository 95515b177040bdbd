"""Journals: which files hold which, and their keys: of a damaged header, from the fields that make them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from vaultfs_format.errors import VaultError
from vaultfs_format.group import GROUP, GROUP_MAGIC, group_sizes
from vaultfs_format.journal import HEADER, HEADER_SIZE, JournalHeader, JournalKeys, JournalRole, journal_keys

from vaultfs_tools.rescuing.groups import GroupReader
from vaultfs_tools.rescuing.keys import Keys
from vaultfs_tools.rescuing.reading import File, Library
from vaultfs_tools.rescuing.sources import Kind, Source

_ACCESS = ".vacc"
"""How names of access journals end."""


@dataclass(slots=True, repr=False)
class Journal:
    """A journal, and all files that hold it.

    Parameters
    ----------
    header
        None where every copy of it is damaged: then who it follows is not known, nor the chain value before its groups.
    chain
        What the first group's chain begins with; empty without a header.
    stop
        Where its successor says that it ends; 0 where none is known.
    """

    journal_id: bytes
    keys: JournalKeys
    header: JournalHeader | None
    chain: bytes
    sources: list[Source]
    stop: int = 0


@dataclass(slots=True, repr=False)
class Journals:
    """The journals of a vault, and files that may be journals.

    Attributes
    ----------
    by_id
        Those whose keys are known.
    lost
        Files that are journals, by their beginning, their name or the groups in them, and whose keys cannot be made.
    unknown
        Files that are something else.
    """

    by_id: dict[bytes, Journal] = field(default_factory=dict)
    lost: list[Source] = field(default_factory=list)
    unknown: list[Source] = field(default_factory=list)


def identify(library: Library, sources: Sequence[Source], keys: Keys) -> Journals:
    """Return the journals of the process that wrote the vault; access journals hold no records."""
    journals = Journals()
    left: list[tuple[File, list[int]]] = []
    for source in sources:
        file = library.file(source)
        data = file(0, HEADER_SIZE)
        journal = _proved(data, keys)
        if journal is None:
            if _foreign(data, keys):
                continue
            groups = list(_groups(file))
            journal = _salvaged(file, groups, data, keys)
        if journal is None:
            if not source.name.endswith(_ACCESS):
                left.append((file, groups))
            continue
        known = journals.by_id.setdefault(journal.journal_id, journal)
        known.sources.append(source)
        if known.header is None:
            known.keys, known.header, known.chain = journal.keys, journal.header, journal.chain
    for file, groups in left:
        copied = next((one for one in journals.by_id.values() if _opens(file, groups, keys, one)), None)
        if copied is not None:
            copied.sources.append(file.source)
        elif groups or file.source.kind is Kind.JOURNAL:
            journals.lost.append(file.source)
        else:
            journals.unknown.append(file.source)
    for journal in journals.by_id.values():
        header = journal.header
        before = journals.by_id.get(header.predecessor) if header else None
        if before is not None and header is not None:
            before.stop = max(before.stop, header.predecessor_end)  # of two that follow it, either may be right
    return journals


def _groups(file: File) -> Iterator[int]:
    """Yield where anything in a file follows the format of a group."""
    for at in file.occurrences(GROUP_MAGIC, 0, file.size):
        try:
            group_sizes(file(at, GROUP.size))
        except VaultError:
            continue
        yield at


def _opens(file: File, groups: Sequence[int], keys: Keys, journal: Journal) -> bool:
    """Return whether any of what look like groups of a file has the MAC of a journal."""
    reader = GroupReader(file, keys.suite, journal.journal_id, journal.keys)
    found = (reader.at(at) for at in groups)
    return any(group.chain for group in found if group is not None)


def _foreign(data: bytes, keys: Keys) -> bool:
    """Return whether a good header says that a file is an access journal, or one of another vault."""
    try:
        header = JournalHeader.decode(data)
    except VaultError:
        return False
    return header.role is JournalRole.READER or header.vault_id != keys.vault_id


def _proved(data: bytes, keys: Keys) -> Journal | None:
    """Return the journal of a header that is authentic."""
    try:
        header = JournalHeader.decode(data)
    except VaultError:
        return None
    if header.role is not JournalRole.WRITER:
        return None
    for root in keys.roots_for(header.epoch):
        opening = header.keys(root)
        try:
            header.verify(data, opening)
        except VaultError:
            continue
        return Journal(header.journal_id, opening, header, header.chain(data), [])
    return None


def _salvaged(file: File, groups: Sequence[int], data: bytes, keys: Keys) -> Journal | None:
    """Return the journal of a damaged header, if the fields from which its keys are made prove true on any group."""
    if len(data) < HEADER.size:
        return None
    values = dict(zip((one.name for one in HEADER.fields), HEADER.struct.unpack_from(data), strict=True))
    ids = dict.fromkeys(one for one in (values["journal_id"], file.source.stated_id) if one)
    for journal_id, (epoch, roots) in product(ids, keys.roots.items()):
        for root in roots:
            opening = journal_keys(keys.suite, root, journal_id, epoch, values["salt"])
            journal = Journal(journal_id, opening, None, b"", [])
            if _opens(file, groups, keys, journal):
                return journal
    return None

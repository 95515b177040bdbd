"""Journals: which files hold which, and their keys: of a damaged header, from the fields that make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vaultfs_format.errors import VaultError
from vaultfs_format.journal import HEADER, HEADER_SIZE, NO_JOURNAL, JournalHeader, JournalKeys, JournalRole
from vaultfs_format.suite import DIGEST

from vaultfs_tools.rescuing.groups import next_group
from vaultfs_tools.rescuing.keys import Keys
from vaultfs_tools.rescuing.sources import Library, Source

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
    """What was found of journals.

    Attributes
    ----------
    lost
        Files that are journals, by their beginning or their name, and whose keys cannot be made.
    """

    found: dict[bytes, Journal] = field(default_factory=dict)
    lost: list[Source] = field(default_factory=list)


def identify(library: Library, sources: Sequence[Source], keys: Keys) -> Journals:
    """Return the journals of the process that wrote the vault; access journals hold no records."""
    journals = Journals()
    for source in sources:
        data = library.read(source, 0, HEADER_SIZE)
        made = _proved(data, keys) or _salvaged(library, source, data, keys)
        if made is None:
            if not (_foreign(data, keys) or source.name.endswith(_ACCESS)):
                journals.lost.append(source)
            continue
        made.sources.append(source)
        known = journals.found.setdefault(made.journal_id, made)
        if known is not made:
            known.sources.append(source)
            if known.header is None:
                known.keys, known.header, known.chain = made.keys, made.header, made.chain
    journals.lost = [source for source in journals.lost if not _copy(library, source, journals, keys)]
    for journal in journals.found.values():
        header = journal.header
        before = journals.found.get(header.predecessor) if header else None
        if before is not None and header is not None:
            before.stop = header.predecessor_end
    return journals


def _copy(library: Library, source: Source, journals: Journals, keys: Keys) -> bool:
    """Return whether a file shows by its groups that it is another copy of a journal, and take it for one."""
    for journal in journals.found.values():
        if next_group(library.reader(source), source.size, keys.suite, journal.journal_id, journal.keys, 0):
            journal.sources.append(source)
            return True
    return False


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
        made = header.keys(root)
        try:
            header.verify(data, made)
        except VaultError:
            continue
        return Journal(header.journal_id, made, header, header.chain(data), [])
    return None


def _salvaged(library: Library, source: Source, data: bytes, keys: Keys) -> Journal | None:
    """Return the journal of a damaged header, if the fields from which its keys are made prove true on any group."""
    if len(data) < HEADER.size:
        return None
    values = dict(zip((one.name for one in HEADER.fields), HEADER.struct.unpack_from(data), strict=True))
    for journal_id in dict.fromkeys(one for one in (values["journal_id"], source.stated_id) if one):
        for epoch, roots in keys.roots.items():
            for root in roots:
                header = JournalHeader(
                    keys.suite, JournalRole.WRITER, epoch, keys.vault_id, journal_id, values["salt"],
                    NO_JOURNAL, 0, 0, bytes(DIGEST), 1, 0, 1, 1, 0,
                )  # fmt: skip
                made = Journal(journal_id, header.keys(root), None, b"", [])
                if next_group(library.reader(source), source.size, keys.suite, journal_id, made.keys, HEADER_SIZE):
                    return made
    return None

"""A rescue from beginning to end: find the files, open the keys, read what can be read, write it, list the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vaultfs_format import limits, sha2
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.head import Head
from vaultfs_format.segment import SUPERBLOCK_SIZE

from vaultfs_tools.keyless.errors import FileMissing, NotRegular
from vaultfs_tools.keyless.files import MAX_SMALL
from vaultfs_tools.keyless.pairs import MAX_SUPERBLOCK
from vaultfs_tools.rescuing import journals, segments
from vaultfs_tools.rescuing.bodies import Bodies
from vaultfs_tools.rescuing.errors import BytesUnnamed
from vaultfs_tools.rescuing.events import Events
from vaultfs_tools.rescuing.frames import Harvest, loss
from vaultfs_tools.rescuing.journal_frames import JournalReader
from vaultfs_tools.rescuing.keys import Keys, builtin_names, open_keyrings, open_keys
from vaultfs_tools.rescuing.merging import good_ones
from vaultfs_tools.rescuing.reading import Library
from vaultfs_tools.rescuing.records import Records
from vaultfs_tools.rescuing.segment_frames import SegmentReader
from vaultfs_tools.rescuing.segments import Segments
from vaultfs_tools.rescuing.sources import Kind, Source, find
from vaultfs_tools.rescuing.states import States
from vaultfs_tools.rescuing.tables import open_tables
from vaultfs_tools.rescuing.writing import Output
from vaultfs_tools.unlocking import Opener

_MAX_SECRET = 4 * limits.KIB
_MAX_NAMING = 64 * limits.MIB
"""Largest head and keyring that are read, for about half a million segments: without them records come out, too."""

_LARGE = frozenset({Kind.JOURNAL, Kind.SEGMENT})
_LOGS = frozenset({Kind.JOURNAL, Kind.OTHER})
"""What may be a journal; a file of unknown kind shows by its groups that it is one."""


@dataclass(slots=True)
class Report:
    """What a rescue has done.

    Parameters
    ----------
    vault_id
        Of the vault.
    head
        Whether an authentic head was found: without one nothing tells which segments there were.
    record_ids
        Whether the keyring was found, and records have their ids.
    records, bytes
        Versions of records written, and their bytes, with those around them.
    states, events
        Versions of control states, and audit events.
    diverged
        Versions of records and states that have more than one content, as in copies that were both written to; all of
        them were written.
    disposed
        Frames of which there is no key any more.
    missing
        Lines of the list of what is missing, by what it is.
    """

    vault_id: bytes
    head: bool = False
    record_ids: bool = False
    records: int = 0
    bytes: int = 0
    states: int = 0
    events: int = 0
    diverged: int = 0
    disposed: int = 0
    missing: dict[str, int] = field(default_factory=dict)


class Rescuer:
    """Rescues a vault.

    Parameters
    ----------
    vault
        The directory below which the files of the vault lie, in whatever order.
    secrets
        Files with epoch secrets, or directories of them.
    """

    def __init__(self, vault: Path, secrets: Sequence[Path], output: Output) -> None:
        self._output = output
        self._harvest = Harvest()
        self._vault = vault
        self._secrets = secrets
        self._library = Library()

    def run(self, opener: Opener) -> Report:
        """Write what can be proved, and list what is missing.

        Raises
        ------
        OutputNotEmpty, OutputInside, SuperblockLost, SecretLost, VaultsMixed
        VaultError
            What keeps `opener` from opening any VAULT.
        """
        try:
            return self._run(opener)
        finally:
            self._library.close()
            self._output.close()

    def _run(self, opener: Opener) -> Report:
        self._output.check(self._vault)
        sources = find(self._vault, self._refused)
        beside = [source for place in self._secrets for source in find(place, lambda *_: None)]
        secrets = list(self._copies([*sources, *beside], Kind.SECRET, _MAX_SECRET))
        keys = open_keys(self._copies(sources, Kind.SUPERBLOCK, MAX_SUPERBLOCK), secrets, opener)
        keys, found = open_keyrings(self._copies(sources, Kind.KEYRING, _MAX_NAMING), keys)
        head = self._head(sources, keys)
        self._output.begin()
        names = found or builtin_names()
        bodies = self._read(sources, keys, head)
        records = Records(self._harvest, bodies, names, self._output)
        states = States(self._harvest, bodies, self._output)
        events = Events(self._harvest, bodies, self._output)
        for part in (records, states, events):
            part.write()
        missing = [*self._harvest.lost(), *records.missing, *states.missing, *events.missing]
        for row in missing:
            self._output.line("missing", row)
        what = Counter(str(row["what"]) for row in missing)
        return Report(
            keys.vault_id,
            head=head is not None,
            record_ids=found is not None,
            records=self._output.records,
            bytes=self._output.bytes,
            states=states.written,
            events=events.written,
            diverged=records.diverged + states.diverged,
            disposed=self._harvest.disposed,
            missing=dict(what),
        )

    def _refused(self, kind: Kind, error: VaultError) -> None:
        """Note a file that cannot be read. Of small files there are copies: what they would have opened is missed."""
        if kind in _LARGE or (kind is Kind.OTHER and not isinstance(error, (FileMissing, NotRegular))):
            name = None if kind is Kind.OTHER else kind.name.lower()
            self._harvest.missing.append(loss("file", error, kind=name))

    def _copies(self, sources: Sequence[Source], kind: Kind, limit: int) -> Iterator[bytes]:
        """Yield the bytes of all files of a kind, and of those of unknown kind that have the size of one; each once."""
        same = [source for source in sources if source.kind is kind]
        sizes = {source.size for source in same}
        same += [source for source in sources if source.kind is Kind.OTHER and source.size in sizes]
        seen = set()
        for source in same:
            data = self._library.file(source).whole(limit)
            digest = sha2.digest(data)
            if data and digest not in seen:
                seen.add(digest)
                yield data

    def _head(self, sources: Sequence[Source], keys: Keys) -> Head | None:
        """Return the newest head that is authentic."""

        def judge(data: bytes) -> Head:
            head = Head.decode(data)
            for root in keys.roots_for(head.epoch):
                try:
                    head.verify(data, root)
                except VaultError as error:
                    failure = error
                else:
                    return head
            raise failure

        copies = self._copies(sources, Kind.HEAD, _MAX_NAMING)
        found = [head for head in good_ones(copies, judge) if head.vault_id == keys.vault_id]
        return max(found, key=lambda head: head.generation, default=None)

    def _read(self, sources: Sequence[Source], keys: Keys, head: Head | None) -> Bodies:
        """Take the frames out of all files; return what reads their bodies."""
        library = self._library
        logs = journals.identify(library, [one for one in sources if one.kind in _LOGS], keys)
        replay = JournalReader(library, keys.suite, head.generation if head else 0, self._harvest)
        replay.read_all(logs)
        files = segments.identify(library, [one for one in sources if one.kind is Kind.SEGMENT] + logs.unknown, keys)
        files.parts |= replay.parts.keys() - files.footers.keys()
        bodies = Bodies(keys.suite, library, files.homes, files.footers, files.strays)
        tables = open_tables(self._copies(sources, Kind.TABLE, MAX_SMALL), keys)
        SegmentReader(keys, files, bodies, tables, head, self._harvest).read_all(library)
        if not replay.ended:
            self._unnamed(files, replay.parts)
        return bodies

    def _unnamed(self, files: Segments, named: dict[bytes, int]) -> None:
        """Note bytes of open blob segments that no group names, where the end of a journal may be missing."""
        for segment_id in sorted(files.parts & files.homes.keys()):
            size = max(source.size for source in files.homes[segment_id])
            end = named.get(segment_id, SUPERBLOCK_SIZE)
            if size > end:
                error = BytesUnnamed(structure=Structure.SEGMENT)
                row = loss("part_file", error, segment=segment_id, **{"from": end, "to": size})
                self._harvest.missing.append(row)

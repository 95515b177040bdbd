"""Reading journals group by group, and listing the stretches that no copy of a journal gives."""

from __future__ import annotations

from vaultfs_format import limits
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.group import bodies_offset
from vaultfs_format.journal import HEADER_SIZE, NO_JOURNAL
from vaultfs_format.suite import Suite

from vaultfs_tools.keyless.errors import FileMissing
from vaultfs_tools.rescuing.errors import JournalLost, StretchUnreadable
from vaultfs_tools.rescuing.frames import Frame, Harvest, Place, Proof, Row, loss
from vaultfs_tools.rescuing.groups import FoundGroup, GroupReader
from vaultfs_tools.rescuing.journals import Journal, Journals
from vaultfs_tools.rescuing.pool import Pool
from vaultfs_tools.rescuing.reading import Library
from vaultfs_tools.rescuing.rows import ClosedRow, Gap, OpenRow, Walk
from vaultfs_tools.rescuing.sources import Source


class JournalReader:
    """Takes the frames out of journals.

    Parameters
    ----------
    settled
        Journals of a lower generation are settled: what they lack is in segments, and not missed. 0: not known.

    Attributes
    ----------
    parts
        Up to where groups name bytes of open blob segments, by id.
    ended
        Whether every journal was read up to where it is known to end.
    """

    def __init__(self, library: Library, suite: Suite, settled: int, harvest: Harvest) -> None:
        self._library = library
        self._suite = suite
        self._settled = settled
        self._harvest = harvest
        self.parts: dict[bytes, int] = {}
        self.ended = False

    def read_all(self, journals: Journals) -> None:
        """Take the frames out of all journals, and note what cannot be read."""
        whole = {journal_id for journal_id, journal in journals.by_id.items() if self._read(journal)}
        # Copies under one name are one journal; it is not lost where another copy was read up to its end.
        lost = {one.stated_id or one.name: one for one in sorted(journals.lost, key=lambda one: one.size)}
        lost = {name: source for name, source in lost.items() if name not in whole}
        self.ended = whole == journals.by_id.keys() != set() and not lost
        for journal in journals.by_id.values():
            before = journal.header.predecessor if journal.header else NO_JOURNAL
            if before != NO_JOURNAL and before not in journals.by_id:
                self._missed(journal, loss("journal", FileMissing(), journal=before))
                self.ended = False
        for source in lost.values():
            if source.size > HEADER_SIZE:
                error = JournalLost(structure=Structure.JOURNAL_HEADER)
                self._harvest.missing.append(loss("journal", error, journal=source.stated_id or None, size=source.size))

    def _read(self, journal: Journal) -> bool:
        """Take the frames out of a journal; return whether it was read up to where it is known to end."""
        at, chain, closed, missed = HEADER_SIZE, journal.chain, False, len(self._harvest.missing)
        end = journal.stop or max(self._written(source) for source in journal.sources)
        while at < end:
            found, proof = self._best(journal, at, chain)
            taken = [(group, self._take(journal, source, group, proof)) for source, group in found]
            group = next((group for group, _ in taken if group.chain), None)
            if group is not None:
                if all(rows is not None for _, rows in taken):
                    for row in min((rows or [] for _, rows in taken), key=len):
                        self._missed(journal, row)
                at, chain, closed = group.end, group.chain, group.closing
                continue
            following, chain = self._following(journal, at, end)
            if following not in {group.end for group, rows in taken if rows is None}:
                error = StretchUnreadable(structure=Structure.JOURNAL_GROUP)
                self._missed(journal, self._stretch(journal, at, following, error))
            at = following
        return (closed or journal.stop > 0) and len(self._harvest.missing) == missed

    def _reader(self, journal: Journal, source: Source) -> GroupReader:
        return GroupReader(self._library.file(source), self._suite, journal.journal_id, journal.keys)

    def _best(self, journal: Journal, at: int, chain: bytes) -> tuple[list[tuple[Source, FoundGroup]], Proof]:
        """Return the group at an offset from the copy that is good, or else what each copy has of it."""
        found = []
        for source in journal.sources:
            reader = self._reader(journal, source)
            group = reader.at(at)
            if group is not None:
                if group.chain and reader.continues(group, chain):
                    return [(source, group)], Proof.JOURNAL_CHAIN
                found.append((source, group))
        return found, Proof.JOURNAL_FRAME

    def _following(self, journal: Journal, at: int, end: int) -> tuple[int, bytes]:
        """Return where the next group begins that is authentic, and the chain value before it; the end without one."""
        nearest, chain = end, b""
        for source in journal.sources:
            reader = self._reader(journal, source)
            group = reader.next(at + 1, min(source.size, end))
            if group is not None and group.at <= nearest:
                before = reader.chain_before(group)
                nearest, chain = group.at, before or (chain if group.at == nearest else b"")
        return nearest, chain

    def _written(self, source: Source) -> int:
        """Return where a file ends without the zeros of blocks that were allocated before."""
        file = self._library.file(source)
        for first, last in reversed(file.extents()):
            for end in range(last, max(first, HEADER_SIZE), -limits.MIB):
                start = max(first, HEADER_SIZE, end - limits.MIB)
                piece = file(start, end - start).rstrip(b"\0")
                if piece:
                    return start + len(piece)
        return HEADER_SIZE

    # Frames.

    def _take(self, journal: Journal, source: Source, group: FoundGroup, proof: Proof) -> list[Row] | None:
        """Take the frames out of a group; return what cannot be read of it here.

        None where its keys have opened, and as many frames as there are keys: nothing is missing then, whatever
        another copy of the group lacks.
        """
        reader = self._reader(journal, source)
        try:
            keys = reader.frame_keys(group)
        except VaultError as error:
            return [self._stretch(journal, group.at, group.end, error)]
        parts = reader.parts(group)
        for segment_id, end in parts:
            self.parts[segment_id] = max(end, self.parts.get(segment_id, 0))
        opened, gaps = 0, []
        start, end = group.rows
        pool = Pool(self._suite, keys)

        def proved(offset: int, length: int) -> tuple[bytes, bool]:
            return reader.read(offset, length), proof is Proof.JOURNAL_CHAIN

        for found in Walk(proved, start, end, pool, bodies_offset(group.sizes.parts)):
            if isinstance(found, OpenRow):
                opened += 1
                self._harvest.add(_frame(found, source, group, [one for one, _ in parts], proof))
            elif isinstance(found, Gap):
                gaps.append(found)
            else:
                self._not_opened(journal, found)
        if 0 < len(keys) == opened:
            return None
        unreadable = StretchUnreadable(structure=Structure.DIRECTORY)
        return [self._stretch(journal, gap.first, gap.end, unreadable) for gap in gaps]

    def _not_opened(self, journal: Journal, found: ClosedRow) -> None:
        if self._counts(journal):
            header = found.header
            facts = {"journal": journal.journal_id, "offset": found.offset, "frame": header.frame_id}
            kind = {"class": header.frame_class.name.lower(), "entries": header.entry_count}
            self._harvest.unopened(header, loss("frame", found.error, **facts, **kind))

    # What is missing.

    def _stretch(self, journal: Journal, first: int, end: int, error: VaultError) -> Row:
        return loss("stretch", error, journal=journal.journal_id, **{"from": first, "to": end})

    def _missed(self, journal: Journal, row: Row) -> None:
        if self._counts(journal):
            self._harvest.missing.append(row)

    def _counts(self, journal: Journal) -> bool:
        return journal.header is None or journal.header.generation >= self._settled


def _frame(found: OpenRow, source: Source, group: FoundGroup, parts: list[bytes], proof: Proof) -> Frame:
    """Return a frame with the places in which its body may lie."""
    if 0 < found.home <= len(parts):
        places = [Place(parts[found.home - 1], found.body_offset)]
    else:
        offsets = dict.fromkeys(at for at in (found.body_offset, found.follows) if at >= 0)
        places = [Place(source, group.at + at) for at in offsets]
    return Frame(found.header, found.key, found.block, proof, found.runs, places)

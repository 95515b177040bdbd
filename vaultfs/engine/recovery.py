"""Opening what another process left: find the live journals, judge their tails, rewrite what may not be durable.

Groups after the last one that is known to be durable are rewritten into a successor and synced before anything is
served: they may stand in the page cache alone, and an fsync after an error proves nothing. The successor appears under
its name when it is complete, and from then on names where its predecessor ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from vaultfs_format.directory import HERE
from vaultfs_format.journal import HEADER_SIZE, NO_JOURNAL, GroupDraft, PartFile

from vaultfs.engine.engine import Engine
from vaultfs.engine.index import Stamp
from vaultfs.engine.journal import JournalFile, Scanned
from vaultfs.errors import FormatError, MacMismatch, VaultDamaged


def open_journals(engine: Engine, stamp: Stamp | None) -> int:
    """Open the live journals of a vault whose lock is held; return how many void bytes followed the last good group.

    Parameters
    ----------
    stamp
        The stamp of the index, if it has one for this vault and head.

    Raises
    ------
    VaultDamaged
        Durable groups are missing or damaged.
    """
    journals = _in_order(engine, _candidates(engine))
    if stamp is not None and stamp.journal_id not in {NO_JOURNAL, *(j.header.journal_id for j in journals)}:
        raise VaultDamaged
    void = 0
    for number, journal in enumerate(journals):
        following = journals[number + 1].header if number + 1 < len(journals) else None
        floor = stamp.group if stamp is not None and stamp.journal_id == journal.header.journal_id else 0
        if following is not None:
            groups = list(journal.scan(following.predecessor_group))
            frames, leaves = _count(groups)
            engine.last_commit = max(engine.last_commit, _last_commit(groups))
            found = (journal.last_group, journal.end, journal.chain)
            if found != (following.predecessor_group, following.predecessor_end, following.predecessor_chain):
                raise VaultDamaged(group=journal.last_group + 1)
            journal.durable = journal.last_group
            live = engine.adopt(journal, active=False)
            live.frames, live.parts = frames, _parts(groups)
            engine.leaves = journal.header.first_leaf + leaves
        else:
            void = _open_last(engine, journal, floor)
    return void


def _candidates(engine: Engine) -> list[JournalFile]:
    """Return the journals begun under the current head; remove those that it has settled, and unfinished ones."""
    found = []
    for name in engine.vfs.names(engine.layout.journals):
        path = engine.layout.journals / name
        if name.endswith(".tmp"):
            engine.vfs.unlink(path)
        if not name.endswith(".vjrn"):
            continue
        try:
            journal = JournalFile.open(engine.vfs, path, engine.chain.epoch_root)
        except (FormatError, MacMismatch):
            if _never_used(engine, path.stem):
                engine.vfs.unlink(path)
                continue
            raise VaultDamaged from None
        generation = journal.header.generation
        if journal.header.vault_id != engine.vault_id or generation > engine.head.generation:
            raise VaultDamaged(generation=generation)
        if generation < engine.head.generation:
            journal.close()
            engine.vfs.unlink(path)
            continue
        found.append(journal)
    return found


def _never_used(engine: Engine, stem: str) -> bool:
    """Return whether a journal whose header is not good holds nothing: its header is synced before its first group."""
    file = engine.vfs.open(engine.layout.journals / f"{stem}.vjrn")
    try:
        return file.size() <= HEADER_SIZE
    finally:
        file.close()


def _in_order(engine: Engine, journals: Sequence[JournalFile]) -> list[JournalFile]:
    """Return the journals from the first to the last; each names the one before it.

    Raises
    ------
    VaultDamaged
        One is missing, or two follow the same.
    """
    followers = {journal.header.predecessor: journal for journal in journals}
    ordered: list[JournalFile] = []
    following = followers.get(NO_JOURNAL)
    while following is not None:
        ordered.append(following)
        following = followers.get(following.header.journal_id)
    if len(ordered) != len(journals):
        raise VaultDamaged(journals=len(journals))
    if ordered and ordered[0].header.first_leaf != engine.head.tree_size - 1:
        raise VaultDamaged
    return ordered


def _count(groups: Iterable[Scanned]) -> tuple[int, int]:
    frames = leaves = 0
    for scanned in groups:
        frames += len(scanned.group.rows)
        leaves += len(scanned.group.audit_entries())
    return frames, leaves


def _parts(groups: Iterable[Scanned]) -> set[bytes]:
    return {part.segment_id for scanned in groups for part in scanned.group.parts}


def _open_last(engine: Engine, journal: JournalFile, floor: int) -> int:
    """Open the last journal; rewrite its doubtful groups into a successor, which is then the active journal."""
    groups = list(journal.scan())
    void = journal.check_tail(max(floor, journal.durable))
    durable = journal.last_group if journal.closed else max(floor, journal.durable)
    doubtful = [scanned for scanned in groups if scanned.group.number > durable]
    good = groups[: len(groups) - len(doubtful)]
    if doubtful:
        last = good[-1] if good else None
        journal.last_group = durable
        journal.end = last.offset + last.group.size if last else HEADER_SIZE
        journal.chain = last.group.chain if last else journal.first_chain
    journal.durable = durable
    live = engine.adopt(journal, active=False)
    live.frames, leaves = _count(good)
    live.parts = _parts(good)
    engine.leaves = journal.header.first_leaf + leaves
    if good:
        engine.last_commit = max(engine.last_commit, _last_commit(good))
    if doubtful:
        _rewrite(engine, journal, doubtful)
    return void


def _last_commit(groups: Sequence[Scanned]) -> int:
    return max((s.group.first_commit + s.group.commits - 1 for s in groups if s.group.commits), default=0)


def _rewrite(engine: Engine, journal: JournalFile, doubtful: Sequence[Scanned]) -> None:
    header = engine.next_header()
    path = engine.layout.journal(header.journal_id)
    temporary = path.with_suffix(".tmp")
    successor = JournalFile.create(engine.vfs, temporary, header, header.keys(engine.chain.epoch_root))
    frames = leaves = 0
    parts: set[bytes] = set()
    for scanned in doubtful:
        if scanned.group.commits or scanned.group.audit:
            draft = _copied(engine, journal, scanned, successor.last_group + 1)
            successor.append(draft)
            parts.update(part.segment_id for part in draft.parts)
            frames += len(scanned.group.rows)
            leaves += len(scanned.group.audit_entries())
    successor.sync()
    engine.vfs.rename(temporary, path)
    live = engine.adopt(successor, active=True)
    live.frames, live.parts = frames, parts
    engine.leaves = header.first_leaf + leaves
    engine.last_commit = max(engine.last_commit, _last_commit(doubtful))


def _copied(engine: Engine, journal: JournalFile, scanned: Scanned, number: int) -> GroupDraft:
    """Return a group for the successor: frames verbatim, keys under the successor's table key."""
    group = scanned.group
    bodies, rows, offset = [], [], 0
    parts: list[PartFile] = []
    homes: dict[bytes, int] = {}
    for row in group.rows:
        if row.home == HERE:
            body = journal.file.read(scanned.offset + row.body_offset, row.header.body_sealed)
            rows.append(replace(row, body_offset=offset))
            bodies.append(body)
            offset += len(body)
            continue
        old = group.parts[row.home - 1].segment_id
        landed = engine.parts.append(_part_body(engine, old, row.body_offset, row.header.body_sealed))
        homes.setdefault(landed.segment_id, len(homes) + 1)
        rows.append(replace(row, body_offset=landed.offset, home=homes[landed.segment_id]))
    for segment_id in homes:
        parts.append(PartFile(segment_id, engine.parts.sync(segment_id)))
    return GroupDraft(
        group.kind,
        number,
        number - 1,
        group.first_commit,
        group.commits,
        os.urandom(16),
        parts,
        rows,
        bodies,
        group.open_keys(engine.suite, journal.header.journal_id, journal.keys),
        group.audit,
    )


def _part_body(engine: Engine, segment_id: bytes, offset: int, length: int) -> bytes:
    """Return a body of an old part file, which may not be durable there, to be written again."""
    file = engine.vfs.open(engine.layout.part(segment_id))
    try:
        return file.read(offset, length)
    finally:
        file.close()

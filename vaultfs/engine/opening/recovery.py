"""Opening what another process left: find the live journals, judge their tails, rewrite what may not be durable.

Groups after the last one that is known to be durable are rewritten into a successor and synced before anything is
served: they may stand in the page cache alone, and an fsync after an error proves nothing. The successor appears under
its name when it is complete, and from then on names where its predecessor ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from vaultfs_format.audit import ENTRY
from vaultfs_format.directory import HERE, FrameRow, encode_row
from vaultfs_format.frame import check_body
from vaultfs_format.group import GroupDraft, PartFile, bodies_offset
from vaultfs_format.journal import HEADER_SIZE, NO_JOURNAL, JournalHeader

from vaultfs.engine.engine import Engine
from vaultfs.engine.files.journal import SUFFIX, JournalFile, Scanned
from vaultfs.engine.files.mirrors import DAMAGE, Doubled, Mirror, copy_file, first_good, open_part
from vaultfs.engine.files.pairs import drop_copy, open_named, part_path, spare
from vaultfs.engine.files.paths import COPIES, Layout
from vaultfs.engine.indexing.index import Stamp
from vaultfs.errors import (
    FormatError,
    MacMismatch,
    NotAuthentic,
    StorageReadOnly,
    VaultDamaged,
    VaultError,
    VaultMissing,
)
from vaultfs.vfs import File, Vfs, converted


def secure_names(vfs: Vfs, layout: Layout) -> None:
    """Sync every directory of a vault whose lock is held, and the one that it lies in.

    A process that died may have made names that no sync has followed; what is written below them would go with them.
    The second copies may lie on another disk, behind a link: that one may fail.
    """
    with suppress(StorageReadOnly):  # where only the vault itself may be read, others see to its name
        vfs.sync_directory(layout.root.parent)
    _sync_below(vfs, layout.root, layout.index.name)
    copies = layout.root / COPIES
    with suppress(VaultError), converted():
        if copies.is_symlink():
            _sync_below(vfs, copies)


def _sync_below(vfs: Vfs, top: Path, but: str | None = None) -> None:
    """Sync a directory and all below it, leaving out those directly in it whose names begin with `but`."""

    def fail(error: OSError) -> None:
        raise error

    with converted():
        for name, below, _ in os.walk(top, onerror=fail):
            vfs.sync_directory(Path(name))
            if but is not None and Path(name) == top:
                below[:] = [one for one in below if not one.startswith(but)]


def open_journals(engine: Engine, stamp: Stamp | None) -> tuple[int, bool]:
    """Open the live journals of a vault whose lock is held.

    Parameters
    ----------
    stamp
        The stamp of the index, if it has one for this vault and head.

    Returns
    -------
    tuple
        How many void bytes followed the last good group; and whether the index is from before a recovery that did not
        have it: it names groups that were written again elsewhere.

    Raises
    ------
    VaultDamaged
        Durable groups are missing or damaged.
    """
    found: list[JournalFile] = []
    try:
        _find(engine, found)
        return _open_all(engine, in_order(found), stamp)
    except BaseException:
        for journal in found:
            journal.close()
        raise


def _open_all(engine: Engine, journals: Sequence[JournalFile], stamp: Stamp | None) -> tuple[int, bool]:
    if stamp is not None and stamp.journal_id not in {NO_JOURNAL, *(j.header.journal_id for j in journals)}:
        raise VaultDamaged
    void, outdated = 0, False
    for number, journal in enumerate(journals):
        if journal.header.first_leaf != engine.leaves:
            raise VaultDamaged
        floor = stamp.group if stamp is not None and stamp.journal_id == journal.header.journal_id else 0
        if number + 1 < len(journals):
            _open_followed(engine, journal, journals[number + 1].header)
            outdated = outdated or journal.last_group < floor
        else:
            void = _open_last(engine, journal, floor)
    return void, outdated


def _open_followed(engine: Engine, journal: JournalFile, following: JournalHeader) -> None:
    """Open a journal that has a successor, which says where it ends."""
    groups = list(journal.scan(following.predecessor_group))
    found = (journal.last_group, journal.end, journal.chain)
    stated = (following.predecessor_group, following.predecessor_end, following.predecessor_chain)
    if found != stated:
        raise journal.damaged(leaf=engine.leaves + _leaves(groups))
    journal.durable = journal.last_group
    _adopt(engine, journal, groups)


def _leaves(groups: Iterable[Scanned]) -> int:
    return sum(len(scanned.group.audit) // ENTRY.size for scanned in groups)


def _adopt(engine: Engine, journal: JournalFile, groups: Sequence[Scanned], *, active: bool = False) -> None:
    """Take a journal with these groups into the live ones."""
    live = engine.adopt(journal, active=active)
    for scanned in groups:
        group = scanned.group
        live.parts.update(part.segment_id for part in group.parts)
        engine.leaves += len(group.audit) // ENTRY.size
        if group.commits:
            if group.first_commit <= engine.last_commit:
                raise VaultDamaged(group=group.number)
            engine.last_commit = group.first_commit + group.commits - 1
    restore_parts(engine, live.parts)


def _find(engine: Engine, found: list[JournalFile]) -> None:
    """Open the journals begun under the current head; remove those that it has settled, and unfinished ones."""
    _restore_lost(engine)
    for name in engine.vfs.names(engine.layout.journals):
        path = engine.layout.journals / name
        if name.endswith(".tmp"):
            engine.vfs.unlink(path)
        if not name.endswith(SUFFIX):
            continue
        try:
            journal = engine.open_journal(name, mend=True)
        except FormatError:
            if not _never_used(engine, path):
                raise VaultDamaged from None
            engine.vfs.unlink(path)
            continue
        except MacMismatch:
            raise VaultDamaged from None
        found.append(journal)
        generation = journal.header.generation
        ours = journal.header.suite is engine.suite and journal.header.vault_id == engine.vault_id
        if not ours or generation > engine.head.generation:
            raise VaultDamaged(generation=generation)
        if generation < engine.head.generation:
            found.pop().close()
            engine.vfs.unlink(path)
            drop_copy(engine.vfs, engine.layout, path, engine.metrics)


def _restore_lost(engine: Engine) -> None:
    """Make journals from their mirrors that are lost as files; remove mirrors of journals that were settled."""
    vfs, layout = engine.vfs, engine.layout
    mirrors = layout.copy_of(layout.journals)
    names: set[str] = set()
    with spare(engine.vfs, engine.layout, engine.metrics):
        names.update(vfs.names(mirrors))
    for name in sorted(names - {*vfs.names(layout.journals)}):
        if name.endswith(SUFFIX):
            try:
                data = vfs.read(mirrors / name, HEADER_SIZE)[:HEADER_SIZE]
                header = JournalHeader.decode(data)
                header.verify(data, engine.chain.journal_keys(header))
            except (FormatError, NotAuthentic):
                continue  # nothing in it can be opened, or be trusted
            if header.generation < engine.head.generation:
                drop_copy(vfs, layout, layout.journals / name, engine.metrics)
            elif name == f"{header.journal_id.hex()}{SUFFIX}":
                copy_file(vfs, mirrors / name, layout.journals / name)


def _never_used(engine: Engine, path: Path) -> bool:
    """Return whether a journal whose header is not good holds nothing: its header is synced before its first group."""
    found = Doubled(engine.vfs.open(path), Mirror(engine.vfs, engine.layout.copy_of(path)))
    try:
        return all(one.size() <= HEADER_SIZE for one in found)
    finally:
        found.close()


def in_order(journals: Sequence[JournalFile]) -> list[JournalFile]:
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
    return ordered


def _open_last(engine: Engine, journal: JournalFile, floor: int) -> int:
    """Open the last journal; rewrite its doubtful groups into a successor, which is then the active journal."""
    groups = list(journal.scan())
    if not groups:
        _secure_header(engine, journal)
    void = journal.check_tail(max(floor, journal.durable), engine.leaves + _leaves(groups))
    if journal.closed:
        # Of a closing record nothing is kept: it has said that all before it is durable, and may itself not be.
        groups.pop()
    durable = max(floor, journal.durable)
    good = [scanned for scanned in groups if scanned.group.number <= durable]
    doubtful = groups[len(good) :]
    journal.rewind(good[-1] if good else None)
    _adopt(engine, journal, good)
    if doubtful:
        _rewrite(engine, journal, doubtful)
    return void


def _secure_header(engine: Engine, journal: JournalFile) -> None:
    """Write a header that no group follows once more, and sync it.

    The process that began the journal may have died before its first sync: a successor would then follow nothing.
    """
    file = open_named(engine.vfs, engine.layout.journal(journal.header.journal_id), writable=True)
    try:
        file.append([file.read(0, HEADER_SIZE)], 0)
        file.sync()
    finally:
        file.close()


def _rewrite(engine: Engine, journal: JournalFile, doubtful: Sequence[Scanned]) -> None:
    restore_parts(engine, {part.segment_id for scanned in doubtful for part in scanned.group.parts})
    header = engine.next_header()
    path = engine.layout.journal(header.journal_id)
    temporary = path.with_suffix(".tmp")
    successor = JournalFile.create(engine.vfs, temporary, header, header.keys(engine.chain.epoch_root))
    try:
        for scanned in doubtful:
            successor.append(_copied(engine, journal, scanned, successor.last_group + 1))
        successor.sync()
        engine.vfs.rename(temporary, path)
        successor.begin_mirror(engine.vfs, engine.layout.copy_of(path))
        _adopt(engine, successor, list(successor.again().scan()), active=True)
    except BaseException:
        successor.close()
        raise


def restore_parts(engine: Engine, segment_ids: Iterable[bytes]) -> None:
    """Give part files back their names where a settling that did not finish had made segments of them.

    Their bodies lie where they lay; what was written after them is not looked at. Of one that is lost its mirror takes
    the place.
    """
    for segment_id in segment_ids:
        found, part = part_path(engine.layout, segment_id), engine.layout.part(segment_id)
        if found != part:
            engine.vfs.rename(found, part)
        elif part.name not in engine.vfs.names(part.parent):
            with suppress(VaultMissing):
                copy_file(engine.vfs, engine.layout.copy_of(part), part)


def _copied(engine: Engine, journal: JournalFile, scanned: Scanned, number: int) -> GroupDraft:
    """Return a group for the successor: frames verbatim, keys under the successor's table key."""
    group = scanned.group
    keys = group.open_keys(engine.suite, journal.header.journal_id, journal.keys)
    landed = [
        engine.parts.append(_part_body(engine, group.parts[row.home - 1].segment_id, row, key)) if row.home else None
        for row, key in zip(group.rows, keys, strict=True)
    ]
    parts = [PartFile(segment_id, end) for segment_id, end in engine.parts.sync(filter(None, landed)).items()]
    engine.parts.release(filter(None, landed))
    homes = {part.segment_id: home for home, part in enumerate(parts, start=1)}
    bodies, rows, offset = [], [], bodies_offset(len(parts))
    for row, where in zip(group.rows, landed, strict=True):
        if where is None:
            bodies.append(journal.file.read(scanned.offset + row.body_offset, row.header.body_sealed))
            rows.append(encode_row(row.header.encode(), row.entries, offset, HERE, row.runs))
            offset += row.header.body_sealed
        else:
            home = homes[where.segment_id]
            rows.append(encode_row(row.header.encode(), row.entries, where.offset, home, row.runs))
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
        keys,
        group.audit,
    )


def _part_body(engine: Engine, segment_id: bytes, row: FrameRow, key: bytes) -> bytes:
    """Return a body of an old part file, to be written again.

    Raises
    ------
    VaultDamaged
        It is not as it was, though it was durable before any group named it.
    """

    def body_in(source: File | Mirror) -> bytes:
        body = source.read(row.body_offset, row.header.body_sealed)
        check_body(engine.suite, row.header, key, body)
        return body

    part = open_part(engine.vfs, engine.layout, segment_id)
    try:
        return first_good(*part, body_in)
    except DAMAGE:
        raise VaultDamaged from None
    finally:
        part.close()

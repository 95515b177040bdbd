"""Checking an open vault with its keys: whether every frame opens, and whether the index agrees with the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import NamedTuple

import lmdb

from vaultfs.engine.engine import Engine
from vaultfs.engine.files.mirrors import Doubled
from vaultfs.engine.indexing.index import (
    HANDLE,
    RECORD,
    STATE,
    SUBJECT_KEY,
    Container,
    ContainerKind,
    Index,
    Place,
)
from vaultfs.engine.indexing.indexfiles import abandon_build, build_index
from vaultfs.engine.log.leaves import segment_at
from vaultfs.engine.log.subjectheads import Heads, recount
from vaultfs.engine.opening import rebuild
from vaultfs.engine.opening.replay import FoundFrame, live_groups, segment_frames
from vaultfs.engine.reading.store import FrameStore
from vaultfs.errors import VaultError


class FrameError(NamedTuple):
    """A frame that does not open.

    Parameters
    ----------
    path
        The file that is damaged.
    spared
        Whether a mirror has what is damaged: settling takes it from there.
    """

    path: Path
    error: VaultError
    spared: bool = False


def frame_errors(engine: Engine, advance: Callable[[int], None]) -> Iterator[FrameError]:
    """Open entries and body of every frame of the segments and live journals; yield what fails, and in which file.

    Parameters
    ----------
    advance
        Is told the bytes of each body that was opened.
    """
    for row in engine.head.segments:
        yield from _errors(engine, engine.layout.segment(row), segment_frames(engine, row), advance)
    parts: dict[bytes, Doubled] = {}
    try:
        for live in engine.live:
            frames = (frame for group in live_groups(engine, live, parts) for frame in group.frames)
            yield from _errors(engine, engine.layout.journal(live.journal.header.journal_id), frames, advance)
    finally:
        for part in parts.values():
            part.close()


def _errors(
    engine: Engine, path: Path, frames: Iterator[FoundFrame], advance: Callable[[int], None]
) -> Iterator[FrameError]:
    try:
        for frame in frames:
            home = engine.layout.part(frame.segment_id) if frame.segment_id else path
            try:
                frame.entries()
                frame.stored_body()
            except VaultError as error:
                yield FrameError(home, error, _opens(frame))
            advance(frame.row.header.body_sealed)
    except VaultError as error:
        yield FrameError(path, error)


def _opens(frame: FoundFrame) -> bool:
    try:
        frame.entries()
        frame.body()
    except VaultError:
        return False
    return True


def counted_heads(engine: Engine) -> Heads | FrameError:
    """Return the heads of subjects that the log gives, or else where it is not the one that it says it is."""
    with engine.lock:
        try:
            return recount(engine)
        except VaultError as error:
            leaf = error.facts.get("leaf")
            row = segment_at(engine, engine.head, leaf) if isinstance(leaf, int) else None
            return FrameError(engine.layout.segment(row) if row else engine.layout.head, error)


def index_differences(engine: Engine, path: Path, heads: Heads | None = None) -> dict[str, int]:
    """Return for each table of the index how many rows are not what the files give; empty where all agree.

    Parameters
    ----------
    path
        Where the index lies; another one is made beside it and removed again.
    heads
        The heads of subjects, where they were counted already.

    Raises
    ------
    IndexDamaged
        The index cannot be read.
    VaultDamaged, FormatError, NotAuthentic
        The files cannot be read: they are the reason, not the index.
    """
    with engine.lock:
        fresh = build_index(path)
        try:
            shadow = copy(engine)
            shadow.live = [copy(live) for live in engine.live]
            shadow.next_container = shadow.next_handle = 1
            shadow.store = FrameStore(engine.vfs, engine.layout, engine.suite, engine.chain, fresh, engine.metrics)
            rebuild.build(shadow, fresh)
            with engine.index.reading() as mine, fresh.writing() as theirs:
                if engine.index.counted(mine)[0]:
                    (heads or recount(shadow)).write(fresh, theirs)
            return _differences(engine.index, fresh)
        finally:
            abandon_build(path, fresh)


def _differences(index: Index, fresh: Index) -> dict[str, int]:
    found: dict[str, int] = {}
    old, new = index.containers(), fresh.containers()
    # A journal is named when its first durable commit is indexed; until then it has no rows.
    files = [{(one.kind, one.file_id) for one in known.values()} for known in (old, new)]
    needed = {file for file in files[1] if file[0] is not ContainerKind.JOURNAL}
    if strange := len(old) - len(set(old.values())) + len(files[0] - files[1]) + len(needed - files[0]):
        found["containers"] = strange
    with index.reading() as mine, fresh.reading() as theirs:
        handles = {_absolute(place, new): handle for handle, place in fresh.places(theirs)}
        moved: dict[int, int] = {}
        rows = 0
        for handle, place in index.places(mine):
            rows += 1
            other = handles.get(_absolute(place, old))
            if other is not None:
                moved[handle] = other
        if wrong := max(rows, len(handles)) - len(set(moved.values())):
            found["frames"] = wrong
        for name in index.tables._fields:
            if name not in ("containers", "frames") and (count := _differing(name, index, fresh, mine, theirs, moved)):
                found[name] = count
        if index.counted(mine) != fresh.counted(theirs):
            found["heads"] = found.get("heads", 0) + 1
    return found


def _absolute(place: Place, containers: Mapping[int, Container]) -> tuple[object, ...]:
    """Return where a frame lies in terms of files, which are the same for both indexes."""
    home, body = containers.get(place.container), containers.get(place.body_container)
    if home is None or body is None:
        return (place,)
    row, where = home.rows + place.row_offset, body.bodies + place.body_offset
    return home.file_id, row, place.row_length, body.file_id, where, place.group, home.slots + place.slot


def _differing(
    name: str,
    index: Index,
    fresh: Index,
    mine: lmdb.Transaction,
    theirs: lmdb.Transaction,
    moved: Mapping[int, int],
) -> int:
    """Return the number of rows of a table that are missing, superfluous or different."""
    table = getattr(fresh.tables, name)
    same = rows = 0
    for key, value in mine.cursor(getattr(index.tables, name)):
        rows += 1
        try:
            expected_key, expected = _translated(name, bytes(key), bytes(value), moved)
        except KeyError:
            continue
        known = theirs.get(expected_key, db=table)
        # An identifier may be asserted in several frames of its subject; any of them will do.
        same += known is not None and (bytes(known) == expected or _also(name, fresh, theirs, expected_key, expected))
    return max(rows, int(theirs.stat(table)["entries"])) - same


def _also(name: str, fresh: Index, theirs: lmdb.Transaction, key: bytes, handle: bytes) -> bool:
    return name == "aliases" and HANDLE.unpack(handle)[0] in fresh.alias_frames(theirs, key[16:])


def _translated(name: str, key: bytes, value: bytes, moved: Mapping[int, int]) -> tuple[bytes, bytes]:
    """Return a row with the handles of the other index.

    Raises
    ------
    KeyError
        The other index has no such frame.
    """
    if name == "subjects":
        subject, holding, handle = SUBJECT_KEY.unpack(key)
        return SUBJECT_KEY.pack(subject, holding, moved[handle]), value
    if name == "parts":
        return key[:16] + HANDLE.pack(moved[HANDLE.unpack(key[16:])[0]]), value
    if name == "aliases":
        return key, HANDLE.pack(moved[HANDLE.unpack(value)[0]])
    if name == "records":
        handle, *rest = RECORD.unpack(value)
        return key, RECORD.pack(moved[handle], *rest)
    if name == "states":
        version, handle, *rest = STATE.unpack(value)
        return key, STATE.pack(version, moved[handle], *rest)
    return key, value

"""Checking an open vault with its keys: whether every frame opens, and whether the index agrees with the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from pathlib import Path

import lmdb

from vaultfs.engine import rebuild
from vaultfs.engine.engine import Engine
from vaultfs.engine.index import ADDRESS, PLACE, RECORD, STATE, ContainerKind, Index, abandon_build, build_index
from vaultfs.engine.replay import FoundFrame, live_groups, segment_frames
from vaultfs.engine.store import FrameStore
from vaultfs.errors import VaultError
from vaultfs.vfs import File


def frame_errors(engine: Engine, advance: Callable[[int], None]) -> Iterator[tuple[Path, VaultError]]:
    """Open entries and body of every frame of the segments and live journals; yield what fails, and in which file.

    Parameters
    ----------
    advance
        Is told the bytes of each body that was opened.
    """
    for row in engine.head.segments:
        yield from _errors(engine.layout.segment(row), segment_frames(engine, row), advance)
    parts: dict[bytes, File] = {}
    try:
        for live in engine.live:
            frames = (frame for group in live_groups(engine, live, parts) for frame in group.frames)
            yield from _errors(engine.layout.journal(live.journal.header.journal_id), frames, advance)
    finally:
        for file in parts.values():
            file.close()


def _errors(
    path: Path, frames: Iterator[FoundFrame], advance: Callable[[int], None]
) -> Iterator[tuple[Path, VaultError]]:
    try:
        for frame in frames:
            try:
                frame.entries()
                frame.body()
            except VaultError as error:
                yield path, error
            advance(frame.row.header.body_sealed)
    except VaultError as error:
        yield path, error


def index_differences(engine: Engine, path: Path) -> dict[str, int]:
    """Return for each table of the index how many rows are not what the files give; empty where all agree.

    Parameters
    ----------
    path
        Where the index lies; another one is made beside it and removed again.

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
            shadow.next_container = 1
            shadow.store = FrameStore(engine.vfs, engine.layout, engine.suite, engine.chain, fresh)
            rebuild.build(shadow, fresh)
            return _differences(engine.index, fresh)
        finally:
            abandon_build(path, fresh)


def _differences(index: Index, fresh: Index) -> dict[str, int]:
    found: dict[str, int] = {}
    old, new = index.containers(), fresh.containers()
    numbers = {file: number for number, file in new.items()}
    moved = {number: numbers[file] for number, file in old.items() if file in numbers}
    # A journal is named when its first durable commit is indexed; until then it has no rows.
    needed = {file for file in new.values() if file[0] is not ContainerKind.JOURNAL}
    if strange := len(old) - len(set(old.values()) & set(new.values())) + len(needed - set(old.values())):
        found["containers"] = strange
    with index.reading() as mine, fresh.reading() as theirs:
        for name in index.tables._fields:
            if name != "containers" and (count := _differing(name, index, fresh, mine, theirs, moved)):
                found[name] = count
    return found


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
        elsewhere = name == "aliases" and theirs.get(expected_key[16:] + expected, db=fresh.tables.names) is not None
        same += known is not None and (bytes(known) == expected or elsewhere)
    return max(rows, int(theirs.stat(table)["entries"])) - same


def _translated(name: str, key: bytes, value: bytes, moved: Mapping[int, int]) -> tuple[bytes, bytes]:
    """Return a row with its containers numbered as in the other index.

    Raises
    ------
    KeyError
        The other index has no such container.
    """
    if name == "frames":
        place = list(PLACE.unpack(value))
        place[2] = moved[place[2]]
        return _address(key, moved), PLACE.pack(*place)
    if name in {"subjects", "names", "parts"}:
        return key[:16] + _address(key[16:], moved), value
    if name in {"aliases", "units"}:
        return key, _address(value, moved)
    if name == "records":
        container, *rest = RECORD.unpack(value)
        return key, RECORD.pack(moved[container], *rest)
    if name == "states":
        version, container, *rest = STATE.unpack(value)
        return key, STATE.pack(version, moved[container], *rest)
    return key, value


def _address(data: bytes, moved: Mapping[int, int]) -> bytes:
    container, ordinal = ADDRESS.unpack(data)
    return ADDRESS.pack(moved[container], ordinal)

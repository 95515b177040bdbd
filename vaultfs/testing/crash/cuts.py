"""The ways in which a cut can end: each pending change alone lost or alone kept, torn in every way, and chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import partial
from operator import is_, is_not

from vaultfs.testing.crash.disk import Disk, FileNode, Image, NameChange, applied
from vaultfs.testing.crash.recording import Change

SECTOR = 512
BLOCK = 4096


class Data(Enum):
    """What becomes of the pending changes of a file."""

    LOST = "lost"
    KEPT = "kept"
    SOME = "some whole writes"
    SECTORS = "some sectors"
    BLOCKS = "some blocks"
    BEGUN = "the first sectors"
    ENDED = "the last sectors"
    LENGTH = "the length without the data"
    STALE = "the length, with blocks of removed files"


_TORN = tuple(one for one in Data if one not in (Data.LOST, Data.KEPT))


class _Decided:
    """A cut by two functions."""

    def __init__(self, keeps: Callable[[NameChange], bool], content: Callable[[FileNode], bytes]) -> None:
        self.keeps = keeps
        self.content = content


def cuts(disk: Disk, *, chances: int = 10, seed: int = 0) -> Iterator[tuple[str, Image]]:
    """Yield what a power cut may leave of `disk` now, each with a description; the same image may come twice.

    Parameters
    ----------
    chances
        Images with every decision by chance, after those that follow a system.
    """
    chance = random.Random(seed)
    names, files = disk.pending()

    def image(name: str, keeps: Callable[[NameChange], bool], data: Callable[[FileNode], bytes]) -> tuple[str, Image]:
        return name, disk.left_by(_Decided(keeps, data))

    yield image("all is lost", lambda _: False, lambda file: file.certain)
    if not names and not files:
        return
    yield image("all is kept", lambda _: True, _shown)
    yield image("names are lost, data are kept", lambda _: False, _shown)
    yield image("names are kept, data are lost", lambda _: True, lambda file: file.certain)
    for number, one in enumerate(names):
        yield image(f"name {number} alone is lost", partial(is_not, one), _shown)
        yield image(f"name {number} alone is kept", partial(is_, one), lambda file: file.certain)
    for number, file in enumerate(files):
        yield from _of_file(image, disk, file, f"file {number}", chance)
    for number in range(chances if len(names) + len(files) > 1 or files else 0):
        kept = {change: chance.random() < 0.5 for change in names}
        data = {file: _content(file, chance.choice(tuple(Data)), disk.stale, chance) for file in files}
        yield image(f"chance {number}", kept.__getitem__, data.__getitem__)


def _shown(file: FileNode) -> bytes:
    return bytes(file.data)


def _of_file(
    image: Callable[[str, Callable[[NameChange], bool], Callable[[FileNode], bytes]], tuple[str, Image]],
    disk: Disk,
    file: FileNode,
    name: str,
    chance: random.Random,
) -> Iterator[tuple[str, Image]]:
    """Yield images in which one file alone is torn or lost, all else being kept, and one in which it alone is kept."""

    def alone(content: bytes) -> Callable[[FileNode], bytes]:
        return lambda one: content if one is file else bytes(one.data)

    yield image(f"{name} alone is kept", lambda _: True, lambda one: bytes(one.data) if one is file else one.certain)
    for how in (Data.LOST, *_TORN):
        yield image(f"{name}: {how.value}", lambda _: True, alone(_content(file, how, disk.stale, chance)))
    if len(file.pending) > 1:
        for lost in file.pending:
            without = _made(file.certain, [change for change in file.pending if change is not lost])
            yield image(f"{name} without a write", lambda _: True, alone(without))
            yield image(f"{name} with one write", lambda _: True, alone(_made(file.certain, [lost])))


def _made(certain: bytes, changes: Sequence[Change]) -> bytes:
    data = bytearray(certain)
    for change in changes:
        applied(data, change)
    return bytes(data)


def _content(file: FileNode, how: Data, stale: Sequence[bytes], chance: random.Random) -> bytes:
    match how:
        case Data.LOST:
            return file.certain
        case Data.KEPT:
            return bytes(file.data)
        case Data.SOME:
            return _made(file.certain, [change for change in file.pending if chance.random() < 0.5])
        case Data.LENGTH:
            return _lengthened(file.certain, len(file.data))
        case Data.STALE:
            return _with_stale(file, stale, chance)
    unit = BLOCK if how is Data.BLOCKS else SECTOR
    parts = [part for change in file.pending for part in _parts(change, unit)]
    at = chance.randrange(len(parts) + 1)
    if how is Data.BEGUN:
        kept = parts[:at]
    elif how is Data.ENDED:
        kept = parts[at:]
    else:
        kept = [part for part in parts if chance.random() < 0.5]
    data = _made(file.certain, kept)
    return _lengthened(data, len(file.data)) if len(data) < len(file.data) and chance.random() < 0.5 else data


def _lengthened(data: bytes, length: int) -> bytes:
    return data[:length] + bytes(max(0, length - len(data)))


def _with_stale(file: FileNode, stale: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a file that has grown over blocks of a removed one, of which some hold the new data already."""
    data = bytearray(_lengthened(file.certain, len(file.data)))
    old = chance.choice(stale) if stale else chance.randbytes(BLOCK)
    for start in range(len(file.certain) // BLOCK * BLOCK, len(data), BLOCK):
        at, end = max(start, len(file.certain)), min(start + BLOCK, len(data))
        fill = file.data[at:end] if chance.random() < 0.3 else _repeated(old, at, end)
        data[at:end] = fill
    return bytes(data)


def _repeated(data: bytes, start: int, end: int) -> bytes:
    """Return the bytes from `start` to `end` of `data` without end."""
    first = start % len(data)
    found = data[first : first + end - start]
    while len(found) < end - start:
        found += data[: end - start - len(found)]
    return found


def _parts(change: Change, unit: int) -> Iterator[Change]:
    at, end = change.offset, change.offset + len(change.data)
    if not change.data:
        yield change
    while at < end:
        stop = min(end, (at // unit + 1) * unit)
        part = change.data[at - change.offset : stop - change.offset]
        yield Change(change.kind, change.file, offset=at, data=part)
        at = stop

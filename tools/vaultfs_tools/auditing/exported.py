"""Exported logs checked, file by file: against the log of a vault, or, without one, against what the log has signed.

Standard library and format only. Nothing raises on damage: it is found, with file, byte and leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, check_entries
from vaultfs_format.errors import Fact, FormatError, NotAuthentic, VaultError
from vaultfs_format.levels import HashLevels, root_at
from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.sealing import DIGEST
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey, open_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.tiles import HEIGHT, WIDTH, Tile, encode_tile, tile_at, tiles_of

from vaultfs_tools.auditing.errors import ExportDiffers, ExportMissing
from vaultfs_tools.keyless.errors import CheckError
from vaultfs_tools.keyless.files import VaultFiles

CHECKPOINT = "checkpoint"
ROW = 2 + ENTRY.size
"""Bytes of an entry in a bundle: behind its length."""

_LENGTH = ENTRY.size.to_bytes(2, "big")

_NODES = merkle.audit_nodes(DEFAULT)  # the audit tree is of SHA-256 in every suite


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is wrong with a file of an exported log.

    Parameters
    ----------
    error
        What it is; its facts say leaf and offset.
    file
        Name of the file, below the directory: ``checkpoint``, or that of a tile or bundle.
    """

    error: VaultError
    file: str


@dataclass(slots=True)
class Examined:
    """What was looked at, and found.

    Parameters
    ----------
    head
        The checkpoint, where it can be read.
    files
        Tiles and bundles that were compared.
    beyond
        Tiles and bundles of a larger log than the checkpoint states: an export that was interrupted leaves them.
    foreign
        Files that are none of an exported log's. They are not named: their names may hold data.
    found
        What is wrong, in the order of the leaves.
    """

    head: Checkpoint | None = None
    files: int = 0
    beyond: int = 0
    foreign: int = 0
    found: list[Wrong] = field(default_factory=list)

    def note(self, error: VaultError, file: str) -> None:
        """Note something that is wrong."""
        self.found.append(Wrong(error, file))

    def sort(self) -> Examined:
        """Bring what was found into the order of the leaves."""
        self.found.sort(key=lambda one: _number(one.error.facts.get("leaf")))
        return self


Content = Callable[[Tile], bytes]
"""Returns the bytes that a tile or bundle must have."""


def against_log(files: VaultFiles, content: Content, size: int, minimum: int) -> Examined:
    """Compare an exported log with the log itself.

    Parameters
    ----------
    content
        Returns what the log has of a tile.
    size
        Leaves of the log.
    minimum
        Index of its first leaf.
    """
    done = Examined()
    done.head = _checkpoint(files, done, None)
    _compare(files, done, content, 0 if done.head is None else min(done.head.size, size), size, minimum)
    return done.sort()


def alone(files: VaultFiles, keys: Sequence[VerifierKey]) -> Examined:
    """Check an exported log by itself: signatures, and all hashes made anew from the entries."""
    done = Examined()
    done.head = _checkpoint(files, done, keys)
    if done.head is not None:
        hashes = _made(files, done, done.head)
        _compare(files, done, lambda tile: encode_tile(tile, hashes), hashes.size, hashes.size, 0, bundles=False)
    return done.sort()


def _checkpoint(files: VaultFiles, done: Examined, keys: Sequence[VerifierKey] | None) -> Checkpoint | None:
    """Return the checkpoint, of which the signatures are checked where keys are given."""
    try:
        data = files.read(CHECKPOINT, MAX_NOTE)
        note = Note.decode(data)
        head = Checkpoint.decode(note.text)
        if keys is not None:
            open_checkpoint(note, keys)
    except CheckError:
        done.note(ExportMissing(), CHECKPOINT)
        return None
    except (FormatError, NotAuthentic) as error:
        done.note(error, CHECKPOINT)
        return None
    return head


# Files that are there. ---------------------------------------------------------------------------------------------


def _compare(
    files: VaultFiles, done: Examined, content: Content, wanted: int, size: int, minimum: int, *, bundles: bool = True
) -> None:
    """Compare every tile that is there, and those that must be, with what they must hold.

    Parameters
    ----------
    wanted
        Leaves of which all tiles must be there.
    size
        Leaves of which it is known what the tiles hold.
    """
    found = set(_tiles(files, done))
    needed = {one for one in tiles_of(wanted, 0, minimum) if _begin(one) >= minimum}
    for tile in found | needed:
        if tile.level is None and not bundles:
            continue
        if _begin(tile) < minimum:
            continue  # exported before its leaves were pruned: nothing is left to hold it against
        if not _covered(tile, size):
            done.beyond += 1
            continue
        done.files += 1
        error = _difference(files, tile, content(tile))
        if error is not None:
            done.note(error, tile.path)


def _tiles(files: VaultFiles, done: Examined) -> Iterator[Tile]:
    for name in files.walk():
        if name != CHECKPOINT:
            try:
                yield Tile.parse(name)
            except FormatError:
                done.foreign += 1


def _begin(tile: Tile) -> int:
    """Return the index of the first leaf below a tile."""
    return tile.index * WIDTH << HEIGHT * (tile.level or 0)


def _covered(tile: Tile, size: int) -> bool:
    return tile.index * WIDTH + tile.width <= size >> HEIGHT * (tile.level or 0)


def _difference(files: VaultFiles, tile: Tile, expected: bytes) -> VaultError | None:
    """Return what is wrong with a tile: the first byte that differs, and the first leaf that it stands for."""
    data = _read(files, tile, len(expected) + 1)
    if data is None:
        return ExportMissing(leaf=_begin(tile))
    if data == expected:
        return None
    same = (one == other for one, other in zip(data, expected, strict=False))
    offset = next((at for at, alike in enumerate(same) if not alike), min(len(data), len(expected)))
    return ExportDiffers(**_place(tile, offset))


def _place(tile: Tile, offset: int) -> dict[str, Fact]:
    """Return which leaf, of those that it stands for the first, and where in the file, as facts of an error."""
    number = min(offset // (ROW if tile.level is None else DIGEST), tile.width - 1)
    leaf = tile.index * WIDTH + number << HEIGHT * (tile.level or 0)
    return {"leaf": leaf, "offset": offset}


def _read(files: VaultFiles, tile: Tile, most: int) -> bytes | None:
    """Return the bytes of a tile, or as many as there may be; None where there is none that can be read."""
    with suppress(CheckError, FormatError), files.open(tile.path) as file:
        return file.read(0, min(file.size, most))
    return None


# Without the log. --------------------------------------------------------------------------------------------------


def _made(files: VaultFiles, done: Examined, head: Checkpoint) -> HashLevels:
    """Return the tree that the entries give, or that of the lowest tiles where these alone give the signed root."""
    made = _levels(_hashes(files, done, bundle) for bundle in _each(head.size))
    if made.size < head.size or _root(made) == head.root:
        return made
    stored = _levels(_stored(files, bundle) for bundle in _each(head.size))
    if stored.size < head.size or _root(stored) != head.root:
        done.note(ExportDiffers(), CHECKPOINT)
        return made
    for bundle in _each(head.size):
        first = _begin(bundle)
        for number in range(bundle.width):
            if made.read(0, first + number) != stored.read(0, first + number):
                done.note(ExportDiffers(**_place(bundle, number * ROW)), bundle.path)
                break
    return stored


def _each(size: int) -> Iterator[Tile]:
    """Yield the bundles of a log."""
    return (tile_at(size, None, index) for index in range(-(-size // WIDTH)))


def _levels(each: Iterable[list[bytes] | None]) -> HashLevels:
    """Return the tree over hashes, up to where there are none."""
    made = HashLevels(_NODES)
    for hashes in each:
        if hashes is None:
            break
        made.extend(hashes)
    return made


def _root(made: HashLevels) -> bytes:
    return root_at(_NODES, made, made.size, merkle.AUDIT_EMPTY)


def _hashes(files: VaultFiles, done: Examined, bundle: Tile) -> list[bytes] | None:
    """Return the hashes of the entries of a bundle; of one that is damaged, those of the tile beside it."""
    data = _read(files, bundle, bundle.width * ROW + 1)
    done.files += 1
    if data is None:
        done.note(ExportMissing(leaf=_begin(bundle)), bundle.path)
    elif (bad := _malformed(bundle, data)) is not None:
        done.note(ExportDiffers(**_place(bundle, bad)), bundle.path)
    else:
        return merkle.audit_leaves(DEFAULT, [data[at + 2 : at + ROW] for at in range(0, len(data), ROW)])
    return _stored(files, bundle)


def _stored(files: VaultFiles, bundle: Tile) -> list[bytes] | None:
    """Return the hashes that the tile beside a bundle has; None where it has not all of them."""
    data = _read(files, Tile(0, bundle.index, bundle.width), bundle.width * DIGEST) or b""
    return (
        [data[at : at + DIGEST] for at in range(0, len(data), DIGEST)] if len(data) == bundle.width * DIGEST else None
    )


def _malformed(bundle: Tile, data: bytes) -> int | None:
    """Return where the first entry of a bundle begins that is none; None where all are well formed."""
    for at in range(0, bundle.width * ROW, ROW):
        entry = data[at + 2 : at + ROW]
        if len(entry) < ENTRY.size or data[at : at + 2] != _LENGTH:
            return at
        try:
            check_entries(entry)
        except FormatError:
            return at
    return None if len(data) == bundle.width * ROW else bundle.width * ROW


def _number(fact: object) -> int:
    return fact if isinstance(fact, int) else -1

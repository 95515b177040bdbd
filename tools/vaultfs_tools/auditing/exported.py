"""Exported logs checked, file by file, against the log of a vault; what that has in common with a check without one.

Standard library and format only. Nothing raises on damage: it is found, with file, byte and leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from vaultfs_format.audit import ENTRY
from vaultfs_format.errors import Fact, FormatError, NotAuthentic, VaultError
from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.sealing import DIGEST
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey, open_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.tiles import HEIGHT, WIDTH, Tile, tile_at, tiles_of

from vaultfs_tools.auditing.errors import ExportDiffers, ExportMissing
from vaultfs_tools.keyless.errors import CheckError
from vaultfs_tools.keyless.files import VaultFiles

CHECKPOINT = "checkpoint"
ROW = 2 + ENTRY.size
"""Bytes of an entry in a bundle: behind its length."""


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
    first
        Index of the first entry that must be there: those before were pruned.
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
    first: int = 0
    files: int = 0
    beyond: int = 0
    foreign: int = 0
    found: list[Wrong] = field(default_factory=list)

    def note(self, error: VaultError, file: str) -> None:
        """Note something that is wrong."""
        self.found.append(Wrong(error, file))

    def sort(self) -> Examined:
        """Bring what was found into the order of the leaves."""
        self.found.sort(key=lambda one: (_number(one.error.facts.get("leaf")), one.file))
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
        Index of its first leaf: a tile or bundle may be missing of which all leaves, when it is full, lie before.
    """
    done = Examined(first=minimum)
    done.head = checkpoint_in(files, done, None)
    for tile in there(files, done, needed(done.head, size, minimum), size):
        # What was exported before its leaves were pruned stays: nothing is left to hold it against.
        error = difference(files, tile, content(tile)) if end_of(tile) > minimum else None
        if error is not None:
            done.note(error, tile.path)
    return done.sort()


def checkpoint_in(files: VaultFiles, done: Examined, keys: Sequence[VerifierKey] | None) -> Checkpoint | None:
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


def needed(head: Checkpoint | None, known: int, first: int) -> set[Tile]:
    """Return the tiles that an export must have, of those whose leaves are among the first `known`.

    Parameters
    ----------
    head
        Its checkpoint: an export has the partial tiles of its own size, and perhaps no others.
    """
    if head is None:
        return set()
    each = tiles_of(min(head.size, known), 0, first)
    return {one for one in each if one == tile_at(head.size, one.level, one.index)}


def there(files: VaultFiles, done: Examined, wanted: set[Tile], size: int) -> Iterator[Tile]:
    """Yield the tiles that are there or must be, as far as it is known what they hold.

    Parameters
    ----------
    wanted
        Tiles that must be there.
    size
        Leaves of which it is known.
    """
    for tile in wanted.union(tiles_in(files, done)):
        if _covered(tile, size):
            done.files += 1
            yield tile
        else:
            done.beyond += 1


def tiles_in(files: VaultFiles, done: Examined) -> Iterator[Tile]:
    """Yield the tiles and bundles that are there by their names; count other files."""
    for name in files.walk():
        if name != CHECKPOINT:
            try:
                yield Tile.parse(name)
            except FormatError:
                done.foreign += 1


def begin_of(tile: Tile) -> int:
    """Return the index of the first leaf below a tile."""
    return tile.index * WIDTH << HEIGHT * (tile.level or 0)


def end_of(tile: Tile) -> int:
    """Return the index behind the last leaf below a tile."""
    return tile.index * WIDTH + tile.width << HEIGHT * (tile.level or 0)


def _covered(tile: Tile, size: int) -> bool:
    return tile.index * WIDTH + tile.width <= size >> HEIGHT * (tile.level or 0)


def difference(files: VaultFiles, tile: Tile, expected: bytes) -> VaultError | None:
    """Return what is wrong with a tile: the first byte that differs, and the first leaf that it stands for."""
    data = read(files, tile, len(expected) + 1)
    if data is None:
        return ExportMissing(leaf=begin_of(tile))
    if data == expected:
        return None
    same = (one == other for one, other in zip(data, expected, strict=False))
    offset = next((at for at, alike in enumerate(same) if not alike), min(len(data), len(expected)))
    return ExportDiffers(**place_in(tile, offset))


def place_in(tile: Tile, offset: int) -> dict[str, Fact]:
    """Return which leaf, of those that it stands for the first, and where in the file, as facts of an error."""
    number = min(offset // (ROW if tile.level is None else DIGEST), tile.width - 1)
    leaf = tile.index * WIDTH + number << HEIGHT * (tile.level or 0)
    return {"leaf": leaf, "offset": offset}


def read(files: VaultFiles, tile: Tile, most: int) -> bytes | None:
    """Return the bytes of a tile, or as many as there may be; None where there is none that can be read."""
    with suppress(CheckError, FormatError), files.open(tile.path) as file:
        return file.read(0, min(file.size, most))
    return None


def _number(fact: object) -> int:
    return fact if isinstance(fact, int) else -1

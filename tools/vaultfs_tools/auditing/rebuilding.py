"""Exported logs checked without a vault: signatures, and all hashes made anew from the entries.

Standard library and format only. Nothing raises on damage: it is found, with file, byte and leaf.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, check_entries
from vaultfs_format.errors import FormatError, VaultError
from vaultfs_format.levels import HashLevels, HashReader, JoinedHashes, peaks_at, root_at
from vaultfs_format.merkle import CompactRange
from vaultfs_format.sealing import DIGEST
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey
from vaultfs_format.tlog.tiles import WIDTH, Tile, TiledHashes, encode_tile, tile_at, tiles_of

from vaultfs_tools.auditing.errors import ExportDiffers, ExportMissing
from vaultfs_tools.auditing.exported import (
    CHECKPOINT,
    ROW,
    Examined,
    begin_of,
    checkpoint_in,
    difference,
    end_of,
    needed,
    place_in,
    read,
    there,
    tiles_in,
)
from vaultfs_tools.keyless.files import VaultFiles

_LENGTH = ENTRY.size.to_bytes(2, "big")
_NODES = merkle.audit_nodes(DEFAULT)  # the audit tree is of SHA-256 in every suite


def alone(files: VaultFiles, keys: Sequence[VerifierKey], minimum: int | None = None) -> Examined:
    """Check an exported log by itself: signatures, and all hashes made anew from the entries.

    Parameters
    ----------
    minimum
        Index of the first leaf of the log, where it was pruned: what lies before may be missing. By default the export
        says so itself, by the first bundle that it has; nothing tells whether what it has not was pruned or taken away.
    """
    done = Examined()
    done.head = checkpoint_in(files, done, keys)
    if done.head is not None:
        first = _first(files, done.head.size)
        done.first = WIDTH * (first if minimum is None else min(first, max(0, minimum) // WIDTH))
        tree, sound = _tree(files, done, done.head)
        hashes = JoinedHashes(_straddling(files, done.head.size), tree)
        for tile in there(files, done, needed(done.head, tree.size, done.first), tree.size):
            error = None if end_of(tile) <= done.first else _strange(files, tile, hashes, sound)
            if error is not None:
                done.note(error, tile.path)
    return done.sort()


def _first(files: VaultFiles, size: int) -> int:
    """Return the first bundle that is there, or of which the hashes are."""
    found = (tile.index for tile in tiles_in(files, Examined()) if not tile.level and end_of(tile) <= size)
    return min(found, default=0)


def _straddling(files: VaultFiles, size: int) -> TiledHashes:
    """Return the hashes that tiles begin with which straddle the first entry: what they give, the root has to bear."""
    return TiledHashes(_NODES, size, lambda tile: read(files, tile, tile.width * DIGEST) or b"")


def _tree(files: VaultFiles, done: Examined, head: Checkpoint) -> tuple[HashLevels, set[Tile]]:
    """Return the tree, and the bundles that are known to give it.

    It is that of the entries; where that has not the signed root, and the lowest tiles alone have it, that of these.
    """
    sound: set[Tile] = set()
    before = _before(files, done, head.size)
    if before is None:
        return HashLevels(_NODES), sound
    made = _levels(before, (_hashes(files, bundle, sound) for bundle in _each(head.size, done.first)))
    if made.size < head.size:
        lost = tile_at(head.size, None, made.size // WIDTH)
        done.note(ExportMissing(leaf=begin_of(lost)), lost.path)
    elif _root(made) != head.root:
        stored = _levels(before, (_stored(files, bundle) for bundle in _each(head.size, done.first)))
        if stored.size == head.size and _root(stored) == head.root:
            return stored, set()
        done.note(ExportDiffers(), CHECKPOINT)
    return made, sound


def _before(files: VaultFiles, done: Examined, size: int) -> CompactRange | None:
    """Return the tree of the leaves before the first that is there; None, and what is missing, where none is known."""
    begun = (tile for tile in tiles_of(size, 0, done.first) if tile.level and begin_of(tile) < done.first)
    short = [tile for tile in begun if len(read(files, tile, tile.width * DIGEST) or b"") < tile.width * DIGEST]
    for tile in short:
        done.note(ExportMissing(leaf=begin_of(tile)), tile.path)
    return None if short else peaks_at(_NODES, _straddling(files, size), done.first)


def _each(size: int, first: int) -> Iterator[Tile]:
    """Yield the bundles of a log from one on."""
    return (tile_at(size, None, index) for index in range(first // WIDTH, -(-size // WIDTH)))


def _levels(before: CompactRange, each: Iterable[list[bytes] | None]) -> HashLevels:
    """Return the tree over the hashes that follow a tree, up to where there are none."""
    made = HashLevels(_NODES, before)
    for hashes in each:
        if hashes is None:
            break
        made.extend(hashes)
    return made


def _root(made: HashLevels) -> bytes:
    return root_at(_NODES, made, made.size, merkle.AUDIT_EMPTY)


def _hashes(files: VaultFiles, bundle: Tile, sound: set[Tile]) -> list[bytes] | None:
    """Return the hashes of the entries of a bundle; of one that is damaged, those of the tile beside it."""
    data = read(files, bundle, bundle.width * ROW + 1)
    if data is None or _malformed(bundle, data) is not None:
        return _stored(files, bundle)
    sound.add(bundle)
    return _of_entries(data)


def _of_entries(data: bytes) -> list[bytes]:
    return merkle.audit_leaves(DEFAULT, [data[at + 2 : at + ROW] for at in range(0, len(data), ROW)])


def _strange(files: VaultFiles, tile: Tile, tree: HashReader, sound: set[Tile]) -> VaultError | None:
    """Return what is wrong with a tile or bundle of a tree."""
    if tile in sound:
        return None
    if tile.level is not None:
        return difference(files, tile, encode_tile(tile, tree))
    data = read(files, tile, tile.width * ROW + 1)
    if data is None:
        return ExportMissing(leaf=begin_of(tile))
    bad = _malformed(tile, data)
    if bad is None:
        strange = (leaf != tree.read(0, index) for index, leaf in enumerate(_of_entries(data), start=begin_of(tile)))
        bad = next((number * ROW for number, differs in enumerate(strange) if differs), None)
    return None if bad is None else ExportDiffers(**place_in(tile, bad))


def _stored(files: VaultFiles, bundle: Tile) -> list[bytes] | None:
    """Return the hashes that the tile beside a bundle has; None where it has not all of them."""
    data = read(files, Tile(0, bundle.index, bundle.width), bundle.width * DIGEST) or b""
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

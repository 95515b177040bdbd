"""A log that Tessera has written: every checkpoint, tile and bundle of it is read, and every proof made and verified.

Its verifier key stands in the test data of github.com/transparency-dev/tessera.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement
from pathlib import Path

import pytest
from vaultfs_format import merkle
from vaultfs_format.errors import ProofInvalid, SignatureInvalid
from vaultfs_format.levels import HashLevels, consistency_proof, inclusion_proof, root_at
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey, open_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.policy import Policy
from vaultfs_format.tlog.proof import LogProof
from vaultfs_format.tlog.tiles import (
    Tile,
    TiledHashes,
    decode_bundle,
    decode_tile,
    encode_bundle,
    encode_tile,
    tiles_of,
)
from vaultfs_format.tlog.witness import AddCheckpoint

from tests.vaultfs_format.tlog.logs import EMPTY, NODES

KEY = VerifierKey.decode("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
SIZES = range(16)
PAIRS = list(combinations_with_replacement(SIZES, 2))


@pytest.fixture(scope="module")
def log(samples: Path) -> Path:
    """Return the directory of the log."""
    folder = samples / "tlog" / "tessera-log"
    if not folder.is_dir():
        pytest.skip("sample data not present: --samples")
    return folder


def note_of(log: Path, size: int) -> Note:
    return Note.decode((log / f"checkpoint.{size}").read_bytes())


def head_of(log: Path, size: int) -> Checkpoint:
    return open_checkpoint(note_of(log, size), [KEY])


def fetching(log: Path) -> Callable[[Tile], bytes]:
    return lambda tile: (log / tile.path).read_bytes()


def entries_of(log: Path, size: int) -> list[bytes]:
    bundles = (tile for tile in tiles_of(size) if tile.level is None)
    return [entry for tile in bundles for entry in decode_bundle(tile, fetching(log)(tile))]


@pytest.mark.parametrize("size", SIZES)
def test_a_checkpoint_is_signed_and_written_again_as_it_was(log: Path, size: int) -> None:
    data = (log / f"checkpoint.{size}").read_bytes()
    head = head_of(log, size)
    assert (head.origin, head.size, head.extensions) == (KEY.name, size, ())
    assert Note.decode(data).encode() == data
    assert head.encode() == Note.decode(data).text
    with pytest.raises(SignatureInvalid):
        open_checkpoint(Note.decode(data.replace(b"testdata\n%d\n" % size, b"testdata\n%d\n" % (size + 100), 1)), [KEY])


@pytest.mark.parametrize("size", SIZES)
def test_tiles_and_bundles_give_the_root_of_the_checkpoint(log: Path, size: int) -> None:
    head, fetch = head_of(log, size), fetching(log)
    assert root_at(NODES, TiledHashes(NODES, size, fetch), size, EMPTY) == head.root
    entries = entries_of(log, size)
    tree = HashLevels(NODES)
    tree.extend(merkle.audit_leaves(DEFAULT, entries))
    assert (tree.size, root_at(NODES, tree, size, EMPTY)) == (size, head.root)
    for tile in tiles_of(size):
        data = fetch(tile)
        if tile.level is None:
            assert encode_bundle(entries[tile.index * 256 :][: tile.width]) == data
        else:
            assert encode_tile(tile, tree) == data
            assert b"".join(decode_tile(tile, data)) == data


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_is_proved_and_no_other(log: Path, size: int) -> None:
    hashes, entries = TiledHashes(NODES, size, fetching(log)), entries_of(log, size)
    policy = Policy.decode(f"log {KEY.encode()}\nquorum none\n".encode())
    for index, entry in enumerate(entries):
        path = tuple(inclusion_proof(NODES, hashes, index, size))
        proof = LogProof.decode(LogProof(index, path, note_of(log, size)).encode())
        assert proof.verify(entry, [KEY]) == proof.verify_policy(entry, policy) == head_of(log, size)
        for other in (entry + b"\0", entry[:-1], entries[index - 1]):
            if other != entry:
                with pytest.raises(ProofInvalid):
                    proof.verify(other, [KEY])


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_every_size_goes_on_from_every_smaller_one(log: Path, old: int, new: int) -> None:
    path = tuple(consistency_proof(NODES, TiledHashes(NODES, new, fetching(log)), old, new))
    request = AddCheckpoint.decode(AddCheckpoint(old, path, note_of(log, new)).encode())
    request.check(head_of(log, old).root)
    for other in SIZES:
        if other != old:
            with pytest.raises(ProofInvalid):
                request.check(head_of(log, other).root)

"""Programs of others accept what is written here, and what they write is accepted: tlog-scales and aics-tlog."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from argparse import Namespace
from base64 import b64decode, b64encode
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format import merkle
from vaultfs_format.levels import consistency_proof, inclusion_proof, root_at
from vaultfs_format.schemes import ED25519
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import KeyType, VerifierKey, open_checkpoint, signed_by
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.proof import LogProof
from vaultfs_format.tlog.tiles import Tile, TiledHashes, decode_bundle, encode_bundle, encode_tile, tiles_of

from tests.vaultfs_format.tlog import logs
from tests.vaultfs_format.tlog.logs import EMPTY, ENTRIES, LEAVES, NODES, ORIGIN, TIME

SIZES = (1, 7, 255, 256, 300)
WITNESS = logs.signer("witness.example/w1", KeyType.COSIGNATURE)


def write(folder: Path, size: int) -> None:
    """Write a log as its tiles and a checkpoint."""
    for tile in tiles_of(size):
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = ENTRIES[tile.index * 256 :][: tile.width]
        path.write_bytes(encode_bundle(entries) if tile.level is None else encode_tile(tile, logs.levels()))
    (folder / "checkpoint").write_bytes(cosigned(size).encode())


def cosigned(size: int) -> Note:
    """Return a checkpoint with both signatures of the log and that of a witness."""
    note = logs.signed(size)
    return note.cosigned([WITNESS.signature(note.text, TIME)])


def check_log(folder: Path, size: int) -> None:
    """Read a log that somebody has written, as far as its tree is concerned."""

    def fetch(tile: Tile) -> bytes:
        return (folder / tile.path).read_bytes()

    hashes = TiledHashes(NODES, size, fetch)
    assert root_at(NODES, hashes, size, EMPTY) == logs.head(size).root
    bundles = [tile for tile in tiles_of(size) if tile.level is None]
    assert [entry for tile in bundles for entry in decode_bundle(tile, fetch(tile))] == ENTRIES[:size]


# tlog-scales, which knows ML-DSA-44.


@pytest.fixture(scope="module")
def scales() -> Any:
    """Return what tlog-scales calls a log."""
    return pytest.importorskip("tlog_scales.tlog", reason="tlog-scales is not installed")


@pytest.mark.parametrize("size", SIZES)
def test_tlog_scales_accepts_our_checkpoints_by_each_of_their_keys(scales: Any, size: int) -> None:
    found = scales.Checkpoint.from_text(cosigned(size).encode().decode())
    assert (found.origin, found.size, found.root_hash) == (ORIGIN, size, logs.head(size).root)
    assert found.serialize().encode() == cosigned(size).encode()
    for key in (*logs.log_keys(), WITNESS.key):
        theirs = scales.signing.Vkey.from_string(key.encode())
        assert theirs.key_id.to_bytes(4, "big") == key.key_id
        found.verify(theirs)
    other = logs.signer(ORIGIN, seed=b"other").key
    with pytest.raises(RuntimeError):
        found.verify(scales.signing.Vkey.from_string(other.encode()))


@pytest.mark.parametrize("size", SIZES)
def test_tlog_scales_reads_our_tiles_and_makes_the_same_proofs(scales: Any, size: int, tmp_path: Path) -> None:
    reading, backend = import_module("tlog_scales.reader"), import_module("tlog_scales.backend")
    write(tmp_path, size)
    reader = reading.TilesReader(backend.LocalBackend(tmp_path))
    head = reader.get_checkpoint()
    assert reader.calculate_root_hash() == head.root_hash == logs.head(size).root
    for index in {0, size // 2, size - 1}:
        assert reader.get_entry(index) == ENTRIES[index]
        path = inclusion_proof(NODES, logs.levels(), index, size)
        assert reader.get_inclusion_proof(index, size).node_hashes == path
        scales.InclusionProof(index, size, path).check(LEAVES[index], head.root_hash)
    for old in {1, size // 2, size} - {0}:
        path = consistency_proof(NODES, logs.levels(), old, size)
        assert reader.get_consistency_proof(old, size).node_hashes == path
        scales.ConsistencyProof(old, size, path).check(logs.head(old).root, head.root_hash)


@pytest.mark.parametrize("kind", ["PlainEd25519Signer", "MLDSA44CosignatureSigner"])
def test_checkpoints_that_tlog_scales_signs_are_accepted(scales: Any, kind: str) -> None:
    signer = getattr(scales.signing, kind)(ORIGIN, sha256(b"seed").digest())
    made = scales.Checkpoint.make_signed(ORIGIN, 7, logs.head(7).root, [signer])
    key = VerifierKey.decode(signer.vkey.serialize())
    note = Note.decode(made.serialize().encode())
    assert open_checkpoint(note, [key]) == logs.head(7)
    assert note.encode() == made.serialize().encode()


def test_a_log_and_a_proof_of_tlog_scales_are_accepted(
    scales: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = import_module("tlog_scales.writer").TilesWriter.create(tmp_path / "log", ORIGIN)
    signer = scales.signing.MLDSA44CosignatureSigner(ORIGIN, sha256(b"seed").digest())
    for start, end in ((0, 7), (7, 300)):
        for entry in ENTRIES[start:end]:
            writer.add_leaf(entry)
        writer.commit([signer])
    check_log(tmp_path / "log", 300)
    import_module("tlog_scales.cli").cmd_gen_proof(Namespace(location=str(tmp_path / "log"), leaf_index=12))
    proof = LogProof.decode(capsys.readouterr().out.encode())
    assert proof.verify(ENTRIES[12], [VerifierKey.decode(signer.vkey.serialize())]) == logs.head(300)


# aics-tlog, which runs by itself: in this Python, or in a newer one.

VERIFY = """
import json, sys
from base64 import b64decode as d
import aics_tlog as t
given = json.load(sys.stdin)
note = t.parse_note(d(given["note"]))
key, witness = (t.parse_vkey(given[name]) for name in ("key", "witness"))
made = t.verify_checkpoint(note, key, [witness], 1)
reader = t.FileSystemTileReader(given["folder"])
report = t.audit_tiles(reader, made.size, made.root)
found = {"ok": made.ok, "witnesses": made.witnesses, "bytes": note.to_bytes() == d(given["note"]),
    "tiles": report.tiles, "bundles": report.bundles}
found["included"] = all(
    t.verify_leaf_inclusion(d(leaf), index, made.size, [d(one) for one in path], made.root)
    and [d(one) for one in path] == t.inclusion_proof_from_tiles(reader, index, made.size)
    for index, leaf, path in given["leaves"])
found["consistent"] = all(
    t.verify_consistency(old, made.size, d(root), made.root, [d(one) for one in path])
    and [d(one) for one in path] == t.consistency_proof_from_tiles(reader, old, made.size)
    for old, root, path in given["older"])
json.dump(found, sys.stdout)
"""
WRITE = """
import json, sys
from base64 import b64decode as d, b64encode as e
import aics_tlog as t
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
given = json.load(sys.stdin)
seed = Ed25519PrivateKey.from_private_bytes(d(given["seed"]))
tree = t.TileWriter([d(one) for one in given["entries"]])
tree.write_to(given["folder"])
head = t.Checkpoint(given["origin"], len(tree.leaves), d(given["root"]))
note = t.sign_checkpoint(head, seed, given["origin"])
_, line = t.sign_cosignature(seed, "witness.example", 1700000000, head.origin, head.size, head.root)
note = t.Note(text=note.text, signatures=(*note.signatures, line))
json.dump({"note": e(note.to_bytes()).decode(), "witness": t.format_vkey(t.cosignature_vkey("witness.example",
    seed.public_key()))}, sys.stdout)
"""


@cache
def python_with_it() -> str | None:
    """Return a Python that has aics-tlog."""
    names = [sys.executable, *(f"python3.{minor}" for minor in range(20, 11, -1))]
    for path in filter(None, map(shutil.which, names)):
        done = subprocess.run([path, "-c", "import aics_tlog"], check=False, capture_output=True)
        if done.returncode == 0:
            return path
    return None


def ask(program: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return what a program of aics-tlog answers."""
    python = python_with_it()
    if python is None:
        pytest.skip("no Python that has aics-tlog is found")
    done = subprocess.run(
        [python, "-I", "-c", program], input=json.dumps(given), check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def text(data: bytes) -> str:
    return b64encode(data).decode()


@pytest.mark.parametrize("size", SIZES)
def test_aics_tlog_accepts_our_log(size: int, tmp_path: Path) -> None:
    write(tmp_path, size)
    indices, olds = {0, size // 2, size - 1}, {0, 1, size // 2, size}
    answer = ask(
        VERIFY,
        {
            "note": text(cosigned(size).encode()),
            "key": logs.log_keys()[0].encode(),
            "witness": WITNESS.key.encode(),
            "folder": str(tmp_path),
            "leaves": [
                (at, text(ENTRIES[at]), [text(one) for one in inclusion_proof(NODES, logs.levels(), at, size)])
                for at in indices
            ],
            "older": [
                (old, text(logs.head(old).root), [text(x) for x in consistency_proof(NODES, logs.levels(), old, size)])
                for old in olds
            ],
        },
    )
    tiles = [tile for tile in tiles_of(size) if tile.level is not None]
    bundles = [tile for tile in tiles_of(size) if tile.level is None]
    assert answer == {
        "ok": True,
        "witnesses": ["witness.example/w1"],
        "bytes": True,
        "tiles": len(tiles),
        "bundles": len(bundles),
        "included": True,
        "consistent": True,
    }


@pytest.mark.parametrize("size", SIZES)
def test_a_log_of_aics_tlog_is_accepted(size: int, tmp_path: Path) -> None:
    seed = sha256(b"seed").digest()
    given = {
        "seed": text(seed),
        "entries": [text(one) for one in ENTRIES[:size]],
        "folder": str(tmp_path),
        "origin": ORIGIN,
        "root": text(logs.head(size).root),
    }
    answer = ask(WRITE, given)
    note = Note.decode(b64decode(answer["note"]))
    key, witness = VerifierKey(ORIGIN, KeyType.ED25519, ED25519.public(seed)), VerifierKey.decode(answer["witness"])
    assert open_checkpoint(note, [key]) == Checkpoint.decode(note.text) == logs.head(size)
    assert {(one.key, one.time) for one in signed_by(note, [key, witness])} == {(key, None), (witness, TIME)}
    check_log(tmp_path, size)


def test_leaves_are_hashed_as_in_every_such_log() -> None:
    assert merkle.audit_leaf(DEFAULT, ENTRIES[0]) == sha256(b"\0" + ENTRIES[0]).digest()

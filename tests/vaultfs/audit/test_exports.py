"""The log exported: in full and without its oldest part, on disks that fail, and read as strangers read it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import islice
from pathlib import Path

import pytest
from vaultfs_format import merkle
from vaultfs_format.eventproof import EventProof
from vaultfs_format.levels import root_at
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import open_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.tiles import Tile, TiledHashes, decode_bundle, tile_at, tiles_of

import vaultfs
from tests.vaultfs.support import create, put, reopen
from vaultfs.audit.errors import LogPrunedBefore
from vaultfs.audit.view import LogView, export, prove
from vaultfs.errors import LogDiverged, NotFound, StorageFull
from vaultfs.testing.crash import Disk, RecordingVfs, cuts
from vaultfs.testing.vfs import FaultyVfs, Operation

NODES = merkle.audit_nodes(DEFAULT)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a closed vault lies that has a settled log of several hundred leaves."""
    place = tmp_path_factory.mktemp("grown") / "v"
    with create(place, vfs=FaultyVfs(durable=False)) as vault:
        for puts in (1, 90, 90):
            for _ in range(puts):
                put(vault)
            vault.settle()
    return place


@pytest.fixture
def vault(grown: Path, tmp_path: Path) -> Iterator[vaultfs.Vault]:
    """Return a copy of it, open, in which nothing is merged."""
    for name in ("v", "v.epoch"):
        shutil.copytree(grown.with_name(name), tmp_path / name)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vaultfs.engine.settling.compaction.FAN", 1000)
        with reopen(tmp_path / "v", vfs=FaultyVfs(durable=False)) as vault:
            yield vault


@pytest.fixture
def pruned(vault: vaultfs.Vault) -> tuple[vaultfs.Vault, int]:
    """Return a vault of which the settled log is gone, and how many leaves went."""
    first = vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0)).first
    for _ in range(10):
        put(vault)
    vault.settle()
    return vault, first


def covered(folder: Path, views: Sequence[LogView]) -> int:
    """Check that what a checkpoint covers is there, as one of the views has it; return its size, 0 without one."""
    try:
        note = Note.decode((folder / "checkpoint").read_bytes())
    except FileNotFoundError:
        return 0
    head = open_checkpoint(note, views[-1].keys)
    (view,) = (one for one in views if one.size == head.size)
    check_tiles(folder, view)
    return head.size


def check_tiles(folder: Path, view: LogView) -> None:
    """Read the tiles and bundles of a log from its minimum index on, as strangers do."""

    def fetch(tile: Tile) -> bytes:
        return (folder / tile.path).read_bytes()

    assert root_at(NODES, TiledHashes(NODES, view.size, fetch), view.size, b"") == view.root
    for tile in tiles_of(view.size, 0, view.minimum):
        data = fetch(tile)
        if tile.level is None:
            for index, entry in enumerate(decode_bundle(tile, data), start=256 * tile.index):
                if index >= view.minimum:
                    assert entry == view.entry(index)


class TestPruned:
    """The log without its oldest part, shown to strangers."""

    def test_a_new_directory_has_all_from_the_minimum_index_on(
        self, pruned: tuple[vaultfs.Vault, int], tmp_path: Path
    ) -> None:
        """The tiles that straddle it, too, though their beginnings are gone."""
        vault, first = pruned
        assert first % 256
        export(vault, tmp_path / "log")
        view = LogView(vault)
        assert view.minimum == first > 256
        check_tiles(tmp_path / "log", view)
        assert not (tmp_path / "log" / "tile" / "entries" / "000").exists()
        assert (tmp_path / "log" / tile_at(view.size, 0, first // 256).path).exists()

    def test_tlog_scales_reads_it_and_makes_the_same_proofs(
        self, pruned: tuple[vaultfs.Vault, int], tmp_path: Path
    ) -> None:
        scales = pytest.importorskip("tlog_scales.tlog", reason="tlog-scales is not installed")
        reading, backend = import_module("tlog_scales.reader"), import_module("tlog_scales.backend")
        vault, first = pruned
        export(vault, tmp_path / "log")
        view, reader = LogView(vault), reading.TilesReader(backend.LocalBackend(tmp_path / "log"))
        head = reader.get_checkpoint()
        for key in view.keys:
            head.verify(scales.signing.Vkey.from_string(key.encode()))
        assert reader.calculate_root_hash() == head.root_hash == view.root
        for index in range(first, view.size):
            assert reader.get_entry(index) == view.entry(index)
            assert reader.get_inclusion_proof(index, view.size).node_hashes == view.inclusion(index)
            assert reader.get_consistency_proof(index, view.size).node_hashes == view.consistency(index)

    def test_a_directory_that_has_come_so_far_goes_on_to_the_same_files(
        self, vault: vaultfs.Vault, tmp_path: Path
    ) -> None:
        put(vault)
        export(vault, tmp_path / "log")
        size = LogView(vault).size
        done = vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0), keep_from=size)
        assert size - 5 < done.first <= size
        for _ in range(110):
            put(vault)
        export(vault, tmp_path / "log")
        view = LogView(vault)
        check_tiles(tmp_path / "log", view)
        view.export(tmp_path / "fresh")
        for one in (tmp_path / "fresh").rglob("*"):
            if one.is_file() and one.name != "checkpoint":
                assert (tmp_path / "log" / one.relative_to(tmp_path / "fresh")).read_bytes() == one.read_bytes()

    def test_one_that_ends_before_cannot_be_gone_on_with(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        export(vault, tmp_path / "log")
        known = Checkpoint.decode(Note.decode((tmp_path / "log" / "checkpoint").read_bytes()).text)
        before = {one: one.read_bytes() for one in (tmp_path / "log").rglob("*") if one.is_file()}
        put(vault)
        vault.settle()
        vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0))
        view = LogView(vault)
        with pytest.raises(LogPrunedBefore):
            view.check_grown_from(known)
        with pytest.raises(LogPrunedBefore):
            export(vault, tmp_path / "log")
        assert {one: one.read_bytes() for one in (tmp_path / "log").rglob("*") if one.is_file()} == before
        with pytest.raises(LogPrunedBefore):
            view.consistency(known.size)
        view.check_grown_from(replace(known, size=view.minimum, root=root_at(NODES, view._hashes, view.minimum, b"")))
        with pytest.raises(LogDiverged):
            view.check_grown_from(replace(known, size=view.minimum))

    def test_what_is_left_is_proved_and_what_is_gone_is_not_there(self, pruned: tuple[vaultfs.Vault, int]) -> None:
        vault, first = pruned
        view = LogView(vault)
        for index in (first, view.size - 1):
            EventProof.decode(view.prove(index).encode()).verify(view.keys)
        for index in (0, first - 1):
            with pytest.raises(NotFound):
                prove(vault, index)


class TestWriting:
    """How the files of an export come to the disk."""

    def test_each_file_is_synced_once_and_each_directory_but_for_that_of_the_checkpoint(
        self, vault: vaultfs.Vault, tmp_path: Path
    ) -> None:
        vfs = FaultyVfs(durable=False)
        written = LogView(vault).export(tmp_path / "log", vfs)
        places = [tmp_path / "log", *(one for one in (tmp_path / "log").rglob("*") if one.is_dir())]
        assert vfs.calls[Operation.SYNC] == written
        with_files = [one for one in places if any(file.is_file() for file in one.iterdir())]
        made = len(places) + 1  # when a directory is made, the one that it is in
        assert vfs.calls[Operation.SYNC_DIRECTORY] <= len(with_files) + made

    def test_a_cut_leaves_a_checkpoint_with_all_that_it_covers_or_the_one_before(
        self, vault: vaultfs.Vault, in_memory: Path
    ) -> None:
        """And whoever exports next makes it whole."""
        vfs = RecordingVfs(in_memory)
        first, view = LogView(vault), None
        first.export(in_memory / "log", vfs)
        for _ in range(20):
            put(vault)
        vault.settle()
        view = LogView(vault)
        view.export(in_memory / "log", vfs)
        disk, seen = Disk(), 0
        for moment, change in enumerate(vfs.log):
            disk.make(change)
            if moment % 5 and change.kind is not Operation.MOVE:
                continue
            for _, image in islice(cuts(disk, chances=1, seed=moment), 6):
                place = in_memory / f"cut{seen}"
                image.write(place)
                seen += 1
                size = covered(place / "log", [first, view])
                if seen % 10 == 0:
                    view.export(place / "log", FaultyVfs(durable=False))
                    assert covered(place / "log", [view]) == view.size > size >= 0 or size == view.size
        assert seen > 50

    def test_a_full_disk_leaves_nothing_unfinished(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        vfs = FaultyVfs(durable=False)
        vfs.fail(Operation.SYNC, error=errno.ENOSPC, number=3)
        with pytest.raises(StorageFull):
            LogView(vault).export(tmp_path / "log", vfs)
        assert not [one for one in (tmp_path / "log").rglob("*") if one.is_file()]

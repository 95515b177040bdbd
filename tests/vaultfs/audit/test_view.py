"""The log shown to strangers: checkpoints, proofs and tiles, checked with public keys alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, AuditEntry, LeafKind
from vaultfs_format.errors import (
    CommitmentMismatch,
    FieldInvalid,
    NotSigned,
    ProofInvalid,
    SignatureInvalid,
    VaultError,
)
from vaultfs_format.eventproof import EventProof
from vaultfs_format.events.keys import SignerAdded
from vaultfs_format.events.records import RecordPut
from vaultfs_format.events.vault import LogExported
from vaultfs_format.head import SegmentRow
from vaultfs_format.levels import root_at
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import open_checkpoint, verifier_keys
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.tiles import Tile, TiledHashes, decode_bundle, tile_at

import vaultfs
from tests.vaultfs.support import PASSPHRASE, crashed, create, events, get, put, reopen
from vaultfs.audit.log import read_leaves
from vaultfs.audit.view import LogView, export, prove
from vaultfs.engine.engine import View
from vaultfs.engine.log import leaves as module
from vaultfs.errors import LogDiverged, NotFound

NODES = merkle.audit_nodes(DEFAULT)


@pytest.fixture(params=["default", "fips"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[vaultfs.Vault]:
    """Return a vault with a settled log of several segments, signed by two signers."""
    with create(tmp_path / "v", suite=request.param) as vault:
        for number in range(3):
            for _ in range(100 * number):
                put(vault, b"%d" % number)
            vault.settle()
        vault.keys.turn(PASSPHRASE, new_signer=True)
        put(vault)
        vault.settle()
        yield vault


def puts(vault: vaultfs.Vault) -> list[int]:
    """Return where in the log records were put."""
    return [leaf.index for leaf in read_leaves(vault) if isinstance(leaf.event, RecordPut)]


class TestView:
    def test_a_checkpoint_states_the_tree_of_the_head_and_is_signed_by_all_keys(self, vault: vaultfs.Vault) -> None:
        view = LogView(vault)
        head = open_checkpoint(view.checkpoint(), view.keys)
        assert head == Checkpoint(f"vaultfs/{vault.id.hex()}", view.size, view.root)
        assert (view.size, view.root) == (vault.engine.head.tree_size, vault.engine.head.tree_root)
        assert len(view.keys) == len(view.checkpoint().signatures) == 2

    def test_a_signer_before_has_not_signed_it(self, vault: vaultfs.Vault) -> None:
        view = LogView(vault)
        superblock, _ = vault.keys._read()
        with pytest.raises(NotSigned):
            open_checkpoint(view.checkpoint(), verifier_keys(superblock.signers()[0], view.origin))

    def test_the_signer_that_follows_was_announced_under_the_one_before(self, vault: vaultfs.Vault) -> None:
        superblock, _ = vault.keys._read()
        second = superblock.signers()[1]
        (named,) = (leaf for leaf in read_leaves(vault) if isinstance(leaf.event, SignerAdded))
        assert isinstance(named.event, SignerAdded)
        assert (named.event.signer, named.event.fingerprint) == (2, second.fingerprint)
        (handover,) = superblock.handovers()
        assert named.index < handover.tree_size

    def test_every_entry_is_proved(self, vault: vaultfs.Vault) -> None:
        view = LogView(vault)
        for index in range(view.size):
            leaf = merkle.audit_leaf(DEFAULT, view.entry(index))
            assert merkle.included(NODES, view.root, leaf, index, view.size, view.inclusion(index))

    def test_every_size_before_is_proved_to_be_its_beginning(self, vault: vaultfs.Vault) -> None:
        view = LogView(vault)
        tree = merkle.CompactRange(NODES)
        for index in range(view.size):
            old = tree.root(merkle.AUDIT_EMPTY)
            assert merkle.consistent(
                NODES, merkle.AUDIT_EMPTY, index, old, view.size, view.root, view.consistency(index)
            )
            tree.append(merkle.audit_leaf(DEFAULT, view.entry(index)))

    @pytest.mark.parametrize("index", [-1, 10**6])
    def test_what_is_not_there_is_not_proved(self, vault: vaultfs.Vault, index: int) -> None:
        view = LogView(vault)
        for ask in (view.entry, view.inclusion, view.consistency, view.leaf, view.prove):
            with pytest.raises(NotFound):
                ask(index)

    def test_a_log_that_is_not_that_of_the_head_is_not_shown(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = module.segment_section

        def changed(engine: View, row: SegmentRow) -> module.Section:
            section = read(engine, row)
            return section._replace(entries=section.entries[: -ENTRY.size] + section.entries[: ENTRY.size])

        monkeypatch.setattr("vaultfs.engine.log.leaves.segment_section", changed)
        with pytest.raises(VaultError):
            LogView(vault)


class TestProofs:
    def test_an_event_is_proved_with_what_it_says(self, vault: vaultfs.Vault) -> None:
        index = puts(vault)[5]
        proof = EventProof.decode(prove(vault, index).encode())
        view = LogView(vault)
        head = proof.verify(view.keys)
        assert (head.origin, proof.proof.index) == (view.origin, index)
        assert isinstance(proof.event, RecordPut)
        assert proof.event in events(vault)

    def test_that_it_was_given_out_is_in_the_log_that_proves_it(self, vault: vaultfs.Vault) -> None:
        proof = prove(vault, puts(vault)[0])
        *_, last = (event for event in events(vault) if isinstance(event, LogExported))
        assert (last.entries, last.events) == (1, 1)
        view = LogView(vault)
        assert proof.verify(view.keys).size == view.size

    @pytest.mark.parametrize("kind", [LeafKind.LIVESET, LeafKind.SUBJECTS])
    def test_other_entries_are_proved_without_an_event(self, vault: vaultfs.Vault, kind: LeafKind) -> None:
        view = LogView(vault)
        *_, index = (at for at in range(view.size) if AuditEntry.decode(view.entry(at)).kind is kind)
        proof = EventProof.decode(view.prove(index).encode())
        assert proof.event is None
        assert proof.entry.kind is kind
        proof.verify(view.keys)

    def test_another_event_entry_or_index_is_refused(self, vault: vaultfs.Vault) -> None:
        view = LogView(vault)
        first, second = (view.prove(index) for index in puts(vault)[:2])
        with pytest.raises(CommitmentMismatch):
            replace(first, salted=second.salted).verify(view.keys)
        with pytest.raises(ProofInvalid):
            replace(first, entry=second.entry, salted=second.salted).verify(view.keys)
        with pytest.raises(ProofInvalid):
            replace(first, proof=replace(first.proof, index=first.proof.index + 1)).verify(view.keys)

    def test_what_is_not_a_proof_of_an_event_is_refused(self, vault: vaultfs.Vault) -> None:
        view = LogView(vault)
        proof = view.prove(puts(vault)[0])
        for wrong in (replace(proof, salted=b""), replace(proof, salted=proof.salted[:-1])):
            with pytest.raises(FieldInvalid):
                EventProof.decode(wrong.encode())
        with pytest.raises(FieldInvalid):
            EventProof.decode(replace(view.prove(0), salted=proof.salted).encode())

    def test_a_proof_has_no_event_in_its_repr(self, vault: vaultfs.Vault) -> None:
        proof = LogView(vault).prove(puts(vault)[0])
        assert proof.salted.hex() not in repr(proof)
        assert "salted" not in repr(proof)


class TestTiles:
    def test_strangers_rebuild_the_log_from_the_files(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        size, files = export(vault, tmp_path / "log")
        view = LogView(vault)
        note = Note.decode((tmp_path / "log" / "checkpoint").read_bytes())
        head = open_checkpoint(note, view.keys)
        assert head.size == size == view.size
        assert files == sum(one.is_file() for one in (tmp_path / "log").rglob("*"))

        def fetch(tile: Tile) -> bytes:
            return (tmp_path / "log" / tile.path).read_bytes()

        assert root_at(NODES, TiledHashes(NODES, size, fetch), size, b"") == head.root
        entries = []
        for index in range(-(-size // 256)):
            tile = tile_at(size, None, index)
            entries += decode_bundle(tile, fetch(tile))
        assert entries == [view.entry(index) for index in range(size)]
        assert isinstance(events(vault)[-2], LogExported)

    def test_it_grows_in_place_and_full_tiles_stay(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        export(vault, tmp_path / "log")
        full = [one for one in (tmp_path / "log").rglob("*") if one.is_file() and ".p" not in str(one)]
        times = {one: one.stat().st_mtime_ns for one in full if one.name != "checkpoint"}
        assert times
        for _ in range(300):
            put(vault)
        export(vault, tmp_path / "log")
        assert {one: one.stat().st_mtime_ns for one in times} == times
        fresh = tmp_path / "fresh"
        LogView(vault).export(fresh)
        for one in fresh.rglob("*"):
            if one.is_file() and one.name != "checkpoint":
                assert (tmp_path / "log" / one.relative_to(fresh)).read_bytes() == one.read_bytes()

    def test_a_vault_that_was_rolled_back_does_not_go_on_from_there(self, tmp_path: Path) -> None:
        with create(tmp_path / "v") as vault:
            put(vault)
            vault.settle()
            old = crashed(tmp_path / "v", tmp_path / "old")
            put(vault)
            export(vault, tmp_path / "log")
        shown = {one: one.read_bytes() for one in (tmp_path / "log").rglob("*") if one.is_file()}
        with reopen(old) as vault:
            with pytest.raises(LogDiverged):
                export(vault, tmp_path / "log")
            record = put(vault)
            with pytest.raises(LogDiverged):
                export(vault, tmp_path / "log")
            assert get(vault, record) == b"data"
        assert {one: one.read_bytes() for one in (tmp_path / "log").rglob("*") if one.is_file()} == shown

    def test_the_log_of_another_vault_is_left_alone(self, tmp_path: Path) -> None:
        with create(tmp_path / "v") as vault, create(tmp_path / "other") as other:
            export(vault, tmp_path / "log")
            with pytest.raises(LogDiverged):
                export(other, tmp_path / "log")

    def test_a_directory_with_something_else_is_refused(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        (tmp_path / "log").mkdir()
        (tmp_path / "log" / "checkpoint").write_bytes(b"not a checkpoint")
        with pytest.raises(VaultError):
            export(vault, tmp_path / "log")
        assert [one.name for one in (tmp_path / "log").iterdir()] == ["checkpoint"]


def test_a_forged_checkpoint_is_not_believed(vault: vaultfs.Vault) -> None:
    view = LogView(vault)
    note = view.checkpoint()
    forged = Checkpoint(view.origin, view.size, bytes(32)).encode()
    with pytest.raises(SignatureInvalid):
        open_checkpoint(replace(note, text=forged), view.keys)

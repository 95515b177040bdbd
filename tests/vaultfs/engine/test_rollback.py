"""An older vault is not taken for the vault: whoever saw a newer head says so, and accepting it is an act by itself."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, PASSPHRASE, create, event_types, events, get, put, read_only, reopen, seen
from vaultfs.audit.events import EventType
from vaultfs.errors import RolledBack, VaultDamaged


def copied(vault: Path, target: Path) -> Path:
    """Return a copy of the vault as it is now, without its epoch store."""
    shutil.copytree(vault, target)
    return target


def put_back(copy: Path, vault: Path) -> None:
    """Put an older copy in the place of a vault."""
    shutil.rmtree(vault)
    shutil.copytree(copy, vault)


@pytest.fixture
def older(opened: Open, tmp_path: Path) -> tuple[Path, vaultfs.RecordId, vaultfs.RecordId]:
    """Return a vault that was put back to an older state, a record of then, and one that was stored since."""
    vault = opened()
    kept = put(vault, b"kept")
    vault.settle()
    vault.close()
    copy = copied(vault.path, tmp_path / "copy")
    with reopen(vault.path) as again:
        lost = put(again, b"lost")
        again.settle()
    put_back(copy, vault.path)
    return vault.path, kept, lost


def test_an_older_vault_is_refused(older: tuple[Path, vaultfs.RecordId, vaultfs.RecordId]) -> None:
    path, _, _ = older
    before = sorted(p for p in path.rglob("*") if p.is_file())
    for act in (reopen, read_only):
        with pytest.raises(RolledBack) as refused:
            act(path)
        assert refused.value.facts == {"generation": 2, "seen": 3}
    assert sorted(p for p in path.rglob("*") if p.is_file()) == before


def test_an_older_vault_may_be_accepted_and_that_is_recorded(
    older: tuple[Path, vaultfs.RecordId, vaultfs.RecordId],
) -> None:
    """Once: from then on it is the vault. No record number of those that are lost is given out again."""
    path, kept, lost = older
    with reopen(path, accept_older=True) as vault:
        assert get(vault, kept) == b"kept"
        assert seen(vault, lost) is None
        (event,) = [event for event in events(vault) if event.type == EventType.ROLLBACK_ACCEPTED]
        assert event.version == 3
        assert vault.engine.head.generation > 3
        new = [put(vault, b"new") for _ in range(300)]
        assert lost not in new
        assert vault.engine.head.incarnation == 1
    for accept in (False, True):
        with reopen(path, accept_older=accept) as vault:
            assert get(vault, new[0]) == b"new"
            assert event_types(vault).count(EventType.ROLLBACK_ACCEPTED) == 1
            assert vault.engine.head.incarnation == 1
            vault.settle()
    with read_only(path) as reader:
        assert get(reader, kept) == b"kept"


def test_accepting_can_be_interrupted(
    older: tuple[Path, vaultfs.RecordId, vaultfs.RecordId], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a head says that it was accepted, it is an older vault as before."""
    path, kept, _ = older

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("vaultfs.engine.settle.stage_head", die)
        with pytest.raises(KeyboardInterrupt):
            reopen(path, accept_older=True)
    with pytest.raises(RolledBack):
        reopen(path)
    with reopen(path, accept_older=True) as vault:
        assert get(vault, kept) == b"kept"


def test_another_vault_of_the_same_generation_is_refused(opened: Open, tmp_path: Path) -> None:
    """Two copies of one vault that went on apart: the one that was not seen is not the vault."""
    vault = opened()
    put(vault)
    vault.settle()
    vault.close()
    other = copied(vault.path, tmp_path / "other")
    store = vaultfs.DirectoryStore(tmp_path / "store")
    shutil.copytree(tmp_path / "v.epoch", store.path)
    with reopen(other, epoch_stores=[store]) as second:
        put(second, b"there")
        second.settle()
    with reopen(vault.path) as first:
        put(first, b"here")
        first.settle()
    with pytest.raises(RolledBack):
        reopen(other, epoch_stores=[vaultfs.DirectoryStore(tmp_path / "v.epoch")])
    with reopen(other, epoch_stores=[store]) as second:
        assert second.condition is vaultfs.Condition.OPEN


class TestAnchors:
    def test_an_anchor_elsewhere_knows_the_newest_head(self, tmp_path: Path) -> None:
        anchor = vaultfs.DirectoryAnchor(tmp_path / "elsewhere")
        create(tmp_path / "v").close()
        copy = copied(tmp_path / "v", tmp_path / "copy")
        store = copied(tmp_path / "v.epoch", tmp_path / "store")
        with reopen(tmp_path / "v", anchors=[anchor]) as vault:
            put(vault)
            vault.settle()
            newest = anchor.last(vault.id)
            assert newest is not None
            assert newest.generation == vault.engine.head.generation
            assert newest.statement() == vault.engine.head.statement()
        put_back(copy, tmp_path / "v")
        put_back(store, tmp_path / "v.epoch")
        reopen(tmp_path / "v").close()
        with pytest.raises(RolledBack):
            reopen(tmp_path / "v", anchors=[anchor])

    @pytest.mark.parametrize("harm", ["removed", "cut", "flipped", "of another vault", "forged"])
    def test_what_is_no_witness_says_nothing(self, tmp_path: Path, harm: str) -> None:
        """A forged one would keep the vault from being opened, if it counted."""
        with create(tmp_path / "v") as vault:
            put(vault)
            vault.settle()
            path = tmp_path / "v.epoch" / vault.id.hex() / "seen"
        data = bytearray(path.read_bytes())
        if harm == "removed":
            path.unlink()
        elif harm == "cut":
            path.write_bytes(data[:100])
        elif harm == "flipped":
            data[50] ^= 1
            path.write_bytes(data)
        elif harm == "of another vault":
            with create(tmp_path / "w") as other:
                theirs = tmp_path / "w.epoch" / other.id.hex() / "seen"
            shutil.copy(theirs, path)
        else:
            from blake3 import blake3

            data[32:40] = (99).to_bytes(8, "little")
            data[-32:] = blake3(data[:-32]).digest()
            path.write_bytes(data)
        with reopen(tmp_path / "v") as vault:
            put(vault)
            vault.settle()
        newest = vaultfs.DirectoryStore(tmp_path / "v.epoch").last(vault.id)
        assert newest is not None
        assert newest.generation == vault.engine.head.generation

    def test_an_anchor_that_cannot_be_reached_keeps_nobody_from_writing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        anchor = vaultfs.DirectoryAnchor(tmp_path / "file" / "below")
        create(tmp_path / "v").close()
        with reopen(tmp_path / "v", anchors=[anchor]) as vault:
            record = put(vault)
            vault.settle()
            assert get(vault, record) == b"data"

    def test_a_head_that_was_written_and_not_shown_is_shown_when_the_vault_is_opened(self, tmp_path: Path) -> None:
        with create(tmp_path / "v") as vault:
            path = tmp_path / "v.epoch" / vault.id.hex() / "seen"
            before = path.read_bytes()
            put(vault)
            vault.settle()
            after = path.read_bytes()
        path.write_bytes(before)
        reopen(tmp_path / "v").close()
        assert path.read_bytes() == after


def test_the_epoch_store_holds_nothing_but_the_secret_and_the_head(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        put(vault, subject=MRN)
        vault.settle()
        names = sorted(os.listdir(tmp_path / "v.epoch" / vault.id.hex()))
    assert names == ["secret.1", "seen"]
    assert PASSPHRASE.secret not in (tmp_path / "v.epoch" / vault.id.hex() / "seen").read_bytes()
    assert VaultDamaged.code != RolledBack.code

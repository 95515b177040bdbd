"""An older vault is not taken for the vault: whoever saw a newer head says so, and accepting it is an act by itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format.act import ActKind
from vaultfs_format.events.vault import RollbackAccepted
from vaultfs_format.limits import MAX_NUMBER
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.witness import Witnessed

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.engine.test_acts import leave
from tests.vaultfs.support import (
    MRN,
    PASSPHRASE,
    WHO,
    Opened,
    create,
    event_types,
    events_of,
    get,
    put,
    read_only,
    reopen,
    seen,
)
from vaultfs.audit.events import EventType
from vaultfs.errors import LimitExceeded, RolledBack, Structure, VaultDamaged
from vaultfs.keys.stores import Anchor, EpochStore
from vaultfs.metrics import Counter, Tally


def copied(vault: Path, target: Path) -> Path:
    """Return a copy of the vault as it is now, without its epoch store."""
    shutil.copytree(vault, target)
    return target


def put_back(copy: Path, vault: Path) -> None:
    """Put an older copy in the place of a vault."""
    shutil.rmtree(vault)
    shutil.copytree(copy, vault)


def records(vault: Opened) -> list[vaultfs.RecordId]:
    """Return the records of the subject."""
    with vault.session(WHO, "TREAT") as s:
        return [info.id for info in s.find(subject=MRN)]


class FailingAnchor:
    """An anchor of a host that fails as it likes."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def last(self, vault_id: bytes) -> Witnessed | None:
        raise self._error

    def see(self, witnessed: Witnessed) -> None:
        raise self._error


class Slow:
    """An anchor that is asked for so long that something happens meanwhile, once."""

    def __init__(self, anchor: Anchor, meanwhile: Callable[[], object]) -> None:
        self._anchor = anchor
        self._meanwhile: Callable[[], object] | None = meanwhile

    def last(self, vault_id: bytes) -> Witnessed | Checkpoint | None:
        if self._meanwhile is not None:
            act, self._meanwhile = self._meanwhile, None
            act()
        return self._anchor.last(vault_id)

    def see(self, witnessed: Witnessed) -> None:
        self._anchor.see(witnessed)


class OwnStore:
    """An epoch store of a host: secrets in one place, heads in another."""

    def __init__(self, secrets: EpochStore, heads: Anchor) -> None:
        self.put, self.get = secrets.put, secrets.get
        self.last, self.see = heads.last, heads.see


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
        (event,) = events_of(vault, RollbackAccepted)
        assert event.generation == 3
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
        patched.setattr("vaultfs.engine.settling.settle.stage_head", die)
        with pytest.raises(KeyboardInterrupt):
            reopen(path, accept_older=True)
    with pytest.raises(RolledBack):
        reopen(path)
    with reopen(path, accept_older=True) as vault:
        assert get(vault, kept) == b"kept"


def test_the_head_that_accepts_is_written_before_anything_else_is_committed(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What readers have logged, what other programs claim and the opening itself come after it."""
    vault = opened()
    record = put(vault)
    vault.settle()
    with read_only(vault.path) as reader:
        vault.close()
        get(reader, record)
    leave(vault.path, vault.id, ActKind.COPIED, about=bytes(range(16)))
    copy = copied(vault.path, tmp_path / "copy")
    with reopen(vault.path) as again:
        put(again)
        again.settle()
    put_back(copy, vault.path)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("vaultfs.engine.settling.settle.stage_head", die)
        with pytest.raises(KeyboardInterrupt):
            reopen(vault.path, accept_older=True)
    with reopen(vault.path, accept_older=True) as again:
        found = event_types(again)
    accepted = found.index(EventType.ROLLBACK_ACCEPTED)
    assert found[accepted - 1 : accepted + 3] == [
        EventType.VAULT_CLOSED,
        EventType.ROLLBACK_ACCEPTED,
        EventType.ROLLBACK_ACCEPTED,
        EventType.VAULT_OPENED,
    ]
    assert {EventType.RECORD_READ, EventType.COPY_CLAIMED} <= set(found[accepted + 3 :])


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

    def test_a_vault_that_does_not_know_the_signer_of_a_newer_head_is_older(self, tmp_path: Path) -> None:
        """It was put back to before a change of signers, and everything with it that lies on this machine."""
        anchor = vaultfs.DirectoryAnchor(tmp_path / "elsewhere")
        create(tmp_path / "v").close()
        copy = copied(tmp_path / "v", tmp_path / "copy")
        store = copied(tmp_path / "v.epoch", tmp_path / "store")
        with reopen(tmp_path / "v", anchors=[anchor]) as vault:
            put(vault)
            vault.keys.turn(PASSPHRASE, new_signer=True)
        reopen(tmp_path / "v", anchors=[anchor]).close()
        put_back(copy, tmp_path / "v")
        put_back(store, tmp_path / "v.epoch")
        for act in (reopen, read_only):
            with pytest.raises(RolledBack):
                act(tmp_path / "v", anchors=[anchor])
        with reopen(tmp_path / "v", anchors=[anchor], accept_older=True) as vault:
            assert len(events_of(vault, RollbackAccepted)) == 1
        with reopen(tmp_path / "v", anchors=[anchor]) as vault:
            assert vault.condition is vaultfs.Condition.OPEN

    @pytest.mark.parametrize("generation", [1, 9, MAX_NUMBER, MAX_NUMBER + 1, 2**64 - 2])
    def test_a_head_that_was_forged_for_a_later_signer_is_accepted_once_and_leaves_nothing(
        self, tmp_path: Path, generation: int
    ) -> None:
        """Nobody can check it: it may be that VAULT was put back. What it states goes into no head."""
        anchor = vaultfs.DirectoryAnchor(tmp_path / "elsewhere")
        create(tmp_path / "v").close()
        with reopen(tmp_path / "v", anchors=[anchor]) as vault:
            put(vault)
            vault.settle()
            newest, known = anchor.last(vault.id), vault.engine.head.generation
        assert newest is not None
        anchor.see(replace(newest, generation=generation, signer=2))
        if known < generation <= MAX_NUMBER:
            with pytest.raises(RolledBack) as refused:
                reopen(tmp_path / "v", anchors=[anchor])
            assert refused.value.facts == {"generation": known, "seen": known, "signer": 2}
        with reopen(tmp_path / "v", anchors=[anchor], accept_older=True) as vault:
            assert vault.engine.head.generation <= known + 1
        for turned in range(1, 3):
            with reopen(tmp_path / "v", anchors=[anchor]) as vault:
                put(vault)
                vault.settle()
                vault.keys.turn(PASSPHRASE)
                assert vault.engine.head.generation <= known + 1 + 3 * turned

    @pytest.mark.parametrize("act", ["settle", "turn"])
    def test_a_head_that_no_other_can_follow_is_told_by_a_code(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
    ) -> None:
        """Of the vault's own signer, or of witnesses enough."""
        with create(tmp_path / "v") as vault:
            put(vault)
            vault.settle()
            monkeypatch.setattr(vault.engine, "seen", MAX_NUMBER)
            if act == "settle":
                put(vault)
            with pytest.raises(LimitExceeded) as refused:
                vault.settle() if act == "settle" else vault.keys.turn(PASSPHRASE)
            assert refused.value.facts == {"structure": Structure.HEAD, "size": MAX_NUMBER}

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

    @pytest.mark.parametrize("first", [True, False])
    def test_each_anchor_is_heard_whatever_the_others_have_seen(self, tmp_path: Path, first: bool) -> None:
        """Of two copies that went on apart, as far as each other, each has a store that knows it; an anchor saw one."""
        anchor = vaultfs.DirectoryAnchor(tmp_path / "elsewhere")
        create(tmp_path / "one" / "v").close()
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        for name, anchors in (("one", [anchor]), ("two", [])):
            with reopen(tmp_path / name / "v", anchors=anchors) as vault:
                put(vault, name.encode())
                vault.settle()
        place = tmp_path / "two"
        store = vaultfs.DirectoryStore(place / "v.epoch")
        everyone = {"anchors": [anchor]} if first else {"epoch_stores": [store, OwnStore(store, anchor)]}
        for act in (reopen, read_only):
            with pytest.raises(RolledBack) as refused:
                act(place / "v", **everyone)
            assert refused.value.facts == {"generation": 2, "seen": 2}
        with reopen(place / "v", accept_older=True, **everyone) as vault:
            assert vault.engine.head.generation == 3
        with reopen(place / "v", **everyone) as vault:
            assert vault.engine.head.incarnation == 1

    def test_a_reader_is_not_told_that_a_vault_is_older_because_it_grew_meanwhile(self, tmp_path: Path) -> None:
        """The writer shows its next head to an anchor between the reader's look at the head and that at the anchor."""
        with create(tmp_path / "v") as vault:
            record = put(vault)
            store = vaultfs.DirectoryStore(tmp_path / "v.epoch")
            with read_only(tmp_path / "v", anchors=[Slow(store, vault.settle)]) as reader:
                assert get(reader, record) == b"data"
                assert reader.engine.head.generation == vault.engine.head.generation == 2

    @pytest.mark.parametrize("error", [ConnectionError("https://user:secret@host"), ValueError(), RolledBack()])
    def test_an_anchor_of_the_host_may_fail_in_its_own_way(self, tmp_path: Path, error: Exception) -> None:
        """What was acknowledged stays acknowledged, and nothing that comes after a head is left out."""
        tally = Tally()
        anchor = FailingAnchor(error)
        create(tmp_path / "v").close()
        with reopen(
            tmp_path / "v", anchors=[anchor], options=vaultfs.Options(settle_bytes=20_000, metrics=tally)
        ) as vault:
            assert tally.counts[Counter.ANCHORS_MISSED] == 1
            for _ in range(6):
                put(vault, os.urandom(9_000))
            put(vault, os.urandom(100_000))
            vault.settle()
            assert len(records(vault)) == 7
            assert not list((tmp_path / "v").rglob("*.part"))
            assert vault.maintenance.health().unseen == 1
        assert tally.counts[Counter.ANCHORS_MISSED] > 2
        with read_only(tmp_path / "v", anchors=[anchor]) as reader:
            assert len(records(reader)) == 7

    def test_an_anchor_does_not_swallow_that_somebody_stops_the_program(self, tmp_path: Path) -> None:
        create(tmp_path / "v").close()
        anchor = FailingAnchor(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            reopen(tmp_path / "v", anchors=[anchor])

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

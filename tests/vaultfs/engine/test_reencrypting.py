"""Re-encryption: nothing stays under a key that was there before, nothing is lost, and it can be gone on with."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.frame import FrameClass
from vaultfs_format.keytable import DISPOSED
from vaultfs_tools import backup

import vaultfs
from tests.vaultfs.engine.test_lives import DAY, Clock
from tests.vaultfs.engine.test_turning import LEFT, copied, dispose, rescued_from
from tests.vaultfs.support import (
    PASSPHRASE,
    answers,
    crashed,
    create,
    event_types,
    get,
    index_content,
    put,
    read_only,
    reopen,
    session,
)
from vaultfs.audit.events import NOTHING
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.custody import reencrypting
from vaultfs.engine.custody.renewal import Renewal
from vaultfs.engine.reading.store import read_table
from vaultfs.errors import FieldInvalid, KeyExpired, KeyNotUsable, StorageFull, WriterPoisoned
from vaultfs.keys.lifecycle import Cryptoperiod, KeyRef, KeyState, OnExpiry, Reason
from vaultfs.keys.stores import DirectoryStore
from vaultfs.storage.copies import confirm_keys, copies_of
from vaultfs.storage.health import Concern
from vaultfs.storage.maintenance import Step
from vaultfs.testing.vfs import FaultyVfs, Operation

SOMEBODY = vaultfs.Identifier("urn:example:mrn", "gone")
FIRST = KeyRef.epoch(1)


def filled(path: Path, **more: object) -> vaultfs.Vault:
    """Return a vault with segments of all classes, blobs among them, and somebody who was disposed of."""
    vault = create(path, **more)
    with session(vault) as s, s.transaction() as txn:
        for number in range(20):
            txn.put(
                b"record %d" % number, kind="Observation", subject=vaultfs.Identifier("urn:example", str(number % 4))
            )
        txn.put(b"disposed", kind="Observation", subject=SOMEBODY)
        txn.set_state("example", b"key", b"value")
    put(vault, os.urandom(2_000_000))
    put(vault, os.urandom(300_000))
    vault.settle()
    return vault


def frame_keys(vault: vaultfs.Vault) -> set[bytes]:
    """Return the keys of all frames of all segments, but for those that were disposed of."""
    engine = vault.engine
    tables = [(row, read_table(engine.vfs, engine.layout, engine.chain, row)) for row in engine.head.segments]
    return {key for row, table in tables for key in table.keys_of(row.frames)} - {DISPOSED}


def disposed(vault: vaultfs.Vault) -> None:
    with session(vault) as s:
        vault.keys.turn(PASSPHRASE, s.subjects(SOMEBODY))


def test_no_frame_stays_under_its_key_and_nothing_else_changes(tmp_path: Path) -> None:
    with filled(tmp_path / "v") as vault:
        disposed(vault)
        before, keys, there = frame_keys(vault), {row.frame_class for row in vault.engine.head.segments}, answers(vault)
        assert {FrameClass.RECORD, FrameClass.BLOB, FrameClass.CONTROL, FrameClass.AUDIT} == keys
        done = vault.keys.reencrypt()
        assert (done.left, done.damaged) == (0, 0)
        assert done.segments >= 4
        assert done.frames >= len(before)
        assert not before & frame_keys(vault)
        assert answers(vault) == there
        content = index_content(vault)
        vault.rebuild_index()
        assert index_content(vault) == content
    with reopen(tmp_path / "v") as vault:
        assert answers(vault) == there


def test_it_goes_on_where_it_was_and_nothing_is_merged_meanwhile(tmp_path: Path) -> None:
    with filled(tmp_path / "v") as vault:
        old, there = frame_keys(vault), answers(vault)
        assert vault.keys.reencrypt(0).left >= 4
    left: list[int] = []
    while not left or left[-1]:
        with reopen(tmp_path / "v") as vault:
            for number in range(9):
                put(vault, b"meanwhile %d" % number, subject=SOMEBODY)
                vault.settle()
            assert vault.maintenance.health().reencryption_due
            left.append(_one_step(vault))
    assert len(left) > 3
    assert left == sorted(left, reverse=True)
    with reopen(tmp_path / "v") as vault:
        assert not old & frame_keys(vault)
        assert not vault.maintenance.health().reencryption_due
        assert {key: value for key, value in answers(vault).items() if key in there} == there


def _one_step(vault: vaultfs.Vault) -> int:
    """Go on by one step, of one segment."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vaultfs.engine.custody.reencrypting._STEP", 1)
        ticks = iter([0.0, 0.0])
        patched.setattr("vaultfs.engine.custody.reencrypting.time.monotonic", lambda: next(ticks, 10.0))
        return vault.keys.reencrypt(1).left


def test_maintenance_does_it_once_an_epoch_was_compromised(tmp_path: Path) -> None:
    with filled(tmp_path / "v") as vault:
        old = frame_keys(vault)
        vault.lives.set_state(FIRST, KeyState.COMPROMISED, Reason.KEY_COMPROMISE)
        failed = vault.maintenance.run(10).failed
        assert Step.REENCRYPT not in failed  # there is nothing to do it with before a turn
        assert old <= frame_keys(vault)
        vault.keys.turn(PASSPHRASE)
        assert Concern.REENCRYPTION_DUE in vault.maintenance.health().concerns
        done = vault.maintenance.run(10)
        assert done.reencrypted is not None
        assert done.reencrypted.left == 0
        assert not old & frame_keys(vault)
        assert vault.lives.life(FIRST).state is KeyState.DESTROYED
        assert Concern.REENCRYPTION_DUE not in vault.maintenance.health().concerns
        assert vault.maintenance.run(10).reencrypted is None
        types = event_types(vault)
        assert {vaultfs.EventType.REENCRYPTION_BEGUN, vaultfs.EventType.REENCRYPTION_ENDED} <= {*types}


def test_it_is_refused_while_the_present_key_may_protect_nothing(tmp_path: Path) -> None:
    with filled(tmp_path / "v") as vault:
        vault.lives.set_state(FIRST, KeyState.SUSPENDED)
        with pytest.raises(KeyNotUsable):
            vault.keys.reencrypt()


def test_a_reader_goes_on_reading(tmp_path: Path) -> None:
    with filled(tmp_path / "v") as vault:
        there = answers(vault)
        with read_only(tmp_path / "v") as reader:
            assert answers(reader) == there
            vault.keys.reencrypt()
            assert answers(reader) == there


def test_a_segment_that_cannot_be_read_waits_for_repair(tmp_path: Path) -> None:
    with filled(tmp_path / "v") as vault:
        row = next(row for row in vault.engine.head.segments if row.frame_class is FrameClass.RECORD)
        path = vault.engine.layout.segment(row)
        whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    with reopen(tmp_path / "v") as vault:
        done = vault.keys.reencrypt()
        assert (done.left, done.damaged) == (1, 1)
        path.write_bytes(whole)
        assert vault.keys.reencrypt().left == 0


@pytest.mark.parametrize("writes", [*range(0, 60, 3)])
def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path, writes: int) -> None:
    disk = FaultyVfs()
    filled(tmp_path / "v").close()
    with reopen(tmp_path / "v", vfs=disk) as vault:
        there = answers(vault)
        disk.fail(Operation.APPEND, error=errno.ENOSPC, number=writes + 1, lasting=True)
        with suppress(StorageFull, WriterPoisoned):
            vault.keys.reencrypt()
        disk.heal()
        copy = crashed(tmp_path / "v", tmp_path / "copy")
        if not vault.engine.poisoned:
            assert answers(vault) == there
            assert vault.keys.reencrypt().left == 0
            assert answers(vault) == there
    with reopen(copy) as vault:
        assert answers(vault) == there
        assert vault.keys.reencrypt().left == 0
        assert answers(vault) == there
        assert get(vault, put(vault)) == b"data"


def test_what_is_disposed_of_later_is_gone_from_old_copies_too(tmp_path: Path) -> None:
    """The keys of its frames have changed more than once since they were put away."""
    path, store, place = tmp_path / "v", tmp_path / "v.epoch", tmp_path / "place"
    data, gone = copied(path, place)
    with reopen(path) as vault:
        for _ in range(2):
            for number in range(12):
                put(vault, b"later %d" % number, subject=LEFT[0])
                vault.settle()
            vault.keys.reencrypt()
        dispose(vault)
        (copy,) = copies_of(vault)
        assert backup.main(["bundle", str(path), str(place / "bundle")]) == 0
        confirm_keys(vault, copy, vault.engine.head.epoch)
        assert DirectoryStore(store).epochs(vault.id) == [2]
    rescued = rescued_from(place, store, tmp_path / "out")
    assert rescued.keys() == data.keys() - gone
    assert all(content in rescued[record] for record, content in data.items() if record not in gone)


def compromised(vault: vaultfs.Vault) -> KeyRef:
    """Say that the key of the epoch is compromised, and turn to another one; return which it was."""
    ref = KeyRef.epoch(vault.engine.head.epoch)
    vault.lives.set_state(ref, KeyState.COMPROMISED, Reason.KEY_COMPROMISE)
    vault.keys.turn(PASSPHRASE)
    return ref


def states(vault: vaultfs.Vault, *refs: KeyRef) -> list[KeyState]:
    return [vault.lives.life(ref).state for ref in refs]


def test_an_epoch_that_is_compromised_while_it_goes_on_is_sealed_anew_as_well(tmp_path: Path) -> None:
    with filled(tmp_path / "v") as vault:
        first = compromised(vault)
        assert vault.keys.reencrypt(0).left > 0
        put(vault, os.urandom(2_000_000))
        vault.settle()
        second, old = compromised(vault), frame_keys(vault)
        assert vault.keys.reencrypt(0).left > 0
        assert states(vault, first, second) == [KeyState.COMPROMISED] * 2
    with reopen(tmp_path / "v") as vault:
        assert vault.keys.reencrypt().left == 0
        assert not old & frame_keys(vault)
        assert {row.table_epoch for row in vault.engine.head.segments} == {3}
        assert states(vault, first, second) == [KeyState.DESTROYED] * 2
        assert not vault.maintenance.health().reencryption_due


def test_one_that_does_not_say_for_which_epochs_is_followed_by_another(tmp_path: Path) -> None:
    """It was begun by a program that did not keep that."""
    path = tmp_path / "v"
    with filled(path) as vault:
        first = compromised(vault)
        vault.keys.reencrypt(0)
        kept = vault.state("vaultfs.keys", b"re-encryption")
        assert kept.value is not None
        value = kept.value[:8] + kept.value[12:]
        vault.commit(control_intent(vault.engine, "vaultfs.keys", b"re-encryption", value, kept.version, NOTHING))
    with reopen(path) as vault:
        assert vault.maintenance.health().reencryption_due
        assert vault.keys.reencrypt().left == 0
        assert states(vault, first) == [KeyState.DESTROYED]
        assert event_types(vault).count(vaultfs.EventType.REENCRYPTION_BEGUN) == 2
        assert event_types(vault).count(vaultfs.EventType.REENCRYPTION_ENDED) == 2


class Keeping(DirectoryStore):
    """A store that destroys nothing until it is told to."""

    keeps = True

    def destroy(self, vault_id: bytes, epoch: int) -> None:
        if not self.keeps:
            super().destroy(vault_id, epoch)


def test_a_key_whose_secret_a_store_keeps_is_not_destroyed(tmp_path: Path) -> None:
    store = Keeping(tmp_path / "store")
    with filled(tmp_path / "v", epoch_stores=[store]) as vault:
        first = compromised(vault)
        assert vault.keys.reencrypt().left == 0
        assert states(vault, first) == [KeyState.COMPROMISED]
        assert not vault.maintenance.health().reencryption_due
        assert vault.maintenance.run(10).reencrypted is None
        assert states(vault, first) == [KeyState.COMPROMISED]
        store.keeps = False
        assert vault.maintenance.run(10).secrets == 1
        assert states(vault, first) == [KeyState.DESTROYED]


def after_a_step(patched: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen after the first step of a re-encryption, which is of one segment."""
    real, steps = reencrypting._step, []

    def step(*words: Any) -> None:
        real(*words)
        steps.append(1)
        if len(steps) == 1:
            act()

    patched.setattr(reencrypting, "_step", step)
    patched.setattr(reencrypting, "_STEP", 1)


def test_it_halts_at_the_step_before_which_a_key_was_suspended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path / "v") as vault:
        there = answers(vault)
        after_a_step(monkeypatch, lambda: vault.lives.set_state(FIRST, KeyState.SUSPENDED))
        with pytest.raises(KeyNotUsable):
            vault.keys.reencrypt()
        types = event_types(vault)
        assert types.count(vaultfs.EventType.SEGMENTS_REENCRYPTED) == 1
        assert types[-1] is vaultfs.EventType.KEY_REFUSED
        vault.lives.set_state(FIRST, KeyState.ACTIVE)
        assert vault.keys.reencrypt().left == 0
        assert answers(vault) == there


@pytest.mark.parametrize("then", OnExpiry)
def test_it_halts_or_turns_when_the_period_of_a_key_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: OnExpiry
) -> None:
    clock = Clock()
    filled(tmp_path / "v", options=vaultfs.Options(clock=clock)).close()
    with reopen(tmp_path / "v", options=vaultfs.Options(clock=clock), rotation=PASSPHRASE) as vault:
        there = answers(vault)
        vault.lives.set_period(Cryptoperiod(DAY, then))

        def pass_on() -> None:
            clock.now += DAY

        after_a_step(monkeypatch, pass_on)
        if then is OnExpiry.HALT:
            with pytest.raises(KeyExpired):
                vault.keys.reencrypt()
            assert event_types(vault)[-1] is vaultfs.EventType.KEY_REFUSED
            assert vault.engine.head.epoch == 1
        else:
            assert vault.keys.reencrypt().left == 0
            assert vault.engine.head.epoch == 2
        assert answers(vault) == there


@pytest.mark.parametrize("value", [b"", bytes(7), bytes(11), bytes(13), bytes(39), bytes(45)])
def test_what_is_kept_of_it_has_one_length_or_another(value: bytes) -> None:
    with pytest.raises(FieldInvalid):
        Renewal.decode(value)

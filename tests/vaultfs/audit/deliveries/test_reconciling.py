"""Reconciling: what a receiver has of the log is told to the event, and a log that was changed or put back is seen."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vaultfs
from tests.vaultfs.audit.deliveries.test_delivering import delivery, event_indexes
from tests.vaultfs.audit.deliveries.test_spool import Kept
from tests.vaultfs.support import PASSPHRASE, crashed, create, put, reopen
from vaultfs.audit.exporting import received
from vaultfs.audit.exporting.received import lines_of, shown_in
from vaultfs.audit.exporting.reconciling import Reconciled, reconcile
from vaultfs.audit.exporting.shown import Shown, ShownCheckpoint, ShownLeaf
from vaultfs.audit.exporting.syslog import decode


@dataclass(frozen=True)
class Scene:
    """A vault whose log was delivered, a copy of it of before, and what the receiver has."""

    vault: vaultfs.Vault
    older: Path
    messages: list[bytes]
    cursors: Path
    events: list[int]
    size: int

    @property
    def shown(self) -> list[Shown]:
        return [decode(message) for message in self.messages]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    place, kept = tmp_path_factory.mktemp("reconciled"), Kept()
    with create(place / "v") as vault:
        put(vault)
        delivery(vault, kept, place / "c").run()
        older = crashed(vault.path, place / "older")
        vault.keys.turn(PASSPHRASE, new_signer=True)
        for _ in range(3):
            put(vault)
        delivery(vault, kept, place / "c").run()
        yield Scene(vault, older, kept.messages, place / "c", event_indexes(vault), vault.engine.head.tree_size)


def indexes(ranges: Sequence[range]) -> set[int]:
    return {index for one in ranges for index in one}


def test_all_that_was_delivered_is_there(scene: Scene) -> None:
    found = reconcile(scene.vault, scene.shown)
    events = scene.events
    assert (found.events, found.received, found.missing, found.doubled) == (len(events), len(events), (), 0)
    assert found.there == (range(events[0], events[-1] + 1),)
    assert (found.checkpoints, found.diverged, found.unsigned) == (2, 0, 0)
    assert found.complete
    assert found.agrees


def test_nothing_is_there_of_nothing(scene: Scene) -> None:
    found = reconcile(scene.vault, [])
    events = scene.events
    assert (found.received, found.there, found.missing) == (0, (), (range(events[0], events[-1] + 1),))
    assert not found.complete
    assert found.agrees


@settings(max_examples=15)
@given(st.data())
def test_what_is_missing_and_doubled_is_told_to_the_event(scene: Scene, data: st.DataObject) -> None:
    count = len(scene.messages)
    taken = data.draw(st.lists(st.integers(0, count - 1), max_size=2 * count))
    found = reconcile(scene.vault, [scene.shown[one] for one in taken])
    there = [one.index for one in (scene.shown[at] for at in taken) if isinstance(one, ShownLeaf)]
    events = set(scene.events)
    assert indexes(found.there) & events == set(there)
    assert indexes(found.missing) & events == events - set(there)
    assert found.received == len(set(there))
    assert found.doubled == sum(1 for one in set(there) if there.count(one) > 1)
    assert found.checkpoints == len(taken) - len(there)


def test_what_is_missing_is_sent_again_until_nothing_is(scene: Scene) -> None:
    kept = Kept()
    kept.batches.append(scene.messages[::3])
    before = reconcile(scene.vault, map(decode, kept.messages))
    sent = delivery(scene.vault, kept, scene.cursors).resend(before.missing)
    assert sent == len(scene.events) - before.received > 0
    found = reconcile(scene.vault, map(decode, kept.messages), size=scene.size)
    assert found.complete
    assert found.doubled == 0


def test_what_was_not_delivered_yet_is_not_missed(scene: Scene) -> None:
    assert reconcile(scene.vault, scene.shown, size=scene.size).complete
    assert reconcile(scene.vault, [], size=0).complete
    assert reconcile(scene.vault, [], size=1 << 40).events == len(scene.events)


def test_a_leaf_that_was_changed_is_told_and_still_missing(scene: Scene) -> None:
    leaves = [one for one in scene.shown if isinstance(one, ShownLeaf)]
    changed = [replace(one, leaf=bytes(32)) for one in leaves[2:4]]
    found = reconcile(scene.vault, [*leaves[:2], *changed, *leaves[4:]])
    expected = (range(leaves[2].index, leaves[3].index + 1),)
    assert (found.differing, found.missing) == (expected, expected)
    assert not found.agrees
    assert reconcile(scene.vault, [*leaves, changed[0]]).differing == (range(leaves[2].index, leaves[2].index + 1),)


def test_a_vault_that_was_put_back_does_not_have_what_the_receiver_has(scene: Scene) -> None:
    with reopen(scene.older) as vault:
        found = reconcile(vault, scene.shown)
        assert found.complete
        assert found.beyond == len(scene.events) - found.received
        assert (found.checkpoints, found.unsigned) == (1, 1)  # the second one is of a signer that it does not know
        assert not found.agrees
        for _ in range(9):
            put(vault)
        vault.settle()
        found = reconcile(vault, scene.shown)
        assert found.differing
        assert not found.agrees


def test_a_checkpoint_that_the_log_has_signed_and_not_grown_from_is_proof(tmp_path: Path) -> None:
    """Even without one leaf: the receiver could not have made it."""
    kept = Kept()
    with create(tmp_path / "v") as vault:
        vault.settle()
        older = crashed(vault.path, tmp_path / "older")
        put(vault)
        delivery(vault, kept, tmp_path / "c").run()
    checkpoints = [one for one in map(decode, kept.messages) if isinstance(one, ShownCheckpoint)]
    with reopen(older) as vault:
        for _ in range(9):
            put(vault)
        vault.settle()
        found = reconcile(vault, checkpoints)
        assert (found.diverged, found.checkpoints, found.unsigned) == (1, 0, 0)
        assert not found.agrees


def test_a_checkpoint_that_is_not_signed_proves_nothing(scene: Scene) -> None:
    one = next(one for one in scene.shown if isinstance(one, ShownCheckpoint))
    forged = replace(one.note, signatures=(replace(one.note.signatures[0], blob=bytes(64)),))
    stranger = replace(one.note, signatures=(replace(one.note.signatures[0], key_id=bytes(4)),))
    found = reconcile(scene.vault, [replace(one, note=forged), replace(one, note=stranger)])
    assert (found.unsigned, found.checkpoints, found.diverged) == (2, 0, 0)
    assert found.agrees


def test_other_logs_and_other_lines_are_counted_and_passed_over(scene: Scene) -> None:
    leaf = next(one for one in scene.shown if isinstance(one, ShownLeaf))
    found = reconcile(scene.vault, [*scene.shown, replace(leaf, origin="other"), None, None])
    assert (found.foreign, found.unread) == (1, 2)
    assert found.complete
    assert found.agrees


class TestLines:
    def test_lines_of_anybody_are_passed_over(self, scene: Scene) -> None:
        noise = [b"", b"Nov 14 22:13:20 host sshd: hello", b"<110>1 - - - - - -", b"{}", b"\xff\x00"]
        lines = [one for message in scene.messages for one in (message, *noise)]
        shown = list(shown_in(lines_of(io.BytesIO(b"\n".join(lines)))))
        assert [one for one in shown if one is not None] == scene.shown
        assert shown.count(None) == len(noise) * len(scene.messages)

    @pytest.mark.parametrize("size", [100, 101, 199, 200, 201, 350])
    def test_a_line_that_is_too_long_is_one_line(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        monkeypatch.setattr(received, "MAX_LINE", 100)
        data = b"before\n" + b"<" * size + b"\nafter\n"
        lines = list(lines_of(io.BytesIO(data)))
        assert (len(lines), lines[0], lines[-1]) == (3, b"before", b"after")
        assert list(lines_of(io.BytesIO(data + b"x" * size)))[2] == b"after"
        assert list(shown_in(lines)) == [None] * 3

    def test_a_report_shows_no_values(self, scene: Scene) -> None:
        found = reconcile(scene.vault, scene.shown)
        assert isinstance(found, Reconciled)
        assert "vaultfs/" not in repr(found)

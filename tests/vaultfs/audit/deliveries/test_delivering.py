"""Deliveries: every event at least once, from a log that has grown from what was delivered, whoever fails meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from vaultfs_format import merkle
from vaultfs_format.events.vault import LogExported, VaultClosed
from vaultfs_format.tlog.keys import open_checkpoint

import vaultfs
from tests.vaultfs.audit.deliveries.test_spool import Kept
from tests.vaultfs.support import WHO, crashed, create, events_of, put, read_only, reopen
from vaultfs.audit.exporting import reading
from vaultfs.audit.exporting.cursors import alone, lowest
from vaultfs.audit.exporting.delivering import Delivered, Delivery
from vaultfs.audit.exporting.errors import CursorDamaged, DeliveryBusy, ReceiverLost
from vaultfs.audit.exporting.rfc5424 import Message
from vaultfs.audit.exporting.shown import ShownCheckpoint, ShownLeaf
from vaultfs.audit.exporting.spool import FileSink
from vaultfs.audit.exporting.syslog import Syslog, decode
from vaultfs.audit.log import read_events
from vaultfs.audit.view import LogView, origin_of
from vaultfs.errors import ArgumentInvalid, CommitmentMismatch, LogDiverged, StorageFailed, StorageFull, VaultDamaged
from vaultfs.testing.vfs import FaultyVfs, Operation

Open = Callable[..., vaultfs.Vault]


def delivery(vault: vaultfs.Vault, sink: object, cursors: Path, name: str = "siem", **more: object) -> Delivery:
    return Delivery(vault, name, Syslog(), sink, cursors, **more)  # type: ignore[arg-type] # of any sort


def leaves(messages: Sequence[bytes]) -> list[int]:
    """Return the indexes of the events in messages."""
    return [one.index for one in map(decode, messages) if isinstance(one, ShownLeaf)]


def event_indexes(vault: vaultfs.Vault) -> list[int]:
    return [index for index, _ in read_events(vault)]


@pytest.fixture
def kept() -> Kept:
    return Kept()


class TestRuns:
    def test_every_event_is_sent_once_with_its_leaf_and_then_a_checkpoint(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path
    ) -> None:
        put(vault)
        done = delivery(vault, kept, tmp_path).run()
        view = LogView(vault)
        *sent, last = map(decode, kept.messages)
        expected = [
            ShownLeaf(view.origin, index, merkle.audit_leaf(vault.engine.suite, view.entry(index)))
            for index in event_indexes(vault)
        ]
        assert sent == expected
        assert done == Delivered(len(expected), view.size)
        assert isinstance(last, ShownCheckpoint)
        assert (last.size, open_checkpoint(last.note, view.keys).root) == (view.size, view.root)

    def test_what_is_sent_is_recorded_first_and_counted_to_the_event(
        self, vault: vaultfs.Vault, tmp_path: Path
    ) -> None:
        class Looking(Kept):
            def send(self, messages: Sequence[bytes]) -> None:
                super().send(messages)
                assert [one.events for one in events_of(vault, LogExported)][-1] == expected

        kept = Looking()
        for count in (3, 1):
            for _ in range(count):
                put(vault)
            expected = len(event_indexes(vault)) - len(leaves(kept.messages)) + 2
            assert delivery(vault, kept, tmp_path, batch=2).run().events == expected
        told = events_of(vault, LogExported)
        assert sum(one.events for one in told) == len(leaves(kept.messages)) == len(event_indexes(vault))
        assert {one.entries for one in told} == {0}

    def test_what_comes_about_while_events_are_counted_is_left_to_the_next_run(
        self, opened: Open, kept: Kept, tmp_path: Path
    ) -> None:
        coming: list[vaultfs.Vault] = []

        def clock() -> int:
            if coming:
                put(coming.pop())  # between counting and recording
            return 1_700_000_000_000_000

        vault = opened(options=vaultfs.Options(clock=clock))
        put(vault)
        one = delivery(vault, kept, tmp_path / "c")
        coming.append(vault)
        done = one.run()
        assert len(leaves(kept.messages)) == done.events == events_of(vault, LogExported)[-1].events
        assert leaves(kept.messages) == event_indexes(vault)[: done.events] != event_indexes(vault)
        put(vault)
        one.run()
        assert leaves(kept.messages) == event_indexes(vault)

    def test_it_comes_to_rest_and_two_of_them_do(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        sinks = {"a": Kept(), "b": Kept()}
        for name, sink in sinks.items():
            assert delivery(vault, sink, tmp_path, name).run().events
        size, batches = vault.engine.leaves, [len(sink.batches) for sink in sinks.values()]
        for name, sink in sinks.items():
            assert delivery(vault, sink, tmp_path, name).run().events == 0
        assert (vault.engine.leaves, [len(sink.batches) for sink in sinks.values()]) == (size, batches)
        put(vault)
        for name, sink in sinks.items():
            assert delivery(vault, sink, tmp_path, name).run().events
            assert sorted(leaves(sink.messages)) == list(dict.fromkeys(leaves(sink.messages)))

    def test_it_goes_on_in_another_process_life(self, opened: Open, kept: Kept, tmp_path: Path) -> None:
        vault = opened()
        delivery(vault, kept, tmp_path / "c").run()
        vault = opened(fresh=True)
        delivery(vault, kept, tmp_path / "c").run()
        assert leaves(kept.messages) == event_indexes(vault)
        assert events_of(vault, VaultClosed)

    def test_what_readers_have_recorded_is_sent(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        record = put(vault)
        delivery(vault, kept, tmp_path / "c").run()
        with read_only(vault.path) as reader, reader.session(WHO, "TREAT") as session:
            session.get(record)
        delivery(vault, kept, tmp_path / "c").run()
        assert "READER_OPENED" in {Message.decode(message).type for message in kept.messages}
        (read,) = (message for message in kept.messages if Message.decode(message).type == "RECORD_READ")
        assert b'principal="dr-who"' in read

    def test_writers_are_not_held_up_while_messages_are_sent(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        class Slow(Kept):
            def send(self, messages: Sequence[bytes]) -> None:
                writer = threading.Thread(target=put, args=(vault,))
                writer.start()
                writer.join()  # for ever, if the vault were locked
                super().send(messages)

        slow = Slow()
        done = delivery(vault, slow, tmp_path, batch=2).run()
        assert len(leaves(slow.messages)) == done.events < len(event_indexes(vault))
        delivery(vault, slow, tmp_path).run()
        assert leaves(slow.messages) == [index for index in event_indexes(vault) if index <= leaves(slow.messages)[-1]]

    def test_segments_that_are_merged_meanwhile_are_read_from_where_they_are(
        self, vault: vaultfs.Vault, tmp_path: Path
    ) -> None:
        class Merging(Kept):
            def send(self, messages: Sequence[bytes]) -> None:
                super().send(messages)
                put(vault)
                vault.settle()

        for _ in range(5):
            put(vault)
            vault.settle()
        before = {row.segment_id for row in vault.engine.head.segments}
        merging = Merging()
        delivery(vault, merging, tmp_path, batch=4).run()
        assert before - {row.segment_id for row in vault.engine.head.segments}
        found = leaves(merging.messages)
        assert found == [index for index in event_indexes(vault) if index <= found[-1]]

    def test_a_name_is_that_of_a_file(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        with pytest.raises(ArgumentInvalid):
            delivery(vault, kept, tmp_path, "../siem")

    def test_a_batch_has_a_leaf_at_least(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        with pytest.raises(ArgumentInvalid):
            delivery(vault, kept, tmp_path, batch=0)

    def test_one_delivers_at_a_time(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        with alone(vault.engine.vfs, tmp_path / "siem.cursor.lock"), pytest.raises(DeliveryBusy):
            delivery(vault, kept, tmp_path).run()
        assert kept.batches == []


class TestFailures:
    def test_what_was_not_taken_is_sent_again_in_the_same_bytes(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path
    ) -> None:
        put(vault)
        kept.away = True
        for _ in range(2):
            with pytest.raises(ReceiverLost):
                delivery(vault, kept, tmp_path, batch=3).run()
        assert lowest(tmp_path, origin_of(vault.id)) is None
        assert kept.batches[0] == kept.batches[1]
        kept.away = False
        delivery(vault, kept, tmp_path).run()
        again = kept.batches[2]
        assert again[: len(kept.batches[0])] == kept.batches[0]
        assert leaves(again) == event_indexes(vault)

    def test_runs_that_fail_do_not_make_the_log_grow(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        """They go on under the record that there is, up to the checkpoint; with news, there is another one."""
        put(vault)
        kept.away = True
        sizes = set()
        for _ in range(5):
            with pytest.raises(ReceiverLost):
                delivery(vault, kept, tmp_path, batch=3).run()
            sizes.add(vault.engine.leaves)
        assert len(sizes) == 1
        assert len(events_of(vault, LogExported)) == 1
        put(vault)
        with pytest.raises(ReceiverLost):
            delivery(vault, kept, tmp_path).run()
        assert len(events_of(vault, LogExported)) == 2

        class Last(Kept):
            def send(self, messages: Sequence[bytes]) -> None:
                self.away = leaves(messages[:1]) == [own]
                super().send(messages)

        own = [index for index, event in read_events(vault) if isinstance(event, LogExported)][-1]
        last, after = Last(), Kept()
        for _ in range(2):
            with pytest.raises(ReceiverLost):
                delivery(vault, last, tmp_path, batch=1).run()
        done = delivery(vault, after, tmp_path).run()
        assert len(events_of(vault, LogExported)) == 2
        assert sorted({*leaves(last.messages), *leaves(after.messages)}) == event_indexes(vault)
        assert isinstance(decode(after.messages[-1]), ShownCheckpoint)
        assert done.size == vault.engine.head.tree_size
        assert delivery(vault, after, tmp_path).run().events == 0

    def test_nothing_is_sent_under_the_record_of_another_delivery(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path
    ) -> None:
        put(vault)
        delivery(vault, Kept(), tmp_path, "other").run()
        delivery(vault, kept, tmp_path).run()
        assert len(events_of(vault, LogExported)) == 2
        assert events_of(vault, LogExported)[-1].events == len(leaves(kept.messages))

    def test_what_others_have_recorded_since_is_left_to_the_next_run(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path
    ) -> None:
        put(vault)
        kept.away = True
        with pytest.raises(ReceiverLost):
            delivery(vault, kept, tmp_path).run()
        delivery(vault, Kept(), tmp_path, "other").run()
        again = Kept()
        done = delivery(vault, again, tmp_path).run()
        assert done.events == len(leaves(again.messages)) == events_of(vault, LogExported)[0].events
        assert delivery(vault, again, tmp_path).run().events == 0

    def test_the_cursor_moves_with_each_batch_that_is_taken(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        class Third(Kept):
            def send(self, messages: Sequence[bytes]) -> None:
                self.away = len(self.batches) == 2
                super().send(messages)

        for _ in range(6):
            put(vault)
        third, kept = Third(), Kept()
        with pytest.raises(ReceiverLost):
            delivery(vault, third, tmp_path, batch=4).run()
        taken = leaves([*third.batches[0], *third.batches[1]])
        assert lowest(tmp_path, origin_of(vault.id)) == taken[-1] + 1
        delivery(vault, kept, tmp_path).run()
        assert taken + leaves(kept.messages) == event_indexes(vault)

    def test_an_error_of_the_hosts_sink_is_the_hosts(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        class Broken:
            def send(self, _: Sequence[bytes]) -> None:
                raise RuntimeError

        with pytest.raises(RuntimeError):
            delivery(vault, Broken(), tmp_path).run()
        assert lowest(tmp_path, origin_of(vault.id)) is None

    def test_a_cursor_that_cannot_be_written_means_that_it_is_sent_again(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path
    ) -> None:
        vfs = FaultyVfs(durable=False)
        vfs.fail(Operation.MOVE, error=errno.EIO, number=2)
        with pytest.raises(StorageFailed):
            delivery(vault, kept, tmp_path, vfs=vfs).run()
        first = leaves(kept.messages)
        assert first
        put(vault)
        delivery(vault, kept, tmp_path, vfs=vfs).run()
        assert leaves(kept.messages) == first + event_indexes(vault)

    def test_a_full_disk_of_a_spool_holds_the_delivery_and_no_writer(
        self, vault: vaultfs.Vault, tmp_path: Path
    ) -> None:
        vfs = FaultyVfs(durable=False)
        sink = FileSink(tmp_path / "out", vfs=vfs)
        delivery(vault, sink, tmp_path / "c").run()
        before = lowest(tmp_path / "c", origin_of(vault.id))
        vfs.fail(Operation.APPEND, error=errno.ENOSPC, lasting=True)
        for _ in range(3):
            put(vault)
            with pytest.raises(StorageFull):
                delivery(vault, sink, tmp_path / "c").run()
        assert lowest(tmp_path / "c", origin_of(vault.id)) == before
        vfs.heal()
        delivery(vault, sink, tmp_path / "c").run()
        lines = b"".join(path.read_bytes() for path in sorted((tmp_path / "out").glob("*.log"))).splitlines()
        assert sorted(set(leaves(lines))) == event_indexes(vault)

    def test_a_sender_that_is_killed_before_the_cursor_sends_the_same_bytes_again(self, tmp_path: Path) -> None:
        create(tmp_path / "v").close()
        program = f"""
import os, signal
from pathlib import Path
from tests.vaultfs.audit.deliveries.test_delivering import delivery
from tests.vaultfs.support import reopen
from vaultfs.audit.exporting.spool import FileSink

class Killed(FileSink):
    def send(self, messages):
        super().send(messages)
        if len(messages) < 4:
            os.kill(os.getpid(), signal.SIGKILL)

place = Path({str(tmp_path)!r})
vault = reopen(place / "v")
delivery(vault, Killed(place / "out"), place / "c", batch=5).run()
"""
        done = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False, cwd=Path.cwd())
        assert done.returncode == -signal.SIGKILL
        before = (tmp_path / "out" / "0000000001.log").read_bytes().splitlines()
        with reopen(tmp_path / "v") as vault:
            at = lowest(tmp_path / "c", origin_of(vault.id))
            kept = Kept()
            delivery(vault, kept, tmp_path / "c").run()
            assert at is not None
            again = [line for line in before if line in kept.messages]
            assert again
            assert leaves(again) == [index for index in leaves(before) if index >= at]
            assert sorted({*leaves(before), *leaves(kept.messages)}) == event_indexes(vault)


class TestAnotherLog:
    @pytest.fixture
    def older(self, opened: Open, kept: Kept, tmp_path: Path) -> Path:
        """Return a copy of a vault of before a delivery, in the same place as the vault was."""
        vault = opened()
        put(vault)
        vault.settle()
        copy = crashed(vault.path, tmp_path / "older")
        put(vault)
        delivery(vault, kept, tmp_path / "c").run()
        vault.close()
        return copy

    @pytest.mark.parametrize("grown", [False, True], ids=["as it was", "grown beyond"])
    def test_a_vault_that_was_put_back_is_refused(
        self, older: Path, kept: Kept, tmp_path: Path, *, grown: bool
    ) -> None:
        batches = len(kept.batches)
        with reopen(older) as vault:
            if grown:
                for _ in range(9):
                    put(vault)
                vault.settle()
            refused = delivery(vault, kept, tmp_path / "c")
            with pytest.raises(LogDiverged):
                refused.run()
            with pytest.raises(LogDiverged):
                refused.resend([range(9)])
        assert len(kept.batches) == batches

    def test_another_vault_is_refused(self, older: Path, kept: Kept, tmp_path: Path) -> None:
        with create(tmp_path / "other") as other, pytest.raises(LogDiverged):
            delivery(other, kept, tmp_path / "c").run()

    def test_an_event_that_was_changed_before_the_cursor_is_noticed(
        self, opened: Open, kept: Kept, tmp_path: Path
    ) -> None:
        """A leaf that was delivered need not be read again: the peaks in the cursor do not lead to the root."""
        vault = opened()
        delivery(vault, kept, tmp_path / "c").run()
        path = tmp_path / "c" / "siem.cursor"
        text = path.read_text()
        at = text.index('"peaks":["') + len('"peaks":["')
        path.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
        put(vault)
        with pytest.raises(LogDiverged):
            delivery(vault, kept, tmp_path / "c").run()

    def test_damage_is_told_from_another_log(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delivery(vault, kept, tmp_path / "c").run()
        put(vault)
        vault.settle()
        monkeypatch.setattr("vaultfs.engine.log.leaves.commitments", lambda _, found: [bytes(32) for _ in found])
        with pytest.raises(CommitmentMismatch):
            delivery(vault, kept, tmp_path / "c").run()

    @pytest.mark.parametrize("gone", ["last", "middle"])
    def test_a_segment_that_is_gone_is_damage(self, opened: Open, kept: Kept, tmp_path: Path, gone: str) -> None:
        vault = opened()
        for _ in range(3):
            put(vault)
            vault.settle()
        size = vault.engine.head.tree_size
        found = list(reading.settled(vault, 1, size))
        segments = sorted((vault.path / "segments").rglob("audit/**/*.vseg"), key=lambda path: path.stat().st_mtime_ns)
        victim = segments[-1] if gone == "last" else segments[1]
        victim.write_bytes(bytes(10))
        for copy in (vault.path / "copies").rglob(victim.name):
            copy.unlink()
        with pytest.raises(VaultDamaged):
            list(reading.settled(vault, 1, size))
        assert [leaf.index for leaf in found] == list(range(1, size))


class TestCursors:
    @pytest.mark.parametrize(
        "changed",
        [b"", b"{}", b"\xff", b'"format":"vaultfs-log-cursor@v1"', b'"size":8', b"x" * 20_000],
        ids=["empty", "no members", "no text", "another format", "size without peaks", "long"],
    )
    def test_a_cursor_that_is_none_is_refused(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path, changed: bytes
    ) -> None:
        delivery(vault, kept, tmp_path).run()
        path = tmp_path / "siem.cursor"
        data = path.read_bytes()
        if changed.startswith(b'"format'):
            path.write_bytes(data.replace(changed, b'"format":"vaultfs-log-cursor@v2"'))
        elif changed.startswith(b'"size'):
            path.write_bytes(data[: data.index(b'"size')] + b'"size":255' + data[data.index(b',"peaks') :])
        else:
            path.write_bytes(changed)
        for act in (delivery(vault, kept, tmp_path).run, lambda: lowest(tmp_path, origin_of(vault.id))):
            with pytest.raises(CursorDamaged):
                act()

    def test_the_lowest_cursor_is_what_pruning_asks_for(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        origin = origin_of(vault.id)
        assert lowest(tmp_path / "none", origin) is None
        first = delivery(vault, kept, tmp_path, "first").run().size
        put(vault)
        second = delivery(vault, kept, tmp_path, "second").run().size
        assert first < second
        assert lowest(tmp_path, origin) == first
        assert lowest(tmp_path, "other") is None


class TestResending:
    def test_events_are_sent_again_in_the_same_bytes(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        for _ in range(3):
            put(vault)
        one = delivery(vault, kept, tmp_path, batch=2)
        one.run()
        cursor = (tmp_path / "siem.cursor").read_bytes()
        sent = [message for message in kept.messages if isinstance(decode(message), ShownLeaf)]
        again = Kept()
        wanted = [range(6, 8), range(2, 4), range(3, 5), range(5, 5), range(1000, 2000)]
        count = delivery(vault, again, tmp_path, batch=2).resend(wanted)
        expected = [message for message in sent if leaves([message])[0] in {2, 3, 4, 6, 7}]
        assert again.messages == expected
        assert count == len(expected) == events_of(vault, LogExported)[-1].events
        assert (tmp_path / "siem.cursor").read_bytes() == cursor

    def test_what_lies_between_is_not_sent(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        for _ in range(5):
            put(vault)
        delivery(vault, kept, tmp_path).run()
        again = Kept()
        assert delivery(vault, again, tmp_path, batch=2).resend([range(2, 3), range(11, 12)]) == 2
        assert leaves(again.messages) == [2, 11]

    def test_what_no_run_has_sent_is_left_to_it(self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path) -> None:
        put(vault)
        assert delivery(vault, kept, tmp_path).resend([range(100)]) == 0
        assert events_of(vault, LogExported) == []
        assert kept.batches == []

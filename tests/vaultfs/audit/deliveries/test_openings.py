"""Openings: an event has the session in which it came about, looked for once, however long ago that was opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from vaultfs_format.events.records import RecordRead
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.head import Head

import vaultfs
from tests.vaultfs.audit.deliveries.test_delivering import delivery, leaves
from tests.vaultfs.audit.deliveries.test_spool import Kept
from tests.vaultfs.support import WHO, events_of, put
from vaultfs.audit.exporting import reading
from vaultfs.audit.exporting.errors import ReceiverLost
from vaultfs.audit.exporting.rfc5424 import Message
from vaultfs.engine.engine import Engine
from vaultfs.engine.log.leaves import Leaf, leaves_before


@pytest.fixture
def kept() -> Kept:
    return Kept()


class TestSessions:
    def test_an_event_has_the_session_in_which_it_came_about(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However long ago the session was opened, and in whatever batches events are sent: the same bytes."""
        monkeypatch.setattr(reading, "MAX_SESSIONS", 1)
        record = put(vault)
        sessions = [vault.session(vaultfs.Principal(f"user-{number}"), "TREAT") for number in range(3)]
        delivery(vault, kept, tmp_path).run()
        for _ in range(2):
            for session in sessions:
                session.get(record)
            vault.settle()
            delivery(vault, kept, tmp_path, batch=2).run()
        openings = {one.session: one.principal for one in events_of(vault, SessionOpened)}
        reads = [message for message in kept.messages if Message.decode(message).type == "RECORD_READ"]
        assert len(reads) == 6
        for event, message in zip(events_of(vault, RecordRead), reads, strict=True):
            assert f'principal="{openings[event.session]}"'.encode() in message
        again = Kept()
        delivery(vault, again, tmp_path / "anew").run()
        assert again.messages[: len(leaves(kept.messages))] == [
            message for message in kept.messages if Message.decode(message).type != "CHECKPOINT"
        ]

    def test_an_opening_is_looked_for_once(
        self, vault: vaultfs.Vault, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What one run has found the next one knows, and those after a run that has failed."""
        searched: list[int] = []

        def watched(engine: Engine, head: Head, index: int) -> Iterator[Leaf]:
            searched.append(index)
            return leaves_before(engine, head, index)

        monkeypatch.setattr(reading, "leaves_before", watched)
        record, one = put(vault), delivery(vault, kept, tmp_path)
        session = vault.session(WHO, "TREAT")
        one.run()
        for kept.away in (False, False, True, False):
            session.get(record)
            with suppress(ReceiverLost):
                one.run()
        assert len(searched) == 1
        reads = [message for message in kept.messages if Message.decode(message).type == "RECORD_READ"]
        assert len(reads) == 5
        assert all(b'principal="dr-who"' in read for read in reads)

    def test_an_opening_that_is_not_in_the_log_is_not_known(self, vault: vaultfs.Vault) -> None:
        vault.record([RecordRead(1, b"?" * 16, None, 0, None, 0, vaultfs.Outcome.DONE)], durable=True)
        vault.settle()
        found = list(reading.settled(vault, 0, 1 << 40))
        (read,) = (one for one in reading.Openings(vault).logged(found) if isinstance(one.event, RecordRead))
        assert read.session is None

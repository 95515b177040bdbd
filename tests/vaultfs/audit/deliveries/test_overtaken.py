"""Deliveries of a log that is pruned: what a receiver lacks then is told, and not taken for damage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.audit.deliveries.test_delivering import delivery, event_indexes, leaves
from tests.vaultfs.audit.deliveries.test_spool import Kept
from tests.vaultfs.engine.years import kept_apart
from tests.vaultfs.support import create, put
from vaultfs.audit.errors import LogStillNeeded
from vaultfs.audit.exporting.cursors import lowest
from vaultfs.audit.exporting.errors import DeliveryOvertaken
from vaultfs.audit.exporting.reconciling import reconcile
from vaultfs.audit.exporting.shown import ShownLeaf
from vaultfs.audit.exporting.syslog import decode
from vaultfs.audit.view import origin_of


@pytest.fixture
def kept() -> Kept:
    return Kept()


def prune(vault: vaultfs.Vault, keep_from: int | None = None) -> int:
    """Prune all that can be; return the first leaf that is kept."""
    now, age = datetime.now(UTC), timedelta(0)
    return vault.maintenance.prune_log(now, minimum_age=age, keep_from=keep_from).first


def test_a_log_that_was_pruned_beyond_the_cursor_is_not_delivered(
    vault: vaultfs.Vault, kept: Kept, tmp_path: Path
) -> None:
    delivery(vault, kept, tmp_path / "c").run()
    for _ in range(3):
        put(vault)
    vault.settle()
    needed = lowest(tmp_path / "c", origin_of(vault.id))
    with pytest.raises(LogStillNeeded):
        prune(vault, keep_from=needed)
    first, sent = prune(vault), len(kept.messages)
    with pytest.raises(DeliveryOvertaken) as told:
        delivery(vault, kept, tmp_path / "c").run()
    assert told.value.facts == {"first": first, "size": needed}
    assert len(kept.messages) == sent
    delivery(vault, kept, tmp_path / "c", name="other").run()
    assert leaves(kept.messages[sent:]) == event_indexes(vault)[: len(kept.messages) - sent - 1]
    assert lowest(tmp_path / "c", origin_of(vault.id)) == needed


def test_one_that_is_pruned_while_it_is_delivered_is_not_told_as_damaged(vault: vaultfs.Vault, tmp_path: Path) -> None:
    class Pruning(Kept):
        def send(self, messages: Sequence[bytes]) -> None:
            super().send(messages)
            if len(self.messages) == 1:
                prune(vault)

    kept = Pruning()
    with kept_apart():
        for _ in range(3):
            put(vault)
            vault.settle()
        with pytest.raises(DeliveryOvertaken):
            delivery(vault, kept, tmp_path / "c", batch=1).run()
        with pytest.raises(DeliveryOvertaken):
            delivery(vault, kept, tmp_path / "c").run()


def test_what_was_pruned_is_neither_missed_nor_compared(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        put(vault)
        kept = Kept()
        delivery(vault, kept, tmp_path / "c").run()
        first = prune(vault)
        put(vault)
        delivery(vault, kept, tmp_path / "c").run()
        shown, events = [decode(message) for message in kept.messages], event_indexes(vault)
        gone = [one for one in shown if isinstance(one, ShownLeaf) and one.index < first]
        size = lowest(tmp_path / "c", shown[0].origin)
        found = reconcile(vault, shown, size=size)
        assert gone
        assert (found.pruned, found.missing, found.agrees) == (len(gone), (), True)
        assert found.received == sum(1 for index in events if index < (size or 0))
        assert reconcile(vault, [], size=size).missing[0].start == events[0] >= first

"""Witnesses and the pruning of a log: what one has cosigned before, and what nobody can be shown any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from vaultfs_tools.witnessing import Keeper
from vaultfs_tools.witnessing.keys import policy_of

import vaultfs
from tests.vaultfs.audit import test_anchoring
from tests.vaultfs.audit.test_anchoring import Hosts
from tests.vaultfs.support import put, read_only, reopen
from vaultfs.audit.anchoring import CheckpointAnchor, cosign
from vaultfs.audit.errors import LogPrunedBefore, LogStillNeeded
from vaultfs.audit.view import LogView, origin_of
from vaultfs.audit.witnesses import CallbackWitness

hosts = test_anchoring.hosts


class TestPruned:
    """A log that was pruned, and a witness that has seen less of it."""

    def test_a_log_that_was_pruned_beyond_what_was_witnessed_is_refused_and_not_called_older(
        self, hosts: Hosts
    ) -> None:
        with reopen(hosts.path) as vault:
            known = hosts.keeper.log(origin_of(vault.id)).head.size
            put(vault)
            vault.settle()
            with pytest.raises(LogStillNeeded):
                _prune(vault, keep_from=known)
            first = _prune(vault)
            with pytest.raises(LogPrunedBefore):
                hosts.cosign(vault)
        for make in (reopen, read_only):
            with pytest.raises(LogPrunedBefore) as told:
                make(hosts.path, anchors=[hosts.word])
            assert told.value.facts == {"size": known, "first": first}
        other = Keeper.create(hosts.place / "two" / "another", "witness.example")
        with reopen(hosts.path) as vault:
            other.add_log(LogView(vault).keys)
            cosign(vault, [CallbackWitness(other.answer)], policy_of(other.keys), [hosts.kept])
        reopen(hosts.path, anchors=[CheckpointAnchor(hosts.kept.read, policy_of(other.keys))]).close()

    def test_one_that_was_pruned_as_far_as_the_witness_has_come_goes_on(self, hosts: Hosts) -> None:
        with reopen(hosts.path) as vault:
            put(vault)
            hosts.cosign(vault)
            assert _prune(vault, keep_from=hosts.keeper.log(origin_of(vault.id)).head.size) > 0
        for _ in range(2):
            with reopen(hosts.path, anchors=[hosts.word]) as vault:
                put(vault)
                hosts.cosign(vault)


def _prune(vault: vaultfs.Vault, keep_from: int | None = None) -> int:
    """Prune all that can be; return the first leaf that is kept."""
    return vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0), keep_from=keep_from).first

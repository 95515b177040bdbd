"""Maintenance: what a vault needs from time to time, in portions, so that a host or a timer can run it at any moment.

Each step may be interrupted and run again. A step that fails keeps none of the others from running. Others may read,
write and settle meanwhile; of two that maintain a vault the second waits for the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from vaultfs.engine.custody.reencrypting import Reencrypted, close, is_due
from vaultfs.engine.files.essentials import restore_essentials
from vaultfs.engine.files.heads import heal_metadata, witness
from vaultfs.engine.log.pruning import MINIMUM_AGE, Pruned, prune_log
from vaultfs.engine.vault import Vault
from vaultfs.errors import Closed, Forked, VaultError, WriterPoisoned
from vaultfs.storage.health import Concern, Health, Thresholds, health
from vaultfs.storage.indexing import heal_index
from vaultfs.storage.mirroring import complete_mirrors, set_mirroring
from vaultfs.storage.repair import Repaired, repair_queue
from vaultfs.storage.scrub import PERIOD, Portion, keep, overdue, round_of, scrub

_MICROSECONDS = 1_000_000


class Step(StrEnum):
    """What maintenance does, in this order."""

    COPIES = "look at both copies of head, VAULT and keyring"
    ESSENTIALS = "write README.txt and the dictionary where they are missing"
    MERGE = "merge access logs"
    REPAIR = "repair what reads have met"
    SETTLE = "settle"
    SCRUB = "scrub"
    INDEX = "hold the index against the files"
    MIRROR = "complete the mirrors of segments"
    REENCRYPT = "seal anew what is under keys that were compromised"
    RETIRE = "destroy the secrets of earlier epochs"
    ANCHOR = "show the head to the anchors"


@dataclass(slots=True)
class Maintained:
    """What a run of maintenance has done.

    Parameters
    ----------
    copies
        Copies of head, VAULT and keyring that were healed.
    essentials
        Of README.txt and the dictionary, how many were missing, or were not those of this version.
    repaired
        Segments in which reads had met damage.
    scrubbed
        The portion of scrubbing; None where the round of this period is complete already.
    rebuilt
        Whether the index was made anew; it is looked at when a round of scrubbing is complete.
    mirrors
        Mirrors of segments that were made, or removed where they are not wanted any more.
    reencrypted
        The portion of re-encryption; None where nothing was compromised.
    secrets
        Secrets of earlier epochs that were destroyed, each store counted.
    failed
        Steps that failed, and why.
    overdue
        Seconds by which a whole round of scrubbing is late.
    """

    copies: int = 0
    essentials: int = 0
    events: int = 0
    segments: int = 0
    repaired: list[Repaired] = field(default_factory=list)
    scrubbed: Portion | None = None
    rebuilt: bool = False
    mirrors: int = 0
    reencrypted: Reencrypted | None = None
    secrets: int = 0
    failed: dict[Step, VaultError] = field(default_factory=dict)
    overdue: float = 0.0

    @property
    def lost(self) -> list[Repaired]:
        """Segments of which something is lost."""
        found = [one for one in self.repaired if one.lost]
        return found + (self.scrubbed.lost if self.scrubbed else [])


@dataclass(slots=True)
class _Run:
    """A run of maintenance: what it may take, and what it has done.

    Parameters
    ----------
    deadline
        By the monotonic clock, when nothing more is begun.
    """

    vault: Vault
    deadline: float
    period: float
    rate: float | None
    sleep: Callable[[float], None]
    done: Maintained = field(default_factory=Maintained)

    def steps(self) -> dict[Step, Callable[[], None]]:
        """Return the steps in their order."""
        return {
            Step.COPIES: self._copies,
            Step.ESSENTIALS: self._essentials,
            Step.MERGE: self._merge,
            Step.REPAIR: self._repair,
            Step.SETTLE: self._settle,
            Step.SCRUB: self._scrub,
            Step.INDEX: self._index,
            Step.MIRROR: self._mirror,
            Step.REENCRYPT: self._reencrypt,
            Step.RETIRE: self._retire,
            Step.ANCHOR: self._anchor,
        }

    def _left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def _copies(self) -> None:
        engine = self.vault.engine
        with engine.lock:
            self.done.copies = heal_metadata(engine.vfs, engine.layout, engine.head)

    def _essentials(self) -> None:
        engine = self.vault.engine
        with engine.lock:
            self.done.essentials = restore_essentials(engine.vfs, engine.layout.root, engine.head.suite)

    def _merge(self) -> None:
        self.done.events = self.vault.merge_access_logs().events

    def _repair(self) -> None:
        for one in repair_queue(self.vault.engine):
            self.done.repaired.append(one)
            keep(self.vault, round_of(self.vault), [one])

    def _settle(self) -> None:
        self.done.segments = self.vault.settle()

    def _scrub(self) -> None:
        """Scrub where a round goes on, or half of the period has passed since the last one began."""
        present, now = round_of(self.vault), self.vault.engine.options.clock()
        if present.began or now - present.completed >= self.period * _MICROSECONDS / 2:
            self.done.scrubbed = scrub(self.vault, seconds=self._left(), rate=self.rate, sleep=self.sleep)

    def _index(self) -> None:
        if self.done.scrubbed is not None and self.done.scrubbed.finished:
            self.done.rebuilt = heal_index(self.vault)

    def _mirror(self) -> None:
        self.done.mirrors = complete_mirrors(self.vault, self._left())

    def _reencrypt(self) -> None:
        if is_due(self.vault):
            self.done.reencrypted = self.vault.keys.reencrypt(self._left())

    def _retire(self) -> None:
        self.done.secrets = len(self.vault.retire().receipts)
        close(self.vault)

    def _anchor(self) -> None:
        engine = self.vault.engine
        with engine.lock:
            witness(engine.anchors, engine.head, engine.metrics)


class Maintenance:
    """Maintenance of a vault that is open for writing."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def run(
        self,
        seconds: float,
        *,
        period: float = PERIOD,
        rate: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Maintained:
        """Do what is due, once no other thread maintains the vault.

        Parameters
        ----------
        seconds
            After which nothing more is begun, from when this was called. A step that was begun is finished: at least
            one segment is scrubbed.
        period
            Seconds within which every byte is to be looked at.
        rate
            Bytes a second that scrubbing does not exceed.

        Raises
        ------
        Closed, Forked, WriterPoisoned
            All else is told in what is returned.
        """
        run = _Run(self._vault, time.monotonic() + seconds, period, rate, sleep)
        with self._vault.engine.maintained():
            self._steps(run)
        run.done.overdue = overdue(self._vault, period)
        return run.done

    @staticmethod
    def _steps(run: _Run) -> None:
        for step, act in run.steps().items():
            try:
                act()
            except (Closed, Forked, WriterPoisoned):
                raise
            except VaultError as error:
                run.done.failed[step] = error

    def health(self, thresholds: Thresholds | None = None, alarm: Callable[[Concern], None] | None = None) -> Health:
        """Return the health of the vault. Parameters and errors are those of `vaultfs.storage.health.health`."""
        return health(self._vault, thresholds, alarm)

    def mirror_segments(self, *, on: bool) -> None:
        """Decide whether segments have mirrors. Errors are those of `vaultfs.storage.mirroring.set_mirroring`."""
        set_mirroring(self._vault, on=on)

    def prune_log(
        self,
        before: datetime,
        *,
        keep_from: int | None = None,
        minimum_age: timedelta = MINIMUM_AGE,
        dry_run: bool = False,
    ) -> Pruned:
        """Remove the oldest part of the log. Parameters and errors are those of `engine.log.pruning.prune_log`."""
        return prune_log(self._vault, before, keep_from=keep_from, minimum_age=minimum_age, dry_run=dry_run)

    def overdue(self, period: float = PERIOD) -> float:
        """Return by how many seconds a whole round of scrubbing is late, 0 if it is not."""
        return overdue(self._vault, period)

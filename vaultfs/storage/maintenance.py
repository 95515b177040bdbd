"""Maintenance: what a vault needs from time to time, in portions, so that a host or a timer can run it at any moment.

Each step may be interrupted and run again. A step that fails keeps none of the others from running.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from vaultfs.engine.heads import witness
from vaultfs.engine.vault import Vault
from vaultfs.errors import Closed, Forked, VaultError, WriterPoisoned
from vaultfs.storage.health import Concern, Health, Thresholds, health
from vaultfs.storage.mirroring import complete_mirrors, set_mirroring
from vaultfs.storage.repair import Repaired, repair_queue
from vaultfs.storage.scrub import PERIOD, Portion, keep, overdue, round_of, scrub

_MICROSECONDS = 1_000_000


class Step(StrEnum):
    """What maintenance does, in this order."""

    MERGE = "merge access logs"
    REPAIR = "repair what reads have met"
    SETTLE = "settle"
    SCRUB = "scrub"
    MIRROR = "complete the mirrors of segments"
    ANCHOR = "show the head to the anchors"


@dataclass(slots=True)
class Maintained:
    """What a run of maintenance has done.

    Parameters
    ----------
    repaired
        Segments in which reads had met damage.
    scrubbed
        The portion of scrubbing; None where the round of this period is complete already.
    mirrors
        Mirrors of segments that were made, or removed where they are not wanted any more.
    failed
        Steps that failed, and why.
    overdue
        Seconds by which a whole round of scrubbing is late.
    """

    events: int = 0
    segments: int = 0
    repaired: list[Repaired] = field(default_factory=list)
    scrubbed: Portion | None = None
    mirrors: int = 0
    failed: dict[Step, VaultError] = field(default_factory=dict)
    overdue: float = 0.0

    @property
    def lost(self) -> list[Repaired]:
        """Segments of which something is lost."""
        found = [one for one in self.repaired if one.lost]
        return found + (self.scrubbed.lost if self.scrubbed else [])


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
        """Do what is due.

        Parameters
        ----------
        seconds
            After which nothing more is begun. A step that was begun is finished: at least one segment is scrubbed.
        period
            Seconds within which every byte is to be looked at.
        rate
            Bytes a second that scrubbing does not exceed.

        Raises
        ------
        Closed, Forked, WriterPoisoned
            All else is told in what is returned.
        """
        vault, done = self._vault, Maintained()
        deadline = time.monotonic() + seconds

        def merge() -> None:
            done.events = vault.merge_access_logs().events

        def repairs() -> None:
            done.repaired = repair_queue(vault.engine)
            if done.repaired:
                keep(vault, round_of(vault), done.repaired)

        def settle() -> None:
            done.segments = vault.settle()

        def scrubbing() -> None:
            if self._due(period):
                done.scrubbed = scrub(vault, seconds=max(0.0, deadline - time.monotonic()), rate=rate, sleep=sleep)

        def mirrors() -> None:
            done.mirrors = complete_mirrors(vault, max(0.0, deadline - time.monotonic()))

        def anchor() -> None:
            witness(vault.engine.anchors, vault.engine.head, vault.engine.metrics)

        for step, act in zip(Step, (merge, repairs, settle, scrubbing, mirrors, anchor), strict=True):
            try:
                act()
            except (Closed, Forked, WriterPoisoned):
                raise
            except VaultError as error:
                done.failed[step] = error
        done.overdue = overdue(vault, period)
        return done

    def _due(self, period: float) -> bool:
        """Return whether a round goes on, or half of the period has passed since the last one began."""
        present = round_of(self._vault)
        return bool(present.began) or self._now() - present.completed >= period * _MICROSECONDS / 2

    def health(self, thresholds: Thresholds | None = None, alarm: Callable[[Concern], None] | None = None) -> Health:
        """Return the health of the vault. Parameters and errors are those of `vaultfs.storage.health.health`."""
        return health(self._vault, thresholds, alarm)

    def mirror_segments(self, *, on: bool) -> None:
        """Decide whether segments have mirrors. Errors are those of `vaultfs.storage.mirroring.set_mirroring`."""
        set_mirroring(self._vault, on=on)

    def overdue(self, period: float = PERIOD) -> float:
        """Return by how many seconds a whole round of scrubbing is late, 0 if it is not."""
        return overdue(self._vault, period)

    def _now(self) -> int:
        return self._vault.engine.options.clock()

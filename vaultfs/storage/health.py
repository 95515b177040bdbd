"""The health of a vault: what is lost, what is late, and what redundancy is missing, judged by a host's thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from vaultfs_format.head import Head
from vaultfs_format.tlog.checkpoint import Checkpoint

from vaultfs.engine.custody.epochs import holders, pending
from vaultfs.engine.custody.reencrypting import is_due
from vaultfs.engine.files.heads import unpaired
from vaultfs.engine.opening.seen import last_seen
from vaultfs.engine.vault import Vault
from vaultfs.keys.stores import Anchor
from vaultfs.metrics import Metrics
from vaultfs.storage.copies import copies_of
from vaultfs.storage.mirroring import missing_mirrors
from vaultfs.storage.scrub import PERIOD, overdue, round_of

_MICROSECONDS = 1_000_000
DAY = 86_400


class Concern(StrEnum):
    """What somebody should see to."""

    LOST = "something is lost that neither parity nor a mirror gives back"
    DAMAGED = "damage was read and waits for repair"
    MIRRORS_MISSING = "segments lack their mirrors"
    COPIES_MISSING = "head, VAULT, keyring or key tables lack their second copies"
    SINGLE_EPOCH_STORE = "too few epoch stores hold the epoch secret"
    SECRETS_PENDING = "secrets of earlier epochs are left: with an old copy they open what was disposed of"
    REENCRYPTION_DUE = "what is stored is under keys of an epoch that was compromised"
    UNSEEN = "an anchor has not seen the newest head"
    COPY_OVERDUE = "the newest copy of the vault is too old, or there is none"
    SCRUB_OVERDUE = "scrubbing is late"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a state is a concern.

    Parameters
    ----------
    scrub_period
        Seconds within which every byte is to be looked at.
    copy_age
        Seconds that the newest copy of the vault may be old; None: copies are seen to elsewhere.
    epoch_stores
        Least number of stores that hold the epoch secret.
    """

    scrub_period: float = PERIOD
    copy_age: float | None = 7 * DAY
    epoch_stores: int = 2


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a vault.

    Parameters
    ----------
    lost
        Ids of the segments of which something was found to be lost.
    damaged
        Ids of the files in which reads have met damage that is not repaired yet.
    overdue
        Seconds by which a whole round of scrubbing is late.
    scrubbed
        Seconds since the last whole round; None where there was none.
    mirrors_missing
        Segments without the mirror that they should have; 0 where mirrors are not wanted.
    unpaired
        Of head, VAULT, keyring and key tables, those of which one of the two copies is missing, cannot be read, or is
        another one.
    epoch_stores
        Stores that hold the epoch secret; of stores that hold different ones, the most that agree.
    secrets_pending
        Secrets of earlier epochs that are in stores; one for each store that cannot be asked.
    reencryption_due
        Whether an earlier epoch was compromised and not everything is sealed anew since, or a re-encryption was begun.
    anchors, unseen
        Anchors, epoch stores included, and those of them that have not seen the newest head.
    copies
        Seconds since each copy of the vault was last made, by the id of the copy.
    concerns
        What of this is beyond the thresholds.
    """

    lost: frozenset[bytes]
    damaged: frozenset[bytes]
    overdue: float
    scrubbed: float | None
    mirrors_missing: int
    unpaired: int
    epoch_stores: int
    secrets_pending: int
    reencryption_due: bool
    anchors: int
    unseen: int
    copies: Mapping[bytes, float]
    concerns: tuple[Concern, ...] = field(default=())


def health(
    vault: Vault, thresholds: Thresholds | None = None, alarm: Callable[[Concern], None] | None = None
) -> Health:
    """Return the health of a vault.

    Parameters
    ----------
    alarm
        Called for each concern, in the order in which they should be seen to.

    Raises
    ------
    Closed, Forked, VaultDamaged
    """
    limits, engine = thresholds or Thresholds(), vault.engine
    engine.check()
    now = engine.options.clock()
    scrubbed = round_of(vault).completed
    with engine.lock:
        head = engine.head
        named = {row.segment_id for row in head.segments}
        found = Health(
            frozenset(round_of(vault).lost) & named,
            frozenset(engine.store.damaged),
            overdue(vault, limits.scrub_period),
            (now - scrubbed) / _MICROSECONDS if scrubbed else None,
            len(missing_mirrors(engine)),
            len(unpaired(engine.vfs, engine.layout, head)),
            holders(engine.stores, head),
            pending(engine),
            is_due(vault),
            len(engine.anchors),
            sum(not _has_seen(anchor, head, engine.metrics) for anchor in engine.anchors),
            {copy: (now - at) / _MICROSECONDS for copy, at in copies_of(vault).items()},
        )
    judged = replace(found, concerns=tuple(_concerns(found, limits)))
    if alarm is not None:
        for concern in judged.concerns:
            alarm(concern)
    return judged


def _has_seen(anchor: Anchor, head: Head, metrics: Metrics) -> bool:
    last = last_seen(anchor, head.vault_id, metrics)
    if isinstance(last, Checkpoint):
        return last.size <= head.tree_size  # it is shown when the host asks the witnesses, not with every head
    return last is not None and last.generation >= head.generation


def _concerns(found: Health, limits: Thresholds) -> Iterator[Concern]:
    newest = min(found.copies.values(), default=None)
    checks = {
        Concern.LOST: bool(found.lost),
        Concern.DAMAGED: bool(found.damaged),
        Concern.MIRRORS_MISSING: found.mirrors_missing > 0,
        Concern.COPIES_MISSING: found.unpaired > 0,
        Concern.SINGLE_EPOCH_STORE: found.epoch_stores < limits.epoch_stores,
        Concern.SECRETS_PENDING: found.secrets_pending > 0,
        Concern.REENCRYPTION_DUE: found.reencryption_due,
        Concern.UNSEEN: found.unseen > 0,
        Concern.COPY_OVERDUE: limits.copy_age is not None and (newest is None or newest > limits.copy_age),
        Concern.SCRUB_OVERDUE: found.overdue > 0,
    }
    return (concern for concern, is_so in checks.items() if is_so)

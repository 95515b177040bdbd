"""Reconciling: what a receiver has of the log, what it lacks, and whether both tell the same story.

Who keeps index and leaf hash of events, and checkpoints, is a witness: a log that was changed, or put back to an older
state, does not have the leaves and checkpoints that the receiver has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey, signed_by, verifier_keys

from vaultfs.audit.exporting.shown import Shown, ShownCheckpoint, ShownLeaf
from vaultfs.audit.view import LogView
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.vault import Vault
from vaultfs.errors import LogDiverged, VaultError

_RIGHT, _OTHER, _AGAIN, _WANTED = 1, 2, 4, 8
"""What is known of a leaf: the receiver has it, has another in its place, has it more than once, should have it."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How a receiver and a log agree. Ranges are of indexes of leaves, and pass over those of no event.

    Parameters
    ----------
    events
        Events that the receiver should have.
    there
        Which of them it has as the log has them.
    missing
        Which it has not: to be sent again.
    received
        How many it has as the log has them.
    doubled
        Events that came more than once, as at-least-once has it.
    differing
        Where it has another leaf than the log. One of the two was changed; a signed checkpoint tells which.
    beyond
        Leaves that the log does not have any more, or not yet: it was put back to an older state.
    pruned
        Leaves and checkpoints of which the log keeps nothing to compare with.
    foreign
        Leaves and checkpoints of other logs.
    checkpoints
        Signed checkpoints that the log has grown from.
    diverged
        Checkpoints that the log has signed and not grown from: it was changed, or put back.
    unsigned
        Checkpoints that are not signed by a key of the log: they prove nothing.
    unread
        Lines that show nothing of a log.
    """

    events: int
    there: tuple[range, ...]
    missing: tuple[range, ...]
    received: int
    doubled: int
    differing: tuple[range, ...]
    beyond: int
    pruned: int
    foreign: int
    checkpoints: int
    diverged: int
    unsigned: int
    unread: int

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    @property
    def agrees(self) -> bool:
        """Whether nothing tells of a log that was changed or put back, or of a change at the receiver."""
        return not (self.differing or self.beyond or self.diverged)


def reconcile(vault: Vault, received: Iterable[Shown | None], *, size: int | None = None) -> Reconciled:
    """Compare what a receiver has with the settled log.

    Parameters
    ----------
    received
        In any order, with doubles; None for what shows nothing of a log.
    size
        Leaves that were delivered (`lowest`): what comes behind them is not missed. By default, all that are settled.

    Raises
    ------
    CommitmentMismatch, VaultDamaged
        The log is not the one that was written.
    """
    comparison = _Comparison(vault)
    for one in received:
        comparison.take(one)
    return comparison.result(size)


class _Comparison:
    """What is known of each leaf: a byte."""

    def __init__(self, vault: Vault) -> None:
        self._view = LogView(vault)
        self._suite = vault.engine.suite
        self._keys = _keys_of(vault, self._view.origin)
        self._known = bytearray(self._view.size)
        self._beyond = self._pruned = self._foreign = self._unread = 0
        self._checkpoints = self._diverged = self._unsigned = 0

    def take(self, one: Shown | None) -> None:
        if one is None:
            self._unread += 1
        elif one.origin != self._view.origin:
            self._foreign += 1
        elif isinstance(one, ShownCheckpoint):
            self._take_checkpoint(one)
        else:
            self._take_leaf(one)

    def _take_leaf(self, one: ShownLeaf) -> None:
        if one.index >= self._view.size:
            self._beyond += 1
        elif one.index < self._view.minimum:
            self._pruned += 1
        elif merkle.audit_leaf(self._suite, self._view.entry(one.index)) != one.leaf:
            self._known[one.index] |= _OTHER
        else:
            self._known[one.index] |= _AGAIN if self._known[one.index] & _RIGHT else _RIGHT

    def _take_checkpoint(self, one: ShownCheckpoint) -> None:
        if not self._is_signed(one):
            self._unsigned += 1
        elif 0 < one.size < self._view.minimum:
            self._pruned += 1
        else:
            try:
                self._view.check_grown_from(Checkpoint.decode(one.note.text))
                self._checkpoints += 1
            except LogDiverged:
                self._diverged += 1

    def _is_signed(self, one: ShownCheckpoint) -> bool:
        with suppress(VaultError):
            return bool(signed_by(one.note, self._keys))
        return False

    def result(self, size: int | None) -> Reconciled:
        known, view = self._known, self._view
        for index in range(view.minimum, view.size if size is None else min(size, view.size)):
            if self._is_event(index):
                known[index] |= _WANTED
        return Reconciled(
            events=sum(1 for one in known if one & _WANTED),
            there=tuple(_ranges(known, _WANTED, lambda one: bool(one & _RIGHT))),
            missing=tuple(_ranges(known, _WANTED, lambda one: not one & _RIGHT)),
            received=sum(1 for one in known if one & _WANTED and one & _RIGHT),
            doubled=sum(1 for one in known if one & _AGAIN),
            differing=tuple(_ranges(known, _OTHER, lambda _: True)),
            beyond=self._beyond,
            pruned=self._pruned,
            foreign=self._foreign,
            checkpoints=self._checkpoints,
            diverged=self._diverged,
            unsigned=self._unsigned,
            unread=self._unread,
        )

    def _is_event(self, index: int) -> bool:
        return AuditEntry.decode(self._view.entry(index)).kind is LeafKind.EVENT


def _ranges(known: bytes | bytearray, among: int, holds: Callable[[int], bool]) -> Iterator[range]:
    """Yield the runs of leaves of which something holds, among those that have a mark; others are passed over."""
    first = last = -1
    for index, one in enumerate(known):
        if one & among:
            if holds(one):
                first, last = (index if first < 0 else first), index
            elif first >= 0:
                yield range(first, last + 1)
                first = -1
    if first >= 0:
        yield range(first, last + 1)


def _keys_of(vault: Vault, origin: str) -> list[VerifierKey]:
    """Return the keys of all signers that the log has had."""
    engine = vault.engine
    with engine.lock:
        superblock, _ = read_superblock(engine.vfs, engine.layout, engine.head)
    return [key for signer in superblock.signers() for key in verifier_keys(signer, origin)]

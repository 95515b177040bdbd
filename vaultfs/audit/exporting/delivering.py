"""Deliveries: the log of a vault brought to a receiver, each event at least once, from a durable cursor on.

Nothing is queued. The log itself is what waits when a receiver is away, and no lock of the vault is held while messages
are sent: a slow receiver holds its own delivery back, and nothing else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vaultfs_format import merkle
from vaultfs_format.events.vault import LogExported, Settled
from vaultfs_format.head import Head
from vaultfs_format.merkle import CompactRange
from vaultfs_format.tlog.note import Note

from vaultfs.audit.events import NOBODYS_SESSION
from vaultfs.audit.exporting.cursors import LOCK, SUFFIX, Cursor, alone, check_name, read_cursor, write_cursor
from vaultfs.audit.exporting.logged import Encoder
from vaultfs.audit.exporting.reading import Openings, check_kept, head_of, settled, steadily
from vaultfs.audit.exporting.sinks import Sink
from vaultfs.audit.log import read_leaves
from vaultfs.audit.view import origin_of, signed_head
from vaultfs.engine.log.leaves import Leaf
from vaultfs.engine.vault import Vault
from vaultfs.errors import ArgumentInvalid, CommitmentMismatch, LogDiverged, Structure, VaultMissing
from vaultfs.vfs import Vfs, absolute

_OF_A_RUN = 2
"""Events that a run leaves itself before it sends: what it is about to send, and the settling."""

_RECORD = ".record"
"""What follows the name of a cursor in that of the file which tells the record under which is sent."""

_MAX_RECORD = 64
_TREE = frozenset({Structure.HEAD, Structure.SIGNER})


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What there is behind a tree.

    Parameters
    ----------
    events
        How many events.
    news
        Whether any is not of a delivery.
    recorded
        How many of them a run has recorded and settled and not sent to the end, where there was no news since; else 0.
    """

    events: int
    news: bool
    recorded: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a run has done.

    Parameters
    ----------
    events
        Events that were sent; 0 where there was nothing new.
    size
        Up to which leaf the log is delivered.
    """

    events: int
    size: int


class Delivery:
    """Brings the log of a vault to a receiver.

    Parameters
    ----------
    vault
        Open for writing: that its log is shown to others is recorded in it.
    name
        By which the cursor is kept: letters, digits, dots, hyphens and underscores.
    cursors
        Directory of the cursors, outside the vault, made where it is missing.
    batch
        Leaves of which the events are sent at once. The cursor moves with each batch.

    Raises
    ------
    ArgumentInvalid
    """

    def __init__(
        self,
        vault: Vault,
        name: str,
        encoder: Encoder,
        sink: Sink,
        cursors: Path | str,
        *,
        batch: int = 1000,
        vfs: Vfs | None = None,
    ) -> None:
        check_name(name)
        if batch < 1:
            raise ArgumentInvalid
        self._vault = vault
        self._encoder = encoder
        self._sink = sink
        self._batch = batch
        self._vfs = vfs or Vfs()
        self._path = absolute(cursors) / f"{name}{SUFFIX}"
        self._record_path = self._path.with_name(self._path.name + _RECORD)
        self._origin = origin_of(vault.id)
        self._nodes = merkle.audit_nodes(vault.engine.suite)
        self._openings = Openings(vault)

    def run(self) -> Delivered:
        """Send what was settled since the last run, and a signed checkpoint; that it is sent is recorded first.

        Where nothing has happened since but deliveries, nothing is sent and nothing recorded. What is recorded while
        it runs is left to the next run. After an error the next run goes on behind the last batch that was taken; what
        was sent after it is sent again, in the same bytes, and under the same record where nothing has happened since.

        Raises
        ------
        LogDiverged
            The log has not grown from what was delivered: nothing was sent.
        DeliveryOvertaken
            The log was pruned beyond what was delivered: events are lost for the receiver.
        CursorDamaged, DeliveryBusy
        ReceiverFailed, or another error of the sink
        CommitmentMismatch, VaultDamaged, WriterPoisoned, Closed
        StorageFull, StorageReadOnly, StorageFailed
        """
        vault = self._vault
        vault.engine.check_writable()
        with self._alone():
            tree = self._delivered()
            vault.merge_access_logs()
            waiting = self._waiting(tree)
            if not waiting.news and not waiting.recorded:
                return Delivered(0, tree.size)
            count = waiting.recorded
            if not count:
                count = waiting.events + _OF_A_RUN
                recorded = self._record(count)
                vault.settle()
                self._vfs.replace(self._record_path, _told_of(recorded))
            self._send(tree, count)
            return Delivered(count, tree.size)

    def resend(self, missing: Iterable[range]) -> int:
        """Send events again that a receiver has lost (`reconcile` says which); return how many there were.

        Of indexes that are of no event, or of none that a run has sent, nothing is sent. The cursor stays.

        Raises
        ------
        LogDiverged, DeliveryOvertaken, CursorDamaged, DeliveryBusy
        ReceiverFailed, or another error of the sink
        CommitmentMismatch, VaultDamaged, WriterPoisoned, Closed
        StorageFull, StorageReadOnly, StorageFailed
        """
        vault = self._vault
        vault.engine.check_writable()
        with self._alone():
            tree = self._delivered()
            self._waiting(tree)
            first = head_of(vault).first_leaf
            wanted = _merged(range(max(one.start, first), min(one.stop, tree.size)) for one in missing)
            events = sum(1 for leaf in self._between(wanted) if _is_within(wanted, leaf) and leaf.event is not None)
            if not events:
                return 0
            self._record(events)
            openings = Openings(vault)
            for leaves in _batches(self._between(wanted), self._batch):
                within = {leaf.index for leaf in leaves if _is_within(wanted, leaf)}
                messages = [self._encoder.event(one) for one in openings.logged(leaves) if one.index in within]
                if messages:
                    self._sink.send(messages)
            return events

    def _alone(self) -> AbstractContextManager[None]:
        return alone(self._vfs, self._path.with_name(self._path.name + LOCK))

    def _delivered(self) -> CompactRange:
        """Return the tree up to where the log was delivered: of the leaves that were pruned, where nothing was yet."""
        head, cursor = head_of(self._vault), read_cursor(self._vfs, self._path)
        if cursor is None:
            return head.pruned_tree()
        if cursor.origin != self._origin or cursor.size > head.tree_size:
            raise LogDiverged(size=cursor.size)
        check_kept(head, cursor.size)
        return cursor.tree(self._nodes)

    def _waiting(self, tree: CompactRange) -> _Waiting:
        """Return what there is behind a tree.

        Raises
        ------
        LogDiverged
            The log has not grown from the tree.
        """
        return steadily(self._vault, lambda head: self._counted(head, tree))

    def _counted(self, head: Head, tree: CompactRange) -> _Waiting:
        check_kept(head, tree.size)
        record = self._last_record()
        events, news, own, recorded = 0, False, False, 0
        try:
            for leaf in read_leaves(self._vault, tree):
                events += leaf.event is not None
                match leaf.event:
                    case None:
                        pass
                    case LogExported() as event:
                        own |= _told_of(event) == record
                    case Settled():
                        if own and not recorded and leaf.index < head.tree_size:
                            recorded = events
                    case _:
                        news, own, recorded = True, False, 0
        except CommitmentMismatch as error:
            if error.facts.get("structure") in _TREE:
                raise LogDiverged(size=tree.size) from None
            raise
        return _Waiting(events, news, recorded)

    def _last_record(self) -> bytes:
        """Return what tells the last record of a run; nothing where there was none."""
        try:
            return self._vfs.read(self._record_path, _MAX_RECORD)
        except VaultMissing:
            return b""

    def _record(self, events: int) -> LogExported:
        engine = self._vault.engine
        event = LogExported(engine.options.clock(), NOBODYS_SESSION, 0, events)
        self._vault.record([event], durable=True)
        return event

    def _send(self, tree: CompactRange, count: int) -> None:
        """Send so many events behind a tree, which grows with what was taken, and the checkpoint of the head."""
        engine = self._vault.engine
        with engine.lock:
            engine.check_writable()
            size, note = engine.head.tree_size, signed_head(engine)
        openings, messages = self._openings, list[bytes]()
        self._openings = Openings(self._vault)  # after an error it begins further back than these have come
        for leaves in _batches(_first_events(settled(self._vault, tree.size, size), count), self._batch):
            if messages:
                self._take(messages, tree)
            logged = openings.logged(leaves)
            messages = [self._encoder.event(one) for one in logged]
            tree.extend(merkle.audit_leaves(engine.suite, (leaf.entry.encode() for leaf in leaves)))
        self._take([*messages, self._checkpoint(size, note)], tree)
        self._openings = openings

    def _checkpoint(self, size: int, note: Note) -> bytes:
        return self._encoder.checkpoint(self._origin, size, note)

    def _take(self, messages: Sequence[bytes], tree: CompactRange) -> None:
        """Send messages, and move the cursor behind them once they are taken."""
        self._sink.send(messages)
        write_cursor(self._vfs, self._path, Cursor.of(self._origin, tree))

    def _between(self, wanted: Sequence[range]) -> Iterator[Leaf]:
        """Return the leaves from the first to the last that is wanted."""
        return settled(self._vault, wanted[0].start, wanted[-1].stop) if wanted else iter(())


def _told_of(event: LogExported) -> bytes:
    """Return by what a record of a run is known again."""
    return b"%d %d" % (event.at, event.events)


def _batches(leaves: Iterator[Leaf], size: int) -> Iterator[list[Leaf]]:
    while batch := list(islice(leaves, size)):
        yield batch


def _first_events(leaves: Iterator[Leaf], count: int) -> Iterator[Leaf]:
    """Yield leaves up to before the event that follows the first so many."""
    for leaf in leaves:
        if leaf.event is not None:
            if not count:
                return
            count -= 1
        yield leaf


def _is_within(ranges: Sequence[range], leaf: Leaf) -> bool:
    at = bisect_right(ranges, leaf.index, key=lambda one: one.start)
    return at > 0 and leaf.index in ranges[at - 1]


def _merged(ranges: Iterable[range]) -> list[range]:
    """Return ranges in order, those that meet as one."""
    merged: list[range] = []
    for one in sorted((one for one in ranges if one), key=lambda one: one.start):
        if merged and one.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, one.stop))
        else:
            merged.append(one)
    return merged

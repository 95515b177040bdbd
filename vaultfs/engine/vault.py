"""An open vault: used through sessions, settled, maintained, closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from vaultfs_format.events.vault import LogPruned, Settled, VaultClosed
from vaultfs_format.head import Head, SegmentRow

from vaultfs import processes
from vaultfs.access.policy import Policy
from vaultfs.audit.events import NOBODYS_SESSION, NOTHING, Event, encode_event
from vaultfs.context import UNSTATED, Attest, Context, ContextTokens
from vaultfs.engine.committing.committer import Committer
from vaultfs.engine.committing.grouping import Intent
from vaultfs.engine.committing.writing import WritingSession
from vaultfs.engine.custody.destroying import destroy_outdated
from vaultfs.engine.custody.epochs import Destruction, oldest_copy
from vaultfs.engine.custody.guarding import Guard
from vaultfs.engine.custody.lives import KeptLives
from vaultfs.engine.custody.rekeying import Keys
from vaultfs.engine.engine import Condition, Engine, Options
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.indexing.indexfiles import abandon_build, build_index, open_index
from vaultfs.engine.log.logbase import Pruning
from vaultfs.engine.log.merging import MERGING, Merged, Merger
from vaultfs.engine.opening import rebuild
from vaultfs.engine.opening.starting import start
from vaultfs.engine.opening.unlocking import Held
from vaultfs.engine.reading.attesting import tokens_of
from vaultfs.engine.reading.state import Census, State, States
from vaultfs.engine.settling.retired import sweep_retired
from vaultfs.engine.settling.settle import as_it_is, settle
from vaultfs.engine.settling.space import Space, measure
from vaultfs.engine.settling.upkeep import Upkeep
from vaultfs.errors import (
    IndexDamaged,
    KeyExpired,
    VaultDamaged,
    VaultError,
)
from vaultfs.keys.lifecycle import KeyKind
from vaultfs.keys.recipients import Unlocker
from vaultfs.metrics import Counter, Gauge, Timing, timed
from vaultfs.model import Principal
from vaultfs.vfs import Vfs, WriterLock, absolute

if TYPE_CHECKING:
    from vaultfs.storage.maintenance import Maintenance

T = TypeVar("T")

_LAST_WAIT = 2.0
"""Seconds that the end of the process waits for a thread that is writing."""


class Vault:
    """An open vault. Made by `vaultfs.create` and `vaultfs.open`; sessions and `settle` may be used from any thread."""

    def __init__(
        self,
        vfs: Vfs,
        layout: Layout,
        held: Held,
        index: Path,
        lock: WriterLock,
        policy: Policy,
        options: Options,
        rotation: Unlocker | None = None,
    ) -> None:
        self._lock = lock
        self._policy = policy
        self._rotation = rotation
        self._index_path = index
        self.engine = Engine(vfs, layout, held, open_index(index), options)
        self._census = Census(self.engine)
        self.states = States(self.engine, self._census.tokens)
        self.lives = KeptLives(self.engine, self.state, self.commit)
        self.guard = Guard(self.lives, self.record, options.clock)
        self.committer = Committer(self.engine, self.states.version, self.lives.check_protect, self._settle_grown)
        self._merger = Merger(self.engine, self.states, self.commit, held.inbox)
        self._upkeep = Upkeep(self.engine, index)
        self._settling = False
        self._rebuilt = False
        try:
            start(self)
        except BaseException:
            with self.engine.lock:
                self._release()
            raise
        processes.finish_at_exit(self)

    # Opening and closing.

    def close(self) -> None:
        """Write the closing record and let go of everything. A poisoned writer is let go as it is.

        Raises
        ------
        Forked
            The vault is the parent's to close.
        StorageFull, StorageFailed
            All that was acknowledged is there; it is closed all the same.
        """
        engine = self.engine
        if engine.closed:
            return
        engine.check()
        with engine.lock:
            self._close()

    def _close(self) -> None:
        engine = self.engine
        try:
            if not (engine.closed or engine.poisoned):
                self._merge(engine.layout.journals)
                self.note(VaultClosed)
                self.committer.sync()
                if engine.active is not None:
                    engine.active.journal.close_with_record()
                    engine.active.journal.secure_mirror()
        finally:
            self._release()

    def _release(self) -> None:
        """Let go of everything: of the lock last, and whatever the rest ends in."""
        engine = self.engine
        engine.condition = Condition.CLOSED
        with ExitStack() as stack:
            stack.callback(self._lock.release)
            stack.callback(engine.chain.wipe)
            stack.callback(engine.signing.wipe)
            stack.callback(self._merger.close)
            stack.callback(engine.index.close)
            for live in engine.live:
                stack.callback(live.journal.close)
            stack.callback(engine.store.close)
            stack.callback(engine.parts.close)
            stack.callback(self.committer.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Vault {self.id.hex()}>"

    # Using.

    @property
    def id(self) -> bytes:
        """The vault's random id."""
        return self.engine.vault_id

    @property
    def condition(self) -> Condition:
        """What the vault can do now."""
        return self.engine.condition

    @property
    def path(self) -> Path:
        """The vault's directory."""
        return self.engine.layout.root

    def session(
        self,
        principal: Principal,
        purpose: str,
        *,
        strict: bool = False,
        context: Context = UNSTATED,
        attest: Attest | None = None,
    ) -> WritingSession:
        """Open a session: who acts, and why.

        Parameters
        ----------
        purpose
            Purpose of use, such as a code of HL7 v3-PurposeOfUse: TREAT, HPAYMT, HOPERAT, HRESCH ...
        strict
            Return data only when the audit event of the read is durable; else within `Options.sync_bound` seconds.
        context
            Where the person acts, and of which encounter and order.
        attest
            Has the acting person sign the statement that it is given, `statement_of` the event that opens the session.
            The vault keeps the signature and does not verify it: persons' keys are the host's.

        Raises
        ------
        AttestationFailed
            `attest` gave no signature; that is recorded.
        ArgumentInvalid, Closed
        """
        self.engine.check()
        return WritingSession(self, principal, purpose, self._policy, strict=strict, context=context, attest=attest)

    def context_tokens(self, context: Context) -> ContextTokens:
        """Return what stands for a context in the events of sessions of the present epoch, to look for it there."""
        self.engine.check()
        return tokens_of(self.engine.chain, context)

    def settle(self) -> int:
        """Turn the journals into segments; return how many segments were written.

        Raises
        ------
        StorageFull
            All is as it was; settle again when there is space.
        StorageFailed, VaultDamaged, WriterPoisoned
            All that was acknowledged is there; the vault must be opened again.
        """
        return self._merge_and_settle()

    def _merge_and_settle(self, seconds: float | None = None) -> int:
        """Settle, and merge access logs before, for so many seconds."""
        self.engine.check_writable()
        with self.engine.lock:
            self.engine.check_writable()
            self._merge(self.engine.layout.journals, seconds)
            return self._settle(as_it_is) if self.engine.live else 0

    def prune(self, pruning: Pruning) -> None:
        """Settle into a head that lacks the oldest part of the log. Call under the lock. Errors are those of `settle`.

        Parameters
        ----------
        pruning
            As it was prepared for the head in force.
        """
        self._settle(as_it_is, pruning=pruning)

    def _settle(
        self, amended: Callable[[Head], Head], renewing: Sequence[SegmentRow] = (), pruning: Pruning | None = None
    ) -> int:
        """Settle into a head that is amended, and seal segments anew. Call under the lock; it has a head of its own."""
        self.engine.index.forget_dead_readers()
        self._settling = True
        try:
            if pruning is not None:
                first, since = pruning.base.first_leaf, pruning.base.since
                self.note(LogPruned, first, first - self.engine.head.first_leaf, since)
            self.note(Settled)
            metrics = self.engine.metrics
            with timed(metrics, Timing.SETTLE):
                written = settle(self.engine, amended, renewing, pruning)
            metrics.add(Counter.SEGMENTS_WRITTEN, written)
            metrics.set(Gauge.SEGMENTS, len(self.engine.head.segments))
            metrics.set(Gauge.JOURNAL_BYTES, 0)
            self._upkeep.look()
            return written
        finally:
            self._settling = False

    def retire(self) -> Destruction:
        """Destroy what no copy of the vault that is known needs: secrets of earlier epochs, and tables put away."""
        with self.engine.lock:
            self.engine.check_writable()
            retired = destroy_outdated(self)
            sweep_retired(self.engine, oldest_copy(self.engine))
            return retired

    def _settle_grown(self) -> None:
        """Settle after a commit, which is acknowledged whatever comes of this: a failure shows at the next one."""
        if not self._settling:
            with suppress(VaultError):
                self._merge_and_settle(MERGING)

    def merge_access_logs(self, directory: Path | str | None = None, *, seconds: float | None = None) -> Merged:
        """Take the events that readers have recorded into the vault's log, each once; durable when this returns.

        The vault does so itself when it is opened, settled and closed, for the access logs that lie in it: for a while
        where somebody waits for something else, so that readers may be faster than it is.

        Parameters
        ----------
        directory
            Where readers kept their access logs, if elsewhere.
        seconds
            For how long; what is left comes the next time. None: until all is done that there is now.

        Raises
        ------
        VaultMissing
            There is no such directory.
        ArgumentInvalid
            No directory can have that path.
        StorageFull, StorageFailed, CommitUnknown, WriterPoisoned
        """
        self.engine.check_writable()
        with self.engine.lock:
            self.engine.check_writable()
            return self._merge(self.engine.layout.journals if directory is None else absolute(directory), seconds)

    def _merge(self, directory: Path, seconds: float | None = None) -> Merged:
        """Merge access logs; what that commits does not begin a settling, which would merge them too."""
        settling, self._settling = self._settling, True
        try:
            return self._merger.merge(directory, seconds)
        finally:
            self._settling = settling

    def rebuild_index(self) -> None:
        """Make the index from the files; the present one serves until the new one is complete.

        Raises
        ------
        VaultDamaged, FormatError, NotAuthentic
            A file is damaged; the present index stays.
        """
        engine = self.engine
        engine.check_writable()
        with engine.lock:
            engine.check_writable()
            old, new = engine.index, build_index(self._index_path)
            try:
                with timed(engine.metrics, Timing.REBUILD):
                    rebuild.build(engine, new)
            except BaseException:
                abandon_build(self._index_path, new)
                raise
            self._upkeep.put_in_place(old)
            engine.metrics.add(Counter.INDEX_REBUILDS)

    @property
    def maintenance(self) -> Maintenance:
        """What the vault needs from time to time: scrubbing, repair, settling."""
        from vaultfs.storage.maintenance import Maintenance  # it stands on this module

        return Maintenance(self)

    @property
    def keys(self) -> Keys:
        """The recipients of the vault: who can open it, and how others are added."""
        return Keys(self, self._settle)

    def space(self) -> Space:
        """Return what the vault occupies, by layer."""
        with self.engine.lock:
            self.engine.check()
            return measure(self.engine)

    def note(self, kind: Callable[..., Event], *about: int) -> None:
        """Record an act of the vault itself: an event of a class, with what it has beside time and session."""
        self.record([kind(self.engine.options.clock(), NOBODYS_SESSION, *about)], durable=False)

    def record(self, events: Sequence[Event], *, durable: bool) -> None:
        """Write audit events, durably or so that they become durable within `Options.sync_bound`."""
        self.committer.commit(Intent([], NOTHING, [encode_event(event) for event in events], durable=durable))
        self._upkeep.after_commit()

    def state(self, namespace: str, key: bytes) -> State:
        """Return a control state that the vault keeps for itself."""
        return self.steady(lambda: self.states.read(namespace, key))

    def commit(self, intent: Intent) -> int:
        """Commit an intent and return its commit number; where its period is over and that is wanted, turn the epoch.

        Raises
        ------
        KeyExpired, KeyNotUsable
            Nothing was written: the key of the epoch may not protect anything any more.
        """
        with self.guard.recording(self.lives.refusing):
            try:
                number = self.committer.commit(intent)
            except KeyExpired:
                self.lives.record_passed_in_use()
                if self._rotation is None:
                    raise
                self._turn_expired(self._rotation)
                number = self.committer.commit(intent)
        self._census.learn(intent.states.keys())
        self._upkeep.after_commit()
        return number

    def _turn_expired(self, rotation: Unlocker) -> None:
        """Turn the epoch, unless a thread that met the end of the period as well has done so.

        Raises
        ------
        KeyExpired, KeyNotUsable
            It is not wanted at the end of this period; or the key is suspended meanwhile.
        """
        with self.engine.maintained():
            try:
                with self.engine.lock:
                    self.lives.check_protect()
            except KeyExpired:
                if not self.lives.rotates():
                    raise
                self.keys.turn(rotation, new_signer=self.lives.refusing() is KeyKind.SIGNER)

    def finish(self) -> None:
        """Make buffered events durable, at the end of a process that has not closed the vault."""
        engine = self.engine
        if not engine.closed and engine.lock.acquire(timeout=_LAST_WAIT):
            try:
                with suppress(VaultError):
                    self.committer.sync()
            finally:
                engine.lock.release()

    def steady(self, read: Callable[[], T]) -> T:
        """Return what `read` returns; run it again where a settling moved frames, or the index had to be rebuilt.

        Raises
        ------
        VaultDamaged
            The files themselves do not hold what they should.
        """
        engine = self.engine
        with suppress(IndexDamaged):
            return read()
        engine.metrics.add(Counter.RETRIES)
        with engine.lock:  # nothing moves now
            engine.check()
            with suppress(IndexDamaged):
                return read()
            self._rebuild_once()
            try:
                return read()
            except IndexDamaged:
                raise VaultDamaged from None

    def _rebuild_once(self) -> None:
        """Rebuild an index that was found wrong; one that this process has built is not what is wrong."""
        if self._rebuilt:
            raise VaultDamaged
        self._rebuilt = True
        self.rebuild_index()

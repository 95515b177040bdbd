"""A reader: a vault that another process may be writing, open for reading alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from vaultfs_format.events.vault import ReaderOpened

from vaultfs.access.policy import DenyAll, Policy
from vaultfs.audit.events import NOBODYS_SESSION, Event
from vaultfs.context import UNSTATED, Attest, Context, ContextTokens
from vaultfs.engine.custody.guarding import Guard
from vaultfs.engine.custody.lives import Lives
from vaultfs.engine.engine import Condition, Options, View
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.indexing.index import Index
from vaultfs.engine.indexing.indexfiles import discard
from vaultfs.engine.indexing.readable import index_for_reading
from vaultfs.engine.log.accesslog import AccessLog
from vaultfs.engine.opening.following import Follower
from vaultfs.engine.opening.snapshot import private_path, take_snapshot
from vaultfs.engine.opening.unlocking import Opener, Unlocked
from vaultfs.engine.reading.attesting import tokens_of
from vaultfs.engine.reading.session import Session
from vaultfs.engine.reading.state import Census, State, States
from vaultfs.errors import (
    FormatError,
    IndexDamaged,
    IndexMissing,
    NotAuthentic,
    StorageReadOnly,
    VaultDamaged,
    VaultError,
    VaultMissing,
)
from vaultfs.keys.chain import KeyChain
from vaultfs.keys.recipients import Unlocker
from vaultfs.keys.stores import Anchor, EpochStore
from vaultfs.kinds import decode_names
from vaultfs.model import Principal
from vaultfs.vfs import Vfs, absolute, converted

T = TypeVar("T")

WAITS = (0.0, 0.001, 0.005, 0.02, 0.1, 0.3, 1.0, 2.0)
"""Seconds before each new attempt at a read that met something which had moved; after the last it fails."""

_STALE = (IndexDamaged, VaultDamaged, FormatError, NotAuthentic)
"""What reading something that has just moved can look like."""


def open_reader(
    path: Path | str,
    *,
    unlock: Unlocker,
    epoch_stores: Sequence[EpochStore] = (),
    policy: Policy | None = None,
    index: Path | str | None = None,
    access_log: Path | str | None = None,
    anchors: Sequence[Anchor] = (),
    accept_risk: bool = False,
    options: Options | None = None,
    vfs: Vfs | None = None,
) -> Reader:
    """Open a vault for reading, beside the process that writes it and other readers.

    Parameters
    ----------
    index
        A directory where the index lies, if the writer keeps it elsewhere; or where this reader may make one of its own
        when the vault's cannot be used. With one of its own a reader sees the vault as it was when it was opened.
    access_log
        A directory for the records of who read what; by default it lies in the vault, and whoever opens the vault for
        writing takes it over. One elsewhere is handed over by `Vault.merge_access_logs`.
    accept_risk
        As of `vaultfs.open`.

    Raises
    ------
    ArgumentInvalid
        No file can have one of the paths.
    RolledBack
        The vault is older than it was when one of `anchors`, or an epoch store, last saw it.
    WitnessSilent
        As of `vaultfs.open`.
    AccessLogMissing
        The vault cannot be written to, so that reads could not be recorded.
    IndexMissing, StorageReadOnly
        The vault has no index that can be used, and `index` does not say where to make one.
    KeyExpired, KeyNotUsable
        The vault says that no recipient which `unlock` is may be used any more; this is recorded.
    VaultMissing, NoRecipientMatches, EpochSecretMissing, VaultDamaged, NotAuthentic, Unsupported
    """
    place, files = absolute(path), vfs or Vfs()
    layout = Layout(place)
    own = None if index is None else absolute(index)
    directory = layout.journals if access_log is None else absolute(access_log)
    with converted():
        if not place.is_dir():
            raise VaultMissing
    choice = options or Options()
    opener = Opener(files, layout, unlock, epoch_stores, anchors, choice.metrics)
    unlocked = opener.unlock()
    chain, _ = opener.keys(unlocked)
    source = _Source(files, layout, opener, unlocked, chain, choice)
    with ExitStack() as stack:
        followed = source.follow([layout.index] if own is None else [own, layout.index])
        if isinstance(followed, VaultError):
            if own is None:
                raise followed
            reading: _Followed | _Frozen = source.freeze(own)
        else:
            reading = followed
        stack.callback(reading.close)
        if access_log is not None:
            files.make_directory(directory)
        log = AccessLog(files, directory, unlocked.head, unlocked.superblock.inbox(), chain.access_key, choice)
        stack.pop_all()
    reader = Reader(reading, log, policy or DenyAll())
    try:
        reader.guard.admit(unlocked.superblock, unlock, accept_risk=accept_risk)
        log.record([ReaderOpened(choice.clock(), NOBODYS_SESSION)], durable=False)
    except BaseException:
        reader.close()
        raise
    return reader


class _Frozen:
    """A view of the vault as it was when it was opened, by an index of its own."""

    def __init__(self, view: View, path: Path) -> None:
        self.view = view
        self.states = States(view, Census(view).tokens)
        self._path = path

    def steady(self, read: Callable[[], T]) -> T:
        """Return what `read` returns: nothing moves but what a settling has removed since."""
        try:
            return read()
        except IndexDamaged:
            self.view.check()
            raise VaultDamaged from None

    def state(self, namespace: str, key: bytes) -> State:
        """Return a control state that the vault keeps for itself."""
        self.view.check()
        return self.steady(lambda: self.states.read(namespace, key))

    def close(self) -> None:
        """Let go of everything, and remove the index."""
        self.view.store.close()
        for live in self.view.live:
            live.journal.close()
        self.view.index.close()
        with suppress(VaultError):
            discard(self._path)

    def wipe(self) -> None:
        """Wipe the keys."""
        self.view.chain.wipe()


class _Followed:
    """A view of the vault that keeps up with the process that writes it."""

    def __init__(self, view: View, follower: Follower) -> None:
        self.view = view
        self.states = States(view, follower.state_tokens)
        self._follower = follower

    def renew(self) -> None:
        """Bring the view up to date."""
        with self.view.lock:
            self.view.check()
            self._follower.renew()

    def steady(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, none of it older than this call.

        Raises
        ------
        IndexDamaged, VaultDamaged, FormatError, NotAuthentic
            Whatever was tried, files and index did not fit together.
        """
        follower = self._follower
        failure: VaultError = IndexDamaged()
        renew = follower.moved()
        for wait in WAITS:
            if wait:  # a sleep of no length gives the processor away
                time.sleep(wait)
            turn = follower.turn
            try:
                if renew:
                    self.renew()
                    turn = follower.turn
                result = read()
            except VaultError as error:
                if not isinstance(error, _STALE) and turn == follower.turn:
                    raise
                failure = error
            else:
                if turn == follower.turn:
                    return result
            renew = True
        raise failure

    def state(self, namespace: str, key: bytes) -> State:
        """Return a control state that the vault keeps for itself."""
        self.view.check()
        return self.steady(lambda: self.states.read(namespace, key))

    def close(self) -> None:
        """Let go of everything."""
        self.view.store.close()
        self._follower.close()
        self.view.index.close()

    def wipe(self) -> None:
        """Wipe the keys."""
        self.view.chain.wipe()
        self._follower.wipe()


def _opened(path: Path) -> Index:
    """Open the index of another process, which may be giving it a new file at this moment."""
    failure: VaultError = IndexMissing()
    for wait in WAITS[:5]:
        time.sleep(wait)
        try:
            return index_for_reading(path)
        except (IndexMissing, IndexDamaged) as error:
            failure = error
    raise failure


class _Source:
    """What the views of one vault are made of."""

    def __init__(
        self, vfs: Vfs, layout: Layout, opener: Opener, unlocked: Unlocked, chain: KeyChain, options: Options
    ) -> None:
        self._vfs = vfs
        self._layout = layout
        self._opener = opener
        self._unlocked = unlocked
        self._chain = chain
        self._options = options

    def _view(self, index: Index) -> View:
        names = decode_names(self._chain.registry)
        return View(self._vfs, self._layout, self._unlocked.head, self._chain, names, index, self._options)

    def follow(self, paths: Sequence[Path]) -> _Followed | VaultError:
        """Return a view by the first index that the writer keeps, or why there is none."""
        failure: VaultError = IndexMissing()
        for path in paths:
            try:
                view = self._view(_opened(path))
            except (IndexMissing, IndexDamaged, StorageReadOnly) as error:
                failure = error
                continue
            followed = _Followed(view, Follower(view, path, self._opener, self._unlocked))
            try:
                followed.steady(followed.renew)
            except VaultError as error:
                followed.close()
                failure = error
                continue
            return followed
        return failure

    def freeze(self, directory: Path) -> _Frozen:
        """Return a view by an index that is made for it alone."""
        failure: VaultError = IndexDamaged()
        for wait in WAITS:
            time.sleep(wait)
            self._unlocked = self._opener.follow(self._unlocked)
            path = private_path(self._unlocked.head.vault_id, directory)
            index = Index(path)
            view = self._view(index)
            try:
                take_snapshot(view, index)
            except BaseException as error:
                index.close()
                discard(path)
                if not isinstance(error, IndexDamaged):
                    raise
                failure = error
            else:
                return _Frozen(view, path)
        raise failure


class Reader:
    """A vault that is open for reading. Made by `open_reader`; sessions may be used from any thread."""

    def __init__(self, reading: _Followed | _Frozen, log: AccessLog, policy: Policy) -> None:
        self._reading = reading
        self._log = log
        self._policy = policy
        self.engine = reading.view
        self.states = reading.states
        self.lives = Lives(reading.view, reading.state)
        self.guard = Guard(self.lives, log.record, reading.view.options.clock)

    @property
    def id(self) -> bytes:
        """The vault's random id."""
        return self.engine.vault_id

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
    ) -> Session:
        """Open a session: who reads, and why. Parameters and errors as of `Vault.session`."""
        self.engine.check()
        return Session(self, principal, purpose, self._policy, strict=strict, context=context, attest=attest)

    def context_tokens(self, context: Context) -> ContextTokens:
        """Return what stands for a context in the events of sessions of the present epoch, to look for it there."""
        self.engine.check()
        return tokens_of(self.engine.chain, context)

    def steady(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, none of it older than this call."""
        self.engine.check()
        return self._reading.steady(read)

    def record(self, events: Sequence[Event], *, durable: bool) -> None:
        """Write audit events to the access log."""
        self.engine.check()
        self._log.record(events, durable=durable)

    def close(self) -> None:
        """Make the access log durable and let go of everything.

        Raises
        ------
        Forked
            The reader is the parent's to close.
        StorageFull, StorageFailed
            It is closed all the same.
        """
        if self.engine.closed:
            return
        self.engine.check()
        with self.engine.lock:
            self.engine.condition = Condition.CLOSED
            try:
                self._log.close()
            finally:
                self._reading.close()
                self._reading.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Reader {self.id.hex()}>"

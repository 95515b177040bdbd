"""The vault: created, opened, used through sessions, settled, closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from vaultfs_format.epoch import epoch_root
from vaultfs_format.head import Head

from vaultfs.access.policy import DenyAll, Policy
from vaultfs.audit.events import Event, EventType, encode_event, sealable
from vaultfs.engine import rebuild, reserve
from vaultfs.engine.committer import Committer
from vaultfs.engine.create import create_files
from vaultfs.engine.engine import Condition, Engine, Options
from vaultfs.engine.grouping import Intent
from vaultfs.engine.heads import heal_head, read_heads, read_keyring, read_superblock
from vaultfs.engine.index import Container, ContainerKind, Stamp, abandon_build, build_index, install, open_index
from vaultfs.engine.litter import sweep
from vaultfs.engine.paths import Layout
from vaultfs.engine.recovery import open_journals, secure_names
from vaultfs.engine.session import Session
from vaultfs.engine.settle import settle
from vaultfs.engine.space import Space, measure
from vaultfs.engine.state import States
from vaultfs.errors import (
    EpochSecretMissing,
    IndexDamaged,
    NotAuthentic,
    StorageFull,
    VaultDamaged,
    VaultError,
    VaultMissing,
)
from vaultfs.keys.chain import KeyChain
from vaultfs.keys.recipients import Passphrase
from vaultfs.keys.stores import DirectoryStore, EpochStore
from vaultfs.kinds import decode_names
from vaultfs.model import Principal
from vaultfs.vfs import Vfs, WriterLock, converted

T = TypeVar("T")

MAX_LIVE_JOURNALS = 16
"""Journals of earlier processes after which opening settles them."""

_NOBODYS_SESSION = bytes(16)


def default_store(path: Path) -> Path:
    """Return where the epoch store of a vault lies unless the host says otherwise: beside it."""
    return path.with_name(path.name + ".epoch")


def create(
    path: Path | str,
    *,
    recipients: Sequence[Passphrase],
    epoch_stores: Sequence[EpochStore] = (),
    policy: Policy | None = None,
    kinds: Sequence[str] = (),
    media_types: Sequence[str] = (),
    options: Options | None = None,
    vfs: Vfs | None = None,
) -> Vault:
    """Create a vault and open it.

    Parameters
    ----------
    path
        A directory that does not exist yet.
    recipients
        Who can open it; at least one.
    epoch_stores
        Where the epoch secret is kept; by default a directory beside the vault, which should be moved to another
        medium, since a backup that holds both gives disposed records back.
    policy
        Decides every access; by default nothing is permitted.
    kinds, media_types
        Names that this vault knows beside the built-in ones.

    Raises
    ------
    VaultExists, ArgumentInvalid, StorageFull, StorageReadOnly, StorageFailed
    """
    place, files = Path(path).absolute(), vfs or Vfs()
    stores = epoch_stores or [DirectoryStore(default_store(place), files)]
    create_files(files, place, recipients, stores, kinds, media_types)
    vault = open(place, unlock=recipients[0], epoch_stores=stores, policy=policy, options=options, vfs=files)
    try:
        vault.note(EventType.VAULT_CREATED)
    except BaseException:
        vault.close()
        raise
    return vault


def open(  # noqa: A001 - the word for it; used as vaultfs.open
    path: Path | str,
    *,
    unlock: Passphrase,
    epoch_stores: Sequence[EpochStore] = (),
    policy: Policy | None = None,
    index: Path | str | None = None,
    wait: float = 0.0,
    options: Options | None = None,
    vfs: Vfs | None = None,
) -> Vault:
    """Open a vault for reading and writing. One process at a time can.

    Parameters
    ----------
    index
        Where the index lies; by default in the vault. Needed where the vault is on a network file system.
    wait
        Seconds to wait for another writer.

    Raises
    ------
    VaultMissing, WriterBusy, NoRecipientMatches, EpochSecretMissing, VaultDamaged, NotAuthentic, Unsupported
    """
    place, files = Path(path).absolute(), vfs or Vfs()
    layout = Layout(place)
    with converted():
        if not place.is_dir():
            raise VaultMissing
    read_heads(files, layout)
    lock = WriterLock(layout.lock)
    lock.acquire(wait)
    try:
        secure_names(files, layout)
        stores = epoch_stores or [DirectoryStore(default_store(place), files)]
        head, data, top = _authentic_head(files, layout, unlock, stores)
        heal_head(files, layout, data)
        keyring = read_keyring(files, layout, head)
        chain = KeyChain(head.suite, head.epoch, top, keyring)
        where = Path(index).absolute() if index is not None else layout.index
        return Vault(files, layout, head, chain, where, lock, policy or DenyAll(), options or Options())
    except BaseException:
        lock.release()
        raise


def _authentic_head(
    vfs: Vfs, layout: Layout, unlock: Passphrase, stores: Sequence[EpochStore]
) -> tuple[Head, bytes, bytes]:
    """Return the newest head that was written with the vault's keys, its bytes, and the epoch root."""
    failures: list[VaultError] = []
    for head, data in read_heads(vfs, layout):
        try:
            superblock, superblock_data = read_superblock(vfs, layout, head)
            root_key = unlock.unlock(superblock)
            superblock.verify(superblock_data, root_key)
            top = epoch_root(head.suite, root_key, _secret(head, stores), head.vault_id, head.epoch)
            head.verify(data, top)
        except (NotAuthentic, VaultDamaged, VaultMissing) as error:
            failures.append(error)
        else:
            return head, data, top
    raise failures[0]


def _secret(head: Head, stores: Sequence[EpochStore]) -> bytes:
    for store in stores:
        try:
            return store.get(head.vault_id, head.epoch).secret
        except EpochSecretMissing:
            continue
    raise EpochSecretMissing(epoch=head.epoch)


class Vault:
    """An open vault. Made by `create` and `open`; sessions and `settle` may be used from any thread."""

    def __init__(
        self,
        vfs: Vfs,
        layout: Layout,
        head: Head,
        chain: KeyChain,
        index: Path,
        lock: WriterLock,
        policy: Policy,
        options: Options,
    ) -> None:
        self._lock = lock
        self._policy = policy
        self._index_path = index
        self.engine = Engine(vfs, layout, head, chain, decode_names(chain.registry), open_index(index), options)
        self.states = States(self.engine)
        self.committer = Committer(self.engine, self.states.version, self._settle_grown)
        self._settling = False
        self._rebuilt = False
        try:
            self._start()
        except BaseException:
            with self.engine.lock:
                self._release()
            raise

    # Opening and closing.

    def _start(self) -> None:
        engine = self.engine
        stamp = self._stamp()
        known = engine.index.containers() if stamp else {}
        engine.next_container = max(known, default=0) + 1
        engine.next_handle = engine.index.next_handle() if stamp else 1
        void = open_journals(engine, stamp)
        sweep(engine)
        with suppress(StorageFull):
            reserve.make(engine)
        if stamp is None:
            self.rebuild_index()
        else:
            self._resume_index(stamp, known)
        if void:
            self.note(EventType.RECOVERED, void)
        self.note(EventType.VAULT_OPENED)
        if len(engine.live) > MAX_LIVE_JOURNALS:
            self.settle()

    def _stamp(self) -> Stamp | None:
        """Return the stamp of the index if it is of this vault and this head; any other index is made anew."""
        try:
            stamp = self.engine.index.stamp()
        except IndexDamaged:
            return None
        head = self.engine.head
        if stamp is None or (stamp.vault_id, stamp.generation) != (head.vault_id, head.generation):
            return None
        return stamp

    def _resume_index(self, stamp: Stamp, known: dict[int, Container]) -> None:
        engine = self.engine
        rows = {row.segment_id: row for row in engine.head.segments}
        if not rows.keys() <= {one.file_id for one in known.values() if one.kind is ContainerKind.SEGMENT}:
            self.rebuild_index()
            return
        numbers: dict[bytes, int] = {}
        for number, one in known.items():
            if one.kind is ContainerKind.SEGMENT and one.file_id in rows:
                engine.store.add_segment(number, rows[one.file_id], one)
            elif one.kind is ContainerKind.PART:
                engine.store.add_part(number, one.file_id)
            elif one.kind is ContainerKind.JOURNAL:
                numbers[one.file_id] = number
        past_stamp = stamp.journal_id not in {live.journal.header.journal_id for live in engine.live}
        with engine.index.writing() as txn:
            for live in engine.live:
                journal_id = live.journal.header.journal_id
                if journal_id in numbers:
                    engine.store.renumber_journal(live.number, numbers[journal_id])
                    live.number = numbers[journal_id]
                if past_stamp or journal_id == stamp.journal_id:
                    after = 0 if past_stamp else stamp.group
                    rebuild.index_journal(engine, engine.index, txn, live.number, live, after, engine.part_container)
                    past_stamp = True
            engine.index.put_stamp(txn, rebuild.current_stamp(engine))

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
                self.note(EventType.VAULT_CLOSED)
                self.committer.sync()
                if engine.active is not None:
                    engine.active.journal.close_with_record()
        finally:
            self._release()

    def _release(self) -> None:
        engine = self.engine
        engine.condition = Condition.CLOSED
        self.committer.stop()
        engine.parts.close()
        for live in engine.live:
            live.journal.close()
        engine.store.close()
        engine.index.close()
        self._lock.release()

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

    def session(self, principal: Principal, purpose: str, *, strict: bool = False) -> Session:
        """Open a session: who acts, and why.

        Parameters
        ----------
        purpose
            Purpose of use, such as a code of HL7 v3-PurposeOfUse: TREAT, HPAYMT, HOPERAT, HRESCH ...
        strict
            Return data only when the audit event of the read is durable; else within `Options.sync_bound` seconds.
        """
        self.engine.check()
        return Session(self, principal, purpose, self._policy, strict=strict)

    def settle(self) -> int:
        """Turn the journals into segments; return how many segments were written.

        Raises
        ------
        StorageFull
            All is as it was; settle again when there is space.
        StorageFailed, VaultDamaged, WriterPoisoned
            All that was acknowledged is there; the vault must be opened again.
        """
        self.engine.check_writable()
        with self.engine.lock:
            self.engine.check_writable()
            if not self.engine.live:
                return 0
            self._settling = True
            try:
                self.note(EventType.SETTLED)
                return settle(self.engine)
            finally:
                self._settling = False

    def _settle_grown(self) -> None:
        """Settle after a commit, which is acknowledged whatever comes of this: a failure shows at the next one."""
        if not self._settling:
            with suppress(VaultError):
                self.settle()

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
                rebuild.build(engine, new)
            except BaseException:
                abandon_build(self._index_path, new)
                raise
            old.close()
            install(self._index_path)

    def space(self) -> Space:
        """Return what the vault occupies, by layer."""
        self.engine.check()
        return measure(self.engine)

    def note(self, kind: EventType, count: int = 0) -> None:
        """Record an act of the vault itself."""
        event = Event(int(kind), self.engine.options.clock(), _NOBODYS_SESSION, version=count)
        self.committer.commit(Intent([], sealable([encode_event(event)]), durable=False))

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
        engine.check()
        with engine.lock:  # nothing moves now
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

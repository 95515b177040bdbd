"""The front door: a vault is created, or opened for writing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vaultfs_format.events.vault import VaultCreated
from vaultfs_format.suite import SUITES

from vaultfs.access.policy import DenyAll, Policy
from vaultfs.engine.custody.epochs import holders
from vaultfs.engine.engine import Options
from vaultfs.engine.files.heads import heal_head, read_heads
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.create import create_files
from vaultfs.engine.opening.recovery import secure_names
from vaultfs.engine.opening.unlocking import Opener, default_store
from vaultfs.engine.vault import Vault
from vaultfs.errors import ArgumentInvalid, VaultMissing
from vaultfs.keys.recipients import Known, Recipient, Unlocker
from vaultfs.keys.stores import Anchor, DirectoryStore, EpochStore
from vaultfs.metrics import Gauge
from vaultfs.vfs import Vfs, WriterLock, absolute, converted


def create(
    path: Path | str,
    *,
    recipients: Sequence[Recipient],
    epoch_stores: Sequence[EpochStore] = (),
    policy: Policy | None = None,
    kinds: Sequence[str] = (),
    media_types: Sequence[str] = (),
    copies: Path | str | None = None,
    suite: str = "default",
    options: Options | None = None,
    vfs: Vfs | None = None,
) -> Vault:
    """Create a vault and open it.

    Parameters
    ----------
    path
        A directory that does not exist yet.
    recipients
        Who can open it: one to 32 of `vaultfs.keys`. Each that can open it is tried at once.
    epoch_stores
        Where the epoch secret is kept; by default a directory beside the vault, which should be moved to another
        medium, since a backup that holds both gives disposed records back.
    policy
        Decides every access; by default nothing is permitted.
    kinds, media_types
        Names that this vault knows beside the built-in ones.
    copies
        Where the second copies of small files and of what is not settled lie, and the mirrors of segments if they are
        wanted: a directory that is empty or does not exist yet, best on another disk. By default in the vault.
    suite
        The algorithms of the vault, for good: ``default``, or ``fips`` for approved ones alone.

    Raises
    ------
    VaultExists, ArgumentInvalid, AlgorithmMissing, StorageFull, StorageReadOnly, StorageFailed
    """
    place, files = absolute(path), vfs or Vfs()
    stores = epoch_stores or [DirectoryStore(default_store(place), files)]
    other = None if copies is None else absolute(copies)
    algorithms = {one.name: one for one in SUITES.values()}.get(suite)
    if algorithms is None:
        raise ArgumentInvalid
    root_key = create_files(files, place, recipients, stores, kinds, media_types, algorithms, other)
    vault = open(place, unlock=Known(root_key), epoch_stores=stores, policy=policy, options=options, vfs=files)
    try:
        vault.note(VaultCreated)
    except BaseException:
        vault.close()
        raise
    return vault


def open(  # noqa: A001 - the word for it; used as vaultfs.open
    path: Path | str,
    *,
    unlock: Unlocker,
    epoch_stores: Sequence[EpochStore] = (),
    policy: Policy | None = None,
    index: Path | str | None = None,
    wait: float = 0.0,
    anchors: Sequence[Anchor] = (),
    accept_older: bool = False,
    accept_risk: bool = False,
    rotation: Unlocker | None = None,
    options: Options | None = None,
    vfs: Vfs | None = None,
) -> Vault:
    """Open a vault for reading and writing. One process at a time can.

    Parameters
    ----------
    unlock
        Any of `vaultfs.keys` that can open it.
    anchors
        Places beside the epoch stores that are shown every new head, and know the newest; or that know what witnesses
        have cosigned of the log (`CheckpointAnchor`), which is then read once.
    accept_older
        Open the vault though it is older than it was. What was stored since then is lost; that it was accepted is
        recorded, and no record id of the lost ones is given out again.
    accept_risk
        Go on though a key that is needed is suspended or compromised, or past the date until which it may be used to
        read. That it was accepted is recorded. See `Lives`.
    rotation
        A recipient, kept in memory, with which a commit turns the epoch when the period of its key is over and the
        vault says that this is wanted (`Cryptoperiod`); without it such a commit fails.
    index
        Where the index lies; by default in the vault. Needed where the vault is on a network file system.
    wait
        Seconds to wait for another writer.

    Raises
    ------
    ArgumentInvalid
        No file can have one of the paths.
    RolledBack
        The vault is older than it was when it was last seen, or its log has not grown from what was witnessed.
    LogPrunedBefore
        The log was pruned beyond what was witnessed: nothing tells whether it has grown from that.
    WitnessSilent
        An anchor that is `Required` has seen nothing, or cannot be reached.
    KeyExpired, KeyNotUsable
        The vault says that no recipient which `unlock` is may be used any more; this is recorded.
    VaultMissing, WriterBusy, NoRecipientMatches, EpochSecretMissing, VaultDamaged, NotAuthentic, Unsupported
    """
    place, files = absolute(path), vfs or Vfs()
    layout = Layout(place)
    where = layout.index if index is None else absolute(index)
    with converted():
        if not place.is_dir():
            raise VaultMissing
    read_heads(files, layout)
    lock = WriterLock(layout.lock)
    lock.acquire(wait)
    try:
        secure_names(files, layout)
        choice = options or Options()
        opener = Opener(files, layout, unlock, epoch_stores, anchors, choice.metrics)
        unlocked = opener.unlock(accept_older=accept_older)
        heal_head(files, layout, unlocked.data, choice.metrics)
        held = opener.held(unlocked)
        choice.metrics.set(Gauge.EPOCH_STORES, holders(held.stores, held.head))
        vault = Vault(files, layout, held, where, lock, policy or DenyAll(), choice, rotation)
    except BaseException:
        lock.release()
        raise
    try:
        vault.lives.record_passed(unlocked.superblock)
        vault.guard.admit(unlocked.superblock, unlock, accept_risk=accept_risk)
    except BaseException:
        vault.close()
        raise
    return vault

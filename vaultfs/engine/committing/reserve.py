"""What goes on when the disk is full: reading, audited in a journal whose blocks were preallocated.

A write that finds no space is refused, and nothing of it counts. The journal that it hit ends before it; its successor
is the file ``journal/reserve``, renamed, so that the events of reads still become durable. Every later write first
tries to preallocate another reserve: once that succeeds the vault writes on as before.
"""

from __future__ import annotations

from vaultfs_format import limits

from vaultfs.engine.engine import Condition, Engine
from vaultfs.engine.files.journal import JournalFile
from vaultfs.engine.files.mirrors import Mirror
from vaultfs.errors import StorageFull, VaultError, VaultMissing

RESERVE = 1 * limits.MIB
"""Bytes of the reserve: a few thousand reads."""


def enter(engine: Engine) -> None:
    """Go on in the reserve after a write found no space. Call under the lock.

    Raises
    ------
    VaultError
        There is no reserve, or it cannot be used: nothing can be audited any more, and the writer is poisoned.
    """
    try:
        if engine.active is not None:
            engine.active.journal.sync()
            engine.active = None
        engine.adopt(_begun(engine), active=True)
    except BaseException:
        engine.poison()
        raise
    engine.condition = Condition.FULL


def _begun(engine: Engine) -> JournalFile:
    """Return a journal in the reserve, durable under its name.

    Raises
    ------
    StorageFull
        The reserve is used up.
    """
    header, layout = engine.next_header(), engine.layout
    keys = header.keys(engine.chain.epoch_root)
    try:
        mirror = Mirror(engine.vfs, layout.copy_of(layout.journal(header.journal_id)))
        journal = JournalFile.take(engine.vfs, layout.reserve, header, keys, RESERVE, mirror)
    except VaultMissing:
        raise StorageFull from None
    try:
        journal.sync()
        engine.vfs.rename(layout.reserve, layout.journal(header.journal_id))
    except BaseException:
        journal.close()
        raise
    return journal


def leave(engine: Engine) -> None:
    """Go back to writing if there is space for another reserve. Call under the lock.

    Raises
    ------
    StorageFull
        There is none.
    """
    make(engine)
    if engine.active is not None:
        engine.active.journal.room = None
    for live in engine.live:
        live.journal.mirror.complete(live.journal.file, live.journal.end)
    engine.condition = Condition.OPEN


def make(engine: Engine) -> None:
    """Preallocate a reserve if there is none.

    Raises
    ------
    StorageFull, StorageReadOnly, StorageFailed
    """
    path = engine.layout.reserve
    if path.name in engine.vfs.names(path.parent):
        return
    try:
        engine.vfs.preallocate(path, RESERVE)
        engine.vfs.sync_directory(path.parent)
    except VaultError:
        engine.vfs.unlink(path)
        raise


def refuse_writes(engine: Engine) -> None:
    """Refuse a write while the disk is full.

    Raises
    ------
    StorageFull
    """
    if engine.condition is Condition.FULL:
        leave(engine)

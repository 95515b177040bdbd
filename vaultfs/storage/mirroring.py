"""Mirrors of segments: with them every segment is there twice, in two places if ``copies`` lies on another disk.

Whether a vault has them is control state of its own. Settling writes them along with the segments; maintenance makes
those that are missing, and removes them where they are not wanted any more.
"""

from __future__ import annotations

import time

from vaultfs_format.events.vault import MirroringSet
from vaultfs_format.head import SegmentRow

from vaultfs.audit.events import NOBODYS_SESSION, encoded
from vaultfs.engine.committing.control import MIRRORING, OFF, ON, control_intent
from vaultfs.engine.engine import Engine
from vaultfs.engine.files.sealed import mirror_segment
from vaultfs.engine.vault import Vault
from vaultfs.errors import StorageFailed, StorageReadOnly, VaultDamaged, VaultMissing


def set_mirroring(vault: Vault, *, on: bool) -> None:
    """Decide whether segments have mirrors from now on. The present ones get theirs, or lose them, in maintenance.

    Raises
    ------
    StorageFull, StorageFailed, CommitUnknown, WriterPoisoned, Closed
    """
    engine = vault.engine
    with engine.lock:
        version = vault.steady(lambda: vault.states.read(*MIRRORING)).version
        events = encoded(engine.suite, MirroringSet(engine.options.clock(), NOBODYS_SESSION, bool(on)))
        vault.commit(control_intent(engine, *MIRRORING, ON if on else OFF, version, events))
        engine.mirroring = on


def missing_mirrors(engine: Engine) -> list[SegmentRow]:
    """Return the segments that lack the mirror that they should have, by its size."""
    return [row for row in engine.head.segments if _size(engine, row) != row.length] if engine.mirroring else []


def _size(engine: Engine, row: SegmentRow) -> int:
    try:
        return engine.vfs.size(engine.layout.copy_of(engine.layout.segment(row)))
    except (VaultMissing, StorageFailed, StorageReadOnly):
        return -1


def complete_mirrors(vault: Vault, seconds: float) -> int:
    """Make mirrors that are missing, or remove those that are not wanted, for some time; return how many.

    Parameters
    ----------
    seconds
        After which no further one is begun. One is made in any case.

    Raises
    ------
    VaultDamaged
        A segment is too damaged to be copied; the others have their mirrors.
    StorageFull, StorageReadOnly, StorageFailed, Closed
    """
    deadline = time.monotonic() + seconds
    with vault.engine.maintained():
        return _complete(vault.engine, deadline)


def _complete(engine: Engine, deadline: float) -> int:
    done = 0
    damaged: set[bytes] = set()
    while True:
        with engine.lock:
            engine.check_writable()
            if not engine.mirroring:
                return _remove_all(engine)
            row = next((row for row in missing_mirrors(engine) if row.segment_id not in damaged), None)
            if row is not None:
                try:
                    mirror_segment(engine.vfs, engine.layout, row)
                except VaultDamaged:
                    damaged.add(row.segment_id)
                else:
                    engine.store.reopen(row.segment_id)
                    done += 1
        if row is None and damaged:
            raise VaultDamaged
        if row is None or time.monotonic() >= deadline:
            return done


def _remove_all(engine: Engine) -> int:
    there = [row for row in engine.head.segments if _size(engine, row) >= 0]
    for row in there:
        engine.vfs.unlink(engine.layout.copy_of(engine.layout.segment(row)))
        engine.store.reopen(row.segment_id)
    return len(there)

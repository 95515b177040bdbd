"""The index, held against the files: a row that it has lost must not pass for something that was never there.

This counts frames, which costs little. Whether every row is right is what `vaultfs-fsck` compares, with keys.
"""

from __future__ import annotations

from collections import Counter

from vaultfs_format.frame import FrameClass

from vaultfs.engine.engine import Engine
from vaultfs.engine.vault import Vault
from vaultfs.errors import IndexDamaged


def heal_index(vault: Vault) -> bool:
    """Make the index anew if it cannot be read, or has not all frames of every segment; return whether it was.

    Raises
    ------
    VaultDamaged, StorageFull, StorageFailed, Closed
    """
    engine = vault.engine
    with engine.lock:
        engine.check_writable()
        if _is_whole(engine):
            return False
        vault.rebuild_index()
        return True


def _is_whole(engine: Engine) -> bool:
    try:
        counted: Counter[bytes] = Counter()
        files = {number: one.file_id for number, one in engine.index.containers().items()}
        with engine.index.reading() as txn:
            for _, place in engine.index.places(txn):
                counted[files.get(place.container, b"")] += 1
    except IndexDamaged:
        return False
    indexed = (row for row in engine.head.segments if row.frame_class is not FrameClass.AUDIT)
    return all(counted[row.segment_id] == row.frames for row in indexed)

"""Key tables: without one nothing of its segment opens. Both copies are looked at, and the bad one is written anew."""

from __future__ import annotations

from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import KeyTable
from vaultfs_format.suite import DIGEST

from vaultfs.engine.engine import Engine
from vaultfs.engine.files.pairs import heal_pair
from vaultfs.errors import VaultDamaged


def heal_table(engine: Engine, row: SegmentRow) -> int:
    """Make both copies of a key table good, the second where its place is there; return how many were made.

    One that the head names no more is let be.

    Raises
    ------
    VaultDamaged
        Neither is good, nor what they give together.
    StorageFull, StorageFailed, Closed, Forked, WriterPoisoned
    """

    def parse(data: bytes) -> None:
        if KeyTable.decode(data).segment_id != row.segment_id or data[-DIGEST:] != row.table_digest:
            raise VaultDamaged

    path = engine.layout.key_table(row)
    with engine.lock:
        engine.check_writable()
        return heal_pair(engine.vfs, engine.layout, path, parse, engine.metrics) if engine.names(row) else 0

"""Key tables: without one nothing of its segment opens. Both copies are looked at, and the bad one is written anew."""

from __future__ import annotations

from vaultfs_format.head import SegmentRow
from vaultfs_format.keytable import KeyTable
from vaultfs_format.suite import DIGEST

from vaultfs.engine.engine import Engine
from vaultfs.engine.pairs import MAX_FILE
from vaultfs.errors import FormatError, StorageFailed, VaultDamaged, VaultMissing


def heal_table(engine: Engine, row: SegmentRow) -> int:
    """Make both copies of a key table good; return how many were not.

    Raises
    ------
    VaultDamaged
        Neither is good.
    StorageFull, StorageFailed
    """
    path = engine.layout.key_table(row)
    good: bytes | None = None
    bad = []
    for place in (path, engine.layout.copy_of(path)):
        try:
            data = engine.vfs.read(place, MAX_FILE)
            if KeyTable.decode(data).segment_id == row.segment_id and data[-DIGEST:] == row.table_digest:
                good = data
                continue
        except (VaultMissing, FormatError, StorageFailed):
            pass
        bad.append(place)
    if good is None:
        raise VaultDamaged
    for place in bad:
        engine.vfs.make_directory(place.parent)
        engine.vfs.replace(place, good)
    return len(bad)

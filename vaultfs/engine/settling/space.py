"""What a vault occupies, by layer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

from vaultfs.engine.engine import Engine
from vaultfs.vfs import converted


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes by layer. `bodies` and `entries` are of record and blob segments, `frame` their superblocks and hashes."""

    bodies: int
    entries: int
    framing: int
    keys: int
    control: int
    audit: int
    journal: int
    index: int
    copies: int


def measure(engine: Engine) -> Space:
    """Return the space of an open vault.

    Raises
    ------
    VaultMissing, StorageFailed
        A file is not there, or cannot be looked at.
    """
    with converted():
        return _measured(engine)


def _measured(engine: Engine) -> Space:
    bodies = entries = framing = keys = control = audit = 0
    for row in engine.head.segments:
        keys += engine.layout.key_table(row).stat().st_size
        if row.frame_class is FrameClass.AUDIT:
            audit += row.length
        elif row.frame_class is FrameClass.CONTROL:
            control += row.length
        else:
            file = engine.vfs.open(engine.layout.segment(row))
            footer = SegmentFooter.decode(file.read(row.length - FOOTER_SIZE, FOOTER_SIZE), row.length)
            file.close()
            bodies += footer.bodies_length
            entries += footer.directory_length
            framing += row.length - footer.bodies_length - footer.directory_length
    journal = sum(live.journal.end for live in engine.live)
    copies = _tree_size(engine.layout.copy_of(engine.layout.root))
    return Space(bodies, entries, framing, keys, control, audit, journal, engine.index.size(), copies)


def _tree_size(root: Path) -> int:
    return sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(root) for name in names)

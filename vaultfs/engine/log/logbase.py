"""The base of a log that was pruned: found in its segments and held against the head, and on its way into one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vaultfs_format.entries import Role
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.logbase import BasePart, LogBase

from vaultfs.engine.committing.units import role_entry
from vaultfs.engine.engine import Engine, View
from vaultfs.engine.opening.replay import segment_frames
from vaultfs.engine.settling.packing import Packer
from vaultfs.engine.settling.segments import Placed
from vaultfs.errors import VaultDamaged
from vaultfs.model import NOBODY


@dataclass(frozen=True, slots=True)
class Pruning:
    """What a settling removes of the log, and what it keeps of it.

    Parameters
    ----------
    gone
        The segments that are removed.
    """

    gone: frozenset[SegmentRow]
    base: LogBase

    def amended(self, head: Head) -> Head:
        """Return a head without what is removed."""
        rows = [row for row in head.segments if row not in self.gone]
        pruned = tuple(self.base.edge.tree().peaks)
        return replace(head, segments=rows, first_leaf=self.base.first_leaf, pruned=pruned)

    def frames(self, engine: Engine) -> list[Placed]:
        """Return the frames that hold the base, each opened once."""
        packer = Packer(engine, FrameClass.AUDIT, NOBODY)
        for part in self.base.encode():
            packer.add(role_entry(Role.BASE, bytes(16), 0, len(part)), engine.last_commit, part)
        return [placed for _, placed in packer.finish()]


def read_base(engine: View, head: Head) -> LogBase:
    """Return the base of the log of a head that states that leaves were pruned.

    Raises
    ------
    VaultDamaged
        It is not there.
    CommitmentMismatch
        It is another one.
    FormatError, NotAuthentic
        It cannot be read.
    """
    parts: dict[int, BasePart] = {}
    for part in _parts(engine, head):
        if part.first_leaf == head.first_leaf:
            parts[part.number] = part
            if len(parts) == part.parts:
                base = LogBase.decode(engine.suite, parts.values())
                base.check(head.first_leaf, head.pruned)
                return base
    raise VaultDamaged(leaf=head.first_leaf)


def kept_since(engine: View, head: Head) -> int:
    """Return from which time on the log of a head has every event, in microseconds since 1970; 0 where it is whole.

    Raises as `read_base` does.
    """
    return read_base(engine, head).since if head.first_leaf else 0


def _parts(engine: View, head: Head) -> Iterator[BasePart]:
    """Yield the parts of all bases in the log: those of earlier ones stay in it until they are pruned, too."""
    for row in head.segments:
        if row.frame_class is not FrameClass.AUDIT:
            continue
        for frame in segment_frames(engine, row):
            (entry, *_) = frame.entries().entries
            if entry.role == Role.BASE:
                yield BasePart.decode(frame.body()[entry.offset : entry.offset + entry.length])

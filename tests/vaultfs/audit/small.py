"""A small log to attack: some sixty events in segments of two signers and in a journal, and what an attacker makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.suite import DEFAULT

import vaultfs
from tests.vaultfs.support import OTHER, PASSPHRASE, crashed, create, put, reopen
from vaultfs.engine.files.heads import write_head
from vaultfs.engine.log.leaves import extent_of, segment_section
from vaultfs.engine.opening.replay import FoundFrame, segment_frames
from vaultfs.engine.settling.segments import Placed, write_segment

Entries = list[bytes]


class Small(NamedTuple):
    """Where the vault is, and the leaves of each of its audit segments."""

    path: Path
    extents: Sequence[range]


def make(path: Path) -> None:
    """Make the vault: two settlings of the first signer, two of the second, and a journal."""
    with create(path) as vault:
        for step in range(4):
            for number in range(4):
                put(vault, b"%d" % number, subject=OTHER if number % 2 else None)
            if step == 1:
                vault.keys.turn(PASSPHRASE, new_signer=True)
            vault.settle()
        put(vault)


def audit_rows(head: Head) -> list[SegmentRow]:
    """Return the audit segments that a head names."""
    return [row for row in head.segments if row.frame_class is FrameClass.AUDIT]


def in_order(vault: vaultfs.Vault) -> list[tuple[range, SegmentRow]]:
    """Return the audit segments of an open vault, in the order of their leaves, with these."""
    rows = audit_rows(vault.engine.head)
    return sorted(((extent_of(vault.engine, row), row) for row in rows), key=lambda one: one[0].start)


def of(vault: vaultfs.Vault, row: SegmentRow) -> Path:
    """Return where a segment lies."""
    return vault.engine.layout.segment(row)


def settled(source: Path, target: Path) -> Path:
    """Return a copy of a vault as its head has it: without journals, which an attacker has no need to keep."""
    path = crashed(source, target, index=False)
    for journal in path.rglob("*.vjrn"):
        journal.unlink()
    return path


@contextmanager
def forged(path: Path, target: Path, number: int, change: Callable[[Entries], Entries]) -> Iterator[Path]:
    """Give the copy of a vault in which who has all keys of today has rewritten the entries of one audit segment.

    Digests, tree, signatures and MACs are made to fit as far as the keys of today can.
    """
    with reopen(path, accept_older=True) as vault:
        engine, parts = vault.engine, in_order(vault)
        _, row = parts[number]
        section = segment_section(engine, row)
        entries = change(_each(section.entries))
        frames = [Placed(one.row.encode(), _sealed(one), one.key) for one in segment_frames(engine, row)]
        years = row.first_year, row.last_year
        written = write_segment(engine, FrameClass.AUDIT, years, frames, b"".join(entries), section.first)
        rows = [written.row if one == row else one for one in engine.head.segments]
        rows.sort(key=lambda one: one.segment_id)
        following = [written.row if one == row else one for _, one in parts]
        leaves = [leaf for one in following for leaf in _each(segment_section(engine, one).entries)]
        head = with_tree(replace(engine.head, segments=rows), leaves)
        write_head(engine.vfs, engine.layout, head, engine.chain.epoch_root, engine.signing)
        made = settled(path, target)
    yield made


def _sealed(frame: FoundFrame) -> bytes:
    return frame.spare.read(frame.body_offset, frame.row.header.body_sealed)


def _each(entries: bytes) -> list[bytes]:
    return [entries[at : at + ENTRY.size] for at in range(0, len(entries), ENTRY.size)]


def with_tree(head: Head, leaves: Sequence[bytes]) -> Head:
    """Return a head over a tree of these leaves, and its own live set."""
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(merkle.audit_leaves(DEFAULT, [*leaves, head.live_set().encode()]))
    return replace(head, tree_size=tree.size, peaks=tree.peaks)

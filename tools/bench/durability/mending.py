"""Mending: a segment with as much damage as it bears, made whole without a key; and par2 on the same damage."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

from vaultfs_format.segment import SegmentFooter
from vaultfs_tools.keyless import VaultFiles
from vaultfs_tools.keyless.heal import mend_segment

from bench.durability.material import LARGE, footer_of, large_segment
from bench.durability.recovery import Par2
from bench.figures import SEED, Figure, LeftOut, Outcome, Setting, Spent, scratch
from bench.peers.peer import Missing


def rows(setting: Setting) -> list[Outcome]:
    """Return how fast a segment is mended of which every zone has lost a run of slices as long as it bears."""
    with scratch() as place:
        segment = large_segment(place / "vault", min(LARGE, setting.megabytes * 1_000_000))
        footer, whole = footer_of(segment), segment.read_bytes()
        covered = whole[: footer.head.covered]
        _damage(segment, footer)
        own = Spent.on(partial(mend_segment, VaultFiles(segment.parent), segment.name, footer))
        _check(segment, whole)
        found = own.speeds("VaultFS: repair of a segment", len(whole), "≥ 200")
        name = "par2: repair of the same damage"
        try:
            recovery = Par2(place, ["covered"])
        except Missing as missing:
            return [*found, LeftOut(name, f"{missing} is not installed")]
        file = place / "covered"
        file.write_bytes(covered)
        recovery.create(f"-s{footer.geometry.slice_size}", f"-c{footer.geometry.parity_slices}")
        _damage(file, footer)
        spent = Spent.by_programs(recovery.repair)
        _check(file, covered)
    return [
        *found,
        *spent.speeds(name, len(covered)),
        Figure(name, spent.wall / own.wall, "times VaultFS's"),
        Figure(name, spent.processor / own.processor, "times VaultFS's processor time"),
    ]


def _damage(path: Path, footer: SegmentFooter) -> None:
    """Overwrite in each zone the first data slices, as many as there are parity slices."""
    chance = random.Random(SEED)
    size = footer.geometry.slice_size
    with path.open("r+b") as file:
        for zone in footer.geometry.zones:
            file.seek(zone.first * size)
            file.write(chance.randbytes(min(zone.parity_slices, zone.slices - 1) * size))


def _check(path: Path, expected: bytes) -> None:
    if path.read_bytes() != expected:
        raise RuntimeError("what was mended is not what was there")

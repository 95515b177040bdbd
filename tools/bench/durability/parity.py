"""Parity: how fast it is made, by ISA-L and in Python alone, what it takes up, and the same of par2."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

from vaultfs_format import isal, limits
from vaultfs_format.geometry import geometry_of
from vaultfs_format.segment import SegmentHead
from vaultfs_format.slices import Protector, ZoneParity

from bench.durability.material import LARGE, footer_of, large_segment, noise
from bench.durability.recovery import Par2
from bench.figures import Figure, LeftOut, Outcome, Setting, Spent, scratch
from bench.peers.peer import Missing

_ZONE = limits.ZONE_SLICES * limits.SLICE_LARGE
_ROUNDS = 4


def rows(setting: Setting) -> list[Outcome]:
    """Return the speed of the code, what parity takes up, and parity of a whole file beside par2."""
    size = setting.megabytes * 1_000_000
    return [*_codes(min(_ZONE, size)), *_of_a_file(min(LARGE, size))]


def _codes(size: int) -> list[Outcome]:
    """Return how fast the parity of one zone is made."""
    geometry = geometry_of(size)
    zone, step = geometry.zones[0], geometry.slice_size
    data = b"".join(noise(size))
    slices = [data[at : at + step] for at in range(0, size, step)]

    def encode() -> None:
        for _ in range(_ROUNDS):
            parity = ZoneParity(zone, step)
            for one in slices:
                parity.add(one)
            parity.finish()

    found: list[Outcome] = []
    if isal.library() is None:
        found.append(LeftOut("parity of a zone, ISA-L", "package pyeclib is not installed"))
    else:
        found += Spent.on(encode).speeds("parity of a zone, ISA-L", _ROUNDS * size, "≥ 1,000")
    with patch.object(isal, "library", lambda: None):
        found += Spent.on(encode).speeds("parity of a zone, Python alone", _ROUNDS * size, "≥ 200")
    return found


def _of_a_file(size: int) -> list[Outcome]:
    with scratch() as place:
        segment = large_segment(place / "vault", size)
        footer = footer_of(segment)
        head, geometry = footer.head, footer.geometry
        (place / "covered").write_bytes(segment.read_bytes()[: head.covered])
        own = Spent.on(partial(_protected, place / "covered", head, place / "parity"))
        found: list[Outcome] = [
            Figure("parity by what it protects", 100 * footer.parity_length / head.covered, "%", "12.5"),
            Figure("all that a segment has beside what it protects", 100 * (footer.length / head.covered - 1), "%"),
            *own.speeds("VaultFS: hashes and parity of a file", head.covered),
        ]
        try:
            recovery = Par2(place, ["covered"])
        except Missing as missing:
            return [*found, LeftOut("par2: parity of a file", f"{missing} is not installed")]
        same = partial(recovery.create, f"-s{geometry.slice_size}", f"-c{geometry.parity_slices}")
        return [*found, *_beside(own, same, head.covered)]


def _beside(own: Spent, same: Callable[[], object], size: int) -> list[Outcome]:
    spent = Spent.by_programs(same)
    return [
        *spent.speeds("par2: parity of a file", size),
        Figure("par2: parity of a file", spent.wall / own.wall, "times VaultFS's"),
        Figure("par2: parity of a file", spent.processor / own.processor, "times VaultFS's processor time"),
    ]


def _protected(source: Path, head: SegmentHead, target: Path) -> None:
    """Write the parity of a file, and hash its slices: what is done for every segment."""
    protector = Protector(head)
    with source.open("rb") as file, target.open("xb") as parity:
        while data := file.read(limits.MIB):
            protector.update(data)
            for made in protector.made():
                parity.write(made.data)
        protector.finish()
        for made in protector.made():
            parity.write(made.data)

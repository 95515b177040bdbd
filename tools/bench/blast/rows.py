"""Counting: the records that come back whole, wrong and not at all, after each kind of damage."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.blast.archives import Archive, Back, OfBorg, OfRestic, Vault
from bench.blast.damage import DAMAGES, Damage
from bench.figures import SEED, LeftOut, Outcome, Procedure, Setting, Toll, scratch
from bench.ingest import batches
from bench.material import invented
from bench.peers.peer import Missing

ARCHIVES: tuple[type[Archive], ...] = (Vault, OfRestic, OfBorg)

_PER_SUBJECT = 10
_BATCH = 1_000


def radius(setting: Setting) -> list[Outcome]:
    """Return what each kind of damage does to the same records in each archive that is installed."""
    items = list(invented(max(1, setting.records // _PER_SUBJECT), _PER_SUBJECT))
    stored, expected = list(batches(items, _BATCH)), [item.data for item in items]
    tolls: list[Toll] = []
    others: list[Outcome] = []
    for kind in ARCHIVES:
        with scratch() as place:
            try:
                archive = kind(place, stored)
            except Missing as missing:
                others.append(LeftOut(f"{kind.name}, blast radius", f"{missing} is not installed"))
                continue
            others.append(Procedure(kind.name, archive.version(), archive.commands))
            shutil.copytree(archive.root, place / "kept")
            tolls += [_toll(archive, place / "kept", damage, expected) for damage in DAMAGES]
    order = [damage.name for damage in DAMAGES]
    return [*sorted(tolls, key=lambda toll: order.index(toll.damage)), *others]


def _toll(archive: Archive, kept: Path, damage: Damage, expected: Sequence[bytes]) -> Toll:
    """Return what a kind of damage does to fresh copies of the archive: one read as it is, one repaired first."""
    _damaged(archive, kept, damage)
    unrepaired = whole(archive.read()[0], expected)
    _damaged(archive, kept, damage)
    repaired = archive.repair()
    back, read = archive.read()
    right, lost = whole(back, expected), sum(one is None for one in back)
    wrong = len(expected) - right - lost
    return Toll(archive.name, damage.name, unrepaired, right, wrong, lost, told=not (repaired and read))


def _damaged(archive: Archive, kept: Path, damage: Damage) -> None:
    """Put a fresh copy of the archive into its place, and damage it."""
    shutil.rmtree(archive.root)
    shutil.copytree(kept, archive.root)
    files = sorted(archive.files(of_index=damage.of_index), key=lambda path: (-path.stat().st_size, path))
    damage.act(files, random.Random(SEED))


def whole(back: Back, expected: Sequence[bytes]) -> int:
    """Return how many records came back as they were stored."""
    return sum(one == data for one, data in zip(back, expected, strict=True))

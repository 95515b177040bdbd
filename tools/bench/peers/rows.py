"""Measuring the peers: the same records for all of them, one after the other in one process."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.figures import SEED, Figure, LeftOut, Outcome, Setting, percentile, scratch, seconds
from bench.ingest import batches
from bench.material import SYNTHEA, Item, invented, synthea
from bench.peers.databases import SqlCipher, Sqlite
from bench.peers.files import Files, Zip
from bench.peers.peer import Missing, Peer
from bench.peers.programs import Borg, Restic
from bench.peers.vault import Vault

PEERS: tuple[type[Peer], ...] = (Vault, Sqlite, SqlCipher, Files, Zip, Restic, Borg)
"""VaultFS comes first: the others' times are told as ratios to its."""

_BATCH = 1_000


def generated(_: Setting) -> list[Outcome]:
    """Return the peers on ten thousand records of the generator, ten a subject."""
    return compared("10 a subject", list(invented(1_000, 10)))


def sample(setting: Setting) -> list[Outcome]:
    """Return the peers on the Synthea sample."""
    items = synthea(setting)
    if isinstance(items, LeftOut):
        return [LeftOut(f"peers, {SYNTHEA}", items.reason)]
    return compared(SYNTHEA, items)


def compared(label: str, items: Sequence[Item]) -> list[Outcome]:
    """Return time to store, to read one and to restore all, and space, of every peer that is installed."""
    first: dict[str, float] = {}
    found: list[Outcome] = []
    for kind in PEERS:
        with scratch() as place:
            try:
                measured = _measured(kind, place, items)
            except Missing as missing:
                found.append(LeftOut(f"{kind.name}, {label}", f"{missing} is not installed"))
                continue
        for what, (value, unit) in measured.items():
            found.append(Figure(f"{kind.name}: {what}, {label}", value, unit))
            if unit != "to 1" and kind is not PEERS[0]:
                found.append(Figure(f"{kind.name}: {what}, {label}", value / first[what], "times VaultFS's"))
        first = first or {what: value for what, (value, _) in measured.items()}
    return found


def _measured(kind: type[Peer], place: Path, items: Sequence[Item]) -> dict[str, tuple[float, str]]:
    source = sum(len(item.data) for item in items)
    choose = random.Random(SEED)
    peer = kind(place / "archive", list(batches(items, _BATCH)))
    try:
        stored = seconds(peer.store)
        picked = choose.sample(range(len(items)), min(peer.point_reads, len(items)))
        _check(all(peer.read(nth) == items[nth].data for nth in picked), kind)
        single = [seconds(partial(peer.read, nth)) for nth in picked]
        restored: list[int] = []
        whole = seconds(lambda: restored.append(peer.restore()))
        _check(restored == [source], kind)
        size = peer.size()
    finally:
        peer.close()
    return {
        "store all": (stored, "s"),
        "read one, median": (1000 * percentile(single, 50), "ms"),
        "restore all": (whole, "s"),
        "source by stored": (source / size, "to 1"),
    }


def _check(same: bool, kind: type[Peer]) -> None:
    if not same:
        raise RuntimeError(f"{kind.name} gave other bytes back")

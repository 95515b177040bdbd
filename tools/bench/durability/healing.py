"""Reading from a damaged segment: what of it heals is rebuilt in memory, for whoever reads it."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

from vaultfs_format.healing import SlicedFile
from vaultfs_tools.keyless.rows import read_rows

import vaultfs
from bench.durability.material import footer_of
from bench.figures import SEED, WHO, Figure, Outcome, Setting, percentile, reopened, scratch, seconds
from bench.reading import filled
from vaultfs.metrics import Counter, Tally

_PER_SUBJECT = 10
_BODIES = 2_000


def rows(setting: Setting) -> list[Outcome]:
    """Return reads of records whose frames were not read before: as they are, and healed.

    Bodies are proved by their keys and read past the slices. A body by its slices is what a read costs that does
    without the key, or goes on where the key has shown damage.
    """
    with scratch() as place:
        ids, _ = filled(place, max(1, setting.records // _PER_SUBJECT), _PER_SUBJECT)
        segments = sorted((place / "vault" / "segments" / "main" / "record").rglob("*.vseg"))
        plain, verified = _bodies(max(segments, key=lambda path: path.stat().st_size))
        for segment in segments:
            _damage(segment)
        sound, healed = _first_reads(place, ids[::_PER_SUBJECT])
    return [
        Figure("body read, median", 1e6 * percentile(plain, 50), "µs"),
        Figure("body read with its slices verified, median", 1e6 * percentile(verified, 50), "µs"),
        Figure("first point read, median", 1e3 * percentile(sound, 50), "ms"),
        Figure("first point read, healed, median", 1e3 * percentile(healed, 50), "ms"),
        Figure("first point read, healed, 99th percentile", 1e3 * percentile(healed, 99), "ms"),
        Figure("first point read, healed", percentile(healed, 50) / percentile(sound, 50), "times one of sound bytes"),
    ]


def _bodies(segment: Path) -> tuple[list[float], list[float]]:
    """Return the times of reading bodies of a segment at random, as they lie there and with their slices verified."""
    footer = footer_of(segment)
    descriptor = os.open(segment, os.O_RDONLY)
    try:

        def read(offset: int, length: int) -> bytes:
            return os.pread(descriptor, length, offset)

        sliced = SlicedFile(read, footer)
        directory = read_rows(read, footer.directory_offset, footer.directory_length, footer.frames)
        places = [(row.body_offset, row.header.body_sealed) for _, row in directory]
        picked = random.Random(SEED).sample(places, min(_BODIES, len(places)))
        for one in picked:
            read(*one)
        plain = [seconds(partial(read, *one)) for one in picked]
        return plain, [seconds(partial(sliced.read_good, *one)) for one in picked]
    finally:
        os.close(descriptor)


def _damage(segment: Path) -> None:
    """Overwrite, in each zone, a slice of every stripe, of those that hold bodies; the first slice stays."""
    footer = footer_of(segment)
    size = footer.geometry.slice_size
    with segment.open("r+b") as file:
        for zone in footer.geometry.zones:
            first = max(zone.first, 1)
            end = min((first + zone.stripes) * size, footer.directory_offset)
            file.seek(first * size)
            file.write(os.urandom(max(0, end - first * size)))


def _first_reads(place: Path, ids: list[vaultfs.RecordId]) -> tuple[list[float], list[float]]:
    """Return the times of the first read of each record, as they were and healed: the vault counts what it heals."""
    random.Random(SEED).shuffle(ids)
    tally = Tally()
    sound: list[float] = []
    healed: list[float] = []
    options = vaultfs.Options(metrics=tally)
    with reopened(place / "vault", options=options) as vault, vault.session(WHO, "TREAT") as session:
        for one in ids:
            before = tally.counts[Counter.HEALED_READS]
            taken = seconds(partial(session.get, one))
            (healed if tally.counts[Counter.HEALED_READS] > before else sound).append(taken)
    return sound, healed

"""Large records: in and out, durable, each with its audit event; and how small native pixels become."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import partial

import zstandard

import vaultfs
from bench.durability.material import LARGE, noise
from bench.figures import SEED, WHO, Figure, Outcome, Setting, Spent, fresh_vault, scratch

_TERABYTE = 1e12


def _measured(name: str, datas: Sequence[bytes], row: int, budget: str) -> list[Outcome]:
    """Return durable ingest of large records, each of a subject of its own, reading them whole, and what they take.

    Ingest that includes settling includes the parity, and reading back all that was written.

    Parameters
    ----------
    row
        Bytes of a row of pixels with samples of 2 bytes; 0: no pixels.
    """
    size = sum(map(len, datas))
    ids: list[vaultfs.RecordId] = []

    def put(session: vaultfs.Session) -> None:
        for number, data in enumerate(datas):
            pixels = vaultfs.PixelData(0, len(data), row, 2) if row else None
            with session.transaction() as txn:
                subject = vaultfs.Identifier("urn:bench", str(number))
                ids.append(txn.put(data, kind="Binary", subject=subject, pixels=pixels))

    def get(session: vaultfs.Session) -> None:
        for record_id in ids:
            session.get(record_id)

    with scratch() as place, fresh_vault(place / "vault") as vault:
        with vault.session(WHO, "TREAT") as session:
            spent = {"in": Spent.on(partial(put, session)), "out": Spent.on(partial(get, session))}
        spent["in and settled"] = Spent.total([spent["in"], Spent.on(vault.settle)])
        ratio = size / vault.space().bodies
    hours = spent["in and settled"].wall * _TERABYTE / size / 3600
    return [
        *(figure for way, one in spent.items() for figure in one.speeds(f"blobs {way}, {name}", size, budget)),
        Figure(f"1 TB in and settled at that rate, {name}", hours, "h", "≤ 6 (required)"),
        Figure(f"source by stored, {name}", ratio, "to 1"),
    ]


def incompressible(setting: Setting) -> list[Outcome]:
    """Return large records that do not compress."""
    size = min(LARGE, setting.megabytes * 1_000_000)
    return _measured("incompressible", list(noise(size)), 0, "≥ 400")


def pixels(setting: Setting) -> list[Outcome]:
    """Return series of slices like those of computed tomography, and what zstd alone makes of them."""
    slices = _slices(min(256, setting.megabytes))
    series = [b"".join(slices[first : first + 64]) for first in range(0, len(slices), 64)]
    alone = len(slices[0]) / len(zstandard.ZstdCompressor(level=1).compress(slices[0]))
    return [
        *_measured("native pixels", series, 1024, "≥ 150"),
        Figure("source by zstd level 1 alone, native pixels", alone, "to 1"),
    ]


def _slices(count: int) -> list[bytes]:
    """Return images of 512 rows of 512 samples: a body with an organ in air, and in each the noise of a scanner."""
    chance = random.Random(SEED)
    noise = b"".join([round(abs(64 + chance.gauss(0, 12))).to_bytes(2, "little") for _ in range(4 * 512 * 512)])
    tissue = bytearray()
    for y in range(-256, 256):
        for x in range(-256, 256):
            inside = x * x + 1.4 * y * y < 45_000
            organ = 40 * math.sin(x / 25) * math.cos(y / 31) - 800 * ((x + 76) ** 2 + y * y < 2500)
            tissue += round(1040 + organ if inside else 24).to_bytes(2, "little")
    base = int.from_bytes(tissue, "little")  # samples are added all at once: no sum is too large for its 16 bits
    size = len(tissue)
    found = []
    for number in range(count):
        first = (number * (size + 998)) % (3 * size)  # images near to each other have no noise in common
        found.append((base + int.from_bytes(noise[first : first + size], "little")).to_bytes(size, "little"))
    return found

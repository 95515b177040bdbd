"""Envelopes: a record of a kibibyte sealed under a key of its own, and opened again, beside libraries that do the like.

*Seal* and *open* are of the format alone: a frame with one record, and a key table with its key, from bytes to bytes.
*Read* and *write* are of an open vault, with policy, audit, index and journal; what is read is in no cache of frames.
Each library runs in a process of its own, on the same records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from itertools import islice

from vaultfs_format.directory import HERE, FrameRow, encode_row
from vaultfs_format.entries import Entry, Role, encode_block, pack_row
from vaultfs_format.frame import FrameClass, open_body, open_entries, seal_frame
from vaultfs_format.keytable import HEADER, KeyTable, seal_table, sealed_size
from vaultfs_format.suite import DEFAULT, DIGEST

import vaultfs
from bench.figures import WHO, Figure, LeftOut, Outcome, Setting, fresh_vault, percentile, scratch, seconds
from bench.ingest import put_batch
from bench.keys.kits import AwsEncryptionSdk, Kit, Tink
from bench.material import Item, invented
from bench.peers.peer import Missing
from bench.scale import apart

_RECORD = 1_024
_WARM = 5
_TABLE = HEADER.size + sealed_size(1) + DIGEST


class Own(Kit):
    """A frame and the key table of its key, as they lie in a segment and beside it."""

    name = "VaultFS"

    def __init__(self) -> None:
        self._vault, self._segment, self._root = os.urandom(16), os.urandom(16), os.urandom(32)

    def version(self) -> str:
        return version("vaultfs")

    def seal(self, data: bytes) -> bytes:
        entry = Entry(Role.RECORD, kind=1, media=1, number=1, version=1, length=len(data), token=os.urandom(16))
        entries = encode_block(self._segment, [pack_row(*entry)])
        key = os.urandom(32)
        frame = seal_frame(DEFAULT, FrameClass.RECORD, entries, 1, data, frame_id=os.urandom(16), key=key)
        table = seal_table(DEFAULT, self._vault, self._segment, 1, self._root, os.urandom(32), [key])
        return b"".join([table.encode(), encode_row(frame.encoded, frame.entries, 0, HERE, [(1, 1)]), frame.body])

    def open(self, sealed: bytes) -> bytes:
        table = KeyTable.decode(sealed[:_TABLE])
        (key,) = table.open_block(table.table_key(self._root), 0)
        row, end = FrameRow.decode(sealed, _TABLE)
        entry = open_entries(DEFAULT, row.header, key, row.entries).entries[0]
        body = open_body(DEFAULT, row.header, key, sealed[end:])
        return body[entry.offset : entry.offset + entry.length]


KITS: tuple[type[Kit], ...] = (Own, AwsEncryptionSdk, Tink)
"""VaultFS comes first: the others' times are told as ratios to its."""

_BUDGET = "< 1"


def rows(setting: Setting) -> list[Outcome]:
    """Return envelopes of every library that is installed, and reads and writes of an open vault."""
    records = _records(setting.samplings)
    first: dict[str, float] = {}
    found: list[Outcome] = []
    for kind in KITS:
        measured = apart(measured_by, kind, records)
        if isinstance(measured, str):
            found.append(LeftOut(f"{kind.name}: envelope", f"{measured} is not installed"))
            continue
        label, times = measured
        for act, time in times.items():
            own = kind is KITS[0]
            found.append(Figure(f"{label}: {act}", time, "ms", _BUDGET if own and "median" in act else ""))
            if not own and "median" in act:
                found.append(Figure(f"{label}: {act}", time / first[act], "times VaultFS's"))
        first = first or times
    return [*found, *_of_a_vault(records)]


def _records(count: int) -> list[bytes]:
    """Return records of one size, cut from those of the generator."""
    text = b"".join([item.data for item in islice(invented(count, 1), count)])
    while len(text) < count * _RECORD:
        text += text
    return [text[at : at + _RECORD] for at in range(0, count * _RECORD, _RECORD)]


def measured_by(kind: type[Kit], records: list[bytes]) -> tuple[str, dict[str, float]] | str:
    """Return name and version of a library, and its times in ms; or what is missing."""
    try:
        kit = kind()
    except Missing as missing:
        return str(missing)
    for data in records[:_WARM]:
        kit.open(kit.seal(data))
    sealed, sealing = _timed(kit.seal, records)
    back, opening = _timed(kit.open, sealed)
    if back != records:
        raise RuntimeError(f"{kind.name} gave other bytes back")
    return f"{kind.name} {kit.version()}", {**_percentiles("seal", sealing), **_percentiles("open", opening)}


def _timed(act: Callable[[bytes], bytes], given: Sequence[bytes]) -> tuple[list[bytes], list[float]]:
    """Return what `act` returns for each, and how many seconds it took."""
    found: list[bytes] = []
    return found, [seconds(partial(lambda one: found.append(act(one)), one)) for one in given]


def _percentiles(act: str, times: Sequence[float]) -> dict[str, float]:
    return {
        f"{act} a record of {_RECORD:,} bytes, median": 1000 * percentile(times, 50),
        f"{act} a record of {_RECORD:,} bytes, 99th percentile": 1000 * percentile(times, 99),
    }


def _of_a_vault(records: Sequence[bytes]) -> list[Outcome]:
    """Return how long a record takes that is read from a settled vault, or written into one and made durable."""
    items = [_item(str(number), data) for number, data in enumerate(records)]
    with scratch() as place, fresh_vault(place / "vault") as vault, vault.session(WHO, "TREAT") as session:
        warm, *ids = put_batch(session, [_item("warm", records[0]), *items])
        vault.settle()
        session.get(warm)
        reading = [seconds(partial(session.get, one)) for one in ids]
        writing = [seconds(partial(put_batch, session, [item])) for item in items]
    times = {**_percentiles("read", reading), **_percentiles("write, durably,", writing)}
    budgets = {name: _BUDGET for name in times if name.startswith("read") and "median" in name}
    return [Figure(f"VaultFS: {name}", time, "ms", budgets.get(name, "")) for name, time in times.items()]


def _item(subject: str, data: bytes) -> Item:
    return Item(vaultfs.Identifier("urn:bench", subject), "Observation", None, data)

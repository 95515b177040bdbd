"""What the tests of the engine share: cheap vaults, a principal, and views of a vault to compare."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from zlib import crc32

from vaultfs_format.healing import SlicedFile
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_format.stanza import Argon2Cost

import vaultfs
from vaultfs.audit.log import read_events
from vaultfs.engine.indexing.index import HANDLE, LINK, RECORD, STATE, YEARS, Container, Place
from vaultfs.errors import Deleted, NotFound
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.testing.vfs import FaultyVfs, Operation

Opened = vaultfs.Vault | vaultfs.Reader

PASSPHRASE = _AtAnyCost(b"correct horse battery staple", Argon2Cost(64, 1, 1))
WHO = vaultfs.Principal("dr-who", frozenset({"physician"}))
MRN = vaultfs.Identifier("urn:oid:2.16.840.1.113883.19.5", "12345")
OTHER = vaultfs.Identifier("urn:oid:2.16.840.1.113883.19.6", "12345")
"""The same number, given out by another hospital."""


def memory() -> Path | None:
    """Return a directory in memory where the system has one, for tests that open thousands of vaults."""
    found = Path("/dev/shm")
    return found if found.is_dir() and os.access(found, os.W_OK) else None


def create(path: Path, **more: Any) -> vaultfs.Vault:
    """Create a vault that permits everything."""
    return vaultfs.create(path, **{"recipients": [PASSPHRASE], "policy": vaultfs.PermitAll(), **more})


def reopen(path: Path, **more: Any) -> vaultfs.Vault:
    """Open a vault that permits everything."""
    return vaultfs.open(path, **{"unlock": PASSPHRASE, "policy": vaultfs.PermitAll(), **more})


def read_only(path: Path, **more: Any) -> vaultfs.Reader:
    """Open a vault for reading, permitted to read everything."""
    return vaultfs.open_reader(path, **{"unlock": PASSPHRASE, "policy": vaultfs.PermitAll(), **more})


def failing_open(vfs: FaultyVfs, *kinds: Operation, **fault: Any) -> Callable[..., vaultfs.Vault]:
    """Return what opens a vault on a disk that fails from then on, as `FaultyVfs.fail` says."""
    real = vaultfs.open

    def opened(*words: Any, **more: Any) -> vaultfs.Vault:
        vault = real(*words, **more, vfs=vfs)
        vfs.fail(*kinds, **fault)
        return vault

    return opened


def put(vault: vaultfs.Vault, data: bytes | BinaryIO = b"data", **more: Any) -> vaultfs.RecordId:
    """Put one record in a transaction of its own."""
    with session(vault) as s, s.transaction() as txn:
        return txn.put(data, **{"kind": "Observation", "subject": MRN, **more})


def delete(vault: vaultfs.Vault, record: vaultfs.RecordId) -> None:
    """Delete one record in a transaction of its own."""
    with session(vault) as s, s.transaction() as txn:
        txn.delete(record)


def get(vault: Opened, record: vaultfs.RecordId, version: int | None = None) -> bytes:
    """Return the bytes of a record."""
    with vault.session(WHO, "TREAT") as s:
        return s.get(record, version).data


def seen(vault: Opened, record: vaultfs.RecordId) -> bytes | None:
    """Return the bytes of a record that may not be there, None where it is not."""
    try:
        return get(vault, record)
    except (NotFound, Deleted):
        return None


def session(vault: vaultfs.Vault) -> vaultfs.Session:
    """Open a session."""
    return vault.session(WHO, "TREAT")


def events(vault: vaultfs.Vault) -> list[vaultfs.Event]:
    """Return every audit event so far."""
    return [event for _, event in read_events(vault)]


E = TypeVar("E", bound=vaultfs.Event)


def events_of(vault: vaultfs.Vault, kind: type[E]) -> list[E]:
    """Return every audit event of a class so far."""
    return [event for event in events(vault) if isinstance(event, kind)]


def event_types(vault: vaultfs.Vault) -> list[vaultfs.EventType]:
    """Return the types of every audit event so far."""
    return [vaultfs.EventType(event.type) for event in events(vault)]


def crashed(vault: Path, target: Path, *, index: bool = True, mirrors: bool = True) -> Path:
    """Return a copy of the bytes of a vault and its epoch store as they are now: what a killed process would leave.

    Parameters
    ----------
    mirrors
        Whether journals and open blob segments keep their mirrors; else damage to them is all there is.
    """
    target.mkdir(parents=True)
    leave = [] if index else ["index"]
    copy = target / vault.name
    shutil.copytree(vault, copy, ignore=shutil.ignore_patterns("lock.mdb", *leave))
    store = vault.with_name(vault.name + ".epoch")
    shutil.copytree(store, copy.with_name(copy.name + ".epoch"))
    if not mirrors:
        drop_mirrors(copy)
    return copy


def drop_mirrors(vault: Path) -> None:
    """Remove the mirrors of journals and open blob segments."""
    for path in (vault / "copies").rglob("*"):
        if path.suffix in MIRRORED:
            path.unlink()


MIRRORED = frozenset({".vjrn", ".part"})


def files_of(path: Path, pattern: str) -> list[Path]:
    """Return the files of a vault that match, sorted, but for mirrors."""
    return sorted(one for one in path.rglob(pattern) if not ("copies" in one.parts and one.suffix in MIRRORED))


def index_content(vault: vaultfs.Vault) -> dict[str, set[tuple[Any, ...]]]:
    """Return what the index says, free of the numbers that it gives to files: two indexes of one vault are equal."""
    index = vault.engine.index
    containers = index.containers()
    with index.reading() as txn:
        frames = {handle: _where(containers, place) for handle, place in index.places(txn)}

        def rows(name: str) -> list[tuple[bytes, bytes]]:
            return [(bytes(k), bytes(v)) for k, v in txn.cursor(getattr(index.tables, name))]

        def frame(data: bytes) -> tuple[Any, ...]:
            return frames[HANDLE.unpack(data)[0]]

        content: dict[str, set[tuple[Any, ...]]] = {
            "frames": set(frames.values()),
            "states": {
                (k, STATE.unpack(v)[0], frames[STATE.unpack(v)[1]], *STATE.unpack(v)[2:]) for k, v in rows("states")
            },
            "links": {(k, *LINK.unpack(v)) for k, v in rows("links")},
            "records": {(k, frames[RECORD.unpack(v)[0]], *RECORD.unpack(v)[1:]) for k, v in rows("records")},
            "subjects": {(k[:17], frame(k[17:]), *YEARS.unpack(v)) for k, v in rows("subjects")},
            "aliases": {(k, frame(v)) for k, v in rows("aliases")},
            "parts": {(k[:16], frame(k[16:])) for k, _ in rows("parts")},
        }
        return content


def _where(containers: dict[int, Container], place: Place) -> tuple[Any, ...]:
    home, body = containers[place.container], containers[place.body_container]
    row, where = home.rows + place.row_offset, body.bodies + place.body_offset
    return home.file_id, row, place.row_length, body.file_id, where, place.group, home.slots + place.slot


def answers(vault: Opened, subjects: Sequence[vaultfs.Identifier | vaultfs.SubjectId] = ()) -> dict[Any, Any]:
    """Return everything that the vault says of its subjects: two states of one vault with equal answers are equal."""
    found: dict[Any, Any] = {}
    with vault.session(WHO, "TREAT") as s:
        for subject in s.all_subjects():
            if subject != vaultfs.NOBODY:
                found["names", subject] = sorted((i.system, i.value) for i in s.identifiers(subject))
            for info in s.find(subject=subject):
                found["record", subject, info.id] = (
                    info,
                    [s.get(info.id, v.version).data for v in s.versions(info.id)],
                )
        for one in subjects:
            found["find", one] = [info.id for info in s.find(subject=one)]
    return found


def lost(path: Path, *slices: int) -> list[int]:
    """Damage slices of a segment, and the parity of their stripes; return which slices nothing gives back any more."""
    data = bytearray(path.read_bytes())
    footer = SegmentFooter.decode(bytes(data[-FOOTER_SIZE:]))
    geometry, gone = footer.geometry, set(slices)
    for number in slices:
        zone = geometry.zone_of(number)
        gone |= {geometry.slices + parity for parity in zone.parity(zone.stripe_of(number))}
    for number in gone:
        data[SlicedFile(lambda *_: b"", footer).offset_of(number) + 7] ^= 1
    path.write_bytes(data)
    return sorted(gone)


def flipped(data: bytes, at: int) -> bytes:
    """Return `data` with one bit of the byte at `at` changed."""
    changed = bytearray(data)
    changed[at] ^= 4
    return bytes(changed)


def newer(data: bytes) -> bytes:
    """Return a file as a program of a later version would begin it."""
    start = data[:8] + b"\x63" + data[9:12]
    return start + crc32(start).to_bytes(4, "little") + data[16:]

"""A vault with records of every shape, settled and not, and all that was put into it, to compare a rescue with."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from vaultfs_format.entries import EntryBlock, Role
from vaultfs_format.frame import FrameClass, open_entries
from vaultfs_format.group import decode_group
from vaultfs_format.journal import HEADER_SIZE, JournalHeader
from vaultfs_format.keytable import KeyTable
from vaultfs_format.layout import Buffer
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_format.suite import DEFAULT
from vaultfs_tools import rescue
from vaultfs_tools.keyless.rows import read_rows

import vaultfs
from tests.vaultfs_tools import vaults
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.unlocking import Opener
from vaultfs.vfs import Vfs

ONE = vaultfs.Identifier("urn:oid:2.16.840.1.113883.19.5", "12345")
TWO = vaultfs.Identifier("urn:oid:2.16.840.1.113883.19.6", "67890")
SEVERAL_PARTS = 1_200_000
"""Bytes of a blob of two parts."""

Version = tuple[str, int]
"""Record id in hexadecimal digits, and version."""


@dataclass(frozen=True)
class Home:
    """Where the entries of a version lie: id of the frame, id of the segment or journal, and the row or group there."""

    frame: str
    file: str
    offset: int
    end: int


@dataclass(repr=False)
class Archive:
    """A vault, and what is in it."""

    path: Path
    put: dict[Version, bytes] = field(default_factory=dict)
    around: dict[Version, tuple[bytes, bytes]] = field(default_factory=dict)
    marks: dict[Version, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    homes: dict[Version, list[Home]] = field(default_factory=dict)
    identifiers: set[tuple[str, str]] = field(default_factory=set)
    ids: dict[tuple[int, int], str] = field(default_factory=dict)
    """Record ids by incarnation and number."""


def make(path: Path, patients: int = 280) -> Archive:
    """Make a vault of two generations of segments, one with more frames than a block of keys, and two journals."""
    archive, chance = Archive(path), random.Random(7)
    with vaultfs.create(path, recipients=[vaults.unlocking()], policy=vaultfs.PermitAll()) as vault:
        with _session(vault) as session:
            _crowd(archive, session, patients)
            _shapes(archive, session, chance, 2010)
        vault.settle()
        with _session(vault) as session:
            _shapes(archive, session, chance, 2011)
        vault.settle()
        with _session(vault) as session:
            _shapes(archive, session, chance, 2012)
    with vaults.opened(path) as vault, _session(vault) as session:
        _shapes(archive, session, chance, 2013)
        for number in range(3):
            with session.transaction() as txn:
                _put(archive, txn, b"late %d" % number, subject=ONE, date=date(2014, 1, 1 + number))
    archive.homes = _homes(archive)
    assert archive.homes.keys() == archive.put.keys() | archive.marks.keys()
    return archive


def _session(vault: vaultfs.Vault) -> vaultfs.Session:
    return vault.session(vaults.WHO, "TREAT")


def _put(archive: Archive, txn: Any, data: bytes, version: int = 1, **more: Any) -> vaultfs.RecordId:
    record: vaultfs.RecordId = txn.put(data, **{"kind": "Observation", **more})
    archive.put[record.hex(), version] = data
    archive.around[record.hex(), version] = more.get("before", b""), more.get("after", b"")
    subject = more["subject"]
    if subject is not None:
        archive.identifiers.add((subject.system, subject.value))
    return record


def _crowd(archive: Archive, session: Any, patients: int) -> None:
    """Put a record for each of many patients, whose frames are then in one segment."""
    with session.transaction() as txn:
        for number in range(patients):
            who = vaultfs.Identifier("urn:crowd", str(number))
            _put(archive, txn, b"crowd %d" % number, subject=who, date=date(2010, 1, 1))


def _shapes(archive: Archive, session: Any, chance: random.Random, year: int) -> None:
    """Put records of every shape, versions, deletions that stay and that do not, and blobs that share parts."""
    with session.transaction() as txn:
        day = date(year, 5, 1)
        first = _put(archive, txn, b"first %d" % year, subject=ONE, date=day)
        gone = _put(archive, txn, b"gone %d" % year, subject=ONE, date=day)
        back = _put(archive, txn, b"back %d" % year, subject=TWO, date=day)
        _put(archive, txn, b"undated", subject=TWO)
        _put(archive, txn, b"", subject=None)
        _put(archive, txn, b"{}" * 300, subject=None, kind="Basic", before=b"[\n", after=b",\n")
        txn.set_state("tests", b"year", str(year).encode())
    blob = chance.randbytes(SEVERAL_PARTS)
    with session.transaction() as txn:
        large = _put(archive, txn, blob, subject=ONE, kind="Binary", date=day, before=b"<", after=b">")
        _put(archive, txn, chance.randbytes(70_000), subject=None, kind="Binary")
    with session.transaction() as txn:
        _put(archive, txn, b"second %d" % year, 2, subject=ONE, date=day, replaces=first)
        _put(archive, txn, blob + b"more", 2, subject=ONE, kind="Binary", date=day, replaces=large)
        txn.delete(gone)
        txn.delete(back)
    archive.marks |= {(gone.hex(), 2): "delete", (back.hex(), 2): "delete", (back.hex(), 3): "undelete"}
    archive.hidden.add(gone.hex())
    with session.transaction() as txn:
        txn.undelete(back)


# Where everything lies. --------------------------------------------------------------------------------------------


def _homes(archive: Archive) -> dict[Version, list[Home]]:
    """Return the places of the entries of every version, read from the undamaged vault with its keys."""
    path = archive.path
    opener = Opener(Vfs(), Layout(path), vaults.unlocking(), [])
    unlocked = opener.unlock()
    chain, _ = opener.keys(unlocked)
    found: dict[Version, list[Home]] = {}
    for home, block in [*_in_segments(path, unlocked.epoch_root), *_in_journals(path, unlocked.epoch_root)]:
        for entry in block.entries:
            if entry.role in (Role.RECORD, Role.DELETE, Role.UNDELETE):
                record = chain.record_id(entry.incarnation, entry.number).hex()
                archive.ids[entry.incarnation, entry.number] = record
                found.setdefault((record, entry.version), []).append(home)
    return found


def _in_segments(path: Path, root: Buffer) -> Iterator[tuple[Home, EntryBlock]]:
    for segment in sorted(path.rglob("*.vseg")):
        data = segment.read_bytes()
        footer = SegmentFooter.decode(data[-FOOTER_SIZE:])
        if footer.head.frame_class not in (FrameClass.RECORD, FrameClass.BLOB):
            continue
        table = KeyTable.decode(next(segment.parent.glob(f"{segment.stem}.vkey.*")).read_bytes())
        keys = [key for n in range(len(table.blocks)) for key in table.open_block(table.table_key(root), n)]
        rows = read_rows(_reading(data), footer.directory_offset, footer.directory_length, footer.frames)
        for (at, row), key in zip(rows, keys, strict=True):
            home = Home(row.header.frame_id.hex(), segment.stem, at, at + row.size)
            yield home, open_entries(DEFAULT, row.header, key, row.entries)


def _in_journals(path: Path, root: Buffer) -> Iterator[tuple[Home, EntryBlock]]:
    for journal in sorted(path.rglob("*.vjrn")):
        data = journal.read_bytes()
        header = JournalHeader.decode(data[:HEADER_SIZE])
        keys, chain, at, number = header.keys(root), header.chain(data), HEADER_SIZE, 1
        while at < len(data):
            group = decode_group(DEFAULT, data, at, number, chain)
            for row, key in zip(group.rows, group.open_keys(DEFAULT, header.journal_id, keys), strict=True):
                if row.header.frame_class in (FrameClass.RECORD, FrameClass.BLOB):
                    home = Home(row.header.frame_id.hex(), journal.stem, at, at + group.size)
                    yield home, open_entries(DEFAULT, row.header, key, row.entries)
            at, number, chain = at + group.size, number + 1, group.chain


def _reading(data: bytes) -> Any:
    return lambda offset, length: data[offset : offset + length]


def segments_of(archive: Archive, kind: FrameClass = FrameClass.RECORD) -> list[Path]:
    """Return the segments of a class, that with most frames first."""
    found = {path: footer_of(path) for path in sorted(archive.path.rglob("*.vseg"))}
    chosen = [path for path, footer in found.items() if footer.head.frame_class is kind]
    return sorted(chosen, key=lambda path: -found[path].frames)


def footer_of(segment: Path) -> SegmentFooter:
    """Return the footer of an undamaged segment."""
    return SegmentFooter.decode(segment.read_bytes()[-FOOTER_SIZE:])


def tables_of(archive: Archive, segment: Path) -> list[Path]:
    """Return both copies of the key table of a segment."""
    return sorted(archive.path.rglob(f"{segment.stem}.vkey.*"))


def in_file(archive: Archive, path: Path) -> set[Version]:
    """Return the versions whose entries are in a segment or journal."""
    return {version for version, homes in archive.homes.items() if path.stem in {home.file for home in homes}}


def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Write over bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


# Rescuing. ---------------------------------------------------------------------------------------------------------


@dataclass
class Rescued:
    """What a rescue has written."""

    code: int
    out: Path
    manifest: list[dict[str, Any]]
    subjects: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    states: list[dict[str, Any]]
    events: list[dict[str, Any]]

    def records(self) -> dict[Version, bytes]:
        """Return the bytes of every version that came out."""
        return {
            (row["record"], row["version"]): (self.out / row["file"]).read_bytes()
            for row in self.manifest
            if row["role"] == "record"
        }

    def proofs(self) -> set[str]:
        """Return how the versions were proved."""
        return {row["proof"] for row in self.manifest}

    def what(self) -> set[str]:
        """Return what is missing, by kind."""
        return {row["what"] for row in self.missing}


def rescued(vault: Path, *options: str, out: Path | None = None) -> Rescued:
    """Rescue a vault beside it."""
    out = out or vault.parent / "out"
    secret = vault.parent / "passphrase"
    secret.write_bytes(vaults.SECRET + b"\n")
    secret.chmod(0o600)
    return written(rescue.main([str(vault), str(out), "--passphrase-file", str(secret), *options]), out)


def written(code: int, out: Path) -> Rescued:
    """Return what a rescue that ended with a code has written."""
    names = ("manifest", "subjects", "missing", "states", "events")
    return Rescued(code, out, *([_lines(out / f"{name}.jsonl") for name in names]))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check(archive: Archive, found: Rescued) -> set[Version]:
    """Check that nothing wrong came out, and that whatever did not is accounted for; return what did not."""
    for row in [*found.manifest, *found.missing]:
        if row.get("number") and row["record"] is None:  # the keyring is lost
            row["record"] = archive.ids[row["incarnation"], row["number"]]
    came = found.records()
    assert len(came) == sum(row["role"] == "record" for row in found.manifest)
    for version, data in came.items():
        assert data == archive.put[version], version
    marks = {(row["record"], row["version"]): row["role"] for row in found.manifest if row["role"] != "record"}
    assert marks.items() <= archive.marks.items()
    for row in found.subjects:
        assert "other" in row or (row["system"], row["value"]) in archive.identifiers
    gone = (archive.put.keys() | archive.marks.keys()) - came.keys() - marks.keys()
    for version in gone:
        assert accounted(archive, found, version), version
    assert (found.code == 0) == (not found.missing)
    return gone


def accounted(archive: Archive, found: Rescued, version: Version) -> bool:
    """Return whether a version is listed as missing, or a frame, segment or stretch that held it."""
    return any(_covers(row, version, home) for row in found.missing for home in archive.homes[version])


def _covers(row: dict[str, Any], version: Version, home: Home) -> bool:
    inside = row["what"] == "stretch" and row["from"] < home.end and row["to"] > home.offset
    # What nothing is left of to tell which it was may be any.
    file = home.file in (row.get("segment"), row.get("journal")) or {row.get("segment"), row.get("journal")} == {None}
    if row["what"] == "record":
        return bool((row["record"], row["version"]) == version)
    if row["what"] == "versions":
        return bool(row["record"] == version[0] and row["version"] <= version[1] <= row["to_version"])
    if row["what"] == "frame":  # its id may be what is damaged of it
        return bool(row["frame"] == home.frame or (file and row["offset"] == home.offset))
    return file and (inside or row["what"] in ("segment", "key_table", "journal"))

"""Export: what was imported, back as files in plain text, byte for byte, with a manifest of every record.

Before the first byte of a patient leaves the vault, a disclosure is on record for that patient, durably.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vaultfs.engine.records import Record
from vaultfs.engine.session import Session
from vaultfs.errors import VaultExists
from vaultfs.migrate.identity import CANDIDATE
from vaultfs.migrate.recipes import Gone, Recipe, Step, batched, decode_part, source_state
from vaultfs.migrate.window import GAP, RECIPE
from vaultfs.model import NOBODY, RecordId
from vaultfs.vfs import converted

MANIFEST = "manifest.jsonl"
_OWN = frozenset({RECIPE, GAP, CANDIDATE})
"""Kinds that are the vault's own bookkeeping, not records of a source."""

_CHUNK = 1024 * 1024
_NAME_BYTES = 200


@dataclass(slots=True)
class ExportReport:
    """What an export wrote.

    Parameters
    ----------
    sources, partial
        Source files written, and those among them that lack disposed or deleted records.
    records
        Records in the manifest.
    patients
        Patients for whom a disclosure was recorded.
    bytes
        Bytes written, without the manifest.
    """

    sources: int = 0
    partial: int = 0
    records: int = 0
    patients: int = 0
    bytes: int = 0


class Exporter:
    """Exports a vault into a directory through one session."""

    def __init__(self, session: Session, directory: Path) -> None:
        self._session = session
        self._directory = directory
        self._written: set[RecordId] = set()
        self.report = ExportReport()

    def run(self) -> ExportReport:
        """Write every source and every other visible record; the directory must be new or empty.

        Raises
        ------
        VaultExists
            There is something in the directory.
        AccessDenied, StorageFull, StorageFailed
        """
        with converted():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(self._directory.iterdir()):
                raise VaultExists
            self._directory.chmod(0o700)
        self._disclose()
        with converted(), _private(self._directory / MANIFEST) as manifest:
            for token in self._tokens():
                self._source(token, manifest)
            for record_id in self._others():
                self._record(record_id, manifest)
        return self.report

    def _disclose(self) -> None:
        for subject in self._session.all_subjects():
            count = len(self._session.find(subject=subject, follow_links=False))
            if subject != NOBODY and count:
                self._session.disclose(subject, count)
                self.report.patients += 1

    def _tokens(self) -> list[bytes]:
        recipes = self._session.find(subject=NOBODY, kind=RECIPE)
        tokens: dict[bytes, None] = {}
        for batch in batched(iter(recipes), 256):
            for record in self._session.get_many([(info.id, None) for info in batch]):
                tokens[decode_part(record.data).token] = None
        return list(tokens)

    def _source(self, token: bytes, manifest: BinaryIO) -> None:
        state = source_state(self._session, token)
        if state is None:
            return
        recipe = Recipe(self._session, state)
        path = self._place(recipe, token)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        gone: list[RecordId] = []
        with _private(path) as file:
            for found in recipe.records():
                if isinstance(found, Gone):
                    gone.append(found.id)
                    _write_line(manifest, {"id": found.id.hex(), "source": token.hex(), "gone": True})
                elif isinstance(found, Record):
                    self._write(file, found.before)
                    self._write(file, found.data)
                    self._write(file, found.after)
                    self._list(manifest, found, token, path)
                else:
                    self._copy(file, manifest, found, token, path)
        if gone:
            path.rename(path.with_name(path.name + ".partial"))
            self.report.partial += 1
        self.report.sources += 1

    def _place(self, recipe: Recipe, token: bytes) -> Path:
        """Return where a source is written: its own path below a folder for its root, with nothing that leads out."""
        name = recipe.name()
        parts = [] if name is None else [_safe(part) for part in name.split(b"/")]
        parts = [part for part in parts if part]
        base = self._directory / recipe.root.hex()[:8]
        path = base.joinpath(*parts) if parts else base / f"unnamed-{token.hex()}"
        taken = any(place.exists() for place in (path, path.with_name(path.name + ".partial")))
        blocked = any(parent.is_file() for parent in path.parents)
        return base / f"{token.hex()}" if taken or blocked else path

    def _others(self) -> Iterator[RecordId]:
        """Yield the visible records that belong to no source."""
        for subject in self._session.all_subjects():
            for info in self._session.find(subject=subject, follow_links=False):
                if info.kind not in _OWN and info.id not in self._written:
                    yield info.id

    def _record(self, record_id: RecordId, manifest: BinaryIO) -> None:
        path = self._directory / "records" / record_id.hex()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with _private(path) as file:
            version = self._session.info(record_id).version
            self._copy(file, manifest, Step(record_id, version, streamed=True), None, path)

    def _copy(self, file: BinaryIO, manifest: BinaryIO, one: Step, token: bytes | None, path: Path) -> None:
        digest = hashlib.sha256()
        with self._session.open(one.id, one.version) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                self._write(file, chunk)
        info = self._session.info(one.id, one.version)
        self._row(
            manifest, one.id, one.version, info.kind, info.media_type, info.length, digest.hexdigest(), token, path
        )

    def _list(self, manifest: BinaryIO, record: Record, token: bytes, path: Path) -> None:
        info = record.info
        if info.kind not in _OWN:
            digest = hashlib.sha256(record.data).hexdigest()
            self._row(manifest, info.id, info.version, info.kind, info.media_type, info.length, digest, token, path)

    def _row(
        self,
        manifest: BinaryIO,
        record_id: RecordId,
        version: int,
        kind: str,
        media_type: str,
        length: int,
        digest: str,
        token: bytes | None,
        path: Path,
    ) -> None:
        self._written.add(record_id)
        self.report.records += 1
        row = {
            "id": record_id.hex(),
            "version": version,
            "kind": kind,
            "media_type": media_type,
            "length": length,
            "sha256": digest,
            "source": token.hex() if token else None,
            "file": os.fsencode(path.relative_to(self._directory)).decode(errors="backslashreplace"),
        }
        _write_line(manifest, row)

    def _write(self, file: BinaryIO, data: bytes) -> None:
        file.write(data)
        self.report.bytes += len(data)


def _private(path: Path) -> BinaryIO:
    """Create a file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "wb")


def _write_line(manifest: BinaryIO, row: dict[str, object]) -> None:
    manifest.write(json.dumps(row).encode() + b"\n")


def _safe(part: bytes) -> str:
    """Return one part of a path without what could lead elsewhere; empty where nothing is left."""
    cleaned = part.replace(b"\0", b"")[:_NAME_BYTES]
    return "" if cleaned in (b"", b".", b"..") or b"/" in cleaned else os.fsdecode(cleaned)

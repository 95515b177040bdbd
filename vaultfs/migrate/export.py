"""Export: what was imported, back as files in plain text, byte for byte, with a manifest of every record.

Before the first byte of a patient leaves the vault, a disclosure is on record for that patient, durably.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vaultfs_format import sha2
from vaultfs_format.disclosure import DISCLOSURE_KIND, SUSPENSION_KIND
from vaultfs_format.errors import forget_paths

from vaultfs.disclosing import Disclosure
from vaultfs.engine.reading.records import RecordInfo
from vaultfs.engine.reading.session import Session
from vaultfs.errors import DestinationFailed, DestinationNotEmpty, VaultError
from vaultfs.migrate.kinds import CANDIDATE, GAP, RECIPE
from vaultfs.migrate.recipes import Recipe, Status, decode_part, source_state
from vaultfs.migrate.stored import Gone, Kept, batched, read
from vaultfs.model import NOBODY, RecordId, SubjectId
from vaultfs.vfs import absolute

MANIFEST = "manifest.jsonl"
_KEPT = frozenset({DISCLOSURE_KIND, SUSPENSION_KIND})
"""Kinds that never leave the vault: who is given a patient's records is not told who else was."""

_OWN = frozenset({RECIPE, GAP, CANDIDATE}) | _KEPT
"""Kinds that are the vault's own bookkeeping, not records of a source."""

_CHUNK = 1024 * 1024
_PARTIAL = ".partial"
_DISCLOSED = 256
"""Patients for whom disclosures are put on record in one transaction."""

_NAME_BYTES = 255 - len(_PARTIAL)
_PATH_BYTES = 4000
"""Longest path that is written; the system's limit is 4,096 with what follows."""


@dataclass(slots=True)
class ExportReport:
    """What an export wrote.

    Parameters
    ----------
    sources, partial
        Source files written, and those among them that lack deleted records, or whose import has not come to its end.
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
    """Exports a vault into a directory through one session.

    Parameters
    ----------
    disclosure
        To whom all this goes, and for what; without it there is on record that records left the vault, and no more.

    Raises
    ------
    ArgumentInvalid
        No directory can have that path.
    """

    def __init__(self, session: Session, directory: Path, disclosure: Disclosure | None = None) -> None:
        self._session = session
        self._disclosure = disclosure
        self._directory = absolute(directory)
        self._visible: set[RecordId] = set()
        self._unwritten: dict[RecordId, int] = {}
        self.report = ExportReport()

    def run(self) -> ExportReport:
        """Write every source and every other visible record; the directory must be new or empty.

        Raises
        ------
        DestinationNotEmpty
            There is something in the directory.
        ReadOnly
            A disclosure is stated, and the vault was opened for reading.
        AccessDenied, DestinationFailed
        """
        with _writing():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(self._directory.iterdir()):
                raise DestinationNotEmpty
            self._directory.chmod(0o700)
        self._disclose()
        with _writing(), _private(self._directory / MANIFEST) as manifest:
            for token in self._tokens():
                self._source(token, manifest)
            for record_id, version in sorted(self._unwritten.items()):
                self._record(record_id, version, manifest)
        return self.report

    def _disclose(self) -> None:
        """Put a disclosure on record for every patient, and take note of all that is to be seen."""
        for batch in batched(self._leaving(), _DISCLOSED):
            self._recorded(batch)
            self.report.patients += len(batch)

    def _leaving(self) -> Iterator[tuple[SubjectId, int]]:
        """Yield every patient of whom something is to be seen, and how many records."""
        for subject in self._session.all_subjects():
            found = self._session.find(subject=subject, follow_links=False)
            leaving = [info for info in found if info.kind not in _KEPT]
            self._visible.update(info.id for info in leaving)
            self._unwritten.update((info.id, info.version) for info in leaving if info.kind not in _OWN)
            if subject != NOBODY and leaving:
                yield subject, len(leaving)

    def _recorded(self, patients: Sequence[tuple[SubjectId, int]]) -> None:
        if self._disclosure is None:
            for subject, count in patients:
                self._session.disclose(subject, count)
            return
        with self._session.transaction() as txn:
            for subject, count in patients:
                txn.disclose(subject, self._disclosure, count)

    def _tokens(self) -> list[bytes]:
        recipes = self._session.find(subject=NOBODY, kind=RECIPE)
        tokens: dict[bytes, None] = {}
        for batch in batched(iter(recipes), 256):
            for record in self._session.get_many([(info.id, None) for info in batch]):
                tokens[decode_part(record.data).token] = None
        return list(tokens)

    # Sources.

    def _source(self, token: bytes, manifest: BinaryIO) -> None:
        state = source_state(self._session, token)
        if state is None:
            return
        unfinished = state.status != Status.COMPLETE
        recipe = Recipe(self._session, state.earlier()[0] or state.recipe)
        partial = unfinished and not state.base
        partial |= any(step.id not in self._visible for step in recipe.steps())
        path = self._place(recipe, token, _PARTIAL if partial else "")
        with _private(path) as file:
            for found in read(self._session, recipe.steps()):
                if isinstance(found, Gone):
                    _write_line(manifest, {"id": found.step.id.hex(), "source": token.hex(), "gone": True})
                elif isinstance(found, Kept):
                    self._write(file, found.whole())
                    digest = sha2.digest(found.record.data).hex()
                    self._row(manifest, found.record.info, digest, token, path)
                else:
                    info = self._session.info(found.step.id, found.step.version)
                    self._row(manifest, info, self._copy(file, found.stream), token, path)
        self.report.partial += partial
        self.report.sources += 1

    def _place(self, recipe: Recipe, token: bytes, suffix: str) -> Path:
        """Return where a source is written: its own path below a folder for its root, with nothing that leads out."""
        name = recipe.name()
        parts = [] if name is None else [part for one in name.split(b"/") if (part := _safe(one))]
        base = self._directory / recipe.root.hex()[:8]
        fallback = base / f"{token.hex()}{suffix}"
        path = base.joinpath(*parts[:-1], parts[-1] + suffix) if parts else fallback
        if len(os.fsencode(path)) > _PATH_BYTES or path.exists():
            path = fallback
        try:
            _make_folder(path.parent, self._directory)
        except FileExistsError:
            path = fallback
        return path

    # Records of no source.

    def _record(self, record_id: RecordId, version: int, manifest: BinaryIO) -> None:
        path = self._directory / "records" / record_id.hex()
        _make_folder(path.parent, self._directory)
        info = self._session.info(record_id, version)
        with _private(path) as file, self._session.open(record_id, version) as stream:
            self._row(manifest, info, self._copy(file, stream), None, path)

    # Writing.

    def _copy(self, file: BinaryIO, stream: io.BufferedReader) -> str:
        """Copy a stream and return its SHA-256."""
        digest = sha2.hasher()
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            self._write(file, chunk)
        return digest.digest().hex()

    def _row(self, manifest: BinaryIO, info: RecordInfo, digest: str, token: bytes | None, path: Path) -> None:
        if info.kind in _OWN:
            return
        if self._unwritten.get(info.id) == info.version:
            del self._unwritten[info.id]
        self.report.records += 1
        row = {
            "id": info.id.hex(),
            "version": info.version,
            "kind": info.kind,
            "media_type": info.media_type,
            "length": info.length,
            "sha256": digest,
            "source": token.hex() if token else None,
            "file": os.fsencode(path.relative_to(self._directory)).decode(errors="backslashreplace"),
        }
        _write_line(manifest, row)

    def _write(self, file: BinaryIO, data: bytes) -> None:
        file.write(data)
        self.report.bytes += len(data)


def _make_folder(folder: Path, top: Path) -> None:
    """Make a folder below `top`, and those between, that only their owner can enter."""
    for place in [*reversed(folder.relative_to(top).parents), folder.relative_to(top)]:
        if not (top / place).is_dir():
            (top / place).mkdir(mode=0o700)


@contextmanager
def _writing() -> Iterator[None]:
    """Turn errors of the operating system into those of the destination; what the vault says passes."""
    try:
        yield
    except VaultError:
        raise
    except OSError as error:
        forget_paths(error)
        raise DestinationFailed(errno=error.errno) from None


def _private(path: Path) -> BinaryIO:
    """Create a file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "wb")


def _write_line(manifest: BinaryIO, row: dict[str, object]) -> None:
    manifest.write(json.dumps(row).encode() + b"\n")


def _safe(part: bytes) -> str:
    """Return one part of a path without what could lead elsewhere; empty where nothing is left."""
    cleaned = part.replace(b"\0", b"")[:_NAME_BYTES]
    return "" if cleaned in (b"", b".", b"..") else os.fsdecode(cleaned)

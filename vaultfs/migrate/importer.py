"""The import job: sources of a legacy system into a vault, resumable at every window, verified at the end.

A job that was killed is taken up again by running it again: files that are done are recognised by their digest under
the job's key, a file that was under way is read up to its checkpoint and goes on from there. When the job ends its key
is destroyed, and the digests with it.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from blake3 import blake3

from vaultfs.engine.session import Session
from vaultfs.engine.vault import Vault
from vaultfs.errors import FormatUnknown, SourceChanged, SourceError, SourceUnreadable, VaultError
from vaultfs.interop.pieces import Piece
from vaultfs.interop.registry import recognise
from vaultfs.migrate.identity import Authorities, Resolver
from vaultfs.migrate.previous import Previous
from vaultfs.migrate.recipes import Recipe, SourceState, Status, StoredSource, source_state
from vaultfs.migrate.report import Report
from vaultfs.migrate.sources import HEAD, SourceFile, StableReader, patients_first, walk
from vaultfs.migrate.window import WINDOW_BYTES, Source, Window

JOBS = "import.job"
"""Namespace of the states of import jobs; the key is the token of the sources' roots."""

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How sources are imported.

    Parameters
    ----------
    namespace
        URI for identifiers without an authority; by default one of the source's own, so that equal numbers of two
        sources never meet by accident.
    authorities
        Authority as sources state it, to the identifier system that it is the same as.
    verify
        Read every imported source back and compare it.
    window_bytes
        Source bytes that are committed at once.
    progress
        Called with source bytes done and in all.
    """

    namespace: str | None = None
    authorities: Mapping[str, str] = field(default_factory=dict)
    verify: bool = True
    window_bytes: int = WINDOW_BYTES
    progress: Callable[[int, int], None] | None = None


class _Job:
    """An import job: an id and a key that live in a control state until the job ends."""

    def __init__(self, session: Session, token: bytes) -> None:
        self._session = session
        self._token = token
        stored = session.state(JOBS, token).value
        if not stored:
            stored = os.urandom(48)
            with session.transaction() as txn:
                txn.set_state(JOBS, token, stored)
        self.id, self._key = stored[:16], stored[16:]

    def hasher(self) -> blake3:
        """Return a hasher under the job's key."""
        return blake3(key=self._key)

    def end(self) -> None:
        """Destroy the key."""
        with self._session.transaction() as txn:
            txn.set_state(JOBS, self._token, b"")


class _Progress:
    """How far the import of one source has come: what its checkpoints say."""

    def __init__(self, job: _Job, revision: int) -> None:
        self._job = job
        self._hasher = job.hasher()
        self._revision = revision
        self.pieces = 0
        self.length = 0
        self.status = Status.PARTIAL

    def take(self, piece: Piece) -> None:
        """Count a piece."""
        for data in (piece.before, piece.data, piece.after):
            self.take_bytes(data)
        self.pieces += 1

    def take_bytes(self, data: bytes) -> None:
        """Count bytes."""
        self._hasher.update(data)
        self.length += len(data)

    def digest(self) -> bytes:
        """Return the digest of the bytes so far, under the job's key."""
        return self._hasher.digest()

    def state(self, recipe: bytes) -> SourceState:
        """Return the state to commit."""
        return SourceState(self.status, recipe, self.length, self.pieces, self.digest(), self._job.id, self._revision)


class _Counted(io.RawIOBase):
    """A file that is counted for the checkpoint as it is read, and must be whole when its end is met."""

    def __init__(self, source: StableReader, progress: _Progress) -> None:
        super().__init__()
        self._source = source
        self._progress = progress

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes."""
        data = self._source.read(size) or b""
        self._progress.take_bytes(data)
        if not data:
            self._source.check(ended=True)
        return data


class Importer:
    """Imports sources into a vault through one session."""

    def __init__(self, vault: Vault, session: Session, options: ImportOptions | None = None) -> None:
        self._vault = vault
        self._session = session
        self._options = options or ImportOptions()
        self._chain = vault.engine.chain
        self._window = Window(session, Resolver(session, Authorities("", {})), Report())
        self._resolver = Resolver(session, Authorities("", {}))
        self._namespace = ""
        self.report = Report()

    def run(self, sources: Sequence[Path]) -> Report:
        """Import files and folders; the vault is settled when this returns.

        Raises
        ------
        VaultError
            The vault failed; what was committed stays, and running again goes on from there. A source that fails is
            counted in the report.
        """
        begun = time.monotonic()
        before = self._occupied()
        files, unreadable = walk(list(sources))
        self.report.sources["failed"] += unreadable
        self.report.reasons[SourceUnreadable.code] += unreadable
        roots = "\0".join(sorted({file.root for file in files}))
        job = _Job(self._session, self._chain.source_token(roots, ""))
        done, total = 0, sum(file.size for file in files)
        for file in patients_first(files):
            self._enter(file)
            try:
                self._import_file(file, job)
            except (SourceChanged, SourceUnreadable) as error:
                self.report.sources["failed"] += 1
                self.report.reasons[error.code] += 1
            done += file.size
            if self._options.progress:
                self._options.progress(done, total)
        self._leave()
        self._vault.settle()
        self.report.bytes_stored = self._occupied() - before
        self.report.seconds = time.monotonic() - begun
        if self._options.verify:
            self._verify(files, job)
        job.end()
        self._vault.settle()
        self.report.reasons += type(self.report.reasons)()
        self.report.sources += type(self.report.sources)()
        return self.report

    def _occupied(self) -> int:
        space = self._vault.space()
        return space.bodies + space.entries + space.framing + space.keys

    def _enter(self, file: SourceFile) -> None:
        """Let identifiers without an authority be kept apart by the file's root, unless the caller named a namespace."""
        token = self._chain.source_token(file.root, "")
        namespace = self._options.namespace or f"urn:vaultfs:source:{token.hex()}"
        if namespace != self._namespace:
            self._leave()
            self._namespace = namespace
            self._resolver = Resolver(self._session, Authorities(namespace, self._options.authorities))
            self._window = Window(self._session, self._resolver, self.report)

    def _leave(self) -> None:
        self._window.commit()
        self.report.candidates += self._resolver.candidates
        self._resolver.candidates = 0

    # One file.

    def _import_file(self, file: SourceFile, job: _Job) -> None:
        token = self._chain.source_token(file.root, file.relative)
        state = source_state(self._session, token)
        if state is not None and state.status == Status.COMPLETE and self._unchanged(file, state, job):
            self.report.sources["resumed" if state.job == job.id else "unchanged"] += 1
            self.report.bytes_in += file.size
            return
        resumed = state if state is not None and state.status == Status.PARTIAL and state.job == job.id else None
        if resumed is not None and self._read_file(file, token, job, resumed, None):
            self.report.sources["resumed"] += 1
            return
        previous = Previous(Recipe(self._session, state)) if state is not None else None
        self._read_file(file, token, job, state, previous)
        self.report.sources["imported" if state is None else "changed"] += 1

    def _unchanged(self, file: SourceFile, state: SourceState, job: _Job) -> bool:
        """Return whether a file is what the vault holds: by digest within one job, by comparing with the bytes else."""
        with io.BufferedReader(StableReader(file), _CHUNK) as stream:
            raw = stream.raw
            if raw.size != state.length:
                return False
            if state.job == job.id:
                hasher = job.hasher()
                while chunk := stream.read(_CHUNK):
                    hasher.update(chunk)
                raw.check(ended=True)
                return hasher.digest() == state.digest
            stored = StoredSource(Recipe(self._session, state))
            while chunk := stream.read(_CHUNK):
                if _read_fully(stored, len(chunk)) != chunk:
                    return False
            raw.check(ended=True)
        self.report.verified += 1
        return True

    def _read_file(
        self, file: SourceFile, token: bytes, job: _Job, state: SourceState | None, previous: Previous | None
    ) -> bool:
        """Import a file, from its checkpoint if `previous` is None and there is one.

        Returns
        -------
        bool
            False if the file is not the one that the checkpoint was made of; nothing was changed.
        """
        resumed = state if previous is None else None
        revision = (state.revision + (previous is not None)) if state else 1
        progress = _Progress(job, revision)
        source = Source(
            token, self._chain.source_token(file.root, ""), os.fsencode(file.relative), progress.state, previous
        )
        with io.BufferedReader(StableReader(file), _CHUNK) as stream:
            raw = stream.raw
            head = stream.peek(HEAD)[:HEAD] if raw.size else b""
            adapter = recognise(head)
            skipped = 0 if resumed is None else resumed.pieces
            source.recipe = b"" if resumed is None else resumed.recipe
            batch: list[Piece] = []
            size = 0
            try:
                if adapter is None and raw.size:
                    raise FormatUnknown
                for piece in adapter.pieces(cast(BinaryIO, stream)) if adapter else ():
                    progress.take(piece)
                    if progress.pieces <= skipped:
                        if progress.pieces == skipped and resumed and progress.digest() != resumed.digest:
                            return False
                        continue
                    batch.append(piece)
                    size += len(piece.before) + len(piece.data) + len(piece.after)
                    if self._window.size + size >= self._options.window_bytes:
                        raw.check(ended=False)
                        self._window.take(source, batch)
                        self._window.commit()
                        batch, size = [], 0
            except SourceError as error:
                if progress.pieces < skipped:
                    return False
                if batch:
                    self._window.take(source, batch)
                self._quarantine(raw, source, progress, error)
            else:
                if progress.pieces < skipped:
                    return False
                raw.check(ended=True)
                progress.status, source.final = Status.COMPLETE, True
                self._window.take(source, batch)
        self.report.bytes_in += file.size
        return True

    def _quarantine(self, raw: StableReader, source: Source, progress: _Progress, error: SourceError) -> None:
        """Keep what follows the last piece that was understood."""
        self._window.commit()
        raw.position = progress.length
        progress.status, source.final = Status.COMPLETE, True
        self._window.quarantine(source, cast(BinaryIO, _Counted(raw, progress)), error)

    # Afterwards.

    def _verify(self, files: Sequence[SourceFile], job: _Job) -> None:
        """Read every source of this job back from the vault and compare it with what was read."""
        begun = time.monotonic()
        for file in files:
            state = source_state(self._session, self._chain.source_token(file.root, file.relative))
            if state is None or state.job != job.id or state.status != Status.COMPLETE:
                continue
            hasher, length = job.hasher(), 0
            try:
                stored = StoredSource(Recipe(self._session, state))
                while chunk := stored.read(_CHUNK):
                    hasher.update(chunk)
                    length += len(chunk)
                same = (length, hasher.digest(), stored.gone) == (state.length, state.digest, [])
            except VaultError:
                same = False
            self.report.verified += same
            self.report.differing += not same
        self.report.verify_seconds = time.monotonic() - begun


def _read_fully(source: io.RawIOBase, length: int) -> bytes:
    pieces, missing = [], length
    while missing and (piece := source.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)

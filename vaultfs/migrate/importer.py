"""The import job: sources of a legacy system into a vault, resumable at every window, verified at the end.

There is nothing to keep of a job but the checkpoints of its sources: an import that was killed is taken up again by
running it again. Files that the vault holds are recognised by comparing every byte; a file that was under way is
compared up to its checkpoint and goes on from there.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from vaultfs.engine.reading.session import Session
from vaultfs.engine.vault import Vault
from vaultfs.errors import ArgumentInvalid, SourceChanged, SourceUnreadable, VaultError
from vaultfs.interop.pieces import Piece
from vaultfs.migrate.authorities import Authorities, namespace_of
from vaultfs.migrate.placing import Place, Source
from vaultfs.migrate.previous import Previous
from vaultfs.migrate.progress import Progress
from vaultfs.migrate.reading import Covered, Differs, read_source
from vaultfs.migrate.recipes import Recipe, SourceState, Status, source_state
from vaultfs.migrate.report import Report
from vaultfs.migrate.sources import SourceFile, StableReader, Tail, patients_first, walk
from vaultfs.migrate.stored import StoredSource, read, tally
from vaultfs.migrate.window import WINDOW_BYTES, Window
from vaultfs.model import SubjectId

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

    def authorities_of(self, root: bytes) -> Authorities:
        """Return how authorities are read in the source with a token.

        Raises
        ------
        ArgumentInvalid
        """
        return Authorities(self.namespace or namespace_of(root), self.authorities)


class Importer:
    """Imports sources into a vault through one session."""

    def __init__(self, vault: Vault, session: Session, options: ImportOptions | None = None) -> None:
        self._vault = vault
        self._session = session
        self._options = options or ImportOptions()
        self._chain = vault.engine.chain
        self._progress = Progress(0, None)
        self._digests: dict[bytes, bytes] = {}
        self._authorities: dict[bytes, Authorities] = {}
        self.report = Report()

    def run(self, sources: Sequence[Path]) -> Report:
        """Import files and folders; the vault is settled when this returns.

        Raises
        ------
        ArgumentInvalid
            A source holds the vault, or lies in it; or an option is not allowed.
        VaultError
            The vault failed; what was committed stays, and running again goes on from there. A source that fails is
            counted in the report.
        """
        begun = time.monotonic()
        self.report, self._digests = Report(), {}
        _keep_apart(self._vault.path, sources)
        self._vault.settle()
        before = self._occupied()
        files, unreadable = walk(sources)
        self.report.failure(SourceUnreadable.code, unreadable)
        self._progress = Progress(sum(file.size for file in files), self._options.progress)
        self._import(patients_first(files))
        self._vault.settle()
        self.report.bytes_stored = self._occupied() - before
        self.report.seconds = time.monotonic() - begun
        if self._options.verify:
            self._verify()
            self._vault.settle()
        return self.report

    def _occupied(self) -> int:
        space = self._vault.space()
        return space.bodies + space.entries + space.framing + space.keys

    def _import(self, files: Sequence[SourceFile]) -> None:
        window = Window(self._session, self.report)
        for file in files:
            try:
                self._import_file(file, window)
            except (SourceChanged, SourceUnreadable) as error:
                self.report.failure(error.code)
            self._progress.done(file.size)
        window.commit()

    # One file.

    def _import_file(self, file: SourceFile, window: Window) -> None:
        source = self._source(file)
        state = source_state(self._session, source.token)
        if state is None:
            self._read(file, source, window)
            self.report.sources["imported"] += 1
            return
        if state.status == Status.COMPLETE and self._holds(file, state):
            self.report.sources["unchanged"] += 1
            return
        if state.status == Status.PARTIAL:
            try:
                self._resume(file, source, window, state)
            except Differs:
                source = self._source(file)
            else:
                self.report.sources["resumed"] += 1
                return
        source.earlier = state.earlier()
        source.previous = Previous(self._session, source.earlier)
        source.revision = state.revision + 1
        self._read(file, source, window)
        self.report.sources["changed"] += 1

    def _source(self, file: SourceFile) -> Source:
        root = self._chain.source_token(file.root, "")
        token = self._chain.source_token(file.root, file.relative)
        if root not in self._authorities:
            self._authorities[root] = self._options.authorities_of(root)
        return Source(token, root, os.fsencode(file.relative), self._authorities[root])

    def _holds(self, file: SourceFile, state: SourceState) -> bool:
        """Return whether the vault holds a file as it is, byte for byte."""
        counts = Report()
        found = tally(self._session, read(self._session, Recipe(self._session, state.recipe).steps()), counts)
        with _opened(file) as (raw, stream):
            if raw.size != state.length:
                return False
            stored = io.BufferedReader(cast("io.RawIOBase", StoredSource(found)), _CHUNK)
            while chunk := stream.read(_CHUNK):
                if stored.read(len(chunk)) != chunk:
                    return False
                self._progress.advance(len(chunk))
            if stored.read(1):
                return False
            raw.check(ended=True)
        counts.bytes_held = file.size
        self.report.add(counts)
        self.report.bytes_in += file.size
        self.report.verified += 1
        return True

    def _resume(self, file: SourceFile, source: Source, window: Window, state: SourceState) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        Differs
            The file is not the one that was begun; nothing was taken in.
        """
        recipe = Recipe(self._session, state.recipe)
        source.revision, source.earlier = state.revision, (state.base, *state.begun)
        subject = SubjectId(state.subject) if state.subject else None
        named = recipe.name() is not None
        source.place = Place(state.recipe, state.length, state.pieces, subject, named)
        if any(source.earlier):
            source.previous = Previous(self._session, state.earlier())
            source.previous.spend(recipe.steps())
        covered = Covered(StoredSource(read(self._session, recipe.steps())), state.pieces)
        self._read(file, source, window, covered)
        self.report.add(covered.counts)

    def _read(self, file: SourceFile, source: Source, window: Window, covered: Covered | None = None) -> None:
        hasher, length = self._vault.engine.suite.hasher(), 0

        def watch(piece: Piece) -> None:
            nonlocal length
            for part in (piece.before, piece.data, piece.after):
                hasher.update(part)
                length += len(part)
                self._progress.advance(len(part))

        def watch_rest(data: bytes) -> None:
            hasher.update(data)
            self._progress.advance(len(data))

        with _opened(file) as (raw, stream):
            rest = read_source(
                stream,
                raw.size,
                source,
                window,
                window_bytes=self._options.window_bytes,
                covered=covered,
                watch=watch,
                check=lambda ended: raw.check(ended=ended),
            )
            if rest is not None:
                raw.seek(length)
                window.stream(source, Tail(raw, watch_rest, lambda: raw.check(ended=True)), rest)
        self._digests[source.token] = hasher.digest()
        self.report.bytes_in += file.size

    # Afterwards.

    def _verify(self) -> None:
        """Read every source that this run has imported back from the vault and compare it with what was read."""
        begun = time.monotonic()
        for token, digest in self._digests.items():
            same = False
            with contextlib.suppress(VaultError):
                state = source_state(self._session, token)
                if state is not None and state.status == Status.COMPLETE:
                    same = self._digest_of(state) == digest
            self.report.verified += same
            self.report.differing += not same
        self._session.compared(self.report.verified, whole=not self.report.differing)
        self.report.verify_seconds = time.monotonic() - begun

    def _digest_of(self, state: SourceState) -> bytes:
        hasher = self._vault.engine.suite.hasher()
        stored = StoredSource(read(self._session, Recipe(self._session, state.recipe).steps()))
        buffer = memoryview(bytearray(_CHUNK))
        while count := stored.readinto(buffer):
            hasher.update(buffer[:count])
        return hasher.digest()


@contextlib.contextmanager
def _opened(file: SourceFile) -> Iterator[tuple[StableReader, io.BufferedReader]]:
    raw = StableReader(file)
    with cast("io.BufferedReader", io.BufferedReader(raw, _CHUNK)) as stream:
        yield raw, stream


def _keep_apart(vault: Path, sources: Sequence[Path]) -> None:
    """Refuse a source that has to do with the vault itself."""
    place = Path(os.path.realpath(vault))
    for source in sources:
        try:
            found = Path(os.path.realpath(source))
        except ValueError:
            continue  # it can be no path, and counts as unreadable
        if found == place or found in place.parents or place in found.parents:
            raise ArgumentInvalid

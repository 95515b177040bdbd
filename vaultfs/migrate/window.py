"""A window of an import: pieces of one or more sources, put and committed together with their checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vaultfs.engine.reading.session import Session
from vaultfs.errors import SourceError
from vaultfs.interop.pieces import Facts, Piece
from vaultfs.migrate.identity import Resolver
from vaultfs.migrate.placing import Placement, Source
from vaultfs.migrate.report import Report
from vaultfs.migrate.sources import Tail

WINDOW_BYTES = 32 * 1024 * 1024
"""Source bytes after which a window is committed; a piece may exceed it, up to the largest that adapters take."""


class Window:
    """Collects sources with their pieces and commits them. What a failed commit held is given up: it is read again."""

    def __init__(self, session: Session, report: Report) -> None:
        self._session = session
        self._resolver = Resolver()
        self._report = report
        self._sources: list[Source] = []
        self.size = 0

    def take(self, source: Source, pieces: Sequence[Piece]) -> None:
        """Take in pieces of a source; those of one source follow each other."""
        if not self._sources or self._sources[-1] is not source:
            self._sources.append(source)
        source.pieces += pieces
        self.size += sum(len(p.before) + len(p.data) + len(p.after) for p in pieces)

    def commit(self) -> None:
        """Put everything taken in, and commit it with the checkpoint of every source."""
        sources, self._sources, self.size = self._sources, [], 0
        if not sources:
            return
        try:
            self._commit(sources, lambda placement, source: placement.put(source.pieces))
        finally:
            for source in sources:
                source.pieces = []

    def stream(self, source: Source, rest: Tail, found: Facts | SourceError) -> None:
        """Commit what was taken in; then put the rest of a source, of any size, as one record, and commit that.

        Parameters
        ----------
        found
            What the rest says of itself, or why it is kept in quarantine.
        """
        self.commit()
        source.ended = True
        self._commit([source], lambda placement, _: placement.stream(rest, found))

    def _commit(self, sources: Sequence[Source], put: Callable[[Placement, Source], None]) -> None:
        counts, candidates = Report(), self._resolver.candidates
        places = []
        try:
            with self._session.transaction() as txn:
                for source in sources:
                    placement = Placement(self._session, txn, source, self._resolver, counts)
                    put(placement, source)
                    places.append(placement.finish())
        except BaseException:
            # What it has proposed is not in the vault, and must be again.
            self._resolver = Resolver()
            raise
        for source, place in zip(sources, places, strict=True):
            source.place = place
        self._report.add(counts)
        self._report.candidates += self._resolver.candidates - candidates

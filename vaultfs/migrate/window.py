"""A window of an import: pieces of one or more sources, put and committed together with their checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, cast

from vaultfs.engine.session import Session
from vaultfs.errors import SourceError
from vaultfs.interop.pieces import Piece
from vaultfs.migrate.identity import Resolver
from vaultfs.migrate.kinds import QUARANTINE
from vaultfs.migrate.placing import Placement, Source, keep_reason
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
        counts, candidates = Report(), self._resolver.candidates
        places = []
        try:
            with self._session.transaction() as txn:
                for source in sources:
                    placement = Placement(self._session, txn, source, self._resolver, counts)
                    placement.put(source.pieces)
                    places.append(placement.finish())
        finally:
            for source in sources:
                source.pieces = []
        for source, place in zip(sources, places, strict=True):
            source.place = place
        self._report.add(counts)
        self._report.candidates += self._resolver.candidates - candidates

    def quarantine(self, source: Source, rest: Tail, error: SourceError) -> None:
        """Commit what was taken in; then keep the rest of a source, of any size, in quarantine."""
        self.commit()
        source.ended = True
        with self._session.transaction() as txn:
            record_id = txn.put(cast("BinaryIO", rest), kind=QUARANTINE, subject=None)
            keep_reason(txn, record_id, error.code, source.token)
            placement = Placement(self._session, txn, source, self._resolver, self._report)
            placement.stream(record_id, rest.length)
            place = placement.finish()
        source.place = place
        self._report.quarantined(error.code)

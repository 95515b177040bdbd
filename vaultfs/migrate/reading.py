"""Reading one source through windows, from its beginning or on from a checkpoint."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, cast

from vaultfs.errors import FormatUnknown, SourceError
from vaultfs.interop.pieces import Facts, Piece
from vaultfs.interop.registry import recognise
from vaultfs.migrate.placing import Source
from vaultfs.migrate.report import Report
from vaultfs.migrate.sources import HEAD
from vaultfs.migrate.stored import StoredSource
from vaultfs.migrate.wholes import as_one
from vaultfs.migrate.window import Window


class Differs(Exception):
    """A source does not begin with what its checkpoint covers."""


class Covered:
    """What a checkpoint covers, compared with the source piece by piece.

    Parameters
    ----------
    stored
        The source as far as the vault has it.
    pieces
        How many pieces that is.

    Attributes
    ----------
    counts
        What was covered.
    """

    def __init__(self, stored: StoredSource, pieces: int) -> None:
        self._stored = io.BufferedReader(cast("io.RawIOBase", stored), 1 << 20)
        self._left = pieces
        self.counts = Report()

    def covers(self, piece: Piece) -> bool:
        """Return whether a piece is in the vault already.

        Raises
        ------
        Differs
        """
        if not self._left:
            return False
        for part in (piece.before, piece.data, piece.after):
            if self._stored.read(len(part)) != part:
                raise Differs
        self._left -= 1
        self.counts.count(piece, "unchanged")
        return True

    def end(self) -> None:
        """Refuse a source that has ended before the checkpoint.

        Raises
        ------
        Differs
        """
        if self._left:
            raise Differs


def read_source(
    stream: io.BufferedReader,
    size: int,
    source: Source,
    window: Window,
    *,
    window_bytes: int,
    covered: Covered | None = None,
    watch: Callable[[Piece], None] = lambda _: None,
    check: Callable[[bool], None] = lambda _: None,
) -> Facts | SourceError | None:
    """Take a source into windows up to its end, which is in the window when this returns and not committed yet.

    Parameters
    ----------
    stream
        The source from its beginning.
    size
        Its bytes.
    window_bytes
        Source bytes after which a window is committed.
    covered
        What is in the vault already.
    watch
        Called with every piece.
    check
        Called before anything is taken in, with whether the source has been read to its end; may raise to refuse it.

    Returns
    -------
    Facts, SourceError or None
        What the rest of the source is, as one record, that is still to be streamed: all of a large one with these
        facts; or what cannot be understood from here on, and why. The pieces before are taken in.

    Raises
    ------
    Differs
        The source is not the one that `covered` was made of; nothing was taken in.
    """
    head = stream.peek(HEAD)[:HEAD]
    adapter = recognise(head)
    batch: list[Piece] = []
    taken = 0
    problem: SourceError | None = None
    whole: Facts | None = None
    try:
        if adapter is None and head:
            raise FormatUnknown
        whole = as_one(adapter, stream, size)
        for piece in adapter.pieces(cast("BinaryIO", stream)) if adapter and not whole else ():
            watch(piece)
            if covered is not None and covered.covers(piece):
                continue
            batch.append(piece)
            taken += len(piece.before) + len(piece.data) + len(piece.after)
            if window.size + taken >= window_bytes:
                check(False)
                window.take(source, batch)
                window.commit()
                batch, taken = [], 0
    except SourceError as error:
        # The frames of the traceback hold the source.
        problem = error.with_traceback(None)
    if covered is not None:
        covered.end()
    if whole is not None:
        return whole
    source.ended = problem is None
    check(source.ended)
    if batch or source.ended:
        window.take(source, batch)
    return problem

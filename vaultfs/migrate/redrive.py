"""Trying again what is in quarantine, after an adapter has learned to read it."""

from __future__ import annotations

import io
from collections import Counter
from itertools import islice
from typing import BinaryIO, cast

from vaultfs.engine.reading.session import Session
from vaultfs.engine.vault import Vault
from vaultfs.errors import SourceError
from vaultfs.interop.registry import recognise
from vaultfs.migrate.importer import ImportOptions
from vaultfs.migrate.kinds import QUARANTINE, REASONS
from vaultfs.migrate.placing import Source
from vaultfs.migrate.previous import Previous
from vaultfs.migrate.reading import read_source
from vaultfs.migrate.recipes import Recipe, SourceState, Status, source_state
from vaultfs.migrate.report import Report
from vaultfs.migrate.sources import HEAD, Tail
from vaultfs.migrate.stored import Gone, StoredSource, read
from vaultfs.migrate.wholes import as_one
from vaultfs.migrate.window import Window
from vaultfs.model import NOBODY


def redrive(vault: Vault, session: Session, options: ImportOptions, code: int | None = None) -> Report:
    """Read every source with something in quarantine again, from the vault itself.

    What is understood now becomes records, and leaves quarantine; a source of which nothing more is understood stays
    as it is, and so does one whose import has not come to its end. The report counts the sources that were read anew,
    and what stays in quarantine.

    Parameters
    ----------
    code
        Only sources with something that was quarantined for this reason.

    Raises
    ------
    VaultError
    """
    report = Report()
    reasons: dict[bytes, Counter[int]] = {}
    for info in session.find(subject=NOBODY, kind=QUARANTINE):
        reason = session.state(REASONS, bytes(info.id)).value or b""
        if reason:
            reasons.setdefault(reason[2:], Counter())[int.from_bytes(reason[:2], "little")] += 1
    for token, counts in reasons.items():
        state = source_state(session, token)
        if state is None or (code is not None and code not in counts):
            continue
        if not _again(session, token, state, options, report):
            for one in counts.elements():
                report.quarantined(one)
    vault.settle()
    return report


def _again(session: Session, token: bytes, state: SourceState, options: ImportOptions, report: Report) -> bool:
    """Read a source again; return whether more of it was understood."""
    if state.status == Status.PARTIAL:
        return False
    last, *_ = state.earlier()
    whole = Recipe(session, last)
    if not _promising(session, last):
        return False
    source = Source(token, whole.root, whole.name() or b"", options.authorities_of(whole.root), state.revision + 1)
    source.earlier = state.earlier()
    source.previous = Previous(session, source.earlier)
    source.unfinished = Status.REDRIVEN
    counts = Report()
    window = Window(session, counts)
    size = _size(session, whole)
    rest = read_source(_stream(session, whole), size, source, window, window_bytes=options.window_bytes)
    if rest is None:
        window.commit()
    else:
        window.stream(source, Tail(_stream(session, whole)), rest)
    report.add(counts)
    report.candidates += counts.candidates
    report.sources["changed"] += 1
    return True


def _promising(session: Session, last: bytes) -> bool:
    """Return whether a source can be read to its end now, with less in quarantine than before."""
    previous, whole = Previous(session, [last]), Recipe(session, last)
    if any(isinstance(found, Gone) for found in read(session, whole.steps())):
        return False
    stream = _stream(session, whole)
    adapter = recognise(stream.peek(HEAD)[:HEAD])
    if adapter is None:
        return False
    try:
        if as_one(adapter, stream, _size(session, whole)):
            return True
        for piece in adapter.pieces(cast("BinaryIO", stream)):
            if piece.facts is None:
                previous.same(piece, ())
    except SourceError:
        return False
    return next(previous.resolved(), None) is not None


def _size(session: Session, recipe: Recipe) -> int:
    """Return how large a source is that is one record and was streamed, 0 for all others."""
    steps = list(islice(recipe.steps(), 2))
    return session.info(steps[0].id, steps[0].version).length if len(steps) == 1 and steps[0].streamed else 0


def _stream(session: Session, recipe: Recipe) -> io.BufferedReader:
    return io.BufferedReader(cast("io.RawIOBase", StoredSource(read(session, recipe.steps()))), 1 << 20)

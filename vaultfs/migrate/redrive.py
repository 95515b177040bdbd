"""Trying again what is in quarantine, after an adapter has learned to read it."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from vaultfs.engine.session import Session
from vaultfs.engine.vault import Vault
from vaultfs.errors import Deleted, NotFound, SourceError
from vaultfs.interop.pieces import Piece
from vaultfs.interop.registry import recognise
from vaultfs.migrate.identity import Authorities, Resolver
from vaultfs.migrate.importer import ImportOptions
from vaultfs.migrate.previous import QUARANTINE, Previous
from vaultfs.migrate.recipes import Recipe, SourceState, Status, StoredSource, source_state
from vaultfs.migrate.report import Report
from vaultfs.migrate.sources import HEAD
from vaultfs.migrate.window import REASONS, Source, Window
from vaultfs.model import NOBODY


def redrive(vault: Vault, session: Session, options: ImportOptions, code: int | None = None) -> Report:
    """Read every source with something in quarantine again, from the vault itself.

    What is understood now becomes records, and leaves quarantine; all else stays as it is.

    Parameters
    ----------
    code
        Only what was quarantined for this reason.
    """
    report = Report()
    tokens: dict[bytes, None] = {}
    for info in session.find(subject=NOBODY, kind=QUARANTINE):
        reason = session.state(REASONS, bytes(info.id)).value or b""
        if reason and code in (None, int.from_bytes(reason[:2], "little")):
            tokens[reason[2:]] = None
    for token in tokens:
        state = source_state(session, token)
        if state is not None:
            _again(session, token, state, options, report)
    vault.settle()
    return report


def _again(session: Session, token: bytes, state: SourceState, options: ImportOptions, report: Report) -> None:
    recipe = Recipe(session, state)
    name, root = recipe.name(), recipe.root
    resolver = Resolver(
        session, Authorities(options.namespace or f"urn:vaultfs:source:{root.hex()}", options.authorities)
    )
    window = Window(session, resolver, report)
    length = pieces = 0

    def checkpoint(recipe_id: bytes) -> SourceState:
        return SourceState(Status.COMPLETE, recipe_id, length, pieces, bytes(32), bytes(16), state.revision + 1)

    source = Source(token, root, name or b"", checkpoint, Previous(recipe))
    stream = io.BufferedReader(StoredSource(recipe), 1 << 20)
    adapter = recognise(stream.peek(HEAD)[:HEAD])
    taken: list[Piece] = []
    try:
        for piece in adapter.pieces(cast(BinaryIO, stream)) if adapter else ():
            taken.append(piece)
            pieces += 1
            length += len(piece.before) + len(piece.data) + len(piece.after)
    except (SourceError, NotFound, Deleted):
        return
    if adapter is None or length != state.length:
        return
    source.final = True
    window.take(source, taken)
    window.commit()
    report.candidates += resolver.candidates

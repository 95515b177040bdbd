"""From the places of records in a source to pieces that, joined, are the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vaultfs.errors import PieceTooLarge, SourceError
from vaultfs.interop.pieces import Facts, Piece
from vaultfs.interop.window import Window


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a record lies in its source, and what was found out about it.

    Parameters
    ----------
    gap
        Where the bytes begin that lie before the record and belong to it.
    start, end
        The record itself.
    facts, problem
        As in `Piece`: exactly one is None.
    """

    gap: int
    start: int
    end: int
    facts: Facts | None = field(repr=False)
    problem: SourceError | None = None


def join(window: Window, slots: Iterable[Slot], whole: Facts, maximum: int) -> Iterator[Piece]:
    """Yield the pieces of a source, one a slot; bytes between two slots go to the piece before.

    Parameters
    ----------
    slots
        In the order of the source, without overlap; drawn one ahead of the piece that is yielded, and ending only when
        the source has been read to its end.
    whole
        What is known of the source itself, for a source without a single record.
    maximum
        The largest record, in bytes.

    Raises
    ------
    PieceTooLarge
        A record has more than `maximum` bytes.
    """
    last: Slot | None = None
    before = data = b""
    for slot in slots:
        if slot.end - slot.start > maximum:
            raise PieceTooLarge(limit=maximum)
        if last is None:
            before = window.part(0, slot.start)
        else:
            yield Piece(before, data, window.part(last.end, slot.gap), last.facts, last.problem)
            before = window.part(slot.gap, slot.start)
        data = window.part(slot.start, slot.end)
        window.release(slot.end)
        last = slot
    if last is not None:
        yield Piece(before, data, window.part(last.end, window.end), last.facts, last.problem)
        return
    if window.end > maximum:
        raise PieceTooLarge(limit=maximum)
    yield Piece(b"", window.part(0, window.end), b"", whole)

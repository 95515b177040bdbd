"""Sources as the vault holds them: the records of a recipe, read in order, and the bytes that they give."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from vaultfs.engine.reading.records import Record
from vaultfs.engine.reading.session import Session
from vaultfs.errors import Deleted, NotFound
from vaultfs.migrate.kinds import GAP, QUARANTINE, REASONS
from vaultfs.migrate.recipes import Step
from vaultfs.migrate.report import Report

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Kept:
    """A record of a recipe, read."""

    step: Step
    record: Record = field(repr=False)

    @property
    def around(self) -> tuple[bytes, bytes]:
        """The bytes before and after the record that belong to the source."""
        return (b"", b"") if self.step.bare else (self.record.before, self.record.after)

    def whole(self) -> bytes:
        """Return the bytes of the source that the record gives."""
        before, after = self.around
        return before + self.record.data + after


@dataclass(frozen=True, slots=True)
class Streamed:
    """A record of a recipe that is too large to be taken into memory, opened."""

    step: Step
    stream: io.BufferedReader = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gone:
    """A record of a recipe that is deleted or disposed of."""

    step: Step


Found = Kept | Streamed | Gone


def read(session: Session, steps: Iterable[Step]) -> Iterator[Found]:
    """Yield the records of steps, in order."""
    for batch in batched(iter(steps), _BATCH):
        small = [one for one in batch if not one.streamed]
        found = iter(_read_small(session, small))
        for one in batch:
            yield _open(session, one) if one.streamed else next(found)


def _read_small(session: Session, steps: Sequence[Step]) -> list[Kept | Gone]:
    try:
        records = session.get_many([(one.id, one.version) for one in steps])
    except (NotFound, Deleted):
        return [_read_one(session, one) for one in steps]
    return [Kept(one, record) for one, record in zip(steps, records, strict=True)]


def _read_one(session: Session, step: Step) -> Kept | Gone:
    try:
        return Kept(step, session.get(step.id, step.version))
    except (NotFound, Deleted):
        return Gone(step)


def _open(session: Session, step: Step) -> Streamed | Gone:
    try:
        return Streamed(step, session.open(step.id, step.version))
    except (NotFound, Deleted):
        return Gone(step)


T = TypeVar("T")


def batched(values: Iterator[T], count: int) -> Iterator[list[T]]:
    """Yield lists of up to `count` values."""
    while batch := list(islice(values, count)):
        yield batch


class StoredSource(io.RawIOBase):
    """A source file, put together from its recipe as it is read.

    Attributes
    ----------
    gone
        Records that are deleted or disposed of, so far.
    """

    def __init__(self, found: Iterable[Found]) -> None:
        super().__init__()
        self._found = iter(found)
        self._pending = memoryview(b"")
        self._stream: io.BufferedReader | None = None
        self.gone = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override] # io takes any buffer
        """Read the next bytes: as many as there is room for, fewer only at the end."""
        view = memoryview(buffer)
        filled = 0
        while filled < len(view):
            if self._stream is not None:
                count = self._stream.readinto(view[filled:])
                self._stream = self._stream if count else None
            elif self._pending:
                count = min(len(view) - filled, len(self._pending))
                view[filled : filled + count] = self._pending[:count]
                self._pending = self._pending[count:]
            elif not self._advance():
                break
            else:
                continue
            filled += count
        return filled

    def _advance(self) -> bool:
        found = next(self._found, None)
        if isinstance(found, Kept):
            self._pending = memoryview(found.whole())
        elif isinstance(found, Streamed):
            self._stream = found.stream
        elif isinstance(found, Gone):
            self.gone += 1
        return found is not None


def tally(session: Session, found: Iterable[Found], report: Report) -> Iterator[Found]:
    """Yield the records of a source that is in the vault already, and count them."""
    for one in found:
        info = None
        if isinstance(one, Kept):
            info = one.record.info
        elif isinstance(one, Streamed):
            info = session.info(one.step.id, one.step.version)
        if info and info.kind == QUARANTINE:
            reason = session.state(REASONS, bytes(one.step.id)).value or b""
            report.quarantined(int.from_bytes(reason[:2], "little"))
        elif info and info.kind != GAP:
            report.records[info.kind, info.date.when.year if info.date else 0, "unchanged"] += 1
        yield one

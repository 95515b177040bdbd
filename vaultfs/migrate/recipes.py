"""Recipes: how a source file is put together again from records, byte for byte.

A source has a token: a keyed id of its root and its path. Its state names the last part of its recipe; parts form a
chain, one for each window of work. A part lists records with their versions; the bytes before and after them are kept
with them. The file's name is a record of its first subject, since names of files hold names of patients.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import NamedTuple, TypeVar

import msgspec

from vaultfs.engine.records import Record
from vaultfs.engine.session import Session
from vaultfs.errors import Deleted, NotFound, RecipeInvalid
from vaultfs.model import RecordId

SOURCES = "import.source"
"""Namespace of the states of sources; the key is the source token."""

RECIPE_TYPE = "application/vnd.vaultfs.recipe"
_STEP = 20
_STREAMED = 1 << 31
_BATCH = 256


class Status(IntEnum):
    """How far the import of a source has come."""

    PARTIAL = 1
    COMPLETE = 2


class SourceState(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a source.

    Parameters
    ----------
    status
        `Status`.
    recipe
        Id of the last part of the recipe.
    length
        Bytes of the source that the recipe gives.
    pieces
        Pieces that the recipe covers.
    digest
        Digest of those bytes under the key of the import job; tells nothing once the job has ended.
    job
        Id of the import job.
    revision
        1 for the first import of the source, one more for every time that its bytes were others.
    """

    status: int
    recipe: bytes
    length: int
    pieces: int
    digest: bytes
    job: bytes
    revision: int = 1


class RecipePart(msgspec.Struct, frozen=True, array_like=True):
    """A part of a recipe, as its record holds it.

    Parameters
    ----------
    token
        The source token.
    previous
        Id of the part before, empty for the first.
    name
        Id of the record with the file's name; empty in all parts but the first.
    root
        Token of the source root.
    steps
        Records in order, each 16 bytes of id and 4 bytes (little-endian) of version, the highest bit set for a record
        that is too large to be taken into memory.
    """

    token: bytes
    previous: bytes
    name: bytes
    root: bytes
    steps: bytes


_encoder = msgspec.msgpack.Encoder()
_states = msgspec.msgpack.Decoder(SourceState)
_parts = msgspec.msgpack.Decoder(RecipePart)


def encode(value: SourceState | RecipePart) -> bytes:
    """Return the bytes of a state or a recipe part."""
    return _encoder.encode(value)


def source_state(session: Session, token: bytes) -> SourceState | None:
    """Return the state of a source, None where it was never imported."""
    value = session.state(SOURCES, token).value
    if not value:
        return None
    try:
        return _states.decode(value)
    except msgspec.MsgspecError:
        raise RecipeInvalid from None


def decode_part(data: bytes) -> RecipePart:
    """Return a recipe part.

    Raises
    ------
    RecipeInvalid
    """
    try:
        part = _parts.decode(data)
    except msgspec.MsgspecError:
        raise RecipeInvalid from None
    if len(part.steps) % _STEP:
        raise RecipeInvalid
    return part


class Step(NamedTuple):
    """A record of a recipe; `streamed` marks one that is too large to be taken into memory."""

    id: RecordId
    version: int
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """A record of a recipe that is deleted or disposed of."""

    id: RecordId


Found = Record | Step | Gone


def encode_step(record_id: RecordId, version: int, *, streamed: bool = False) -> bytes:
    """Return a step as recipes keep it."""
    return bytes(record_id) + (version | (_STREAMED if streamed else 0)).to_bytes(4, "little")


def _decode_step(data: bytes) -> Step:
    number = int.from_bytes(data[16:], "little")
    return Step(RecordId(data[:16]), number & ~_STREAMED, bool(number & _STREAMED))


class Recipe:
    """The recipe of a source: its parts in order."""

    def __init__(self, session: Session, state: SourceState) -> None:
        self._session = session
        self._parts: list[RecipePart] = []
        following = state.recipe
        while following:
            part = decode_part(session.get(RecordId(following)).data)
            self._parts.append(part)
            following = part.previous
        self._parts.reverse()

    @property
    def root(self) -> bytes:
        """Token of the source root."""
        return self._parts[0].root

    def name(self) -> bytes | None:
        """Return the relative path of the source in bytes, None where it is gone."""
        try:
            return self._session.get(RecordId(self._parts[0].name)).data
        except (NotFound, Deleted):
            return None

    def steps(self) -> Iterator[Step]:
        """Yield the records, in the order of the source."""
        for part in self._parts:
            for at in range(0, len(part.steps), _STEP):
                yield _decode_step(part.steps[at : at + _STEP])

    def records(self) -> Iterator[Found]:
        """Yield the records in order: read, or the step alone of one that is streamed, or a mark for one that is gone."""
        for batch in batched(self.steps(), _BATCH):
            small = [(one.id, one.version) for one in batch if not one.streamed]
            read = iter(self._read(small))
            for one in batch:
                yield one if one.streamed else next(read)

    def _read(self, wanted: Sequence[tuple[RecordId, int]]) -> Iterator[Record | Gone]:
        try:
            yield from self._session.get_many(wanted)
        except (NotFound, Deleted):
            for record_id, version in wanted:
                try:
                    yield self._session.get(record_id, version)
                except (NotFound, Deleted):
                    yield Gone(record_id)

    def open(self, one: Step) -> io.BufferedReader:
        """Open a streamed record."""
        return self._session.open(one.id, one.version)


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

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._recipe = recipe
        self._records = recipe.records()
        self._pending = memoryview(b"")
        self._stream: io.BufferedReader | None = None
        self.gone: list[RecordId] = []

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """Read the next bytes."""
        view = memoryview(buffer)
        while not self._pending:
            if self._stream is not None:
                count = self._stream.readinto(view)
                if count:
                    return count
                self._stream = None
            record = next(self._records, None)
            if record is None:
                return 0
            if isinstance(record, Record):
                self._pending = memoryview(record.before + record.data + record.after)
            elif isinstance(record, Gone):
                self.gone.append(record.id)
            else:
                self._stream = self._recipe.open(record)
        count = min(len(view), len(self._pending))
        view[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

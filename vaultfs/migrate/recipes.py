"""Recipes: how a source file is put together again from records, byte for byte.

A source has a token: a keyed id of its root and its path. Its state names the last part of its recipe; parts form a
chain, one for each window of work. A part lists records with their versions; the bytes before and after them are kept
with them. The file's name is a record of its first subject, since names of files hold names of patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from typing import NamedTuple, TypeVar

import msgspec

from vaultfs.engine.reading.session import Session
from vaultfs.errors import Deleted, NotFound, RecipeInvalid
from vaultfs.migrate.kinds import SOURCES
from vaultfs.model import RecordId

RECIPE_TYPE = "application/vnd.vaultfs.recipe"
_ID = 16
_STEP = _ID + 4
_STREAMED = 1 << 31
_BARE = 1 << 30


class Status(IntEnum):
    """How far the import of a source has come."""

    PARTIAL = 1
    COMPLETE = 2
    REDRIVEN = 3
    """Begun anew from the vault itself, and not finished."""


class SourceState(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a source: the checkpoint of its import.

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
    revision
        1 for the first import of the source, one more for every time that its bytes were others.
    base
        Id of the last part of the recipe of the revision that was last completed, while this one is not; empty where
        there is none.
    begun
        The same for revisions that were begun after it and given up, since the bytes were others by then.
    subject
        The last subject that a piece belonged to, or empty.
    """

    status: int
    recipe: bytes
    length: int
    pieces: int
    revision: int = 1
    base: bytes = b""
    begun: tuple[bytes, ...] = ()
    subject: bytes = b""

    def earlier(self) -> tuple[bytes, ...]:
        """Return the recipes that a next revision builds on: of the last complete revision and of those begun since."""
        return (self.recipe,) if self.status == Status.COMPLETE else (self.base, *self.begun, self.recipe)


class RecipePart(msgspec.Struct, frozen=True, array_like=True):
    """A part of a recipe, as its record holds it.

    Parameters
    ----------
    token
        The source token.
    previous
        Id of the part before, empty for the first.
    name
        Id of the record with the file's name, which one part has; empty in all others.
    root
        Token of the source root.
    steps
        Records in order, each 16 bytes of id and 4 bytes (little-endian) of version, the highest bit set for a record
        that is too large to be taken into memory, the next one for a record without the bytes stored around it.
    retired
        The same, for records of earlier revisions that this one does not have; in the last part.
    """

    token: bytes
    previous: bytes
    name: bytes
    root: bytes
    steps: bytes
    retired: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_states = msgspec.msgpack.Decoder(SourceState)
_parts = msgspec.msgpack.Decoder(RecipePart)
_STATUSES = frozenset(Status)
_Kept = TypeVar("_Kept", SourceState, RecipePart)


def encode(value: SourceState | RecipePart) -> bytes:
    """Return the bytes of a state or a recipe part."""
    return _encoder.encode(value)


def _decoded(decoder: msgspec.msgpack.Decoder[_Kept], data: bytes) -> _Kept:
    """Return what was encoded so: all its fields, in one spelling, and nothing else."""
    with suppress(msgspec.MsgspecError):
        found = decoder.decode(data)
        if _encoder.encode(found) == data:
            return found
    raise RecipeInvalid


def source_state(session: Session, token: bytes) -> SourceState | None:
    """Return the state of a source, None where it was never imported.

    Raises
    ------
    RecipeInvalid
    """
    value = session.state(SOURCES, token).value
    return decode_source_state(value) if value else None


def decode_source_state(data: bytes) -> SourceState:
    """Return the state of a source.

    Raises
    ------
    RecipeInvalid
    """
    state = _decoded(_states, data)
    if state.status not in _STATUSES:
        raise RecipeInvalid
    return state


def decode_part(data: bytes) -> RecipePart:
    """Return a recipe part.

    Raises
    ------
    RecipeInvalid
    """
    part = _decoded(_parts, data)
    ids = all(len(one) in (0, _ID) for one in (part.previous, part.name))
    if not ids or len(part.steps) % _STEP or len(part.retired) % _STEP:
        raise RecipeInvalid
    return part


class Step(NamedTuple):
    """A record of a recipe.

    Parameters
    ----------
    streamed
        It is too large to be taken into memory.
    bare
        The bytes stored around it do not count.
    """

    id: RecordId
    version: int
    streamed: bool = False
    bare: bool = False

    def encoded(self) -> bytes:
        """Return the step as recipes keep it."""
        flags = (_STREAMED if self.streamed else 0) | (_BARE if self.bare else 0)
        return bytes(self.id) + (self.version | flags).to_bytes(4, "little")


def _decode_steps(data: bytes) -> Iterator[Step]:
    for at in range(0, len(data), _STEP):
        number = int.from_bytes(data[at + _ID : at + _STEP], "little")
        version = number & ~(_STREAMED | _BARE)
        yield Step(RecordId(data[at : at + _ID]), version, bool(number & _STREAMED), bool(number & _BARE))


class Recipe:
    """The recipe of a source: its parts in order.

    Parameters
    ----------
    last
        Id of its last part, as the state of the source says.

    Raises
    ------
    RecipeInvalid
        A part is not there, or comes before itself.
    """

    def __init__(self, session: Session, last: bytes) -> None:
        self._session = session
        self._parts: list[RecipePart] = []
        following, seen = last, set[bytes]()
        while following:
            if following in seen:
                raise RecipeInvalid
            seen.add(following)
            try:
                part = decode_part(session.get(RecordId(following)).data)
            except (NotFound, Deleted):
                raise RecipeInvalid from None
            self._parts.append(part)
            following = part.previous
        self._parts.reverse()

    @property
    def root(self) -> bytes:
        """Token of the source root."""
        return self._parts[0].root

    def name(self) -> bytes | None:
        """Return the relative path of the source in bytes, None where it is gone."""
        for part in reversed(self._parts):
            if part.name:
                try:
                    return self._session.get(RecordId(part.name)).data
                except (NotFound, Deleted):
                    return None
        return None

    def steps(self) -> Iterator[Step]:
        """Yield the records, in the order of the source."""
        for part in self._parts:
            yield from _decode_steps(part.steps)

    def retired(self) -> Iterator[Step]:
        """Yield the records that earlier revisions of the source had."""
        for part in self._parts:
            yield from _decode_steps(part.retired)

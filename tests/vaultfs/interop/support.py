"""What the tests of all adapters share: running one, and saying what came of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from hypothesis import strategies as st

from vaultfs.errors import SourceError
from vaultfs.interop.ccda import CcdaAdapter
from vaultfs.interop.dicom import DicomAdapter
from vaultfs.interop.fhir import FhirAdapter
from vaultfs.interop.hl7v2 import Hl7v2Adapter
from vaultfs.interop.pieces import Facts, Piece

AdapterClass = type[CcdaAdapter] | type[DicomAdapter] | type[FhirAdapter] | type[Hl7v2Adapter]


class _Flowing(io.RawIOBase):
    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            self._left = next(self._parts, b"")
        got, self._left = self._left[:size], self._left[size:]
        return got


def flowing(parts: Iterator[bytes]) -> BinaryIO:
    """Return a stream that is made while it is read, and gives no more at a time than one of `parts`."""
    return cast("BinaryIO", _Flowing(parts))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The pieces that came, and the error that ended them."""

    pieces: tuple[Piece, ...]
    error: SourceError | None

    def comparable(self) -> object:
        """Return all of it as values that can be compared; errors by their type."""
        return (
            [(p.before, p.data, p.after, p.facts, type(p.problem)) for p in self.pieces],
            type(self.error),
        )


def run(kind: AdapterClass, data: bytes, maximum: int = 1 << 26, chunk: int = 1 << 20) -> Outcome:
    """Return what an adapter makes of `data`."""
    return drain(kind(maximum, chunk).pieces(io.BytesIO(data)))


def drain(pieces: Iterable[Piece]) -> Outcome:
    """Return all pieces and the error that ended them, if one did."""
    found: list[Piece] = []
    error: SourceError | None = None
    try:
        found.extend(pieces)
    except SourceError as raised:
        error = raised
    return Outcome(tuple(found), error)


def pieces_of(kind: AdapterClass, data: bytes) -> list[Piece]:
    """Return the pieces of a source that must be understood, and see that they join to it."""
    outcome = run(kind, data)
    if outcome.error:
        raise outcome.error
    assert joined(outcome.pieces) == data
    return list(outcome.pieces)


def joined(pieces: Iterable[Piece]) -> bytes:
    return b"".join(piece.before + piece.data + piece.after for piece in pieces)


def facts_of(piece: Piece) -> Facts:
    assert piece.problem is None
    assert piece.facts is not None
    return piece.facts


def fhir_facts(resource: dict[str, Any]) -> Facts:
    """Return the facts of one resource that is a source by itself."""
    (piece,) = pieces_of(FhirAdapter, json.dumps(resource).encode())
    return facts_of(piece)


def hl7_facts(message: bytes) -> Facts:
    """Return the facts of one message that is a source by itself."""
    (piece,) = pieces_of(Hl7v2Adapter, message)
    return facts_of(piece)


def mutations(seeds: list[bytes], scraps: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return sources near to valid ones: a seed with parts cut, doubled, swapped in, or bytes of noise."""

    @st.composite
    def draw_one(draw: st.DrawFn) -> bytes:
        data = draw(st.sampled_from(seeds))
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(data)))
            to = draw(st.integers(at, min(len(data), at + 40)))
            scrap = draw(st.sampled_from(scraps) | st.binary(max_size=6) | st.just(data[at:to] * 2))
            data = data[:at] + scrap + data[to:]
        return data

    return draw_one()

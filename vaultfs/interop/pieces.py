"""What an adapter finds: pieces of a source, and the facts that decide where a record belongs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, runtime_checkable

from vaultfs.errors import SourceError
from vaultfs.model import ClinicalDate, PixelData

MAX_PIECE_BYTES = 64 * 1024 * 1024
"""Largest record that an adapter takes into memory; larger ones are kept whole, in quarantine, but for wholes."""


@dataclass(frozen=True, slots=True)
class SourceIdentifier:
    """An identifier as a source states it, before its authority is qualified by the import.

    Parameters
    ----------
    authority
        A URI (``urn:oid:...``, ``urn:uuid:...``, ``http...``), a local name without a colon (HL7v2 HD namespace id), or
        the empty string where the source states none.
    value
        The identifier, exactly as stated.
    strong
        False for identifiers that persons share or mistype (account, visit, social security, licence, insurance
        numbers ...): they are asserted, but do not by themselves decide whose record this is.
    """

    authority: str = field(repr=False)
    value: str = field(repr=False)
    strong: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What a record says of itself, as far as storage needs it.

    Parameters
    ----------
    kind, media_type
        Names in the vault's registries.
    date
        The clinically relevant date, or None.
    identifiers
        Identifiers of the record's subject that the record itself states.
    subject_references
        References to the subject as written (``Patient/1``, ``urn:uuid:...``, absolute URLs), best first.
    own_references
        For a record that *is* a subject (FHIR Patient): what other records may write to refer to it.
    logical_id
        What a later version of the same record would state too (``Observation/1``; MSH-10), or None.
    is_subject
        True where the record describes the subject itself (FHIR Patient).
    scope
        Which Bundle inside of the source the record lies in; 0: the source itself. ``Patient/1`` of two Bundles may be
        two patients, so references are looked up in the record's own Bundle first.
    pixels
        Where native pixels lie in the record, or None.
    """

    kind: str
    media_type: str
    date: ClinicalDate | None = None
    identifiers: tuple[SourceIdentifier, ...] = field(default=(), repr=False)
    subject_references: tuple[str, ...] = field(default=(), repr=False)
    own_references: tuple[str, ...] = field(default=(), repr=False)
    logical_id: str | None = field(default=None, repr=False)
    is_subject: bool = False
    scope: int = 0
    pixels: PixelData | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A record of a source with the bytes around it that belong to it.

    `before`, `data` and `after` of all pieces of a source, joined, are the source. Exactly one of `facts` and `problem`
    is None; a piece with a problem is kept in quarantine.
    """

    before: bytes = field(repr=False)
    data: bytes = field(repr=False)
    after: bytes = field(repr=False)
    facts: Facts | None
    problem: SourceError | None = None


class Adapter(Protocol):
    """A reader of one clinical format."""

    name: str

    def recognises(self, head: bytes) -> bool:
        """Return whether a source that begins with `head` (up to 64 KiB) is in this format."""
        ...

    def pieces(self, source: BinaryIO) -> Iterator[Piece]:
        """Yield the pieces of `source` in order, in memory bounded by `MAX_PIECE_BYTES`.

        Raises
        ------
        SourceError
            The source as a whole cannot be understood from here on; pieces yielded before stand.
        """
        ...


@runtime_checkable
class WholeAdapter(Adapter, Protocol):
    """A reader of a format in which a source is one record, so that it need not be in memory to be stored."""

    def describe(self, source: BinaryIO, size: int) -> Facts:
        """Return what the source, of `size` bytes, says of itself; it is read forward, as far as need be.

        Raises
        ------
        SourceError
        """
        ...

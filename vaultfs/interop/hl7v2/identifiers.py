"""The identifiers of a message's patient.

Source: HL7 v2.5.1 chapter 3, PID, and chapter 2A, data types CX, HD and DLN.
"""

from __future__ import annotations

from collections.abc import Iterator

from vaultfs.interop.authorities import US_SSN, identifier, local, of_designator, of_one_patient
from vaultfs.interop.hl7v2.message import Message
from vaultfs.interop.pieces import SourceIdentifier

_PID2, _PID3, _PID4, _ACCOUNT, _SSN, _LICENCE = 2, 3, 4, 18, 19, 20
_NO_TYPE: frozenset[str] = frozenset()


def identifiers_of(message: Message) -> tuple[SourceIdentifier, ...]:
    """Return the identifiers of the one patient that a message is about, in order, each once.

    A message may have several PID segments. If they name different patients (a swap of beds, the candidates that a
    query found), none of them is *the* subject and nobody is named. MRG names an identity that is no longer used.
    """
    return of_one_patient(tuple(_of_segment(message, segment)) for segment in message.segments(b"PID"))


def _of_segment(message: Message, segment: tuple[int, int]) -> Iterator[SourceIdentifier]:
    start, end = segment
    fields = message.data[start:end].split(message.delimiters.field, _LICENCE + 1)
    listed = list(_cx(message, fields, _PID3))
    yield from listed
    # PID-2 was the patient's id up to v2.2; since then it is kept for old receivers and may hold anything.
    yield from _cx(message, fields, _PID2, strong=not listed)
    yield from _cx(message, fields, _PID4, strong=False)
    yield from _cx(message, fields, _ACCOUNT, strong=False)
    for parts in _repetitions(message, fields, _SSN):
        yield from _some(identifier(US_SSN, _text(message, parts[0]), _NO_TYPE, strong=False))
    for number, state, *_ in _repetitions(message, fields, _LICENCE):
        yield from _some(identifier(local(_text(message, state)), _text(message, number), _NO_TYPE, strong=False))


def _cx(message: Message, fields: list[bytes], number: int, *, strong: bool = True) -> Iterator[SourceIdentifier]:
    for value, _, _, assigner, code, facility, *_ in _repetitions(message, fields, number):
        codes = frozenset({_text(message, code).upper()}) if code else _NO_TYPE
        issuer = _hd(message, assigner) or _hd(message, facility)
        yield from _some(identifier(issuer, _text(message, value), codes, strong=strong))


def _hd(message: Message, part: bytes) -> str:
    if not part:
        return ""
    mark = message.delimiters.subcomponent
    namespace, universal_id, id_type, *_ = [*(part.split(mark) if mark else [part]), b"", b"", b""]
    return of_designator(_text(message, namespace), _text(message, universal_id), _text(message, id_type))


def _repetitions(message: Message, fields: list[bytes], number: int) -> Iterator[list[bytes]]:
    """Yield the components of each repetition that is not empty; at least six, so that they can be taken apart."""
    if number >= len(fields) or not fields[number]:
        return
    field = fields[number]
    marks = message.delimiters
    for repetition in field.split(marks.repetition) if marks.repetition else [field]:
        yield [*repetition.split(marks.component), b"", b"", b"", b"", b"", b""]


def _text(message: Message, part: bytes) -> str:
    # Trailing blanks carry no meaning in HL7v2 (chapter 2A, ST).
    return message.text(part).strip() if part else ""


def _some(found: SourceIdentifier | None) -> tuple[SourceIdentifier, ...]:
    return () if found is None else (found,)

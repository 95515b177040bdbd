"""What a message says of itself, as far as storage needs it. Pure: bytes in, facts or a problem out."""

from __future__ import annotations

from vaultfs.errors import Hl7Malformed, SourceError
from vaultfs.interop import timestamps
from vaultfs.interop.hl7v2.identifiers import identifiers_of
from vaultfs.interop.hl7v2.message import Message
from vaultfs.interop.hl7v2.tables import MEDIA_TYPE, MESSAGE_TYPES, OTHER, date_elements
from vaultfs.interop.pieces import Facts
from vaultfs.model import MAX_IDENTIFIER_CHARS, ClinicalDate

_CONTROL_ID = 10


def describe(data: bytes) -> Facts | SourceError:
    """Return the facts of a message, or why it has none.

    Parameters
    ----------
    data
        From ``MSH`` on.
    """
    try:
        message = Message(data)
    except Hl7Malformed as error:
        # The frames of the traceback hold the message.
        return error.with_traceback(None)
    header = message.segments(b"MSH")[0]
    code = message["MSH-9.1"] or ""
    code = code.strip().upper()
    known = code in MESSAGE_TYPES
    return Facts(
        f"hl7v2.{code}" if known else OTHER,
        MEDIA_TYPE,
        date=_date(message, code),
        identifiers=identifiers_of(message),
        logical_id=_logical_id(message, header),
    )


def _date(message: Message, code: str) -> ClinicalDate | None:
    for name, field, component in date_elements(code):
        for segment in message.segments(name):
            value = message.value(segment, field)
            if value:
                found = timestamps.parse(_component(message, value, component))
                if found is not None:
                    return found
    return None


def _component(message: Message, value: bytes, number: int) -> bytes:
    """Return a component of the first repetition."""
    marks = message.delimiters
    parts = (value.partition(marks.repetition)[0] if marks.repetition else value).split(marks.component, number)
    return parts[number - 1] if number <= len(parts) else b""


def _logical_id(message: Message, header: tuple[int, int]) -> str | None:
    """Return sender, time and control id of a message, which it has again when it is sent again.

    The control id alone is not enough: senders count from one again, or always write the same.
    """
    start, end = header
    fields = message.data[start:end].split(message.delimiters.field, _CONTROL_ID)
    if len(fields) < _CONTROL_ID or not fields[_CONTROL_ID - 1].strip():
        return None
    # Fields of MSH are counted from one more than they stand: the first separator is one of them.
    name = "|".join(message.text(fields[number - 1]).strip() for number in (3, 4, 7, _CONTROL_ID))
    return name if len(name) <= MAX_IDENTIFIER_CHARS else None

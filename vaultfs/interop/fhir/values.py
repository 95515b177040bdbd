"""The strict decoder behind the scanner, with its errors turned into plain results.

A failed decoding must leave nothing of the text behind, neither in a message nor in an exception that hangs on
another; hence these functions return what they found instead of raising.
"""

from __future__ import annotations

import msgspec

Fields = dict[str, msgspec.Raw]

_FIELDS = msgspec.json.Decoder(Fields)
_ANY = msgspec.json.Decoder()
_SKIP = msgspec.json.Decoder(msgspec.Raw)

# A host may call from so deep in its own stack that even 128 levels are too many.
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def well_formed(text: bytes) -> bool:
    """Return whether `text` is one JSON value in UTF-8."""
    try:
        _SKIP.decode(text)
    except _FAILURES:
        return False
    return _is_utf8(text)


def fields(text: bytes) -> Fields | None:
    """Return the members of a JSON object, each still as text, or None if `text` is not a well-formed object."""
    try:
        found = _FIELDS.decode(text)
    except _FAILURES:
        return None
    # The decoder does not look at the UTF-8 of what it skips.
    return found if _is_utf8(text) else None


def value(text: bytes | msgspec.Raw) -> object:
    """Return a JSON value as Python objects; None for null and for numbers that no float can hold."""
    try:
        return _ANY.decode(text)
    except _FAILURES:
        return None


def text_of(text: bytes | msgspec.Raw | None) -> str | None:
    """Return a JSON string, or None for anything else."""
    found = None if text is None else value(text)
    return found if isinstance(found, str) else None


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True

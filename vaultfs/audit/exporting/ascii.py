"""JSON in ASCII: no byte of it is a line break to anybody, nor means another thing in another character set."""

from __future__ import annotations

import re

import msgspec

from vaultfs.errors import ArgumentInvalid

_OTHER = re.compile("[^\x00-\x7e]")
_encode = msgspec.json.Encoder().encode


def ascii_json(value: object) -> bytes:
    """Return a value as JSON on one line, its members in the order in which they are there.

    Raises
    ------
    ArgumentInvalid
        Text in it is half of a surrogate pair, which no log can have.
    """
    try:
        data = _encode(value)
    except UnicodeEncodeError:
        data = b""
    if not data:
        raise ArgumentInvalid  # here, where no error that holds data is its context
    return data if data.isascii() else _OTHER.sub(_escaped, data.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))

"""Messages of RFC 5424: written and parsed to the letter of its grammar, without I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from vaultfs_format.layout import Buffer
from vaultfs_format.limits import MIB

from vaultfs.audit.exporting.errors import MessageInvalid
from vaultfs.model import decoded

NIL = "-"
MAX_MESSAGE = 1 * MIB
"""Largest message that is parsed."""

MAX_PRI = 191

Param = tuple[str, str]
Element = tuple[str, tuple[Param, ...]]
"""An SD-ELEMENT: its SD-ID, and its parameters in order. A name may come more than once."""

_TIMESTAMP = (
    rb"-|[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    rb"(?:\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_HEADER = re.compile(
    rb"<(0|[1-9][0-9]{0,2})>1 (%s) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) " % _TIMESTAMP
)
_NAME = rb"[!#-<>-\\^-~]{1,32}"
_ELEMENT = re.compile(rb"\[(%s)" % _NAME)
_PARAM = re.compile(rb' (%s)="((?:[^"\\\]]|\\[\x00-\xff])*)"' % _NAME, re.DOTALL)
_ESCAPED = re.compile(rb'\\(["\\\]])')
_TO_ESCAPE = re.compile(r'(["\\\]])')


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Parameters
    ----------
    pri
        Facility times 8, and severity.
    timestamp
        As RFC 3339 has it, or nil, which is a hyphen, as for all that follow.
    elements
        The structured data; none where it is nil.
    text
        What follows them.
    """

    pri: int
    timestamp: str
    host: str
    app: str
    process: str
    type: str
    elements: tuple[Element, ...] = field(default=(), repr=False)
    text: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the bytes of the message."""
        data = "".join(_element(name, params) for name, params in self.elements) or NIL
        head = f"<{self.pri}>1 {self.timestamp} {self.host} {self.app} {self.process} {self.type} {data}".encode()
        return head + b" " + self.text if self.text else head

    @classmethod
    def decode(cls, data: Buffer) -> Message:
        """Parse a message.

        Raises
        ------
        MessageInvalid
        """
        raw = bytes(data) if memoryview(data).nbytes <= MAX_MESSAGE else b""
        found = _HEADER.match(raw)
        if found is None or int(found[1]) > MAX_PRI:
            raise MessageInvalid(offset=0)
        elements, at = _elements(raw, found.end())
        if raw[at : at + 1] not in {b"", b" "}:
            raise MessageInvalid(offset=at)
        timestamp, host, app, process, name = (one.decode("ascii") for one in found.group(2, 3, 4, 5, 6))
        return cls(int(found[1]), timestamp, host, app, process, name, elements, raw[at + 1 :])


def _element(name: str, params: Iterable[Param]) -> str:
    told = "".join(f' {key}="{_TO_ESCAPE.sub(_BACKSLASH, value)}"' for key, value in params)
    return f"[{name}{told}]"


_BACKSLASH = r"\\\1"


def _elements(raw: bytes, at: int) -> tuple[tuple[Element, ...], int]:
    """Return structured data, and where they end."""
    if raw[at : at + 1] == b"-":
        return (), at + 1
    elements = []
    while (found := _ELEMENT.match(raw, at)) is not None:
        params, at = _params(raw, found.end())
        if raw[at : at + 1] != b"]":
            raise MessageInvalid(offset=at)
        elements.append((found[1].decode("ascii"), params))
        at += 1
    if not elements:
        raise MessageInvalid(offset=at)
    return tuple(elements), at


def _params(raw: bytes, at: int) -> tuple[tuple[Param, ...], int]:
    params = []
    while (found := _PARAM.match(raw, at)) is not None:
        value = decoded(_ESCAPED.sub(rb"\1", found[2]))
        if value is None:
            raise MessageInvalid(offset=at)
        params.append((found[1].decode("ascii"), value))
        at = found.end()
    return tuple(params), at

"""The log as syslog messages (RFC 5424): everything stands in structured data, nothing in free text.

An event is an element `vaultfs@PEN` with its origin, index, leaf hash, outcome, session and the fields of its class;
who acted, and why, is an element `vaultfs-session@PEN`. The time of the message is that of the event, its MSGID the
type. Values have no control characters, so that a message is one line: these, and `%`, stand as `%` and two digits for
each byte. What does not fit the largest message is left out, by whole fields, and named; origin, index and leaf never
are.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum, IntEnum
from types import MappingProxyType

import msgspec
from vaultfs_format.events.base import Event, EventType, Outcome
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.layout import Buffer
from vaultfs_format.tlog.note import Note

from vaultfs.audit.exporting.errors import MessageInvalid
from vaultfs.audit.exporting.facts import time_text
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.exporting.rfc5424 import NIL, Element, Message, Param
from vaultfs.audit.exporting.shown import Shown, ShownCheckpoint, ShownLeaf, checkpoint_in, leaf_in, number_in
from vaultfs.errors import ArgumentInvalid

DOCUMENTATION = 32473
"""The private enterprise number for documentation (RFC 5612): a site that has its own gives that."""

EVENT, SESSION = "vaultfs", "vaultfs-session"
"""Names of the elements, before `@` and the private enterprise number."""

APP = "vaultfs"
CHECKPOINT = "CHECKPOINT"
"""MSGID of checkpoints."""

LEAST, MOST = 1024, 65_536
"""Sizes between which the largest message may be set."""

_SEVERITY: Mapping[Outcome | None, int] = MappingProxyType(
    {Outcome.DONE: 6, Outcome.DENIED: 4, Outcome.FAILED: 3, None: 5}
)
_FIXED = 5
"""Parameters of an event that are never left out."""

_HOST = re.compile("[!-~]{1,255}")
_HIDDEN = re.compile("[%\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHOWN = re.compile(b"%([0-9A-F]{2})")


class Facility(IntEnum):
    """Facilities for audit (RFC 5424 section 6.2.1)."""

    AUTHPRIV = 10
    LOG_AUDIT = 13


class Syslog:
    """Writes messages of RFC 5424.

    Parameters
    ----------
    host
        HOSTNAME: the machine by its name, as the site's other messages have it.
    enterprise
        The site's private enterprise number.
    limit
        Largest message in bytes. Receivers take 2,048 and should take 8,192 (RFC 5425 section 4.3.1).

    Raises
    ------
    ArgumentInvalid
    """

    def __init__(
        self,
        *,
        host: str = NIL,
        enterprise: int = DOCUMENTATION,
        facility: Facility = Facility.LOG_AUDIT,
        limit: int = 8192,
    ) -> None:
        if not _HOST.fullmatch(host) or not 0 < enterprise < 1 << 32 or not LEAST <= limit <= MOST:
            raise ArgumentInvalid
        self._host = host
        self._enterprise = enterprise
        self._facility = facility
        self._limit = limit

    def event(self, logged: Logged) -> bytes:
        """Return an event as a message."""
        event = logged.event
        about: list[Param] = [("origin", logged.origin), ("index", str(logged.index)), ("leaf", logged.leaf.hex())]
        about.append(("outcome", "unknown" if event.outcome is None else event.outcome.name.lower()))
        about.append(("session", event.session.hex()))
        about += _params(event, _COMMON)
        time = time_text(event.at)
        if time is None:
            about.append(("at", str(event.at)))
        elements = [self._element(EVENT, about)]
        if logged.session is not None and not isinstance(event, SessionOpened):
            elements.append(self._element(SESSION, [*_params(logged.session, _UNTOLD)]))
        name = event.type.name if isinstance(event.type, EventType) else f"TYPE_{event.type}"
        return self._fitted(self._message(_SEVERITY[event.outcome], time or NIL, name, elements))

    def checkpoint(self, origin: str, size: int, note: Note) -> bytes:
        """Return a checkpoint as a message, with as many of its signatures as fit."""
        for count in range(len(note.signatures), 0, -1):
            text = base64.b64encode(replace(note, signatures=note.signatures[:count]).encode()).decode()
            about = [("origin", origin), ("size", str(size)), ("note", text)]
            data = self._message(6, NIL, CHECKPOINT, [self._element(EVENT, about)]).encode()
            if len(data) <= self._limit:
                return data
        raise ArgumentInvalid(limit=self._limit)

    def _element(self, name: str, params: Sequence[Param]) -> Element:
        return f"{name}@{self._enterprise}", tuple((key, _HIDDEN.sub(_hidden, value)) for key, value in params)

    def _message(self, severity: int, time: str, type: str, elements: Sequence[Element]) -> Message:
        return Message(self._facility * 8 + severity, time, self._host, APP, NIL, type, tuple(elements))

    def _fitted(self, message: Message) -> bytes:
        """Return a message, without the largest of its fields if that is what it takes."""
        left_out: list[str] = []
        while len(data := _naming(message, left_out).encode()) > self._limit:
            sizes = _sizes(message)
            if not sizes:
                raise ArgumentInvalid(limit=self._limit)
            element, name = max(sizes, key=lambda one: sizes[one])
            left_out.append(name)
            message = _without(message, element, name)
        return data


def _sizes(message: Message) -> dict[tuple[int, str], int]:
    """Return how much each field takes that may be left out, by its element and name."""
    sizes: dict[tuple[int, str], int] = {}
    for number, (_, params) in enumerate(message.elements):
        for key, value in params[0 if number else _FIXED :]:
            sizes[number, key] = sizes.get((number, key), 0) + len(value.encode())
    return sizes


def _without(message: Message, element: int, name: str) -> Message:
    elements = list(message.elements)
    kept, (sd_id, params) = 0 if element else _FIXED, elements[element]
    others = tuple(one for one in params[kept:] if one[0] != name)
    elements[element] = sd_id, params[:kept] + others
    return replace(message, elements=tuple(elements))


def _naming(message: Message, left_out: Sequence[str]) -> Message:
    """Return a message that says what was left out of it."""
    if not left_out:
        return message
    (sd_id, params), *others = message.elements
    told = ("left_out", " ".join(sorted(left_out)))
    return replace(message, elements=((sd_id, (*params, told)), *others))


_COMMON = frozenset({"at", "session", "outcome"})
_UNTOLD = frozenset({"at", "session", "outcome", "signature"})
"""What is not told of a session with each of its events."""


def _params(event: Event, without: frozenset[str]) -> Iterator[Param]:
    """Yield the fields of an event as text: one with several values has several parameters, one of none has none."""
    for name in event.__struct_fields__:
        if name not in without:
            yield from _values(name, getattr(event, name))


def _values(name: str, value: object) -> Iterator[Param]:
    match value:
        case None:
            return
        case bytes():
            yield name, value.hex()
        case Enum():
            yield name, value.name.lower()
        case bool():
            yield name, str(value).lower()
        case tuple():
            for one in value:
                yield from _values(name, one)
        case msgspec.Struct():
            for inner in value.__struct_fields__:
                yield from _values(f"{name}.{inner}", getattr(value, inner))
        case _:
            yield name, str(value)


def _hidden(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def shown_text(value: str) -> str:
    """Return a value as it was before its control characters were hidden."""
    return _SHOWN.sub(lambda found: bytes.fromhex(found[1].decode()), value.encode()).decode("utf-8", "replace")


# Reading back. -----------------------------------------------------------------------------------------------------


def decode(line: Buffer) -> Shown:
    """Parse a message, with or without a newline behind it, for who compares it with the log.

    Raises
    ------
    MessageInvalid
    """
    message = Message.decode(bytes(line).removesuffix(b"\n"))
    elements = [params for name, params in message.elements if name.partition("@")[0] == EVENT]
    read, names = (_checkpoint, _OF_CHECKPOINT) if message.type == CHECKPOINT else (_leaf, _OF_EVENT)
    told = [one for params in elements for one in params if one[0] in names]
    found = read(**dict(told)) if sorted(name for name, _ in told) == sorted(names) else None
    if found is None:
        raise MessageInvalid
    return found


_OF_EVENT = ("origin", "index", "leaf")
_OF_CHECKPOINT = ("origin", "size", "note")


def _leaf(origin: str, index: str, leaf: str) -> ShownLeaf | None:
    return leaf_in(shown_text(origin), index, leaf)


def _checkpoint(origin: str, size: str, note: str) -> ShownCheckpoint | None:
    with suppress(ValueError):
        return checkpoint_in(shown_text(origin), number_in(size), base64.b64decode(note, validate=True))
    return None

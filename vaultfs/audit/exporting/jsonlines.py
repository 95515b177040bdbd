"""The log as JSON, an object a line: all that is known of an event, and every checkpoint.

What a line may be says `docs/schemas/audit-line.schema.json` (JSON Schema 2020-12), which is made from the classes of
the events. Lines are ASCII, without their newline: whoever delivers them adds it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from vaultfs_format.events.base import NOBODYS_SESSION, Event
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.layout import Buffer
from vaultfs_format.limits import MAX_NOTE, MAX_NUMBER
from vaultfs_format.tlog.note import Note

from vaultfs.audit.exporting.ascii import ascii_json
from vaultfs.audit.exporting.facts import Fact, context_of, facts_of, outcome_of, time_text, type_of
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.exporting.shown import Shown, ShownLeaf, checkpoint_in, shown_in_json

EVENT, CHECKPOINT = "event", "checkpoint"
"""What a line is of: its member ``record``."""


class JsonLines:
    """Writes JSON lines."""

    def event(self, logged: Logged) -> bytes:
        """Return an event as a line.

        Raises
        ------
        ArgumentInvalid
            Text in it is half of a surrogate pair, which no log can have.
        """
        event = logged.event
        number, name = type_of(event)
        return ascii_json(
            {
                "record": EVENT,
                "origin": logged.origin,
                "index": logged.index,
                "leaf": logged.leaf.hex(),
                "type": name,
                "number": number,
                "time": time_text(event.at),
                "outcome": outcome_of(event),
                "session": _session(event, logged.session),
                "fields": facts_of(event),
            }
        )

    def checkpoint(self, origin: str, size: int, note: Note) -> bytes:
        """Return a checkpoint as a line."""
        return ascii_json({"record": CHECKPOINT, "origin": origin, "size": size, "note": note.encode().decode()})


def _session(event: Event, opened: SessionOpened | None) -> dict[str, Fact] | None:
    if event.session == NOBODYS_SESSION:
        return None
    told: dict[str, Fact] = {"id": event.session.hex()}
    if opened is not None:
        told |= {"principal": opened.principal, "roles": opened.roles, "purpose": opened.purpose}
        told |= context_of(opened)
    return told


Origin = Annotated[str, Meta(min_length=1, max_length=MAX_NOTE)]
Index = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


class _EventLine(msgspec.Struct, tag_field="record", tag=EVENT, forbid_unknown_fields=True, frozen=True):
    origin: Origin
    index: Index
    leaf: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
    type: str | None
    number: Annotated[int, Meta(ge=1, le=(1 << 16) - 1)]
    time: str | None
    outcome: str | None
    session: dict[str, msgspec.Raw] | None
    fields: dict[str, msgspec.Raw]


class _CheckpointLine(msgspec.Struct, tag_field="record", tag=CHECKPOINT, forbid_unknown_fields=True, frozen=True):
    origin: Origin
    size: Index
    note: Annotated[str, Meta(max_length=MAX_NOTE)]


_line: msgspec.json.Decoder[_EventLine | _CheckpointLine] = msgspec.json.Decoder(_EventLine | _CheckpointLine)


def decode(line: Buffer) -> Shown:
    """Parse a line, with or without its newline, for who compares it with the log.

    Raises
    ------
    LineInvalid
    """
    return shown_in_json(line, _line, _shown)


def _shown(line: _EventLine | _CheckpointLine) -> Shown | None:
    if isinstance(line, _EventLine):
        return ShownLeaf(line.origin, line.index, bytes.fromhex(line.leaf))
    return checkpoint_in(line.origin, line.size, line.note.encode())

"""What a vault must show: a model of records and control states, changed by the effects of transactions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import vaultfs

PEOPLE: Mapping[str, vaultfs.Identifier | None] = {
    "one": vaultfs.Identifier("urn:oid:2.16.840.1.113883.19.5", "12345"),
    "two": vaultfs.Identifier("urn:oid:2.16.840.1.113883.19.6", "12345"),
    "nobody": None,
}
NAMESPACE = "crash"

View = dict[tuple[str, object], object]
"""What is to be seen of a vault; what is not there has no row."""

RecordView = tuple[bool, tuple[tuple[int, bytes | int], ...]]
"""What is to be seen of a record: whether it is hidden, and its versions, of a hidden one the lengths alone."""

Effect = Sequence[Any]
"""What a transaction does, fit for JSON: ("put", id, seed, size, person, replaces or ""), ("delete", id),
("undelete", id), ("state", key, value) or, by itself, ("dispose", person); ids in hexadecimal digits."""


@lru_cache(maxsize=512)
def content(seed: int, size: int) -> bytes:
    """Return the bytes of a record."""
    return hashlib.shake_256(b"%d" % seed).digest(size)


@dataclass(frozen=True, slots=True)
class Line:
    """A record: its versions with data, the number of the last one of any kind, and whether it is hidden."""

    person: str
    versions: tuple[tuple[int, bytes], ...] = field(repr=False)
    last: int
    hidden: bool = False


@dataclass(frozen=True)
class Model:
    """The records and states of a vault."""

    lines: Mapping[str, Line] = field(default_factory=dict)
    states: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def after(self, effects: Iterable[Effect]) -> Model:
        """Return the model after a transaction."""
        lines, states = dict(self.lines), dict(self.states)
        for kind, *facts in effects:
            if kind == "state":
                key, value = facts
                states[key] = (states.get(key, (0, ""))[0] + 1, value)
            elif kind == "dispose":
                lines = {record: line for record, line in lines.items() if line.person != facts[0]}
            elif kind == "put":
                record, seed, size, person, replaces = facts
                old = lines[replaces] if replaces else Line(person, (), 0)
                version = old.last + 1
                lines[record] = Line(person, (*old.versions, (version, content(seed, size))), version)
            else:
                old = lines[facts[0]]
                lines[facts[0]] = replace(old, last=old.last + 1, hidden=kind == "delete")
        return Model(lines, states)

    def view(self) -> View:
        """Return what a vault that is in this state shows."""
        found: View = {}
        for record, line in self.lines.items():
            versions = tuple((number, len(data) if line.hidden else data) for number, data in line.versions)
            found["record", record] = (line.hidden, versions)
        for person in PEOPLE:
            visible = {one for one, line in self.lines.items() if line.person == person and not line.hidden}
            if visible:
                found["found", person] = visible
        for key, state in self.states.items():
            found["state", key] = state
        return found

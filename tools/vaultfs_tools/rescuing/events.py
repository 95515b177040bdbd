"""Audit events: who did what, and when, in the order of commits, each once, with what its leaf in the tree commits to.

Whether the log is whole is not asked here: the leaves, the tree and its signed root are there to tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from vaultfs_format import sha2
from vaultfs_format.audit import SALT
from vaultfs_format.entries import Entry, Role
from vaultfs_format.errors import FieldInvalid, VaultError
from vaultfs_format.events.base import EventType, UnknownEvent
from vaultfs_format.events.codec import decode_event
from vaultfs_format.events.session import PersonSignature

from vaultfs_tools.rescuing.bodies import Bodies
from vaultfs_tools.rescuing.frames import Frame, Harvest, Row, loss
from vaultfs_tools.rescuing.writing import Output

_LENGTH = 4


class Events:
    """The audit events in frames.

    Attributes
    ----------
    written
        How many lines were written.
    """

    def __init__(self, harvest: Harvest, bodies: Bodies, output: Output) -> None:
        self._bodies = bodies
        self._output = output
        self._commits: dict[int, list[tuple[Frame, Entry]]] = {}
        self.missing: list[Row] = []
        self.written = 0
        for frame in harvest.frames.values():
            for entry, commit in zip(frame.block.entries, frame.commits(), strict=True):
                if entry.role == Role.EVENTS:
                    self._commits.setdefault(commit, []).append((frame, entry))

    def write(self) -> None:
        """Write everything that opens; what does not is in `missing` then."""
        for commit, copies in sorted(self._commits.items()):
            self._commit(commit, copies)

    def _commit(self, commit: int, copies: list[tuple[Frame, Entry]]) -> None:
        """Write the events of a commit, which several frames may have: each has a salt of its own."""
        copies.sort(key=lambda copy: copy[0].proof)
        seen: set[bytes] = set()
        lengths: set[int] = set()
        lost: list[tuple[Frame, Entry, VaultError]] = []
        for frame, entry in copies:
            try:
                data = self._bodies.open(frame)[entry.offset : entry.offset + entry.length]
            except VaultError as error:
                lost.append((frame, entry, error))
                continue
            lengths.add(entry.length)
            for salted in _split(data):
                if salted not in seen:
                    seen.add(salted)
                    self._output.line("events", _fields(salted) | frame.vouched(commit))
                    self.written += 1
        for frame, entry, failure in lost:
            if not commit or entry.length not in lengths:
                self.missing.append(loss("events", failure, commit=commit or None, **frame.facts()))


def _split(data: bytes) -> Iterator[bytes]:
    """Yield each event with its salt before it."""
    at = 0
    while at < len(data):
        end = at + _LENGTH + SALT + int.from_bytes(data[at : at + _LENGTH], "little")
        yield data[at + _LENGTH : end]
        at = end


def _fields(salted: bytes) -> dict[str, object]:
    """Return what an event says; as it is stored where this program does not know its shape."""
    commitment: dict[str, object] = {"commitment": sha2.digest(salted).hex()}
    try:
        event = decode_event(salted[SALT:])
    except FieldInvalid:
        return {"stored": salted[SALT:].hex()} | commitment
    if isinstance(event, UnknownEvent):
        return {
            "type": event.number,
            "at": event.at,
            "session": event.session.hex(),
            "stored": event.raw.hex(),
        } | commitment
    named: dict[str, object] = {"type": event.type, "name": EventType(event.type).name}
    return named | {name: _shown(getattr(event, name)) for name in event.__struct_fields__} | commitment


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, PersonSignature):
        return {name: _shown(getattr(value, name)) for name in value.__struct_fields__}
    return value

"""Audit events: who did what, and when, in the order of commits, each once, with what its leaf in the tree commits to.

Whether the log is whole is not asked here: the leaves, the tree and its signed root are there to tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from vaultfs_format import sha2
from vaultfs_format.audit import SALT
from vaultfs_format.entries import Entry, Role
from vaultfs_format.errors import VaultError

from vaultfs_tools.rescuing.bodies import Bodies
from vaultfs_tools.rescuing.frames import Frame, Harvest, Row, loss
from vaultfs_tools.rescuing.writing import Output

_LENGTH = 4
_SESSION_OPENED = 10
"""The type of event that says who opened a session, and why (SPEC section 16.2)."""


class _Event(msgspec.Struct, frozen=True, array_like=True):
    """An event, as SPEC section 16.2 has it."""

    type: int
    at: int
    session: bytes
    subject: bytes
    record: bytes
    version: int
    outcome: int
    detail: bytes


_events = msgspec.msgpack.Decoder(_Event)
_details = msgspec.msgpack.Decoder(tuple[str, tuple[str, ...], str])


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
        event = _events.decode(salted[SALT:])
        opened = _details.decode(event.detail) if event.type == _SESSION_OPENED else None
    except msgspec.MsgspecError:
        return {"stored": salted[SALT:].hex()} | commitment
    fields: dict[str, object] = {"type": event.type, "at": event.at, "session": event.session.hex()}
    fields |= {"subject": event.subject.hex() or None, "record": event.record.hex() or None}
    fields |= {"version": event.version, "outcome": event.outcome}
    if opened is not None:
        fields |= dict(zip(("principal", "roles", "purpose"), opened, strict=True))
    elif event.detail:
        fields["detail"] = event.detail.hex()
    return fields | commitment

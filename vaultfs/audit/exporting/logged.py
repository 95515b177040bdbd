"""What is exported of the log: its events, each with its place in the tree, and its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vaultfs_format.events.base import Event
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.tlog.note import Note


@dataclass(frozen=True, slots=True)
class Logged:
    """An event of the log.

    Parameters
    ----------
    origin
        Name of the log.
    index
        Index of its leaf in the audit tree.
    leaf
        RFC 9162 hash of its leaf, 32 bytes: who keeps it with the index is a witness of the log.
    session
        The session in which it came about; None for acts of the vault itself, and where its opening is not known.
    """

    origin: str
    index: int
    leaf: bytes
    event: Event
    session: SessionOpened | None


class Encoder(Protocol):
    """Writes what is exported in one format: one message an event or checkpoint, pure, the same bytes every time."""

    def event(self, logged: Logged) -> bytes:
        """Return an event as a message."""

    def checkpoint(self, origin: str, size: int, note: Note) -> bytes:
        """Return a checkpoint as a message: the log had `size` leaves, as `note` signs."""

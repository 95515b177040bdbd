"""What a transaction has said so far, which nobody else sees before the commit.

The parts of a transaction share this, and none of them knows the transaction: there is no cycle, so that everything,
plaintext too, is gone as soon as the transaction is let go of, and does not wait for the garbage collector.
"""

from __future__ import annotations

from collections.abc import Callable

from vaultfs.audit.events import Event, encode_event, sealable, subject_created_event
from vaultfs.engine.committing.grouping import Intent
from vaultfs.engine.committing.units import Drafted, Gathered, seal_all
from vaultfs.engine.engine import Engine

UNSEALED = 128
"""Complete frames that wait for being sealed together; more must not, since they are plaintext."""


class Pending:
    """Frames, events, and what the transaction relied on.

    Parameters
    ----------
    session
        Id of the session, which stands in each event.

    Attributes
    ----------
    gathered, sealed
        Frames that are complete, and those that have been sealed.
    events
        Encoded.
    told
        Events of what somebody was told before the transaction ends.
    """

    def __init__(self, engine: Engine, session: bytes) -> None:
        self._engine = engine
        self._session = session
        self.gathered: list[Gathered] = []
        self.sealed: list[Drafted] = []
        self.events: list[bytes] = []
        self.told: list[Event] = []
        self.intent = Intent([], sealable(engine.suite, []), claims=engine.claims, protects=True)

    def note(self, kind: Callable[..., Event], *about: object) -> None:
        """Take down an event of a class, with what it has beside time and session."""
        self.events.append(encode_event(kind(self._engine.options.clock(), self._session, *about)))

    def note_created(self, subject: bytes, identifiers: int) -> None:
        """Take down that a subject was created."""
        now = self._engine.options.clock()
        self.events.append(subject_created_event(now, self._session, subject, identifiers))

    def seal(self) -> None:
        """Seal what is complete."""
        self.sealed += seal_all(self._engine.suite, self.gathered)
        self.gathered.clear()

    def carry(self, blobs: list[Drafted]) -> Intent:
        """Return the intent with everything that is to be written; `blobs` come first."""
        self.seal()
        events = [*map(encode_event, self.told), *self.events]
        self.intent.carry(blobs + self.sealed, sealable(self._engine.suite, events))
        return self.intent

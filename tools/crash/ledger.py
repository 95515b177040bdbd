"""Ledgers: what a host was told, and so what a vault may show afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from crash.model import Effect, Model

Allowed = Sequence[Model | None]
"""The states that a vault may be in; None for no vault at all."""


class Broken(AssertionError):
    """A promise was broken."""


class Ledger(Protocol):
    """Takes note of what a host does."""

    def begin(self, effects: Sequence[Effect] | None) -> None:
        """Take note that a commit begins; None for the creation of the vault."""
        ...

    def acknowledge(self) -> None:
        """Take note that it was acknowledged."""
        ...

    def resolve(self, number: int) -> None:
        """Take note which of the allowed states was found."""
        ...


class History:
    """What was allowed when: a ledger with a clock, such as the number of changes made to the disk so far."""

    def __init__(self, clock: Callable[[], int] = lambda: 0, allowed: Allowed = (None,)) -> None:
        self._clock = clock
        self._entries: list[tuple[int, Allowed]] = [(0, allowed)]
        self.records: dict[str, int] = {}
        """The ids that were given out, and when."""

    def begin(self, effects: Sequence[Effect] | None) -> None:
        (before,) = self.allowed()
        self._note((before, Model()) if effects is None or before is None else (before, before.after(effects)))
        for kind, *facts in effects or ():
            if kind == "put":
                self.records.setdefault(facts[0], self._clock())

    def acknowledge(self) -> None:
        self._note((self.allowed()[-1],))

    def resolve(self, number: int) -> None:
        self._note((self.allowed()[number],))

    def _note(self, allowed: Allowed) -> None:
        self._entries.append((self._clock(), allowed))

    def allowed(self, moment: int | None = None) -> Allowed:
        """Return what a vault may show that was left at a moment, or now."""
        if moment is None:
            return self._entries[-1][1]
        return next(allowed for at, allowed in reversed(self._entries) if at <= moment)

    def moments(self) -> list[int]:
        """Return when what is allowed has changed, in order."""
        return [moment for moment, _ in self._entries]

    def known_at(self, moment: int) -> set[str]:
        """Return the ids that had been given out by a moment."""
        return {record for record, at in self.records.items() if at <= moment}

    def read(self, lines: Iterable[bytes]) -> None:
        """Take in what a `Report` of another process has written; a torn last line was never said.

        Raises
        ------
        Broken
            It found so.
        """
        for line in lines:
            if not line.endswith(b"\n"):
                return
            kind, fact = json.loads(line)
            if kind == "begin":
                self.begin(fact)
            elif kind == "acknowledge":
                self.acknowledge()
            elif kind == "resolve":
                self.resolve(fact)
            else:
                raise Broken(fact)


class Report:
    """A ledger that tells another process, in lines."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def _say(self, kind: str, fact: object) -> None:
        self._write(json.dumps([kind, fact]).encode() + b"\n")

    def begin(self, effects: Sequence[Effect] | None) -> None:
        self._say("begin", effects)

    def acknowledge(self) -> None:
        self._say("acknowledge", None)

    def resolve(self, number: int) -> None:
        self._say("resolve", number)

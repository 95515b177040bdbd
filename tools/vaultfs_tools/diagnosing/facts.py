"""A fact, and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from vaultfs_tools import cli


class State(StrEnum):
    """What a fact means."""

    GOOD = "good"
    NOTE = "note"
    """Neither good nor bad by itself."""
    CONCERN = "concern"
    """Somebody should see to it."""
    WRONG = "wrong"
    """Something does not work that is needed, or that was asked for."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact.

    Parameters
    ----------
    name
        What it is about, stable: hosts look it up in the JSON.
    said
        For people.
    """

    name: str
    state: State
    said: str


def exit_code(facts: Iterable[Fact]) -> cli.Exit:
    """Return how the command ends for these facts."""
    states = {one.state for one in facts}
    if State.WRONG in states:
        return cli.Exit.FAILED
    return cli.Exit.ATTENTION if State.CONCERN in states else cli.Exit.DONE

"""The copies of a vault that are known: when each was brought up to date, and when it was seen to that it has the keys.

Nobody has proved either: a copy is claimed in a file that anybody can write who can write to the vault's directory, and
that a copy has the keys of an epoch is the word of who keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vaultfs.engine.engine import View
from vaultfs.engine.reading.state import states_of

NAMESPACE = "vaultfs.copies"
"""Namespace of control states, by the id of the copy."""

_TIME = 8


class KnownCopy(NamedTuple):
    """A copy that is known.

    Parameters
    ----------
    made
        When it was last brought up to date, in microseconds since 1970.
    keys
        When somebody last said that the key bundle of the vault as it was then lies with it; 0 if never.
    """

    made: int
    keys: int = 0

    @property
    def opens(self) -> int:
        """From when on its keys are: those of a copy that was brought up to date are its own."""
        return max(self.made, self.keys)

    def encode(self) -> bytes:
        """Return the value of its control state."""
        made = self.made.to_bytes(_TIME, "little")
        return made + self.keys.to_bytes(_TIME, "little") if self.keys else made

    @classmethod
    def decode(cls, value: bytes | None) -> KnownCopy | None:
        """Return what a control state says; None of a copy that is not known any more."""
        if not value:
            return None
        return cls(int.from_bytes(value[:_TIME], "little"), int.from_bytes(value[_TIME:], "little"))


def known_copies(engine: View) -> Mapping[bytes, KnownCopy]:
    """Return the copies that are known, by their ids.

    Raises
    ------
    Closed, VaultDamaged
    """
    found = {copy: KnownCopy.decode(value) for copy, value in states_of(engine, NAMESPACE).items()}
    return {copy: known for copy, known in found.items() if known is not None}


def after(known: Mapping[bytes, KnownCopy], now: int) -> int:
    """Return the time now, or one after those of all these copies, where the clock was ahead once.

    What begins then is in no copy until this is brought up to date.
    """
    return max([now, *(1 + copy.opens for copy in known.values())])

"""What must not go on in another process: a forked child lets go of locks and maps, an exiting process says good-bye.

A child that is forked shares the descriptors of its parent, and with them its `flock`s, until it closes them; it must
neither close nor use an LMDB environment. Whatever owns such a thing is watched here from its making on.
"""

from __future__ import annotations

import atexit
import os
from typing import Protocol
from weakref import WeakSet


class Inherited(Protocol):
    """Something that a forked child inherits and must let go of."""

    def abandon(self) -> None:
        """Let go, in the child. Other threads of the parent are gone, and their locks stay held: take none."""
        ...


class Lasting(Protocol):
    """Something that has work left when the process ends without closing it."""

    def finish(self) -> None:
        """Do what is left, without raising and without waiting for long."""
        ...


_inherited: WeakSet[Inherited] = WeakSet()
_lasting: dict[int, WeakSet[Lasting]] = {}
"""What is to be finished, by the process that made it."""


def watch(owner: Inherited) -> None:
    """Let children that are forked from now on abandon `owner`."""
    _inherited.add(owner)


def finish_at_exit(owner: Lasting) -> None:
    """Let `owner` finish when this process, not one forked from it, exits."""
    _lasting.setdefault(os.getpid(), WeakSet()).add(owner)


def _abandon() -> None:
    inherited = list(_inherited)
    _inherited.clear()
    for owner in inherited:
        owner.abandon()


def _finish() -> None:
    for owner in list(_lasting.get(os.getpid(), ())):
        owner.finish()


os.register_at_fork(after_in_child=_abandon)
atexit.register(_finish)

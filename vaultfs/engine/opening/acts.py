"""Acts without keys, which other programs have left in the vault: what they claim goes into the audit log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from vaultfs_format.act import FILE, Act, ActKind
from vaultfs_format.events.vault import CopyClaimed, RepairClaimed, RestoreClaimed

from vaultfs.audit.events import NOBODYS_SESSION, Event, encoded, sealable
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.committing.grouping import Intent
from vaultfs.engine.custody import copies
from vaultfs.engine.custody.copies import KnownCopy
from vaultfs.engine.engine import Engine
from vaultfs.engine.reading.state import State
from vaultfs.errors import VaultError

MAX_ACTS = 4096
"""Most that are taken at a time, and remembered: whoever can write to the directory can leave any number."""

SUFFIX = ".vact"

LOGGED = ("vaultfs.acts", b"logged")
"""Control state: what remains of the digests of the names of acts that were logged and could not be removed."""

_NAME = 8
"""Bytes of such a digest, so that those of as many names as are taken at a time fit into a state."""


@dataclass(frozen=True, slots=True)
class Left:
    """The acts that are left in a vault.

    Parameters
    ----------
    files
        The names of those that are to be logged and removed.
    acts
        What they say, as far as they can be read.
    unreadable
        How many cannot be: what they said is not known, so that each counts as one of a vault that was restored.
    more
        Whether there are others, which the next opening takes: one of them may say that the vault was restored.
    """

    files: tuple[str, ...] = ()
    acts: tuple[Act, ...] = ()
    unreadable: int = 0
    more: bool = False

    @property
    def restored(self) -> bool:
        """Whether the vault may have been restored from a copy."""
        return self.more or self.unreadable > 0 or any(act.kind is ActKind.RESTORED for act in self.acts)

    def parted(self) -> tuple[Left, Left]:
        """Return those that say so, and the others."""
        restored = tuple(act for act in self.acts if act.kind is ActKind.RESTORED)
        others = tuple(act for act in self.acts if act.kind is not ActKind.RESTORED)
        return replace(self, acts=restored), replace(self, acts=others, unreadable=0, more=False)


class Acts:
    """The acts in a vault that is open for writing. Call under the engine's lock, or when idle.

    Each is logged once: one that cannot be removed, because it is another account's, is remembered by its name.

    Parameters
    ----------
    read
        Returns a control state.
    """

    def __init__(self, engine: Engine, read: Callable[[str, bytes], State]) -> None:
        self._engine = engine
        self._read = read

    def left(self) -> Left:
        """Return the acts that are left, but for those that were logged before; others' files are passed over.

        A time that is yet to come is taken for now: whoever claims it must not be believed until then.
        """
        engine = self._engine
        there = self._there()
        logged = self._logged() if there else set()
        room, now = MAX_ACTS - len(logged & there.keys()), engine.options.clock()
        files: list[str] = []
        acts: list[Act] = []
        unreadable = 0
        for digest, name in there.items():
            if digest in logged:
                continue
            if len(files) == room:
                return Left(tuple(files), tuple(acts), unreadable, more=True)
            try:
                act = Act.decode(engine.vfs.read(engine.layout.acts / name, FILE.size))
            except VaultError:
                unreadable += 1
                files.append(name)
                continue
            if act.vault_id == engine.vault_id:
                acts.append(replace(act, time=min(act.time, now)))
                files.append(name)
        return Left(tuple(files), tuple(acts), unreadable)

    def claims(self, left: Left) -> Iterator[Intent]:
        """Yield what logs acts: an event of each, and in the same commit as those of a copy when it was last made."""
        engine, now = self._engine, self._engine.options.clock()
        of_copies: dict[bytes, list[Act]] = {}
        others: list[Event] = [RestoreClaimed(now, NOBODYS_SESSION, 0)] * (left.unreadable + left.more)
        for act in left.acts:
            if act.kind is ActKind.COPIED and any(act.about):
                of_copies.setdefault(act.about, []).append(act)
            else:
                others.append(_event(act))
        if others:
            yield Intent([], encoded(engine.suite, *others))
        for copy, made in sorted(of_copies.items()):
            state = self._read(copies.NAMESPACE, copy)
            before = KnownCopy.decode(state.value) or KnownCopy(0)
            known = before._replace(made=min(now, max(before.made, *(act.time for act in made))))
            events = encoded(engine.suite, *map(_event, made))
            yield control_intent(engine, copies.NAMESPACE, copy, known.encode(), state.version, events)

    def remove(self, left: Left) -> Iterator[Intent]:
        """Remove acts that were logged; yield what remembers those that cannot be."""
        engine = self._engine
        stay: set[str] = set()
        for name in left.files:
            try:
                engine.vfs.unlink(engine.layout.acts / name)
            except VaultError:
                stay.add(name)
        if stay:
            logged = self._logged()
            known = [digest for digest, name in self._there().items() if digest in logged or name in stay]
            value = b"".join(known)
            yield control_intent(engine, *LOGGED, value, self._read(*LOGGED).version, sealable(engine.suite, []))

    def _there(self) -> dict[bytes, str]:
        """Return the names of all acts, by what is remembered of a name."""
        engine = self._engine
        names = [name for name in engine.vfs.names(engine.layout.acts) if name.endswith(SUFFIX)]
        return {engine.suite.digest(os.fsencode(name))[:_NAME]: name for name in names}

    def _logged(self) -> set[bytes]:
        value = self._read(*LOGGED).value or b""
        return {value[at : at + _NAME] for at in range(0, len(value), _NAME)}


def _event(act: Act) -> Event:
    about = act.about if any(act.about) else None
    match act.kind:
        case ActKind.REPAIRED:
            return RepairClaimed(act.time, NOBODYS_SESSION, about, act.count)
        case ActKind.COPIED:
            return CopyClaimed(act.time, NOBODYS_SESSION, about, act.count)
        case ActKind.RESTORED:
            return RestoreClaimed(act.time, NOBODYS_SESSION, act.count)

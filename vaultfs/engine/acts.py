"""Acts without keys, which other programs have left in the vault: what they claim goes into the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vaultfs_format.act import FILE, Act, ActKind

from vaultfs.audit.events import NOBODYS_SESSION, Event, EventType, Sealable, encode_event, sealable
from vaultfs.engine.control import control_intent
from vaultfs.engine.engine import Engine
from vaultfs.engine.grouping import Intent
from vaultfs.engine.paths import Layout
from vaultfs.engine.state import States
from vaultfs.errors import FormatError, Unsupported, VaultError
from vaultfs.vfs import Vfs

MAX_ACTS = 4096
"""Most that are taken at a time: whoever can write to the directory can leave any number."""

SUFFIX = ".vact"

COPIES = "vaultfs.copies"
"""Namespace of control states: id of a copy to when it was last brought up to date, in microseconds (`u64`)."""

_TIME = 8

EVENTS = {
    ActKind.REPAIRED: EventType.REPAIR_CLAIMED,
    ActKind.COPIED: EventType.COPY_CLAIMED,
    ActKind.RESTORED: EventType.RESTORE_CLAIMED,
}


def read_acts(vfs: Vfs, layout: Layout, vault_id: bytes) -> dict[Path, Act]:
    """Return the acts that are left in a vault; others, and files that are none, are passed over."""
    found: dict[Path, Act] = {}
    for name in vfs.names(layout.acts):
        if name.endswith(SUFFIX) and len(found) < MAX_ACTS:
            try:
                act = Act.decode(vfs.read(layout.acts / name, FILE.size))
            except (FormatError, Unsupported, VaultError):
                continue
            if act.vault_id == vault_id:
                found[layout.acts / name] = act
    return found


def claims(engine: Engine, states: States, acts: Iterable[Act]) -> Iterator[Intent]:
    """Yield what logs acts: an event of each, and in the same commit as those of a copy when it was last made."""
    of_copies: dict[bytes, list[Act]] = {}
    others = []
    for act in acts:
        if act.kind is ActKind.COPIED and any(act.about):
            of_copies.setdefault(act.about, []).append(act)
        else:
            others.append(act)
    if others:
        yield Intent([], _events(others))
    for copy, made in sorted(of_copies.items()):
        state = states.read(COPIES, copy)
        newest = max(int.from_bytes(state.value or b"", "little"), *(act.time for act in made))
        yield control_intent(engine, COPIES, copy, newest.to_bytes(_TIME, "little"), state.version, _events(made))


def _events(acts: Iterable[Act]) -> Sealable:
    found = []
    for act in acts:
        about = act.about if any(act.about) else b""
        found.append(Event(EVENTS[act.kind], act.time, NOBODYS_SESSION, record=about, version=act.count))
    return sealable([encode_event(event) for event in found])

"""Control states that the vault keeps for itself: how far a merging or a round of scrubbing has come."""

from __future__ import annotations

from vaultfs_format.entries import Role
from vaultfs_format.frame import FrameClass

from vaultfs.audit.events import Sealable
from vaultfs.engine.committing.grouping import Intent
from vaultfs.engine.committing.units import Gathered, Unit, role_entry, seal_all
from vaultfs.engine.engine import Engine
from vaultfs.engine.reading.state import encode_state
from vaultfs.model import NOBODY

MIRRORING = ("vaultfs.mirror", b"segments")
ON, OFF = b"\x01", b"\x00"
"""Whether segments have mirrors."""


def control_intent(engine: Engine, namespace: str, key: bytes, value: bytes, version: int, events: Sealable) -> Intent:
    """Return what sets a state, of which the vault has `version` now, together with events."""
    token = engine.chain.state_token(namespace, key)
    body = encode_state(namespace, key, value)
    gathered: list[Gathered] = []
    unit = Unit(FrameClass.CONTROL, NOBODY, gathered)
    frame = unit.room(len(body))
    frame.add(role_entry(Role.STATE, token, frame.size, len(body))._replace(version=version + 1), body)
    unit.close()
    frames = seal_all(engine.suite, gathered)
    return Intent(frames, events, guards={token: version}, states={token: version + 1})

"""Scenarios: keys that may not be used any more, or not yet again."""

from __future__ import annotations

import vaultfs
from tests.vaultfs.errors.world import SECRET, World, reaches
from vaultfs.keys.lifecycle import Cryptoperiod, KeyRef, KeyState


@reaches("KeyExpired")
def an_epoch_lasts_longer_than_its_key_may_be_used(world: World) -> None:
    with world.opened() as vault:
        vault.keys.turn(SECRET)
        vault.lives.set_period(Cryptoperiod(1))
        with vault.session(vaultfs.Principal("job"), "TREAT") as session:
            world.put(session)


@reaches("KeyNotUsable")
def a_key_is_suspended_while_an_incident_is_looked_into(world: World) -> None:
    with world.opened() as vault:
        vault.lives.set_state(KeyRef.epoch(1), KeyState.SUSPENDED)
        with vault.session(vaultfs.Principal("job"), "TREAT") as session:
            world.put(session)


@reaches("TransitionInvalid")
def a_key_that_was_compromised_is_to_be_used_again(world: World) -> None:
    with world.opened() as vault:
        vault.lives.set_state(KeyRef.epoch(1), KeyState.COMPROMISED)
        vault.lives.set_state(KeyRef.epoch(1), KeyState.ACTIVE)

"""The lives of keys: what each state permits, when it changes by itself, and what a job does when a period ends."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vaultfs
from tests.vaultfs.support import PASSPHRASE, create, event_types, get, put, reopen
from vaultfs.engine.lives import KeyKind, KeyRef
from vaultfs.errors import FieldInvalid, KeyExpired, KeyNotUsable, TransitionInvalid
from vaultfs.keys.lifecycle import (
    FOLLOWING,
    Cryptoperiod,
    KeyState,
    Life,
    Reason,
    Use,
)

DAY = 86_400_000_000
NOW = 1_700_000_000_000_000
PERMITTED = {
    KeyState.PRE_ACTIVE: set(),
    KeyState.ACTIVE: {Use.PROTECT, Use.PROCESS},
    KeyState.SUSPENDED: {Use.PROCESS},
    KeyState.DEACTIVATED: {Use.PROCESS},
    KeyState.COMPROMISED: {Use.PROCESS},
    KeyState.DESTROYED: set(),
}


class Clock:
    """A clock that goes on by a step with every look."""

    def __init__(self, step: int = 0) -> None:
        self.now = NOW
        self.step = step

    def __call__(self) -> int:
        self.now += self.step
        return self.now


@pytest.mark.parametrize(("state", "use"), [*product(KeyState, Use)])
def test_a_state_permits_what_sp_800_57_says(state: KeyState, use: Use) -> None:
    life = Life(state)
    if use in PERMITTED[state]:
        life.check(use, NOW)
    else:
        with pytest.raises(KeyNotUsable) as caught:
            life.check(use, NOW)
        assert caught.value.facts == {"use": use, "state": state}


@pytest.mark.parametrize(("state", "to"), [*product(KeyState, KeyState)])
def test_only_the_transitions_of_sp_800_57_are_made(state: KeyState, to: KeyState) -> None:
    if to in FOLLOWING[state]:
        assert Life(state).moved(to, NOW, Reason.HOLD) == Life(to, changed=NOW, reason=Reason.HOLD)
    else:
        with pytest.raises(TransitionInvalid):
            Life(state).moved(to, NOW)


def test_no_way_leads_back_from_what_was_compromised_or_destroyed() -> None:
    assert FOLLOWING[KeyState.COMPROMISED] == {KeyState.DESTROYED}
    assert FOLLOWING[KeyState.DESTROYED] == set()


def test_a_key_becomes_active_and_is_deactivated_on_its_dates() -> None:
    life = Life(KeyState.PRE_ACTIVE, active_from=NOW, protect_until=NOW + DAY, process_until=NOW + 2 * DAY)
    with pytest.raises(KeyNotUsable):
        life.check(Use.PROTECT, NOW - 1)
    life.check(Use.PROTECT, NOW)
    life.check(Use.PROTECT, NOW + DAY - 1)
    with pytest.raises(KeyExpired):
        life.check(Use.PROTECT, NOW + DAY)
    life.check(Use.PROCESS, NOW + 2 * DAY - 1)
    with pytest.raises(KeyExpired):
        life.check(Use.PROCESS, NOW + 2 * DAY)
    assert [life.at(NOW + days * DAY) for days in (-1, 0, 1)] == [
        KeyState.PRE_ACTIVE,
        KeyState.ACTIVE,
        KeyState.DEACTIVATED,
    ]


@pytest.mark.parametrize("dates", [(5, 4, 0), (5, 6, 4), (0, 6, 5), (0, -1, 0)])
def test_dates_that_do_not_ascend_are_refused(dates: tuple[int, int, int]) -> None:
    with pytest.raises(TransitionInvalid):
        Life(KeyState.ACTIVE, *dates)


@given(st.sampled_from(KeyState), st.sampled_from(Reason), st.lists(st.integers(0, 2**62), min_size=3, max_size=3))
def test_a_life_comes_back_as_it_was_kept(state: KeyState, reason: Reason, dates: list[int]) -> None:
    active, protect, process = sorted(dates)
    life = Life(state, active, protect, process, NOW, reason)
    assert Life.decode(life.encode()) == life


@pytest.mark.parametrize("value", [b"", b"\x90", Life().encode()[:-1], Cryptoperiod().encode(), b"\x96" + b"\x63" * 6])
def test_what_is_no_life_is_refused(value: bytes) -> None:
    with pytest.raises(FieldInvalid):
        Life.decode(value)


@pytest.mark.parametrize("value", [b"", Life().encode(), b"\x92\x00\x07"])
def test_what_is_no_cryptoperiod_is_refused(value: bytes) -> None:
    with pytest.raises(FieldInvalid):
        Cryptoperiod.decode(value)


# In a vault; jobs over the end of a period are in `test_periods.py`.


def test_a_suspended_key_protects_nothing_until_it_is_active_again(tmp_path: Path) -> None:
    ref = KeyRef.epoch(1)
    with create(tmp_path / "v") as vault:
        record = put(vault)
        assert vault.lives.set_state(ref, KeyState.SUSPENDED, Reason.HOLD).reason is Reason.HOLD
        with pytest.raises(KeyNotUsable):
            put(vault)
        assert get(vault, record) == b"data"
        vault.lives.set_state(ref, KeyState.ACTIVE)
        put(vault)
        vault.lives.set_state(ref, KeyState.COMPROMISED, Reason.KEY_COMPROMISE)
        assert vaultfs.EventType.KEY_STATE_SET in event_types(vault)
    with reopen(tmp_path / "v") as vault:
        assert vault.lives.life(ref).state is KeyState.COMPROMISED
        with pytest.raises(KeyNotUsable):
            put(vault)
        with pytest.raises(TransitionInvalid):
            vault.lives.set_state(ref, KeyState.ACTIVE)
        vault.keys.turn(PASSPHRASE)
        put(vault)
        assert vault.lives.life(KeyRef(KeyKind.SIGNER, bytes(4))) == Life()

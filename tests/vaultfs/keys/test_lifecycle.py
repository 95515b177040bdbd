"""The lives of keys: what each state permits, when it changes by itself, and what a job does when a period ends."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultfs.errors import ArgumentInvalid, FieldInvalid, KeyExpired, KeyNotUsable, TransitionInvalid
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
    KeyState.SUSPENDED: set(),
    KeyState.DEACTIVATED: {Use.PROCESS},
    KeyState.COMPROMISED: set(),
    KeyState.DESTROYED: set(),
}
AT_RISK = {KeyState.ACTIVE, KeyState.SUSPENDED, KeyState.DEACTIVATED, KeyState.COMPROMISED}


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


@pytest.mark.parametrize(("state", "use"), [*product(KeyState, Use)])
def test_the_risk_can_be_accepted_of_opening_things_and_of_nothing_else(state: KeyState, use: Use) -> None:
    life = Life(state)
    if use in PERMITTED[state] or (use is Use.PROCESS and state in AT_RISK):
        life.check(use, NOW, risk_accepted=True)
    else:
        with pytest.raises(KeyNotUsable):
            life.check(use, NOW, risk_accepted=True)
    over = Life(KeyState.ACTIVE, process_until=NOW)
    over.check(Use.PROCESS, NOW, risk_accepted=True)


@pytest.mark.parametrize(("state", "to"), [*product(KeyState, KeyState)])
def test_only_the_transitions_of_sp_800_57_are_made(state: KeyState, to: KeyState) -> None:
    if to in FOLLOWING[state]:
        assert Life(state).moved(to, NOW, Reason.HOLD) == Life(to, changed=NOW, reason=Reason.HOLD, recorded=to)
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


@pytest.mark.parametrize("state", [one for one in KeyState if one not in {KeyState.PRE_ACTIVE, KeyState.ACTIVE}])
def test_no_other_state_ends_by_a_date(state: KeyState) -> None:
    assert Life(state, active_from=1, protect_until=2, process_until=3).at(NOW) is state


@pytest.mark.parametrize("dates", [(5, 4, 0), (5, 6, 4), (0, 6, 5), (0, -1, 0)])
def test_dates_that_do_not_ascend_are_refused(dates: tuple[int, int, int]) -> None:
    with pytest.raises(TransitionInvalid):
        Life(KeyState.ACTIVE, *dates)


@given(st.sampled_from(KeyState), st.sampled_from(Reason), st.lists(st.integers(0, 2**62), min_size=3, max_size=3))
def test_a_life_comes_back_as_it_was_kept(state: KeyState, reason: Reason, dates: list[int]) -> None:
    active, protect, process = sorted(dates)
    life = Life(state, active, protect, process, NOW, reason)
    assert Life.decode(life.encode()) == life


@pytest.mark.parametrize("value", [b"", b"\x90", Life().encode()[:-1], Cryptoperiod().encode(), b"\x97" + b"\x63" * 7])
def test_what_is_no_life_is_refused(value: bytes) -> None:
    with pytest.raises(FieldInvalid):
        Life.decode(value)


@pytest.mark.parametrize("value", [b"", Life().encode(), b"\x92\x00\x07"])
def test_what_is_no_cryptoperiod_is_refused(value: bytes) -> None:
    with pytest.raises(FieldInvalid):
        Cryptoperiod.decode(value)


@pytest.mark.parametrize("dates", [(1 << 64, 0, 0), (0, 1 << 70, 0), (0, 0, 1 << 64), (-1, 0, 0)])
def test_dates_that_cannot_be_kept_are_refused(dates: tuple[int, int, int]) -> None:
    with pytest.raises((ArgumentInvalid, TransitionInvalid)):
        Life(KeyState.ACTIVE, *dates)


@pytest.mark.parametrize("length", [-1, 1 << 64])
def test_periods_that_cannot_be_kept_are_refused(length: int) -> None:
    with pytest.raises(ArgumentInvalid):
        Cryptoperiod(length)
    with pytest.raises(FieldInvalid):
        Cryptoperiod.decode(b"\x93\xff\x00\x00")


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**64 - 1), max_size=2))
def test_a_period_ends_in_order_with_all_dates(began: int, length: int, dates: list[int]) -> None:
    active, process = (*sorted(dates), 0, 0)[:2]
    life = Life(active_from=active if process else 0, process_until=process)
    limited = life.limited(began, Cryptoperiod(length, since=NOW))
    assert Life.decode(limited.encode()) == limited
    assert (limited.active_from, limited.process_until) == (life.active_from, life.process_until)

"""Dates and periods of keys that are set: what they make of a key, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.engine.test_lives import DAY, EPOCH, Clock, refused
from tests.vaultfs.support import PASSPHRASE, create, event_types, get, put, reopen
from vaultfs.audit.events import encoded
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.custody.lives import NAMESPACE
from vaultfs.errors import ArgumentInvalid, KeyExpired, NotFound, TransitionInvalid
from vaultfs.keys.lifecycle import Cryptoperiod, KeyKind, KeyRef, KeyState, Life


@pytest.mark.parametrize("ref", [EPOCH, KeyRef.signer(1)])
@pytest.mark.parametrize("period_first", [True, False])
def test_a_period_beyond_the_last_date_of_a_key_ends_with_that(tmp_path: Path, ref: KeyRef, period_first: bool) -> None:
    clock = Clock()
    options = vaultfs.Options(clock=clock)
    with create(tmp_path / "v", options=options) as vault:
        record, until = put(vault), clock.now + DAY
        acts: list[Callable[[], object]] = [
            lambda: vault.lives.set_period(Cryptoperiod(2 * DAY), ref.kind),
            lambda: vault.lives.set_dates(ref, process_until=until),
        ]
        for act in acts if period_first else reversed(acts):
            act()
        assert vault.lives.life(ref).protect_until == until
        assert get(vault, record) == b"data"
        put(vault)
    clock.now = until
    with reopen(tmp_path / "v", options=options, accept_risk=True) as vault:
        assert get(vault, record) == b"data"
        with refused(vault, KeyExpired, ref.kind):
            put(vault)
        vault.keys.turn(PASSPHRASE, new_signer=True)
        put(vault)


def test_dates_and_periods_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        for refusal in (
            lambda: vault.lives.set_dates(EPOCH, protect_until=1 << 70),
            lambda: vault.lives.set_period(Cryptoperiod(1 << 64)),
        ):
            with pytest.raises(ArgumentInvalid):
                refusal()
        vault.lives.set_period(Cryptoperiod((1 << 64) - 1))
        vault.lives.set_state(EPOCH, KeyState.SUSPENDED)
        assert vault.lives.life(EPOCH).protect_until == (1 << 64) - 1


@pytest.mark.parametrize("ref", [EPOCH, KeyRef.signer(1)])
def test_what_a_date_has_deactivated_is_not_made_active_by_another_one(tmp_path: Path, ref: KeyRef) -> None:
    clock = Clock()
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        vault.lives.set_dates(ref, protect_until=clock.now + DAY)
        clock.now += DAY
        for date in (clock.now + DAY, 0):
            with pytest.raises(TransitionInvalid):
                vault.lives.set_dates(ref, protect_until=date)
        with refused(vault, KeyExpired, ref.kind):
            put(vault)
        later = vault.lives.set_dates(ref, protect_until=clock.now - 1, process_until=clock.now + DAY)
        assert later == vault.lives.life(ref)
        vault.keys.turn(PASSPHRASE, new_signer=True)
        put(vault)


@pytest.mark.parametrize("length", [0, 3 * DAY])
@pytest.mark.parametrize("ref", [EPOCH, KeyRef.signer(1)])
def test_another_period_is_that_of_the_next_key_where_it_was_over(tmp_path: Path, ref: KeyRef, length: int) -> None:
    clock = Clock()
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        record = put(vault)
        vault.lives.set_period(Cryptoperiod(1), ref.kind)
        clock.now += DAY
        vault.lives.set_period(Cryptoperiod(2), ref.kind)
        for _ in range(2):
            vault.lives.set_period(Cryptoperiod(length), ref.kind)
            assert vault.lives.life(ref).state is KeyState.DEACTIVATED
            with refused(vault, KeyExpired, ref.kind):
                put(vault)
        assert get(vault, record) == b"data"
        vault.keys.turn(PASSPHRASE, new_signer=True)
        clock.now += DAY
        put(vault)


def test_a_state_leaves_the_period_in_force(tmp_path: Path) -> None:
    clock = Clock()
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        vault.lives.set_period(Cryptoperiod(DAY))
        until = clock.now + DAY
        assert vault.lives.set_state(EPOCH, KeyState.SUSPENDED).protect_until == until
        vault.lives.set_state(EPOCH, KeyState.ACTIVE)
        vault.lives.set_period(Cryptoperiod(2 * DAY))
        assert vault.lives.life(EPOCH).protect_until == until + DAY


def test_a_key_that_is_in_use_does_not_begin_later(tmp_path: Path) -> None:
    clock = Clock()
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        one = KeyRef.recipient(vault.keys.recipients()[0].id)
        for ref in (EPOCH, KeyRef.signer(1), one):
            with pytest.raises(TransitionInvalid):
                vault.lives.set_dates(ref, active_from=clock.now + 1)
            vault.lives.set_dates(ref, active_from=clock.now)
        clock.now -= 1  # a clock that was set back
        vault.lives.set_dates(EPOCH, active_from=clock.now + 1, process_until=clock.now + DAY)
        assert vault.lives.life(EPOCH).process_until == clock.now + DAY


def test_a_key_that_another_program_has_kept_pre_active_becomes_active_on_its_date(tmp_path: Path) -> None:
    clock = Clock()
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        engine = vault.engine
        life = Life(KeyState.PRE_ACTIVE, active_from=clock.now + DAY, recorded=KeyState.PRE_ACTIVE)
        vault.commit(control_intent(engine, NAMESPACE, EPOCH.state_key, life.encode(), 0, encoded(engine.suite)))
    with reopen(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        with refused(vault):
            put(vault)
        vault.lives.set_dates(EPOCH, active_from=clock.now + 2 * DAY)
        clock.now += DAY
        with refused(vault):
            put(vault)
        clock.now += DAY
        put(vault)


def test_nothing_is_said_of_keys_that_there_are_not(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        before = len(event_types(vault))
        for ref in (KeyRef.recipient("0123456789abcdef"), KeyRef.signer(0), KeyRef.signer(2)):
            with pytest.raises(NotFound):
                vault.lives.set_state(ref, KeyState.SUSPENDED)
            with pytest.raises(NotFound):
                vault.lives.set_dates(ref, process_until=1 << 60)
        with pytest.raises(ArgumentInvalid):
            vault.lives.set_period(Cryptoperiod(DAY), KeyKind.RECIPIENT)
        assert len(event_types(vault)) == before

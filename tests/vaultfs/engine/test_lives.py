"""The lives of the keys of a vault: asked whenever one is used, and every change and refusal recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vaultfs_format.events.keys import KeyRefused, KeyStatePassed, SignerAdded
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs import softhsm
from tests.vaultfs.support import (
    PASSPHRASE,
    answers,
    create,
    event_types,
    events_of,
    get,
    put,
    read_only,
    reopen,
    session,
)
from vaultfs.errors import (
    ArgumentInvalid,
    KeyExpired,
    KeyNotUsable,
    LimitExceeded,
    NoRecipientMatches,
    TransitionInvalid,
)
from vaultfs.keys import Escrow, HostKey, PrivateKey, Recipient, Shares, Unlocker
from vaultfs.keys.lifecycle import Cryptoperiod, KeyKind, KeyRef, KeyState, Life, OnExpiry, Reason
from vaultfs.testing.quota import QuotaVfs

DAY = 86_400_000_000
EPOCH = KeyRef.epoch(1)
KEY_REFUSED, RISK = vaultfs.EventType.KEY_REFUSED, vaultfs.EventType.KEY_RISK_ACCEPTED


class Clock:
    """A clock that stands until it is set on."""

    now = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now


def refusals(vault: vaultfs.Vault) -> list[int]:
    """Return of which kinds the keys were that could not be used."""
    return [event.key_kind for event in events_of(vault, KeyRefused)]


@contextmanager
def refused(
    vault: vaultfs.Vault, error: type[Exception] = KeyNotUsable, kind: KeyKind = KeyKind.EPOCH
) -> Iterator[None]:
    """Expect that a key may not be used, and that this is recorded."""
    before = refusals(vault)
    with pytest.raises(error):
        yield
    assert refusals(vault) == [*before, kind]


def test_a_suspended_key_is_used_for_nothing_until_it_is_active_again(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        record = put(vault)
        assert vault.lives.set_state(EPOCH, KeyState.SUSPENDED, Reason.HOLD).reason is Reason.HOLD
        with refused(vault):
            put(vault)
        with refused(vault):
            get(vault, record)
        with session(vault) as s, refused(vault):
            s.find(subject=vaultfs.Identifier("urn:example", "nobody"))
        vault.lives.set_state(EPOCH, KeyState.ACTIVE)
        put(vault)
        assert get(vault, record) == b"data"
        assert event_types(vault).count(vaultfs.EventType.KEY_STATE_SET) == 2


def test_a_compromised_key_is_read_by_who_accepts_the_risk_until_the_epoch_turns(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        record = put(vault)
        vault.lives.set_state(EPOCH, KeyState.COMPROMISED, Reason.KEY_COMPROMISE)
    with reopen(tmp_path / "v") as vault:
        with refused(vault):
            get(vault, record)
        with pytest.raises(TransitionInvalid):
            vault.lives.set_state(EPOCH, KeyState.ACTIVE)
    with reopen(tmp_path / "v", accept_risk=True) as vault:
        assert get(vault, record) == b"data"
        assert event_types(vault).count(RISK) == 1
        with refused(vault):
            put(vault)
        vault.keys.turn(PASSPHRASE)
        put(vault)
        assert vault.lives.life(EPOCH).state is KeyState.COMPROMISED
        assert vault.lives.life(KeyRef.epoch(2)).state is KeyState.ACTIVE
    with reopen(tmp_path / "v", accept_risk=True) as vault:
        assert get(vault, record) == b"data"
        assert event_types(vault).count(RISK) == 1  # there is no risk any more


def test_a_reader_is_kept_from_it_as_well(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        record = put(vault)
        with read_only(tmp_path / "v") as reader:
            assert get(reader, record) == b"data"
            vault.lives.set_state(EPOCH, KeyState.SUSPENDED)
            with pytest.raises(KeyNotUsable):
                get(reader, record)
        with read_only(tmp_path / "v", accept_risk=True) as reader:
            assert get(reader, record) == b"data"
        vault.merge_access_logs()
        assert {KEY_REFUSED, RISK} <= {*event_types(vault)}


def test_dates_end_what_an_epoch_protects_and_then_what_it_opens(tmp_path: Path) -> None:
    clock = Clock()
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        record = put(vault)
        now = clock.now
        life = vault.lives.set_dates(EPOCH, protect_until=now + DAY, process_until=now + 2 * DAY)
        assert vault.lives.life(EPOCH) == life
        clock.now = now + DAY
        with refused(vault, KeyExpired):
            put(vault)
        assert get(vault, record) == b"data"
        clock.now = now + 2 * DAY
        with refused(vault, KeyExpired):
            get(vault, record)
    with reopen(tmp_path / "v", options=vaultfs.Options(clock=clock), accept_risk=True) as vault:
        assert get(vault, record) == b"data"
        with pytest.raises(TransitionInvalid):
            vault.lives.set_dates(EPOCH, protect_until=2, process_until=1)


def passed(vault: vaultfs.Vault) -> list[tuple[bytes, int]]:
    """Return the keys whose states dates have changed, and to what, as the log has it."""
    return [(bytes([event.key_kind]) + event.key, event.state) for event in events_of(vault, KeyStatePassed)]


def test_what_dates_make_of_keys_is_recorded_by_who_meets_it(tmp_path: Path) -> None:
    clock = Clock()
    options = vaultfs.Options(clock=clock)
    spare = PrivateKey.generate()
    signer = KeyRef.signer(1)
    with create(tmp_path / "v", options=options) as vault:
        first, later = vault.keys.recipients()[0], vault.keys.add(spare.public_key, unlock=PASSPHRASE)
        leaving, coming = KeyRef.recipient(first.id), KeyRef.recipient(later.id)
        vault.lives.set_dates(coming, protect_until=clock.now + 3 * DAY)
        vault.lives.set_dates(leaving, protect_until=clock.now + DAY)
        vault.lives.set_period(Cryptoperiod(2 * DAY))
        vault.lives.set_period(Cryptoperiod(2 * DAY), KeyKind.SIGNER)
        put(vault)
        assert passed(vault) == []
    clock.now += DAY
    expected = [(leaving.state_key, KeyState.DEACTIVATED)]
    for _ in range(2):
        with reopen(tmp_path / "v", options=options) as vault:
            assert passed(vault) == expected
    with reopen(tmp_path / "v", options=options) as vault:
        clock.now += 2 * DAY
        expected += [(one.state_key, KeyState.DEACTIVATED) for one in (EPOCH, signer)]
        for _ in range(2):
            with refused(vault, KeyExpired, KeyKind.SIGNER):
                put(vault)
            assert passed(vault) == expected
    with reopen(tmp_path / "v", options=options) as vault:
        expected += [(one.state_key, KeyState.DEACTIVATED) for one in (EPOCH, signer)]
        assert passed(vault) == expected  # recipients wait until something can be committed
        vault.keys.turn(PASSPHRASE, new_signer=True)
        put(vault)
    expected += [(coming.state_key, KeyState.DEACTIVATED)]
    for _ in range(2):
        with reopen(tmp_path / "v", options=options) as vault:
            assert passed(vault) == expected


def test_a_suspension_does_not_end_by_a_date(tmp_path: Path) -> None:
    clock = Clock()
    options = vaultfs.Options(clock=clock)
    with create(tmp_path / "v", options=options) as vault:
        record = put(vault)
        vault.lives.set_dates(EPOCH, protect_until=clock.now + DAY)
        vault.lives.set_state(EPOCH, KeyState.SUSPENDED, Reason.HOLD)
        clock.now += DAY
        with refused(vault):
            get(vault, record)
        assert passed(vault) == []
        vault.lives.set_state(EPOCH, KeyState.ACTIVE)
        assert get(vault, record) == b"data"
        with refused(vault, KeyExpired):
            put(vault)


def test_what_a_date_has_changed_waits_for_space_to_be_recorded(tmp_path: Path) -> None:
    clock, disk = Clock(), QuotaVfs(1 << 30)
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        one = KeyRef.recipient(vault.keys.recipients()[0].id)
        vault.lives.set_dates(one, protect_until=clock.now + DAY)
        record = put(vault)
    clock.now += DAY
    disk.left = 0
    with reopen(tmp_path / "v", options=vaultfs.Options(clock=clock), vfs=disk) as vault:
        assert get(vault, record) == b"data"
        assert passed(vault) == []
    disk.left = 1 << 30
    with reopen(tmp_path / "v", options=vaultfs.Options(clock=clock), vfs=disk) as vault:
        assert passed(vault) == [(one.state_key, KeyState.DEACTIVATED)]


def test_a_first_epoch_has_its_whole_period_from_when_one_is_set(tmp_path: Path) -> None:
    clock = Clock()
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        vault.lives.set_period(Cryptoperiod(DAY))
        clock.now += DAY - 1
        put(vault)
        vault.lives.set_period(Cryptoperiod(2 * DAY))
        clock.now += DAY
        put(vault)
        clock.now += 1
        with refused(vault, KeyExpired):
            put(vault)


def test_what_was_never_said_of_a_key(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        assert vault.lives.life(EPOCH) == vault.lives.life(KeyRef.signer(1)) == Life()
        for number in (-1, 0, 2, 1 << 32):
            with pytest.raises(ArgumentInvalid):
                vault.lives.life(KeyRef.epoch(number))
        with pytest.raises(ArgumentInvalid):
            KeyRef.recipient("no hexadecimal digits")
        vault.keys.turn(PASSPHRASE)
        assert vault.lives.life(EPOCH).state is KeyState.DEACTIVATED


# Recipients.


def with_two(path: Path) -> tuple[PrivateKey, KeyRef]:
    """Make a vault that a passphrase and a key open; return the key, and what names it."""
    key = PrivateKey.generate()
    with create(path) as vault:
        put(vault)
        added = vault.keys.add(key.public_key, unlock=PASSPHRASE)
    return key, KeyRef.recipient(added.id)


@pytest.mark.parametrize("state", [KeyState.SUSPENDED, KeyState.COMPROMISED])
def test_a_recipient_that_may_not_be_used_opens_nothing(tmp_path: Path, state: KeyState) -> None:
    key, ref = with_two(tmp_path / "v")
    reopen(tmp_path / "v", unlock=key).close()
    with reopen(tmp_path / "v") as vault:
        vault.lives.set_state(ref, state)
    for opening in (reopen, read_only):
        with pytest.raises(KeyNotUsable):
            opening(tmp_path / "v", unlock=key)
    with reopen(tmp_path / "v") as vault:
        assert refusals(vault) == [KeyKind.RECIPIENT] * 2
        with pytest.raises(KeyNotUsable):
            vault.keys.turn(key)
        with pytest.raises(NoRecipientMatches):
            vault.keys.turn(PrivateKey.generate())
        vault.keys.turn(PASSPHRASE)
    with reopen(tmp_path / "v", accept_risk=True) as vault:
        assert RISK not in event_types(vault)  # this one is no risk
    with reopen(tmp_path / "v", unlock=key, accept_risk=True) as vault:
        assert RISK in event_types(vault)


def escrows() -> list[tuple[Recipient, Unlocker]]:
    drawn = [Escrow.draw([(2, 3)], iteration_exponent=0) for _ in range(2)]
    return [(one, Shares(one.groups[0][1:])) for one in drawn]


def escrows_and_a_misspelt_share() -> list[tuple[Recipient, Unlocker]]:
    return [(one, Shares([*one.groups[0][1:], "misspelt"])) for one, _ in escrows() if isinstance(one, Escrow)]


def tokens() -> list[tuple[Recipient, Unlocker]]:
    made = [replace(softhsm.new_token(key=False), key_id=key_id) for key_id in (b"one", b"two")]
    for one in made:
        one.make_key()
    return [(one, one) for one in made]


class Kms:
    """A key service of the host, with a key of its own."""

    def __init__(self) -> None:
        self._key = AESGCM(os.urandom(32))

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        return self._key.encrypt(bytes(12), secret, bound)

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        return self._key.decrypt(bytes(12), blob, bound)


def services() -> list[tuple[Recipient, Unlocker]]:
    return [(one, one) for one in (HostKey("records", Kms()), HostKey("records", Kms()))]


@pytest.mark.parametrize("kind", [escrows, escrows_and_a_misspelt_share, tokens, services])
def test_one_of_two_of_a_kind_that_may_not_be_used_opens_nothing_but_at_risk(
    tmp_path: Path, kind: Callable[[], list[tuple[Recipient, Unlocker]]]
) -> None:
    (barred, unlock), (other, _) = kind()
    with create(tmp_path / "v") as vault:
        added = vault.keys.add(barred, unlock=PASSPHRASE)
        vault.keys.add(other, unlock=PASSPHRASE)
        vault.lives.set_state(KeyRef.recipient(added.id), KeyState.SUSPENDED)
    for opening in (reopen, read_only):
        with pytest.raises(KeyNotUsable):
            opening(tmp_path / "v", unlock=unlock)
        opening(tmp_path / "v", unlock=unlock, accept_risk=True).close()
    with reopen(tmp_path / "v") as vault:
        assert refusals(vault) == [KeyKind.RECIPIENT] * 2
        assert event_types(vault).count(RISK) == 2


def test_a_recipient_is_used_until_its_date(tmp_path: Path) -> None:
    clock = Clock()
    key, ref = with_two(tmp_path / "v")
    options = vaultfs.Options(clock=clock)
    with reopen(tmp_path / "v", options=options) as vault:
        vault.lives.set_dates(ref, process_until=clock.now + DAY)
    reopen(tmp_path / "v", unlock=key, options=options).close()
    clock.now += DAY
    with pytest.raises(KeyExpired):
        reopen(tmp_path / "v", unlock=key, options=options)
    reopen(tmp_path / "v", options=options).close()


@pytest.mark.parametrize("state", [KeyState.SUSPENDED, KeyState.DEACTIVATED, KeyState.COMPROMISED])
def test_no_new_root_key_is_sealed_for_a_recipient_that_is_not_active(tmp_path: Path, state: KeyState) -> None:
    key, ref = with_two(tmp_path / "v")
    with reopen(tmp_path / "v") as vault:
        vault.lives.set_state(ref, state)
        with pytest.raises(KeyNotUsable) as caught:
            vault.keys.rekey(unlock=PASSPHRASE, staying=[key])
        assert f"recipient={ref.id.hex()}" in caught.value.message()
        assert refusals(vault) == [KeyKind.RECIPIENT]
        assert vault.engine.head.epoch == 1
        (one,), _ = vault.keys.rekey(unlock=PASSPHRASE, removed=[ref.id.hex()])
        assert one.type == 1
    with pytest.raises(NoRecipientMatches):
        reopen(tmp_path / "v", unlock=key)


def test_who_is_past_the_date_is_made_a_recipient_again_by_name(tmp_path: Path) -> None:
    clock = Clock()
    options = vaultfs.Options(clock=clock)
    with create(tmp_path / "v", options=options) as vault:
        (one,) = vault.keys.recipients()
        vault.lives.set_dates(KeyRef.recipient(one.id), protect_until=clock.now + DAY)
        clock.now += DAY
        with pytest.raises(KeyExpired):
            vault.keys.rekey(unlock=PASSPHRASE)
        vault.keys.rekey(unlock=PASSPHRASE, removed=[one.id], added=[PASSPHRASE])
        vault.keys.rekey(unlock=PASSPHRASE)
    reopen(tmp_path / "v", options=options).close()


# Signers.


def signers_of(path: Path) -> set[int]:
    """Return the numbers of the signers of all segments."""
    found = set()
    for one in (path / "segments").rglob("*.vseg"):
        data = one.read_bytes()
        found.add(SegmentFooter.decode(data[-FOOTER_SIZE:], len(data)).signer)
    return found


def test_another_signer_signs_from_then_on_and_both_are_believed(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        put(vault)
        vault.settle()
        vault.keys.turn(PASSPHRASE, new_signer=True)
        assert vault.engine.head.signer == 2
        put(vault)
        vault.settle()
        there = answers(vault)
    assert signers_of(tmp_path / "v") == {1, 2}
    assert fsck.main([str(tmp_path / "v")]) == 0
    with reopen(tmp_path / "v") as vault:
        assert answers(vault) == there
        assert vault.engine.signing.signer.number == 2
        assert [event.signer for event in events_of(vault, SignerAdded)] == [2]
        put(vault)


def test_a_job_goes_on_with_another_signer_where_that_is_wanted(tmp_path: Path) -> None:
    clock = Clock()
    options = vaultfs.Options(clock=clock)
    create(tmp_path / "v", options=options).close()
    with reopen(tmp_path / "v", options=options, rotation=PASSPHRASE) as vault:
        vault.lives.set_period(Cryptoperiod(DAY, OnExpiry.ROTATE), KeyKind.SIGNER)
        for _ in range(3):
            put(vault)
            clock.now += DAY // 2
        assert vault.engine.signing.signer.number == 2
        for _ in range(2):
            put(vault)
            clock.now += DAY // 2
        assert vault.engine.signing.signer.number == 3


@pytest.mark.parametrize("kind", [KeyKind.EPOCH, KeyKind.SIGNER])
def test_of_many_who_meet_the_end_of_a_period_one_turns(tmp_path: Path, kind: KeyKind) -> None:
    clock, count = Clock(), 6
    options = vaultfs.Options(clock=clock)
    create(tmp_path / "v", options=options).close()
    with reopen(tmp_path / "v", options=options, rotation=PASSPHRASE) as vault, ThreadPoolExecutor(count) as pool:
        vault.lives.set_period(Cryptoperiod(DAY, OnExpiry.ROTATE), kind)
        clock.now += DAY
        start = Barrier(count)

        def store(number: int) -> bytes:
            with session(vault) as s, s.transaction() as txn:
                subject = vaultfs.Identifier("urn:example", str(number))
                record = txn.put(b"%d" % number, kind="Observation", subject=subject)
                start.wait()
            return get(vault, record)

        assert [*pool.map(store, range(count))] == [b"%d" % number for number in range(count)]
        assert vault.engine.head.epoch == 2
        assert vault.engine.signing.signer.number == (2 if kind is KeyKind.SIGNER else 1)


def test_a_period_that_halts_does_so_though_something_is_given_that_unlocks(tmp_path: Path) -> None:
    clock = Clock()
    options = vaultfs.Options(clock=clock)
    create(tmp_path / "v", options=options).close()
    with reopen(tmp_path / "v", options=options, rotation=PASSPHRASE) as vault:
        vault.lives.set_period(Cryptoperiod(DAY))
        clock.now += DAY
        with refused(vault, KeyExpired):
            put(vault)
        assert vault.engine.head.epoch == 1


def test_a_signer_that_may_not_be_used_halts_what_has_to_be_signed(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        vault.lives.set_state(KeyRef.signer(1), KeyState.COMPROMISED)
        with refused(vault, kind=KeyKind.SIGNER):
            put(vault)
        vault.keys.turn(PASSPHRASE, new_signer=True)
        put(vault)


def test_a_vault_has_room_for_so_many_signers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaultfs_format.limits.MAX_PUBLIC_KEYS", 4)
    with create(tmp_path / "v") as vault:
        vault.keys.turn(PASSPHRASE, new_signer=True)
        with pytest.raises(LimitExceeded):
            vault.keys.turn(PASSPHRASE, new_signer=True)
        assert vault.engine.head.epoch == 2

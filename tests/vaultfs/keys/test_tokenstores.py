"""Epoch stores in tokens, by SoftHSM: a secret is there until it is destroyed, and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.suite import DEFAULT
from vaultfs_format.witness import Witnessed

from tests.vaultfs import softhsm
from tests.vaultfs.keys.test_tokens import in_a_child
from tests.vaultfs.softhsm import MODULE, PIN
from tests.vaultfs.support import PASSPHRASE, create, get, put, read_only, reopen
from vaultfs.errors import ArgumentInvalid, EpochSecretMissing, RolledBack, VaultError
from vaultfs.keys import TokenStore, cryptoki, dataobjects
from vaultfs.keys.errors import Extra, ExtraMissing, PinLocked, PinWrong, TokenFailed, TokenMissing
from vaultfs.keys.stores import DirectoryStore, EpochStore

VAULT = os.urandom(16)
SECRET = EpochSecret(DEFAULT, VAULT, 1, os.urandom(32))


def head(generation: int, vault_id: bytes = VAULT) -> Witnessed:
    """Return a witnessed head of a generation."""
    return Witnessed(DEFAULT, vault_id, generation, 1, bytes(32), bytes(32), 1, bytes(2484))


@pytest.fixture
def store() -> TokenStore:
    token = softhsm.new_token(key=False)
    return TokenStore(token.module, token.label, PIN)


@pytest.fixture(params=["directory", "token"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> EpochStore:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "store")
    token = softhsm.new_token(key=False)
    return TokenStore(token.module, token.label, PIN)


def in_token(store: TokenStore, act: Callable[[pkcs11.Session], object]) -> object:
    """Do something in a session of the token, as its owner can with any tool."""
    return cryptoki.used(str(store.module), store.label, PIN, act, writes=True)


def values(store: TokenStore) -> list[bytes]:
    """Return the values of all data objects in the token."""
    found = in_token(
        store,
        lambda session: [
            bytes(one[Attribute.VALUE]) for one in session.get_objects({Attribute.CLASS: ObjectClass.DATA})
        ],
    )
    assert isinstance(found, list)
    return found


class TestAnyStore:
    """What a vault relies on, whatever the store."""

    def test_what_is_kept_is_given_back_until_it_is_destroyed(self, any_store: EpochStore) -> None:
        later = EpochSecret(DEFAULT, VAULT, 12, os.urandom(32))
        for secret in (SECRET, later):
            any_store.put(secret)
        assert any_store.epochs(VAULT) == [1, 12]
        assert any_store.get(VAULT, 1) == SECRET
        any_store.destroy(VAULT, 1)
        any_store.destroy(VAULT, 1)
        assert any_store.epochs(VAULT) == [12]
        with pytest.raises(EpochSecretMissing) as refused:
            any_store.get(VAULT, 1)
        assert refused.value.facts == {"epoch": 1}
        assert any_store.get(VAULT, 12) == later

    def test_a_secret_takes_the_place_of_one_of_its_epoch(self, any_store: EpochStore) -> None:
        for secret in (SECRET, SECRET, other := replace(SECRET, secret=os.urandom(32))):
            any_store.put(secret)
            assert any_store.get(VAULT, 1) == secret
        assert any_store.epochs(VAULT) == [1]
        assert any_store.get(VAULT, 1) == other

    def test_several_vaults_have_secrets_and_heads_of_their_own(self, any_store: EpochStore) -> None:
        stranger = EpochSecret(DEFAULT, bytes(16), 1, os.urandom(32))
        for secret in (SECRET, stranger):
            any_store.put(secret)
        any_store.see(head(5, bytes(16)))
        assert any_store.last(VAULT) is None
        any_store.destroy(VAULT, 1)
        assert any_store.epochs(VAULT) == []
        assert any_store.get(bytes(16), 1) == stranger
        assert any_store.last(bytes(16)) == head(5, bytes(16))

    def test_the_head_that_was_seen_last_is_known(self, any_store: EpochStore) -> None:
        assert any_store.last(VAULT) is None
        for generation in (3, 9, 4):
            any_store.see(head(generation))
            assert any_store.last(VAULT) == head(generation)
        assert any_store.epochs(VAULT) == []

    def test_a_vault_lives_with_it(self, any_store: EpochStore, tmp_path: Path) -> None:
        with create(tmp_path / "v", epoch_stores=[any_store]) as vault:
            record = put(vault)
            old = shutil.copytree(tmp_path / "v", tmp_path / "old")
            vault.keys.turn(PASSPHRASE)
            assert any_store.epochs(vault.id) == [2]
        with reopen(tmp_path / "v", epoch_stores=[any_store]) as vault:
            assert get(vault, record) == b"data"
            again = shutil.copytree(tmp_path / "v", tmp_path / "again", ignore=shutil.ignore_patterns("lock.mdb"))
            put(vault)
            vault.settle()
        with read_only(tmp_path / "v", epoch_stores=[any_store]) as reader:
            assert get(reader, record) == b"data"
        with pytest.raises(EpochSecretMissing):
            reopen(old, epoch_stores=[any_store])
        with pytest.raises(RolledBack):
            reopen(again, epoch_stores=[any_store])


class TestToken:
    """What only a token is asked for."""

    def test_no_file_holds_the_secret_in_the_clear(self, store: TokenStore, tmp_path: Path) -> None:
        with create(tmp_path / "v", epoch_stores=[store]) as vault:
            put(vault)
            secret = store.get(vault.id, 1).secret
        places = (tmp_path, Path(os.environ["SOFTHSM2_CONF"]).parent)
        files = [path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()]
        assert len(files) > 10
        assert not any(secret in data for data in files)

    def test_its_objects_are_private_and_as_the_specification_says(self, store: TokenStore) -> None:
        store.put(SECRET)
        store.see(head(3))
        store.see(head(4))
        found = in_token(
            store,
            lambda session: {
                one[Attribute.LABEL]: (one[Attribute.APPLICATION], one[Attribute.PRIVATE], bytes(one[Attribute.VALUE]))
                for one in session.get_objects({Attribute.CLASS: ObjectClass.DATA, Attribute.TOKEN: True})
            },
        )
        assert found == {
            f"{VAULT.hex()}.secret.1.1": ("VaultFS", True, SECRET.encode()),
            f"{VAULT.hex()}.seen.2": ("VaultFS", True, head(4).encode()),
        }

    def test_who_is_not_logged_in_sees_nothing(self, store: TokenStore) -> None:
        store.put(SECRET)
        with pkcs11.lib(str(MODULE)).get_token(token_label=store.label).open() as session:
            assert list(session.get_objects({Attribute.CLASS: ObjectClass.DATA})) == []

    def test_destroying_leaves_no_object(self, store: TokenStore) -> None:
        store.put(SECRET)
        store.put(replace(SECRET, secret=bytes(32)))
        assert len(values(store)) == 1
        store.destroy(VAULT, 1)
        assert values(store) == []

    def test_objects_of_others_are_left_alone(self, store: TokenStore) -> None:
        about = {Attribute.CLASS: ObjectClass.DATA, Attribute.TOKEN: True, Attribute.PRIVATE: True}
        for application, label in (
            ("another", f"{VAULT.hex()}.secret.1.1"),
            ("VaultFS", "no number"),
            ("VaultFS", f"{VAULT.hex()}.secret.x.1"),
            ("VaultFS", f"{VAULT.hex()}.secret.{'9' * 30}.1"),
            ("VaultFS", f"{VAULT.hex()}.secret.1.{'9' * 30}"),
        ):
            more = {Attribute.APPLICATION: application, Attribute.LABEL: label, Attribute.VALUE: b"x"}
            in_token(store, methodcaller("create_object", about | more))
        assert store.epochs(VAULT) == []
        store.put(SECRET)
        assert store.get(VAULT, 1) == SECRET
        store.destroy(VAULT, 1)
        assert values(store) == [b"x"] * 5

    def test_what_is_damaged_or_of_something_else_is_missing(self, store: TokenStore) -> None:
        later = EpochSecret(DEFAULT, VAULT, 2, bytes(32)).encode()
        for data in (b"x", SECRET.encode()[:-1], replace(SECRET, vault_id=bytes(16)).encode(), later):
            in_token(store, partial(dataobjects.keep, name=f"{VAULT.hex()}.secret.1", value=data))
            with pytest.raises(EpochSecretMissing):
                store.get(VAULT, 1)
        for data in (b"x", head(2, bytes(16)).encode()):
            in_token(store, partial(dataobjects.keep, name=f"{VAULT.hex()}.seen", value=data))
            assert store.last(VAULT) is None

    def test_what_stops_between_making_and_destroying_loses_nothing(self, store: TokenStore) -> None:
        """The newer of two objects counts, and the next act of its name destroys both."""
        newer = replace(SECRET, secret=os.urandom(32))
        store.put(SECRET)
        with patch.object(dataobjects, "_destroy"):
            store.put(newer)
        assert len(values(store)) == 2
        assert store.get(VAULT, 1) == newer
        assert store.epochs(VAULT) == [1]
        store.destroy(VAULT, 1)
        assert values(store) == []

    def test_what_is_replaced_while_it_is_looked_for_is_looked_for_again(self, store: TokenStore) -> None:
        """As by a process that does not ask whether others are at work."""
        newer, real, looks = replace(SECRET, secret=os.urandom(32)), dataobjects._of, [0, 1]

        def replaced() -> bool:
            store.put(newer)
            return True

        def looked(session: pkcs11.Session, name: str) -> list[Any]:
            found = real(session, name)
            if looks.pop():
                with patch.object(dataobjects, "_of", real):
                    assert in_a_child(replaced)
            return found

        store.put(SECRET)
        with patch.object(cryptoki, "_alone", lambda _: nullcontext()), patch.object(dataobjects, "_of", looked):
            assert store.get(VAULT, 1) == newer
        assert looks == []
        gone = pkcs11.ObjectHandleInvalid
        with patch.object(dataobjects, "_all", side_effect=gone), pytest.raises(TokenFailed):
            store.epochs(VAULT)

    def test_the_token_may_be_taken_out_and_put_back_between_calls(self, store: TokenStore) -> None:
        store.put(SECRET)
        library = pkcs11.lib(str(MODULE))
        (place,) = [one for one in tokens() if store_is_in(one, store)]
        away = place.with_name("away")
        place.rename(away.parent.parent / "away")
        library.reinitialize()
        with pytest.raises(TokenMissing):
            store.get(VAULT, 1)
        (away.parent.parent / "away").rename(place)
        library.reinitialize()
        assert store.get(VAULT, 1) == SECRET

    def test_a_forked_process_uses_it_and_the_parent_goes_on(self, store: TokenStore) -> None:
        store.put(SECRET)

        def used() -> bool:
            store.put(EpochSecret(DEFAULT, VAULT, 2, bytes(32)))
            return store.get(VAULT, 1) == SECRET

        assert in_a_child(used)
        assert store.epochs(VAULT) == [1, 2]

    def test_processes_use_it_at_once(self, store: TokenStore) -> None:
        """Each its own vault; and both one head, which is always one that was shown."""
        program = (
            "import sys; from tests.vaultfs.keys.test_tokenstores import *;"
            f"use(TokenStore({str(store.module)!r}, {store.label!r}, PIN), bytes.fromhex(sys.argv[1]))"
        )
        store.see(head(1))
        root = Path(__file__).parents[3]
        children = [
            subprocess.Popen([sys.executable, "-c", program, bytes([number] * 16).hex()], cwd=root) for number in (1, 2)
        ]
        use(store, bytes([3] * 16))
        assert [child.wait() for child in children] == [0, 0]
        assert [store.epochs(bytes([number] * 16)) for number in (1, 2, 3)] == [[5]] * 3

    def test_a_wrong_pin_is_told_and_not_tried_twice(self, store: TokenStore) -> None:
        """By none of the calls that an open vault makes, whichever object brings it."""
        store.put(SECRET)
        wrong = replace(store, pin=lambda: b"1234")
        tried: list[str] = []
        real = cryptoki._login

        class Counted:
            """A token that counts what it is asked to open a session with."""

            def __init__(self, token: pkcs11.Token) -> None:
                self.serial, self._token = token.serial, token

            def open(self, *, rw: bool, user_pin: str) -> pkcs11.Session:
                tried.append(user_pin)
                return self._token.open(rw=rw, user_pin=user_pin)

        calls: tuple[Callable[[], object], ...] = (
            lambda: wrong.get(VAULT, 1),
            lambda: wrong.epochs(VAULT),
            lambda: wrong.put(SECRET),
            lambda: wrong.destroy(VAULT, 1),
            lambda: wrong.last(VAULT),
            lambda: wrong.see(head(1)),
            lambda: replace(store, pin=b"1234").get(VAULT, 1),
        )

        def login(own: Any, token: Any, pin: str, *, writes: bool) -> pkcs11.Session:
            return real(own, cast("pkcs11.Token", Counted(token)), pin, writes=writes)

        with patch.object(cryptoki, "_login", login):
            for call in calls:
                with pytest.raises(PinWrong) as refused:
                    call()
                assert refused.value.__context__ is None
            assert in_a_child(lambda: refuses(wrong) and tried == ["1234"])
        assert tried == ["1234"]
        assert store.get(VAULT, 1) == SECRET

    def test_a_vault_opens_by_its_other_store_where_the_token_is_none(self, store: TokenStore, tmp_path: Path) -> None:
        stores = [store, DirectoryStore(tmp_path / "other")]
        with create(tmp_path / "v", epoch_stores=stores) as vault:
            record = put(vault)
        for broken in (replace(store, label="none"), replace(store, pin=b"9999"), replace(store, module="/nowhere.so")):
            with reopen(tmp_path / "v", epoch_stores=[broken, stores[1]]) as vault:
                assert get(vault, record) == b"data"
                assert vault.maintenance.health().epoch_stores == 1
            with pytest.raises((TokenMissing, PinWrong)):
                reopen(tmp_path / "v", epoch_stores=[broken])

    def test_what_keeps_it_from_being_used_is_coded(self, store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
        expected: dict[type[Exception], type[VaultError]] = {
            pkcs11.PinLocked: PinLocked,
            pkcs11.DeviceMemory: TokenFailed,
            pkcs11.DeviceRemoved: TokenFailed,
        }
        for raised, coded in expected.items():
            with patch.object(cryptoki, "_login", side_effect=raised("slot 7")), pytest.raises(coded) as refused:
                store.put(SECRET)
            assert refused.value.__context__ is None
        with pytest.raises(ArgumentInvalid):
            replace(store, pin=b"\xff\xfe").get(VAULT, 1)
        monkeypatch.setitem(sys.modules, "pkcs11", None)
        with pytest.raises(ExtraMissing) as missing:
            store.get(VAULT, 1)
        assert missing.value.facts == {"extra": Extra.HSM}

    def test_a_pin_is_never_shown(self, store: TokenStore) -> None:
        assert "4321" not in repr(store) + str(store)


def refuses(store: TokenStore) -> bool:
    """Return whether a store says that its PIN is wrong."""
    try:
        store.get(VAULT, 1)
    except PinWrong:
        return True
    return False


def tokens() -> Iterator[Path]:
    """Yield the directories in which SoftHSM keeps tokens."""
    return (Path(os.environ["SOFTHSM2_CONF"]).parent / "tokens").iterdir()


def store_is_in(directory: Path, store: TokenStore) -> bool:
    """Return whether a token is in a directory: its label is in the clear there."""
    return store.label.encode() in (directory / "token.object").read_bytes()


def use(store: TokenStore, vault_id: bytes) -> None:
    """Put and destroy secrets of a vault, and show heads of one that others show heads of, too."""
    for epoch in range(1, 6):
        secret = EpochSecret(DEFAULT, vault_id, epoch, os.urandom(32))
        store.put(secret)
        assert store.get(vault_id, epoch) == secret
        store.destroy(vault_id, epoch - 1)
        store.see(head(epoch))
        assert store.last(VAULT) is not None

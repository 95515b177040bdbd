"""Several epoch stores: a turn needs all of them, opening one, and what is destroyed in each is on record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.events.keys import SecretsDestroyed

import vaultfs
from tests.vaultfs.engine.test_unlocking import FailingStore
from tests.vaultfs.support import PASSPHRASE, crashed, create, event_types, events_of, get, put, reopen
from vaultfs.audit.events import EventType
from vaultfs.engine.committing import reserve
from vaultfs.engine.custody.epochs import FURTHER, Destruction, Receipt
from vaultfs.errors import EpochSecretMissing, NoRecipientMatches, StorageFailed, StorageFull, VaultError
from vaultfs.keys.stores import DirectoryStore
from vaultfs.storage.health import Concern


class Switched(DirectoryStore):
    """A store that can be taken away."""

    away = False
    mistaken = False

    def put(self, secret: EpochSecret) -> None:
        self._reach()
        super().put(replace(secret, secret=bytes(32)) if self.mistaken else secret)

    def get(self, vault_id: bytes, epoch: int) -> EpochSecret:
        self._reach()
        return super().get(vault_id, epoch)

    def epochs(self, vault_id: bytes) -> list[int]:
        self._reach()
        return super().epochs(vault_id)

    def destroy(self, vault_id: bytes, epoch: int) -> None:
        self._reach()
        super().destroy(vault_id, epoch)

    def _reach(self) -> None:
        if self.away:
            raise ConnectionError("https://user:password@host")


@pytest.fixture
def stores(tmp_path: Path) -> list[Switched]:
    return [Switched(tmp_path / "one"), Switched(tmp_path / "two")]


def receipts(vault: vaultfs.Vault) -> list[Receipt]:
    """Return what the log says was destroyed."""
    return [Receipt(event.store, event.epoch) for event in events_of(vault, SecretsDestroyed)]


@pytest.mark.parametrize(("fault", "refused_with"), [("away", StorageFailed), ("mistaken", EpochSecretMissing)])
@pytest.mark.parametrize("which", [0, 1])
def test_a_turn_that_not_every_store_takes_part_in_changes_nothing(
    tmp_path: Path, stores: list[Switched], which: int, fault: str, refused_with: type[VaultError]
) -> None:
    with create(tmp_path / "v", epoch_stores=stores) as vault:
        record = put(vault)
        vault.settle()
        keyrings = [*(tmp_path / "v").rglob("keyring.*")]
        setattr(stores[which], fault, True)
        with pytest.raises(refused_with):
            vault.keys.turn(PASSPHRASE)
        setattr(stores[which], fault, False)
        assert [*(tmp_path / "v").rglob("keyring.*")] == keyrings
        assert [store.epochs(vault.id) for store in stores] == [[1], [1]]
        assert vault.engine.head.epoch == 1
        assert get(vault, record) == b"data"
        assert EventType.EPOCH_TURNED not in event_types(vault)
        vault.keys.turn(PASSPHRASE)
        assert [store.epochs(vault.id) for store in stores] == [[2], [2]]


def test_what_is_destroyed_is_on_record_store_by_store(tmp_path: Path, stores: list[Switched]) -> None:
    with create(tmp_path / "v", epoch_stores=stores) as vault:
        put(vault)
        vault.keys.turn(PASSPHRASE)
        vault.keys.turn(PASSPHRASE)
        assert receipts(vault) == [Receipt(1, 1), Receipt(2, 1), Receipt(1, 2), Receipt(2, 2)]
        assert vault.maintenance.health().secrets_pending == 0


def test_a_store_that_cannot_be_reached_is_pending_until_it_can(tmp_path: Path, stores: list[Switched]) -> None:
    """As where it goes between the new secret and the old one; over reopening, and by maintenance as well."""
    one, two = stores
    with create(tmp_path / "v", epoch_stores=stores) as vault:
        record = put(vault)
        vault.keys.turn(PASSPHRASE)
        two.put(EpochSecret(vault.engine.suite, vault.id, 1, bytes(32)))
        two.away = True
        assert vault.retire() == Destruction((), 1, 0)
        assert Concern.SECRETS_PENDING in vault.maintenance.health().concerns
    with reopen(tmp_path / "v", epoch_stores=stores) as vault:
        assert get(vault, record) == b"data"
        assert vault.maintenance.health().secrets_pending == 1
        assert receipts(vault) == [Receipt(1, 1), Receipt(2, 1)]
        two.away = False
        assert vault.maintenance.health().secrets_pending == 1
        vault.maintenance.run(0)
        assert two.epochs(vault.id) == [2]
        assert receipts(vault)[2:] == [Receipt(2, 1)]
        assert Concern.SECRETS_PENDING not in vault.maintenance.health().concerns
    assert one.epochs(vault.id) == [2]


class Stopped(BaseException):
    """The process has ended."""


class Stopping(DirectoryStore):
    """A store in which a secret is destroyed, and then the process ends."""

    stopping = True

    def destroy(self, vault_id: bytes, epoch: int) -> None:
        super().destroy(vault_id, epoch)
        if self.stopping:
            raise Stopped


def test_what_was_destroyed_before_it_was_cut_off_is_logged_by_who_opens_the_vault(tmp_path: Path) -> None:
    store, other = Stopping(tmp_path / "v.epoch"), Switched(tmp_path / "other")
    with create(tmp_path / "v", epoch_stores=[store, other]) as vault:
        put(vault)
        with pytest.raises(Stopped):
            vault.keys.turn(PASSPHRASE)
        cut = crashed(tmp_path / "v", tmp_path / "cut")
        store.stopping = False
    stores = [DirectoryStore(tmp_path / "cut/v.epoch"), other]
    other.away = True
    with reopen(cut, epoch_stores=stores) as vault:
        assert receipts(vault) == [Receipt(1, 1)]
    other.away = False
    for _ in range(2):
        with reopen(cut, epoch_stores=stores) as vault:
            assert receipts(vault) == [Receipt(1, 1), Receipt(2, 1)]
            assert vault.state("vaultfs.keys", b"destroying").value == b""


def test_without_space_to_say_so_nothing_is_destroyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path / "v.epoch")
    with create(tmp_path / "v", epoch_stores=[store]) as vault:
        with monkeypatch.context() as patched:
            patched.setattr(reserve, "refuse_writes", _full)
            vault.keys.turn(PASSPHRASE)
            assert store.epochs(vault.id) == [1, 2]
        destroyed = vault.retire()
        assert (destroyed, store.epochs(vault.id)) == (Destruction((Receipt(1, 1),), 0, 0), [2])
        assert receipts(vault) == [Receipt(1, 1)]


def test_without_space_to_log_it_what_was_destroyed_is_logged_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Last(DirectoryStore):
        def destroy(self, vault_id: bytes, epoch: int) -> None:
            super().destroy(vault_id, epoch)
            monkeypatch.setattr(reserve, "refuse_writes", _full)

    with create(tmp_path / "v", epoch_stores=[Last(tmp_path / "store")]) as vault:
        vault.keys.turn(PASSPHRASE)
        assert receipts(vault) == []
        monkeypatch.undo()
        assert vault.retire() == Destruction((Receipt(1, 1),), 0, 0)
        assert vault.retire() == Destruction((), 0, 0)
        assert receipts(vault) == [Receipt(1, 1)]


def _full(_: object) -> None:
    raise StorageFull


def test_there_is_no_receipt_of_what_a_store_still_lists(tmp_path: Path) -> None:
    class Hoarding(DirectoryStore):
        def destroy(self, vault_id: bytes, epoch: int) -> None:
            """Destroy nothing, and say so to nobody."""

    with create(tmp_path / "v", epoch_stores=[Hoarding(tmp_path / "store")]) as vault:
        put(vault)
        vault.keys.turn(PASSPHRASE)
        assert vault.retire() == Destruction((), 1, 0)
        assert receipts(vault) == []


def test_health_names_a_secret_that_one_store_alone_holds(tmp_path: Path, stores: list[Switched]) -> None:
    one, two = stores
    with create(tmp_path / "v", epoch_stores=stores) as vault:
        good = two.get(vault.id, 1)
        assert Concern.SINGLE_EPOCH_STORE not in vault.maintenance.health().concerns
        for found_there in (None, replace(good, secret=bytes(32))):
            two.destroy(vault.id, 1)
            if found_there:
                two.put(found_there)
            found = vault.maintenance.health()
            assert (found.epoch_stores, Concern.SINGLE_EPOCH_STORE in found.concerns) == (1, True)
            vault.keys.keep_secret(two, unlock=PASSPHRASE)
            assert Concern.SINGLE_EPOCH_STORE not in vault.maintenance.health().concerns
        one.away = two.away = True
        assert vault.maintenance.health().epoch_stores == 0


def test_a_further_store_is_given_the_secret_and_keeps_no_earlier_one(tmp_path: Path, stores: list[Switched]) -> None:
    one, further = stores
    with create(tmp_path / "v", epoch_stores=[one]) as vault:
        record = put(vault)
        assert vault.keys.keep_secret(further, unlock=PASSPHRASE) == Destruction((), 0, 0)
        vault.keys.turn(PASSPHRASE)
        assert further.epochs(vault.id) == [1]
        kept = vault.keys.keep_secret(further, unlock=PASSPHRASE)
        assert kept == Destruction((Receipt(FURTHER, 1),), 0, 0)
        assert further.epochs(vault.id) == [2]
        assert receipts(vault) == [Receipt(1, 1), Receipt(FURTHER, 1)]
        assert event_types(vault).count(EventType.SECRET_KEPT) == 2
        seen = further.last(vault.id)
        assert seen is not None
        assert seen.generation == vault.engine.head.generation
    with reopen(tmp_path / "v", epoch_stores=[further]) as vault:
        assert get(vault, record) == b"data"


def test_a_secret_is_given_only_if_it_is_proved_and_kept(tmp_path: Path, stores: list[Switched]) -> None:
    one, two = stores
    further = DirectoryStore(tmp_path / "further")
    with create(tmp_path / "v", epoch_stores=stores) as vault:
        with pytest.raises(NoRecipientMatches):
            vault.keys.keep_secret(further, unlock=vaultfs.Passphrase(b"another one"))
        with pytest.raises(StorageFailed):
            vault.keys.keep_secret(FailingStore(ConnectionError()), unlock=PASSPHRASE)
        one.put(replace(one.get(vault.id, 1), secret=bytes(32)))
        two.away = True
        with pytest.raises(EpochSecretMissing):
            vault.keys.keep_secret(further, unlock=PASSPHRASE)
        assert further.epochs(vault.id) == []
        assert EventType.SECRET_KEPT not in event_types(vault)
        two.away = False
        vault.keys.keep_secret(further, unlock=PASSPHRASE)
        assert further.get(vault.id, 1) == two.get(vault.id, 1)

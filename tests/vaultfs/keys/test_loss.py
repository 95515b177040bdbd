"""What is lost when keys are lost: each row of SPEC 5.2, by the errors that are told and the bytes that are there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.layout import Buffer
from vaultfs_format.stanza import Argon2Cost, StanzaType
from vaultfs_tools import backup, fsck, keys, rescue

import vaultfs
from tests.vaultfs import softhsm
from tests.vaultfs.engine.test_turning import rescued_from
from tests.vaultfs.support import PASSPHRASE, WHO, answers, create, flipped, get, put, reopen
from vaultfs.errors import EpochSecretMissing, NoRecipientMatches, RolledBack, VaultDamaged
from vaultfs.keys import Escrow, Passphrase, PrivateKey, Shares, TokenStore
from vaultfs.keys.errors import SharesMissing, TokenKeyMissing, TokenMissing
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.keys.stores import DirectoryStore
from vaultfs.storage.copies import confirm_keys, copies_of
from vaultfs.storage.health import Concern, Health

PATIENTS = [vaultfs.Identifier("urn:example:mrn", f"patient {number}") for number in range(6)]
SECOND = _AtAnyCost(b"another passphrase of somebody else", Argon2Cost(64, 1, 1))


@dataclass(repr=False)
class World:
    """A vault with records of some patients, two stores, and what else an operator has."""

    folder: Path
    stores: list[Any]
    records: dict[vaultfs.RecordId, bytes]
    before: dict[Any, Any]

    @property
    def path(self) -> Path:
        return self.folder / "v"

    def opened(self, **more: Any) -> vaultfs.Vault:
        return reopen(self.path, **{"epoch_stores": self.stores, **more})

    def whole(self, **more: Any) -> bool:
        """Return whether the vault opens, and every record and answer is as it was."""
        with self.opened(**more) as vault:
            return answers(vault) == self.before and {one: get(vault, one) for one in self.records} == self.records

    def told(self, **more: Any) -> Health:
        with self.opened(**more) as vault:
            return vault.maintenance.health()


Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes the world, with recipients and stores beside the usual ones."""

    def made(*recipients: Any, stores: list[Any] | None = None, only: bool = False) -> World:
        chosen = stores or [DirectoryStore(tmp_path / name) for name in ("v.epoch", "medium")]
        sealed_for = recipients if only else (PASSPHRASE, *recipients)
        with create(tmp_path / "v", recipients=sealed_for, epoch_stores=chosen) as vault:
            records = {
                put(vault, data, subject=patient): data
                for number, patient in enumerate(PATIENTS)
                for data in (b"record of %d" % number, b"%d" % number * 90_000)
            }
            vault.settle()
            return World(tmp_path, chosen, records, answers(vault))

    return made


def run(command: Callable[[list[str]], int], *words: object) -> int:
    """Run a command as an operator does."""
    return command([*map(str, words)])


def secret_file(path: Path, data: Buffer) -> Path:
    """Write a file that its owner alone may read."""
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def token_store() -> TokenStore:
    """Return a store in a token of its own."""
    token = softhsm.new_token(key=False)
    return TokenStore(token.module, token.label, softhsm.PIN)


def both(path: Path, name: str) -> tuple[Path, Path]:
    """Return a file of a vault and its second copy."""
    return path / name, path / "copies" / name


class TestRecipients:
    def test_without_the_only_passphrase_nothing_opens_for_good(self, make: Make) -> None:
        world = make()
        for other in (SECOND, PrivateKey.generate()):
            with pytest.raises(NoRecipientMatches):
                world.opened(unlock=other)
        given = secret_file(world.folder / "passphrase", SECOND.secret)
        assert run(keys.main, "list", world.path, "--passphrase-file", given) == 8
        assert run(fsck.main, world.path) == 0, "it can still be checked, and kept in repair"

    def test_with_another_recipient_all_is_there_and_the_lost_one_is_replaced(self, make: Make) -> None:
        world = make(SECOND)
        assert world.whole(unlock=SECOND)
        given = secret_file(world.folder / "passphrase", SECOND.secret)
        new = secret_file(world.folder / "new", b"a new passphrase")
        words = [word for store in world.stores for word in ("--epoch-store", store.path)]
        opened = [world.path, "--passphrase-file", given, *words]
        assert run(keys.main, "add", *opened, "--to-passphrase", new) == 0
        with world.opened(unlock=SECOND) as vault:
            lost_one, held = [one.id for one in vault.keys.recipients()][:2]
        opened[2] = new
        assert run(keys.main, "remove", opened[0], lost_one, held, *opened[1:]) == 0
        for lost in (PASSPHRASE, SECOND):
            with pytest.raises(NoRecipientMatches):
                world.opened(unlock=lost)
        assert world.whole(unlock=Passphrase(b"a new passphrase"))

    def test_without_the_token_that_is_a_recipient_the_others_open_it(self, make: Make) -> None:
        token = softhsm.new_token()
        world = make(token)
        with pytest.raises(TokenMissing):
            world.opened(unlock=replace(token, label="lost"))
        with pytest.raises(TokenKeyMissing):
            world.opened(unlock=softhsm.new_token(key=False))
        with pytest.raises(NoRecipientMatches):
            world.opened(unlock=softhsm.new_token())
        assert world.whole()
        fresh = softhsm.new_token()
        with world.opened() as vault:
            gone = [one.id for one in vault.keys.recipients() if one.type == StanzaType.TOKEN]
            vault.keys.rekey(unlock=PASSPHRASE, removed=gone, added=[fresh])
        assert world.whole(unlock=fresh)

    def test_without_the_token_that_is_the_only_recipient_nothing_opens(self, make: Make) -> None:
        token = softhsm.new_token()
        world = make(token, only=True)
        with pytest.raises(TokenMissing):
            world.opened(unlock=replace(token, label="lost"))
        with pytest.raises(NoRecipientMatches):
            world.opened()

    def test_one_share_less_than_needed_is_nothing(self, make: Make) -> None:
        escrow = Escrow.draw([(3, 5)], iteration_exponent=0)
        world = make(escrow, only=True)
        (shares,) = escrow.groups
        with pytest.raises(SharesMissing):
            world.opened(unlock=Shares(shares[:2]))
        assert world.whole(unlock=Shares(shares[1:4]))


class TestStores:
    def test_one_store_of_two_is_enough_and_is_told(self, make: Make) -> None:
        world = make()
        for store in world.stores:
            assert world.whole(epoch_stores=[store])
        shutil.rmtree(world.stores[1].path)
        assert world.whole()
        assert Concern.SINGLE_EPOCH_STORE in world.told().concerns
        with world.opened() as vault:
            vault.keys.keep_secret(world.stores[1], unlock=PASSPHRASE)
        assert Concern.SINGLE_EPOCH_STORE not in world.told().concerns
        assert world.whole(epoch_stores=world.stores[1:])

    def test_without_any_store_nothing_opens_for_good(self, make: Make) -> None:
        world = make(SECOND)
        for store in world.stores:
            shutil.rmtree(store.path)
        for unlock in (PASSPHRASE, SECOND):
            with pytest.raises(EpochSecretMissing):
                world.opened(unlock=unlock)
        given = secret_file(world.folder / "passphrase", PASSPHRASE.secret)
        assert run(backup.main, "copy", world.path, world.folder / "copy") == 0
        assert run(keys.main, "epoch", "status", world.path, "--passphrase-file", given) == 8

    def test_what_a_holder_of_escrow_keeps_opens_it_when_all_stores_are_lost(self, make: Make) -> None:
        """The holder brings a medium after each turn; and the shares."""
        escrow = Escrow.draw([(2, 3)], iteration_exponent=0)
        world = make(escrow)
        holder = DirectoryStore(world.folder / "holder")
        given = secret_file(world.folder / "passphrase", PASSPHRASE.secret)
        words = ["--passphrase-file", given, *(w for one in world.stores for w in ("--epoch-store", one.path))]
        for epoch in (1, 2, 3):
            assert run(keys.main, "keep", world.path, "--in-directory", holder.path, *words) == 0
            if epoch < 3:
                assert run(keys.main, "epoch", "turn", world.path, *words) == 0
        for store in world.stores:
            shutil.rmtree(store.path)
        with pytest.raises(EpochSecretMissing):
            world.opened()
        with world.opened(unlock=Shares(escrow.groups[0][:2]), epoch_stores=[holder]) as vault:
            assert holder.epochs(vault.id) == [3]
            assert answers(vault) == world.before
            vault.keys.keep_secret(world.stores[0], unlock=Shares(escrow.groups[0][1:]))
        assert world.whole()

    def test_the_holder_of_a_token_opens_it_when_all_stores_are_lost(self, make: Make) -> None:
        store, world = token_store(), make()
        with world.opened(epoch_stores=[*world.stores, store]) as vault:
            vault.keys.turn(PASSPHRASE)
        for lost in world.stores:
            shutil.rmtree(lost.path)
        assert world.whole(epoch_stores=[store])

    def test_what_a_holder_kept_of_an_earlier_epoch_opens_nothing(self, make: Make) -> None:
        world = make()
        holder = DirectoryStore(world.folder / "holder")
        with world.opened() as vault:
            vault.keys.keep_secret(holder, unlock=PASSPHRASE)
            vault.keys.turn(PASSPHRASE)
        with pytest.raises(EpochSecretMissing):
            world.opened(epoch_stores=[holder])

    def test_without_the_token_that_is_a_store_the_other_opens_it_and_no_epoch_turns(
        self, make: Make, tmp_path: Path
    ) -> None:
        store, other = token_store(), DirectoryStore(tmp_path / "medium")
        lost = replace(store, label="lost")
        world = make(stores=[store, other])
        assert world.whole(epoch_stores=[lost, other])
        with pytest.raises(TokenMissing):
            world.opened(epoch_stores=[lost])
        with world.opened(epoch_stores=[lost, other]) as vault:
            assert Concern.SINGLE_EPOCH_STORE in vault.maintenance.health().concerns
            with pytest.raises(TokenMissing):
                vault.keys.turn(PASSPHRASE)
            assert other.epochs(vault.id) == [1]
        world.stores = [other, token_store()]
        with world.opened() as vault:
            vault.keys.turn(PASSPHRASE)
        assert world.whole(epoch_stores=world.stores[1:])

    def test_a_store_that_was_put_back_to_an_older_secret_has_none(self, make: Make) -> None:
        world = make()
        first, second = (store.path for store in world.stores)
        old = shutil.copytree(first, world.folder / "old")
        with world.opened() as vault:
            vault.keys.turn(PASSPHRASE)
            vault_id = vault.id
        shutil.rmtree(first)
        shutil.copytree(old, first)
        assert world.stores[0].epochs(vault_id) == [1]
        with pytest.raises(EpochSecretMissing):
            world.opened(epoch_stores=world.stores[:1])
        assert world.whole(), "and the older secret is destroyed once more"
        assert world.stores[0].epochs(vault_id) == []
        assert Concern.SINGLE_EPOCH_STORE in world.told().concerns
        shutil.rmtree(second)
        shutil.copytree(old, second)
        with pytest.raises(EpochSecretMissing):
            world.opened()


class TestFiles:
    def test_a_keyring_with_one_damaged_copy_heals(self, make: Make) -> None:
        world = make()
        for one in both(world.path, "keyring.1"):
            whole = one.read_bytes()
            one.write_bytes(flipped(whole, 150))
            assert world.whole()
            assert run(fsck.main, world.path) == 1
            assert one.read_bytes() == whole

    def test_a_keyring_whose_copies_are_both_damaged_comes_from_a_key_bundle(self, make: Make) -> None:
        world = make()
        copy, bundle = world.folder / "copy", world.folder / "bundle"
        assert run(backup.main, "copy", world.path, copy) == 0
        assert run(backup.main, "bundle", world.path, bundle) == 0
        for one in (*both(world.path, "keyring.1"), *both(copy, "keyring.1")):
            one.write_bytes(flipped(one.read_bytes(), 150))
        with pytest.raises(VaultDamaged):
            world.opened()
        world.path.rename(world.folder / "damaged")
        assert run(backup.main, "restore", copy, world.path, "--bundle", bundle) == 0
        assert world.whole()

    def test_a_keyring_that_no_bundle_has_leaves_the_records_to_a_rescue(self, make: Make) -> None:
        world = make()
        for one in both(world.path, "keyring.1"):
            one.unlink()
        with pytest.raises(VaultDamaged):
            world.opened()
        given, out = secret_file(world.folder / "passphrase", PASSPHRASE.secret), world.folder / "out"
        words = ("--passphrase-file", given, "--epoch-store", world.stores[0].path)
        assert run(rescue.main, world.path, out, *words) == 0
        rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
        rescued = [(out / row["file"]).read_bytes() for row in rows if row["role"] == "record"]
        assert sorted(rescued) == sorted(world.records.values())

    @pytest.mark.parametrize("name", ["keyring", "VAULT"])
    def test_an_older_keyring_or_vault_file_is_not_taken_for_the_present_one(self, make: Make, name: str) -> None:
        world = make()
        older = (world.path / f"{name}.1").read_bytes()
        with world.opened() as vault:
            vault.keys.rekey(unlock=PASSPHRASE)
        copies = both(world.path, f"{name}.2")
        present = copies[0].read_bytes()
        copies[0].write_bytes(older)
        assert world.whole()
        with world.opened() as vault:
            vault.maintenance.run(0)
        assert copies[0].read_bytes() == present
        for one in copies:
            one.write_bytes(older)
        with pytest.raises(VaultDamaged):
            world.opened()
        copies[1].write_bytes(present)
        assert world.whole()

    def test_an_older_vault_is_refused(self, make: Make) -> None:
        world = make()
        older = shutil.copytree(world.path, world.folder / "older", ignore=shutil.ignore_patterns("lock.mdb"))
        with world.opened() as vault:
            put(vault, b"later")
            vault.settle()
        shutil.rmtree(world.path)
        older.rename(world.path)
        with pytest.raises(RolledBack):
            world.opened()
        with world.opened(accept_older=True) as vault:
            assert {one: get(vault, one) for one in world.records} == world.records


class TestDisks:
    def test_with_the_hosts_disk_a_copy_a_bundle_and_a_store_elsewhere_give_all_back(self, make: Make) -> None:
        world = make()
        copy, bundle = world.folder / "copy", world.folder / "bundle"
        assert run(backup.main, "copy", world.path, copy) == 0
        assert run(backup.main, "bundle", world.path, bundle) == 0
        shutil.rmtree(world.path)
        shutil.rmtree(world.stores[0].path)
        assert run(backup.main, "restore", copy, world.path, "--bundle", bundle) == 0
        assert world.whole()
        with world.opened() as vault:
            assert vault.keys.keep_secret(world.stores[0], unlock=PASSPHRASE).pending == 0
        assert world.whole(epoch_stores=world.stores[:1])

    def test_a_copy_that_is_older_than_the_store_has_seen_has_to_be_accepted(self, make: Make) -> None:
        world = make()
        assert run(backup.main, "copy", world.path, world.folder / "copy") == 0
        with world.opened() as vault:
            put(vault, b"later")
            vault.settle()
        shutil.rmtree(world.path)
        assert run(backup.main, "restore", world.folder / "copy", world.path) == 0
        with pytest.raises(RolledBack):
            world.opened()
        assert world.whole(accept_older=True)
        assert world.whole()

    def test_an_old_backup_opens_by_todays_bundle_alone_and_never_gives_back_what_was_disposed_of(
        self, make: Make
    ) -> None:
        world = make()
        place, restored = world.folder / "place", world.folder / "restored"
        gone = {record for record, data in world.records.items() if data[-1:] in b"012"}
        assert run(backup.main, "copy", world.path, place / "copy") == 0
        with world.opened() as vault:
            for patient in PATIENTS[:3]:
                with vault.session(WHO, "TREAT") as session:
                    subjects = session.subjects(patient)
                vault.keys.turn(PASSPHRASE, subjects)
            (copy,) = copies_of(vault)
            assert run(backup.main, "bundle", world.path, place / "bundle") == 0
            confirm_keys(vault, copy, vault.engine.head.epoch)
            assert world.stores[0].epochs(vault.id) == [4]
        shutil.rmtree(world.path)
        assert run(backup.main, "restore", place / "copy", restored) == 0
        with pytest.raises(EpochSecretMissing):
            reopen(restored, epoch_stores=world.stores)
        again = world.folder / "again"
        assert run(backup.main, "restore", place / "copy", again, "--bundle", place / "bundle") == 4
        with pytest.raises(VaultDamaged):  # the copy lacks the segments that are newer than it
            reopen(again, epoch_stores=world.stores)
        store, out = world.stores[0].path, world.folder / "out"
        rescued = rescued_from(place, store, out)
        assert rescued == {record: [data] for record, data in world.records.items() if record not in gone}

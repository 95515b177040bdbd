"""Recipients are listed and added, shares are tried out; whatever happens, a vault opens by who was in force."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vaultfs_format import limits
from vaultfs_format.events.base import NOBODYS_SESSION
from vaultfs_format.events.keys import EscrowDrilled, RecipientAdded
from vaultfs_format.layout import Buffer
from vaultfs_format.stanza import Argon2Cost, Stanza, StanzaType
from vaultfs_format.stanzas import parsed
from vaultfs_format.suite import DEFAULT, Suite
from vaultfs_format.superblock import Superblock
from vaultfs_format.tokenstanza import TokenStanza
from vaultfs_tools import backup, dump, fsck
from vectors.world import edited, with_digest

import vaultfs
from tests.vaultfs import softhsm
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import PASSPHRASE, crashed, events_of, files_of, get, put, read_only, reopen
from vaultfs.audit.events import Outcome
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.opening import unlocking
from vaultfs.engine.opening.unlocking import Opener, Unlocked
from vaultfs.errors import (
    ArgumentInvalid,
    Closed,
    LimitExceeded,
    MacMismatch,
    NoRecipientMatches,
    StorageFull,
    VaultDamaged,
    VaultError,
)
from vaultfs.keys import Escrow, HostKey, Passphrase, PrivateKey, Shares, Unlocker
from vaultfs.keys.errors import SharesMissing
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.testing.crash import Disk, RecordingVfs, cuts
from vaultfs.testing.vfs import CHANGES, FaultyVfs, Operation, When

KEY = PrivateKey.generate()
ESCROW = Escrow.draw([(2, 3), (1, 1)], iteration_exponent=0)
Added = tuple[Any, Unlocker, dict[str, object]]


class Kms:
    """A key service of the host."""

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        return AESGCM(bytes(32)).encrypt(bytes(12), secret, bound)

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        return AESGCM(bytes(32)).decrypt(bytes(12), blob, bound)


def passphrase() -> Added:
    added = _AtAnyCost(b"another passphrase", Argon2Cost(128, 2, 1))
    return added, added, {"memory_kib": 128, "passes": 2, "lanes": 1}


def public_key() -> Added:
    return KEY.public_key, KEY, {}


def token() -> Added:
    made = softhsm.new_token()
    return made, made, {"mechanism": "AES_KWP", "key_id": made.key_id.hex()}


def escrow() -> Added:
    about = {"identifier": ESCROW.plan.identifier, "group_threshold": 1, "groups": [(2, 3), (1, 1)]}
    return ESCROW, Shares(ESCROW.groups[0][1:]), about


def host() -> Added:
    key = HostKey("kms/records", Kms())
    return key, key, {"name": "kms/records"}


KINDS: dict[StanzaType, Callable[[], Added]] = {
    StanzaType.PASSPHRASE: passphrase,
    StanzaType.PUBLIC_KEY: public_key,
    StanzaType.TOKEN: token,
    StanzaType.ESCROW: escrow,
    StanzaType.HOST: host,
}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name.lower())
def added(request: pytest.FixtureRequest) -> tuple[StanzaType, Added]:
    return request.param, KINDS[request.param]()


def fine(path: Path) -> bool:
    """Return whether a check without keys has nothing to say of a vault."""
    return fsck.main([str(path)]) == 0


class TestRecipients:
    def test_each_kind_opens_a_vault_that_was_made_for_it(
        self, added: tuple[StanzaType, Added], opened: Open, tmp_path: Path
    ) -> None:
        """Also where none of the recipients can open it by itself, as a public key."""
        recipient, unlock, _ = added[1]
        vault = opened(recipients=[recipient])
        record = put(vault)
        vault.close()
        again = opened(unlock=unlock)
        assert get(again, record) == b"data"
        with read_only(again.path, unlock=unlock) as reader:
            assert get(reader, record) == b"data"

    def test_each_kind_can_be_added_and_what_is_public_about_it_is_listed(
        self, added: tuple[StanzaType, Added], opened: Open
    ) -> None:
        kind, (recipient, unlock, about) = added
        vault = opened()
        record = put(vault)
        info = vault.keys.add(recipient, unlock=PASSPHRASE)
        first, second = vault.keys.recipients()
        assert second == info
        assert (first.type, second.type) == (StanzaType.PASSPHRASE, kind)
        assert len(second.id) == 16
        assert first.id != second.id
        assert about.items() <= second.about.items()
        assert get(vault, record) == b"data"
        for one in (unlock, PASSPHRASE):
            vault.close()
            vault = opened(unlock=one)
            assert get(vault, record) == b"data"
        vault.close()
        assert fine(vault.path)

    def test_the_fingerprint_of_a_public_key_is_listed(self, vault: vaultfs.Vault) -> None:
        one, other = (vault.keys.add(key.public_key, unlock=PASSPHRASE) for key in (KEY, PrivateKey.generate()))
        again = vault.keys.add(KEY, unlock=KEY)
        assert one.about == again.about != other.about
        assert one.id != again.id

    def test_recipients_of_a_later_version_are_listed_and_kept(self, opened: Open) -> None:
        class Strange:
            def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
                return Stanza(999, b"of the future")

        vault = opened(recipients=[Strange(), PASSPHRASE])
        record = put(vault)
        vault.keys.add(KEY, unlock=PASSPHRASE)
        assert [one.type for one in vault.keys.recipients()] == [999, 1, 3]
        assert vault.keys.recipients()[0].about == {}
        (file,) = vault.path.glob("VAULT.*")
        assert Superblock.decode(file.read_bytes()).stanzas[0] == Stanza(999, b"of the future")
        vault.close()
        assert get(opened(unlock=KEY), record) == b"data"

    def test_a_recipient_that_could_not_open_it_is_refused_at_once(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        class Wrong(Kms):
            def unwrap(self, blob: bytes, bound: bytes) -> bytes:
                return bytes(32)

        with pytest.raises(NoRecipientMatches):
            vault.keys.add(HostKey("wrong", Wrong()), unlock=PASSPHRASE)
        with pytest.raises(NoRecipientMatches):
            vaultfs.create(tmp_path / "other", recipients=[PASSPHRASE, HostKey("wrong", Wrong())])
        assert not (tmp_path / "other").exists()

        class Forgetful:
            def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
                return Stanza(999, b"")

            def unlock(self, superblock: Superblock) -> bytes:
                return bytes(32)

        with pytest.raises(NoRecipientMatches):
            vault.keys.add(Forgetful(), unlock=PASSPHRASE)
        assert len(vault.keys.recipients()) == 1

    def test_a_stanza_that_no_vault_can_hold_is_refused(self, vault: vaultfs.Vault) -> None:
        class Large:
            def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
                return Stanza(999, bytes(limits.MAX_STANZA + 1))

        with pytest.raises(LimitExceeded):
            vault.keys.add(Large(), unlock=PASSPHRASE)

    def test_there_are_as_many_as_the_format_allows(self, opened: Open, tmp_path: Path) -> None:
        vault = opened(recipients=[PASSPHRASE] * (limits.MAX_STANZAS - 1))
        vault.keys.add(KEY, unlock=PASSPHRASE)
        with pytest.raises(ArgumentInvalid):
            vault.keys.add(KEY, unlock=PASSPHRASE)
        vault.close()
        assert len(opened(unlock=KEY).keys.recipients()) == limits.MAX_STANZAS
        with pytest.raises(ArgumentInvalid):
            vaultfs.create(tmp_path / "other", recipients=[PASSPHRASE] * (limits.MAX_STANZAS + 1))


class TestAdding:
    def test_it_takes_who_can_open_the_vault(self, vault: vaultfs.Vault) -> None:
        for wrong in (Passphrase(b"wrong"), KEY):
            with pytest.raises(NoRecipientMatches):
                vault.keys.add(KEY, unlock=wrong)
        assert len(vault.keys.recipients()) == 1

    def test_a_root_key_that_the_file_was_not_written_with_is_refused(self, vault: vaultfs.Vault) -> None:
        class Liar:
            def unlock(self, superblock: Superblock) -> bytes:
                return bytes(32)

        with pytest.raises(MacMismatch):
            vault.keys.add(KEY, unlock=Liar())

    def test_one_file_is_left_and_the_head_names_it(self, vault: vaultfs.Vault) -> None:
        before = vault.engine.head
        for number in (2, 3):
            vault.keys.add(KEY, unlock=PASSPHRASE)
            assert [path.name for path in files_of(vault.path, "VAULT.*")] == [f"VAULT.{number}"] * 2
            one, other = files_of(vault.path, "VAULT.*")
            assert one.read_bytes() == other.read_bytes()
            assert vault.engine.head.superblock_generation == number
        assert vault.engine.head.keyring_digest == before.keyring_digest
        vault.close()
        assert fine(vault.path)

    def test_it_is_audited(self, opened: Open) -> None:
        vault = opened()
        added = vault.keys.add(KEY, unlock=PASSPHRASE)
        (event,) = events_of(vault, RecipientAdded)
        assert (event.stanza.hex(), event.stanza_type, event.outcome) == (added.id, StanzaType.PUBLIC_KEY, Outcome.DONE)

    def test_readers_go_on_without_their_secret(self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        """What they were opened with may have asked somebody for a PIN: it is not asked again."""
        asked = []
        real = Opener.unlock

        def unlock(self: Opener, **more: bool) -> Unlocked:
            asked.append(1)
            return real(self, **more)

        monkeypatch.setattr(Opener, "unlock", unlock)
        with read_only(vault.path) as reader:
            for number in range(3):
                vault.keys.add(KEY, unlock=PASSPHRASE)
                record = put(vault, b"%d" % number)
                assert get(reader, record) == b"%d" % number
            vault.settle()
            assert get(reader, record) == b"2"
            assert reader.engine.head.superblock_generation == 4
        assert asked == [1]

    def test_a_reader_that_is_opened_meanwhile_looks_again(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has read the head, and the VAULT that it names is replaced and removed."""
        real = read_superblock
        times = []

        def replaced(*arguments: Any) -> Any:
            times.append(1)
            if len(times) == 1:
                monkeypatch.setattr(unlocking, "read_superblock", real)
                vault.keys.add(KEY, unlock=PASSPHRASE)
            return real(*arguments)

        monkeypatch.setattr(unlocking, "read_superblock", replaced)
        with read_only(vault.path) as reader:
            assert reader.engine.head.superblock_generation == 2

    def test_a_vault_whose_superblock_is_gone_is_damaged(self, vault: vaultfs.Vault) -> None:
        vault.close()
        for path in files_of(vault.path, "VAULT.*"):
            path.unlink()
        with pytest.raises(VaultDamaged):
            reopen(vault.path)

    def test_a_reader_does_not_follow_to_other_signers(self, vault: vaultfs.Vault) -> None:
        """Whoever has the keys of reading could write a head; not with signers that nobody has proved."""
        with read_only(vault.path) as reader:
            record = put(vault)
            assert get(reader, record) == b"data"
            head, layout = vault.engine.head, vault.engine.layout
            path = layout.superblock(head.superblock_generation)
            data = bytearray(path.read_bytes())
            (_, signer) = Superblock.decode(data).public_keys
            at = bytes(data).index(signer.value) + 20
            forged = with_digest(edited(bytes(data), (at, bytes([data[at] ^ 1]))))
            layout.superblock(9).write_bytes(forged)
            made = replace(
                head,
                generation=head.generation + 1,
                superblock_generation=9,
                superblock_digest=head.suite.digest(forged),
            )
            for name in ("head", "copies/head"):
                (vault.path / name).write_bytes(made.encode(vault.engine.chain.epoch_root))
            (vault.path / "journal" / os.urandom(4).hex()).touch()
            with pytest.raises(VaultError):
                get(reader, record)
            assert reader.engine.head.generation < made.generation


class TestInterrupted:
    def test_a_power_cut_anywhere_leaves_the_old_or_the_new_one_in_force(self, in_memory: Path) -> None:
        root = in_memory / "recorded"
        root.mkdir()
        recorder = RecordingVfs(root)
        vault = vaultfs.create(root / "v", recipients=[PASSPHRASE], policy=vaultfs.PermitAll(), vfs=recorder)
        record = put(vault)
        before = len(recorder.log)
        vault.keys.add(KEY, unlock=PASSPHRASE)
        after = len(recorder.log)
        vault.close()
        disk, left, judged, found = Disk(), in_memory / "left", set(), set()
        for done, change in enumerate(recorder.log[:after], start=1):
            disk.make(change)
            name = change.target or change.path
            if done < before or not ("VAULT" in name or name.endswith(("head", "head.tmp")) or done % 20 == 0):
                continue
            for how, image in cuts(disk, chances=1, seed=done):
                if image.digest() in judged:
                    continue
                judged.add(image.digest())
                image.write(left)
                count = looked_at(left / "v", record)
                assert count == 2 or done < after, how
                found.add(count)
                shutil.rmtree(left)
        assert len(judged) > 20
        assert found == {1, 2}

    @pytest.mark.parametrize("when", [When.NOTHING_DONE, When.ALL_DONE])
    @pytest.mark.parametrize("kind", sorted(CHANGES, key=str))
    def test_a_call_that_finds_no_space_leaves_the_old_or_the_new_one_in_force(
        self, in_memory: Path, kind: Operation, when: When
    ) -> None:
        """Each call of the kind once. What is not in doubt goes on, as if nothing had been asked for."""
        made = vaultfs.create(in_memory / "v", recipients=[PASSPHRASE], policy=vaultfs.PermitAll())
        record = put(made)
        made.close()
        for number in count(1):
            place = crashed(in_memory / "v", in_memory / str(number))
            vfs = FaultyVfs()
            vault = reopen(place, vfs=vfs)
            vfs.fail(kind, error=errno.ENOSPC, number=number, when=when)
            failed = False
            try:
                vault.keys.add(KEY, unlock=PASSPHRASE)
            except VaultError:
                failed = True
            if failed and not vault.engine.poisoned:
                assert len(vault.keys.recipients()) == 1
                put(vault)
                vault.keys.add(KEY, unlock=PASSPHRASE)
            reached = vfs._fault is None
            vfs.heal()
            with suppress(VaultError):
                vault.close()
            assert looked_at(place, record) == 2 or vault.engine.poisoned or failed
            if not reached:
                return

    def test_what_failed_for_want_of_space_is_in_the_log_and_leaves_no_file(self, opened: Open) -> None:
        vfs = FaultyVfs()
        vault = opened(vfs=vfs)
        vfs.fail(Operation.CREATE, error=errno.ENOSPC, number=3)  # of the head: both copies of VAULT are there
        with pytest.raises(StorageFull):
            vault.keys.add(KEY, unlock=PASSPHRASE)
        assert [path.name for path in files_of(vault.path, "VAULT.*")] == ["VAULT.1"] * 2
        outcomes = [one.outcome for one in events_of(vault, RecipientAdded)]
        assert outcomes == [Outcome.DONE, Outcome.FAILED]
        vault.keys.add(KEY, unlock=PASSPHRASE)
        vault.close()
        opened(unlock=KEY)

    def test_the_place_of_the_copies_may_be_away(self, opened: Open, tmp_path: Path) -> None:
        vault = opened(copies=tmp_path / "elsewhere")
        (tmp_path / "elsewhere").rename(tmp_path / "gone")
        vault.keys.add(KEY, unlock=PASSPHRASE)
        vault.close()
        opened(unlock=KEY).close()
        (tmp_path / "gone").rename(tmp_path / "elsewhere")
        vault = opened(unlock=KEY)
        assert {path.name for path in (tmp_path / "elsewhere").glob("VAULT.*")} <= {"VAULT.2"}
        assert vault.maintenance.run(1).copies > 0
        vault.close()
        assert fine(vault.path)

    def test_what_an_interrupted_replacement_left_goes_when_the_vault_is_opened(self, opened: Open) -> None:
        vault = opened()
        older = [(path, path.read_bytes()) for path in files_of(vault.path, "VAULT.1")]
        vault.keys.add(KEY, unlock=PASSPHRASE)
        vault.close()
        for path, data in older:
            path.write_bytes(data)
        assert fsck.main([str(vault.path)]) == 0
        opened()
        assert {path.name for path in files_of(vault.path, "VAULT.*")} == {"VAULT.2"}

    def test_what_stands_under_the_next_name_is_written_over(self, opened: Open) -> None:
        vault = opened()
        for path in files_of(vault.path, "VAULT.1"):
            path.with_name("VAULT.2").write_bytes(b"unfinished")
        vault.keys.add(KEY, unlock=PASSPHRASE)
        vault.close()
        opened(unlock=KEY).close()
        assert fine(vault.path)


def looked_at(path: Path, record: vaultfs.RecordId) -> int:
    """Check and open a vault; return how many recipients it has, all of which open it."""
    assert fsck.main([str(path)]) in {0, 1}
    with reopen(path) as vault:
        assert get(vault, record) == b"data"
        count = len(vault.keys.recipients())
        others = {one.name for one in files_of(path, "VAULT.*")} - {f"VAULT.{count}"}
        assert others <= {f"VAULT.{count + 1}", f"VAULT.{count + 1}.tmp"}
    if count > 1:
        reopen(path, unlock=KEY).close()
    assert fine(path)
    return count


def test_a_copy_follows_and_opens_for_the_new_recipient(opened: Open, tmp_path: Path) -> None:
    vault = opened()
    record = put(vault)
    copy, restored = tmp_path / "copy", tmp_path / "restored"
    for _ in range(2):
        assert backup.main(["copy", str(vault.path), str(copy)]) == 0
        added = vault.keys.add(KEY, unlock=PASSPHRASE)
    assert backup.main(["copy", str(vault.path), str(copy)]) == 0
    assert [path.name for path in files_of(copy, "VAULT.*")] == ["VAULT.3"] * 2
    assert backup.main(["restore", str(copy), str(restored)]) == 0
    vault.close()
    stores = [vaultfs.DirectoryStore(tmp_path / "v.epoch")]
    with reopen(restored, unlock=KEY, epoch_stores=stores, accept_older=True) as again:
        assert get(again, record) == b"data"
        assert again.keys.recipients()[-1] == added


def test_what_is_public_about_recipients_is_dumped_and_no_more(
    opened: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = opened()
    for recipient in (KEY, ESCROW, HostKey("kms/records", Kms()), softhsm.new_token()):
        vault.keys.add(recipient, unlock=PASSPHRASE)
    vault.close()
    data = (vault.path / "VAULT.5").read_bytes()
    assert dump.main([str(vault.path / "VAULT.5")]) == 0
    shown = capsys.readouterr().out
    for stanza in Superblock.decode(data).stanzas:
        found = parsed(DEFAULT, stanza)
        assert found is not None
        assert found.seal.salt.hex() in shown
        assert found.seal.sealed_root.hex() not in shown
        assert not isinstance(found, TokenStanza) or found.wrapped_secret.hex() not in shown


class TestDrills:
    def test_a_drill_proves_the_shares_and_changes_nothing(self, vault: vaultfs.Vault) -> None:
        added = vault.keys.add(ESCROW, unlock=PASSPHRASE)
        before = vault.engine.head, {path: path.read_bytes() for path in files_of(vault.path, "VAULT.*")}
        assert vault.keys.drill(Shares(ESCROW.groups[1])) == added
        assert before == (vault.engine.head, {path: path.read_bytes() for path in files_of(vault.path, "VAULT.*")})
        (event,) = events_of(vault, EscrowDrilled)
        assert event == EscrowDrilled(
            event.at, NOBODYS_SESSION, bytes.fromhex(added.id), StanzaType.ESCROW, Outcome.DONE
        )

    def test_a_drill_that_fails_is_audited_too(self, vault: vaultfs.Vault) -> None:
        with pytest.raises(NoRecipientMatches):
            vault.keys.drill(ESCROW.shares)
        vault.keys.add(ESCROW, unlock=PASSPHRASE)
        with pytest.raises(SharesMissing):
            vault.keys.drill(Shares(ESCROW.groups[0][:1]))
        found = events_of(vault, EscrowDrilled)
        assert [(one.stanza, one.outcome) for one in found] == [(None, Outcome.FAILED)] * 2

    def test_a_vault_that_is_closed_is_not_drilled(self, vault: vaultfs.Vault) -> None:
        keys = vault.keys
        vault.close()
        for act in (keys.recipients, lambda: keys.drill(ESCROW.shares), lambda: keys.add(KEY, unlock=PASSPHRASE)):
            with pytest.raises(Closed):
                act()

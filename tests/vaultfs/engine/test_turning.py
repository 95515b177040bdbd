"""Turning the epoch: what is disposed of is gone from every copy, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.suite import DEFAULT
from vaultfs_tools import backup, fsck, rescue

import vaultfs
from tests.vaultfs.support import (
    PASSPHRASE,
    WHO,
    answers,
    create,
    flipped,
    get,
    index_content,
    put,
    read_only,
    reopen,
)
from vaultfs.engine.custody.epochs import Destruction
from vaultfs.engine.indexing.index import HANDLE
from vaultfs.engine.reading.subjects import encode_identifier
from vaultfs.errors import (
    EpochSecretMissing,
    NoRecipientMatches,
    NotFound,
    TransactionConflict,
    VaultDamaged,
)
from vaultfs.keys.stores import DirectoryStore
from vaultfs.storage.copies import confirm_keys, copies_of, give_up

PATIENTS = [vaultfs.Identifier("urn:example:mrn", f"patient {number}") for number in range(12)]
GONE = PATIENTS[2:5]
LEFT = [one for one in PATIENTS if one not in GONE]


def fill(vault: vaultfs.Vault, patients: Sequence[vaultfs.Identifier] = PATIENTS) -> dict[vaultfs.RecordId, bytes]:
    """Put small and large records of patients into a vault, old versions and deletions among them, and settle often."""
    data: dict[vaultfs.RecordId, bytes] = {}
    for round_ in range(3):
        for patient in patients:
            name = f"{patient.value} in round {round_}".encode()
            small, large = name * 30, name + os.urandom(150_000)
            for one in (small, large):
                data[put(vault, one, subject=patient)] = one
            with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
                record = txn.put(b"old" + name, kind="Binary", subject=patient)
            with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
                txn.put(name, kind="Binary", subject=patient, replaces=record)
            data[record] = name
        vault.settle()
    return data


def subject_of(vault: vaultfs.Vault, patient: vaultfs.Identifier) -> vaultfs.SubjectId:
    """Return the one subject of a patient."""
    with vault.session(WHO, "TREAT") as session:
        return next(iter(session.find(subject=patient))).subject


def dispose(vault: vaultfs.Vault, patients: Sequence[vaultfs.Identifier] = GONE) -> None:
    """Dispose of patients."""
    vault.keys.turn(PASSPHRASE, [subject_of(vault, patient) for patient in patients])


def belonging(
    vault: vaultfs.Vault, data: dict[vaultfs.RecordId, bytes], patients: Sequence[vaultfs.Identifier]
) -> set[vaultfs.RecordId]:
    """Return the records of some patients."""
    with vault.session(WHO, "TREAT") as session:
        subjects = {subject_of(vault, patient) for patient in patients}
        return {record for record in data if session.info(record).subject in subjects}


def test_a_turn_changes_no_answer(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        data = fill(vault)
        before = answers(vault, PATIENTS)
        vault.keys.turn(PASSPHRASE)
        assert answers(vault, PATIENTS) == before
        assert vault.engine.head.epoch == 2
    with reopen(tmp_path / "v") as vault:
        assert {record: get(vault, record) for record in data} == data
        assert answers(vault, PATIENTS) == before


def without(found: dict[Any, Any], subjects: Collection[vaultfs.SubjectId]) -> dict[Any, Any]:
    """Return the answers that are not about some subjects."""
    return {key: value for key, value in found.items() if key[1] not in subjects}


def test_what_is_disposed_of_is_gone_and_all_else_stays(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        data = fill(vault)
        subjects = {subject_of(vault, patient) for patient in GONE}
        gone = belonging(vault, data, GONE)
        before = without(answers(vault, LEFT), subjects)
        turned = vault.keys.turn(PASSPHRASE, subjects)
        assert turned.frames > 0
        assert answers(vault, LEFT) == before
        for record, content in data.items():
            if record in gone:
                with pytest.raises(NotFound):
                    get(vault, record)
            else:
                assert get(vault, record) == content
        with vault.session(WHO, "TREAT") as session:
            for patient in GONE:
                with pytest.raises(NotFound):
                    session.find(subject=patient)
        kept = index_content(vault)
        vault.rebuild_index()
        assert index_content(vault) == kept
        again = put(vault, b"a new record", subject=GONE[0])
        assert subject_of(vault, GONE[0]) not in subjects
        vault.settle()
        assert get(vault, again) == b"a new record"
    assert fsck.main([str(tmp_path / "v")]) == 0
    with reopen(tmp_path / "v") as vault:
        assert without(answers(vault, LEFT), {subject_of(vault, GONE[0])}) == before


def rescued_from(files: Path, store: Path, out: Path) -> dict[vaultfs.RecordId, list[bytes]]:
    """Return what can be proved of all files below a directory with the passphrase and a store, by record id."""
    secret = out.with_name("passphrase")
    secret.write_bytes(PASSPHRASE.secret)
    secret.chmod(0o600)
    rescue.main([str(files), str(out), "--passphrase-file", str(secret), "--epoch-store", str(store)])
    missing = [json.loads(line) for line in (out / "missing.jsonl").read_text().splitlines()]
    assert {row["what"] for row in missing if row.get("class") != "audit"} <= {"segment", "journal"}
    found: dict[vaultfs.RecordId, list[bytes]] = {}
    for line in (out / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["role"] == "record":
            found.setdefault(vaultfs.RecordId.fromhex(row["record"]), []).append((out / row["file"]).read_bytes())
    return found


def test_a_subject_that_is_not_there_is_refused_before_anything_happens(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        fill(vault, PATIENTS[:2])
        with pytest.raises(NotFound):
            vault.keys.turn(PASSPHRASE, [vaultfs.SubjectId(bytes(range(16)))])
        assert vault.engine.head.epoch == 1


def test_another_passphrase_turns_nothing(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        with pytest.raises(NoRecipientMatches):
            vault.keys.turn(vaultfs.Passphrase(b"another one"))
        assert vault.engine.head.epoch == 1


def test_a_transaction_that_was_begun_for_a_subject_before_it_was_disposed_of_does_not_commit(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault, vault.session(WHO, "TREAT") as session:
        fill(vault, PATIENTS[:2])
        subject = subject_of(vault, PATIENTS[0])
        txn = session.transaction()
        txn.put(b"late", kind="Binary", subject=subject)
        vault.keys.turn(PASSPHRASE, [subject])
        with pytest.raises(TransactionConflict):
            txn.commit()
        with session.transaction() as txn:
            record = txn.put(b"in time", kind="Binary", subject=subject_of(vault, PATIENTS[1]))
        assert get(vault, record) == b"in time"


def test_a_reader_goes_on_over_a_turn(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        data = fill(vault)
        gone = belonging(vault, data, GONE)
        with read_only(tmp_path / "v") as reader:
            assert {record: get(reader, record) for record in data} == data
            dispose(vault)
            with reader.session(WHO, "TREAT") as session:
                for patient in LEFT:
                    assert session.find(subject=patient)
                for patient in GONE:
                    with pytest.raises(NotFound):
                        session.find(subject=patient)
            for record, content in data.items():
                if record in gone:
                    with pytest.raises(NotFound):
                        get(reader, record)
                else:
                    assert get(reader, record) == content


def test_the_secret_of_the_epoch_before_is_destroyed(tmp_path: Path) -> None:
    stores = [DirectoryStore(tmp_path / "one"), DirectoryStore(tmp_path / "two")]
    with create(tmp_path / "v", epoch_stores=stores) as vault:
        fill(vault, PATIENTS[:2])
        dispose(vault, PATIENTS[:1])
        assert [store.epochs(vault.id) for store in stores] == [[2], [2]]
        vault_id = vault.id
    for store in stores:
        with pytest.raises(EpochSecretMissing):
            store.get(vault_id, 1)
    with reopen(tmp_path / "v", epoch_stores=stores[1:]) as vault:
        assert vault.engine.head.epoch == 2


def test_nothing_that_is_left_opens_an_old_copy_of_what_was_disposed_of(tmp_path: Path) -> None:
    """Every byte of the vault as it was, with all that opens it now: of the others all, of the disposed nothing."""
    path, store = tmp_path / "v", tmp_path / "v.epoch"
    with create(path, epoch_stores=[DirectoryStore(store)]) as vault:
        data = fill(vault)
        gone = belonging(vault, data, GONE)
        vault.settle()
        old = tmp_path / "old"
        shutil.copytree(path, old / "v")
        dispose(vault)
    with pytest.raises(EpochSecretMissing):
        reopen(old / "v", epoch_stores=[DirectoryStore(store)])
    mixed = tmp_path / "mixed"
    shutil.copytree(old / "v", mixed / "old")
    shutil.copytree(path, mixed / "now", ignore=shutil.ignore_patterns("*.vseg"))
    rescued = rescued_from(mixed, store, tmp_path / "out")
    for record, content in data.items():
        assert record not in rescued if record in gone else content in rescued[record]
    assert rescued.keys() <= data.keys() - gone


def test_an_epoch_of_which_a_store_knows_is_not_begun_again(tmp_path: Path) -> None:
    """A vault that was put back has a future of its own: the secret of what is lost stays until it has begun it."""
    store = DirectoryStore(tmp_path / "store")
    with create(tmp_path / "v", epoch_stores=[store]) as vault:
        put(vault)
        shutil.copytree(tmp_path / "v", tmp_path / "old")
        vault.keys.turn(PASSPHRASE)
        store.put(EpochSecret(DEFAULT, vault.id, 1, secret_of_epoch_1 := os.urandom(32)))
        assert store.get(vault.id, 1).secret == secret_of_epoch_1
        vault.keys.turn(PASSPHRASE)
        assert vault.engine.head.epoch == 3
        assert store.epochs(vault.id) == [3]
        store.put(EpochSecret(DEFAULT, vault.id, 7, os.urandom(32)))
        vault.keys.turn(PASSPHRASE)
        assert store.epochs(vault.id) == [8]


def test_a_store_that_forgets_keeps_an_epoch_from_ending(tmp_path: Path) -> None:
    class Forgetful(DirectoryStore):
        def put(self, secret: EpochSecret) -> None:
            super().put(secret if secret.epoch == 1 else replace(secret, secret=bytes(32)))

    stores = [DirectoryStore(tmp_path / "one"), Forgetful(tmp_path / "two")]
    with create(tmp_path / "v", epoch_stores=stores) as vault:
        record = put(vault)
        with pytest.raises(EpochSecretMissing):
            vault.keys.turn(PASSPHRASE)
        assert vault.engine.head.epoch == 1
        assert get(vault, record) == b"data"
        put(vault)
    with reopen(tmp_path / "v", epoch_stores=stores) as vault:
        assert get(vault, record) == b"data"


def test_a_vault_that_is_open_outlives_the_loss_of_all_its_stores(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    with create(tmp_path / "v", epoch_stores=[store]) as vault:
        record = put(vault)
        store.destroy(vault.id, 1)
        vault.keys.turn(PASSPHRASE)
        assert store.epochs(vault.id) == [2]
    with reopen(tmp_path / "v", epoch_stores=[store]) as vault:
        assert get(vault, record) == b"data"


def test_a_damaged_key_table_keeps_an_epoch_from_ending(tmp_path: Path) -> None:
    """With its key the epoch would take away the last chance to heal it."""
    with create(tmp_path / "v") as vault:
        record = put(vault)
        vault.settle()
        tables = [*(tmp_path / "v").rglob("record/**/*.vkey.1")]
        good = tables[0].read_bytes()
        for table in tables:
            table.write_bytes(flipped(good, 130))
        with pytest.raises(VaultDamaged):
            vault.keys.turn(PASSPHRASE)
        assert vault.engine.head.epoch == 1
        tables[0].write_bytes(good)
        vault.keys.turn(PASSPHRASE)
        assert get(vault, record) == b"data"


def test_frames_that_the_index_lacks_are_disposed_of_as_well(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        data = fill(vault, PATIENTS[:3])
        gone = belonging(vault, data, PATIENTS[:1])
        subject = subject_of(vault, PATIENTS[0])
        index = vault.engine.index
        with index.reading() as txn:
            lacked = index.all_frames_of(txn, subject)[-1]
        with index.writing() as txn:
            txn.delete(HANDLE.pack(lacked), db=index.tables.frames)
        vault.keys.turn(PASSPHRASE, [subject])
        vault.rebuild_index()
        with vault.session(WHO, "TREAT") as session:
            assert subject not in session.all_subjects()
        for record in gone:
            with pytest.raises(NotFound):
                get(vault, record)


def test_a_copy_that_is_behind_keeps_the_old_secret(tmp_path: Path) -> None:
    path, target, store = tmp_path / "v", tmp_path / "copy", DirectoryStore(tmp_path / "v.epoch")
    with create(path) as vault:
        fill(vault, PATIENTS[:2])
    assert backup.main(["copy", str(path), str(target)]) == 0
    with reopen(path) as vault:
        dispose(vault, PATIENTS[:1])
        assert store.epochs(vault.id) == [1, 2]
        assert vault.retire() == Destruction((), 1, 1)
    with reopen(path) as vault:
        assert store.epochs(vault.id) == [1, 2]
    assert backup.main(["copy", str(path), str(target)]) == 0
    with reopen(path) as vault:
        vault.retire()
        assert store.epochs(vault.id) == [2]
        before = answers(vault)
    shutil.rmtree(path)
    target.rename(path)
    with reopen(path) as vault:
        assert answers(vault) == before


def epochs_of_tables(path: Path) -> dict[str, int]:
    """Return the epoch of a key table of each segment."""
    return {one.name.partition(".")[0]: int(one.suffix[1:]) for one in (path / "segments").rglob("*.vkey.*")}


def test_what_a_turn_has_left_is_removed_when_the_vault_is_opened(tmp_path: Path) -> None:
    """Of a turn that never ended, and of one whose process ended before it had removed the files of the old epoch."""
    path = tmp_path / "v"
    with create(path) as vault:
        fill(vault, PATIENTS[:2])
        vault.settle()
        old, saved = tmp_path / "old", tmp_path / "saved"
        shutil.copytree(path, old)
        shutil.copytree(tmp_path / "v.epoch", saved)
        dispose(vault, PATIENTS[:1])
    for one in [old / "keyring.1", *old.rglob("*.vkey.1")]:
        if not (path / one.relative_to(old)).exists():
            shutil.copy(one, path / one.relative_to(old))
    assert fsck.main([str(path), "--check-only"]) == 0
    assert len(epochs_of_tables(path)) < len([*(path / "segments").rglob("*.vkey.*")])
    reopen(path).close()
    assert not (path / "keyring.1").exists()
    assert len(epochs_of_tables(path)) == len([*(path / "segments").rglob("*.vkey.*")])
    assert set(epochs_of_tables(path).values()) == {1, 2}
    assert fsck.main([str(path), "--check-only"]) == 0
    for one in [path / "keyring.2", *path.rglob("*.vkey.2")]:
        if not (old / one.relative_to(path)).exists():
            (old / one.relative_to(path)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(one, old / one.relative_to(path))
    assert fsck.main([str(old), "--check-only"]) == 0
    reopen(old, epoch_stores=[DirectoryStore(saved)]).close()
    assert not (old / "keyring.2").exists()
    assert set(epochs_of_tables(old).values()) == {1}


def test_what_was_never_finished_takes_nothing_from_what_is_in_force(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        record = put(vault)
        vault.settle()
    for table in [*(tmp_path / "v").rglob("*.vkey.1")]:
        table.with_name(table.name.replace(".vkey.1", ".vkey.2.tmp")).write_bytes(b"")
        for place in (tmp_path / "v", tmp_path / "v/copies"):
            (place / "retired").mkdir(exist_ok=True)
            (place / "retired" / f"{table.name}.1.tmp").write_bytes(b"")
            for name in ("keyring.2.tmp", "VAULT.2.tmp"):
                (place / name).write_bytes(b"")
    with reopen(tmp_path / "v") as vault:
        assert get(vault, record) == b"data"
    assert not [*(tmp_path / "v").rglob("*.tmp")]
    assert fsck.main([str(tmp_path / "v"), "--check-only"]) == 0


def copied(path: Path, place: Path) -> tuple[dict[vaultfs.RecordId, bytes], set[vaultfs.RecordId]]:
    """Make a vault, and a copy of it; return its records, and those that will be disposed of."""
    with create(path) as vault:
        data = fill(vault)
        gone = belonging(vault, data, GONE)
        vault.settle()
    assert backup.main(["copy", str(path), str(place / "copy")]) == 0
    return data, gone


def test_an_old_copy_opens_with_the_keys_of_today_but_for_what_was_disposed_of(tmp_path: Path) -> None:
    """Its segments have long been merged into others; the keys of what is disposed of are in no bundle."""
    path, store, place = tmp_path / "v", tmp_path / "v.epoch", tmp_path / "place"
    data, gone = copied(path, place)
    with reopen(path) as vault:
        old = {row.segment_id for row in vault.engine.head.segments}
        for number in range(40):
            put(vault, b"later %d" % number, subject=LEFT[0])
            vault.settle()
        assert old - {row.segment_id for row in vault.engine.head.segments}
        vault.keys.turn(PASSPHRASE)
        dispose(vault)
        (copy,) = copies_of(vault)
        assert DirectoryStore(store).epochs(vault.id) == [1, 2, 3]
        assert backup.main(["bundle", str(path), str(place / "bundle")]) == 0
        confirm_keys(vault, copy, vault.engine.head.epoch)
        assert DirectoryStore(store).epochs(vault.id) == [3]
    assert fsck.main([str(path), "--check-only"]) == 0
    rescued = rescued_from(place, store, tmp_path / "out")
    for record, content in data.items():
        assert record not in rescued if record in gone else content in rescued[record]
    assert rescued.keys() == data.keys() - gone


def test_a_copy_that_is_given_up_keeps_nothing(tmp_path: Path) -> None:
    path, store = tmp_path / "v", DirectoryStore(tmp_path / "v.epoch")
    with create(path) as vault:
        put(vault)
    assert backup.main(["copy", str(path), str(tmp_path / "copy")]) == 0
    with reopen(path) as vault:
        vault.keys.turn(PASSPHRASE)
        assert vault.maintenance.health().secrets_pending == 1
        with pytest.raises(NotFound):
            give_up(vault, bytes(16))
        (copy,) = copies_of(vault)
        give_up(vault, copy)
        assert store.epochs(vault.id) == [2]
        assert copies_of(vault) == {}
        assert vault.maintenance.health().secrets_pending == 0


def test_an_index_of_an_earlier_epoch_confirms_nobody(tmp_path: Path) -> None:
    """Whoever kept the pages of an old index, and has all keys of today, cannot try an identifier against it."""
    with create(tmp_path / "v") as vault:
        fill(vault, PATIENTS[:4])
        vault.settle()
        old = (tmp_path / "v/index/data.mdb").read_bytes()
        before = guesses(vault)
        assert all(guess in old for guess in before[::2])
        dispose(vault, PATIENTS[:2])
        vault.settle()
        assert not any(guess in old for guess in guesses(vault))


def guesses(vault: vaultfs.Vault) -> list[bytes]:
    """Return what stands for identifiers in an index by the keys of now: their keys, and their tokens."""
    chain = vault.engine.chain
    tokens = [chain.identifier_token(encode_identifier(patient)) for patient in PATIENTS[:4]]
    return [one for pair in zip(chain.alias_keys(tokens), tokens, strict=True) for one in pair]

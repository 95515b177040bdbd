"""Turning the epoch: what is disposed of is gone from every copy, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from vaultfs_tools import fsck, rescue

import vaultfs
from tests.vaultfs.support import PASSPHRASE, WHO, answers, create, get, index_content, put, read_only, reopen
from vaultfs.errors import EpochSecretMissing, NoRecipientMatches, NotFound, TransactionConflict
from vaultfs.keys.stores import DirectoryStore

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
    vault.turn_epoch(PASSPHRASE, [subject_of(vault, patient) for patient in patients])


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
        vault.turn_epoch(PASSPHRASE)
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
        turned = vault.turn_epoch(PASSPHRASE, subjects)
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
    assert [row for row in missing if row.get("class") != "audit"] == []
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
            vault.turn_epoch(PASSPHRASE, [vaultfs.SubjectId(bytes(range(16)))])
        assert vault.engine.head.epoch == 1


def test_another_passphrase_turns_nothing(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        with pytest.raises(NoRecipientMatches):
            vault.turn_epoch(vaultfs.Passphrase(b"another one"))
        assert vault.engine.head.epoch == 1


def test_a_transaction_that_was_begun_for_a_subject_before_it_was_disposed_of_does_not_commit(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault, vault.session(WHO, "TREAT") as session:
        fill(vault, PATIENTS[:2])
        subject = subject_of(vault, PATIENTS[0])
        txn = session.transaction()
        txn.put(b"late", kind="Binary", subject=subject)
        vault.turn_epoch(PASSPHRASE, [subject])
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

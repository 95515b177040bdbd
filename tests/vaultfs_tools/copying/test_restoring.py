"""Restoring: what a copy holds is a vault again, with the keys of a newer bundle if there is one; and the drill."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from vaultfs_format.copymark import CopyKind
from vaultfs_format.errors import FormatError, NoRecipientMatches, SignatureInvalid
from vaultfs_tools.copying import restore
from vaultfs_tools.copying.drill import Drill, Key
from vaultfs_tools.copying.errors import BundleUnfit, PlaceTaken, ReportInvalid
from vaultfs_tools.copying.proof import verified_report
from vaultfs_tools.keyless.errors import SignerUnknown

import vaultfs
from tests.vaultfs.engine.test_acts import claims
from tests.vaultfs.support import answers
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, errors, held_by, restored, store_of
from tests.vaultfs_tools.copying.test_copying import add


def test_a_restored_vault_gives_the_same_answers_and_says_what_it_is(vault: Path, made: Path, tmp_path: Path) -> None:
    expected = held_by(vault, store_of(vault), tmp_path / "x")
    before = vaults.tree(made)
    new = restored(made, tmp_path / "new.vault", store_of(vault))
    assert vaults.tree(made) == before
    assert not (new / "copy").exists()
    assert vaults.findings(new) == []
    incarnation = vaults.head_of(new).incarnation
    with vaults.opened(new) as opened:
        found = answers(opened, [vaults.PATIENT])
        assert {key: value for key, value in expected.items() if key != "state"} == found
        assert [event.type for event in claims(opened)] == [vaultfs.EventType.RESTORE_CLAIMED]
        assert opened.engine.head.incarnation == incarnation + 1


def test_nothing_is_restored_where_something_is(made: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(PlaceTaken):
        restore(made, tmp_path / "there")
    assert not any((tmp_path / "there").iterdir())


def test_damage_that_heals_is_healed_on_the_way(vault: Path, made: Path, tmp_path: Path) -> None:
    segment = max(made.rglob("*.vseg"), key=lambda path: path.stat().st_size)
    vaults.flip(segment, 5000)
    (made / "head").unlink()
    damaged = vaults.tree(made)
    assert errors(restore(made, tmp_path / "new")) == []
    assert vaults.tree(made) == damaged
    assert vaults.findings(tmp_path / "new") == []


def test_a_newer_bundle_says_what_there_was(vault: Path, made: Path, tmp_path: Path) -> None:
    add(vault, settle=True)
    copy(vault, tmp_path / "bundle", kind=CopyKind.KEYS)
    assert not list((tmp_path / "bundle").rglob("*.vseg"))
    done = restore(made, tmp_path / "new", tmp_path / "bundle")
    names = {str(path.relative_to(vault)) for path in vault.rglob("*.vseg")}
    there = {str(path.relative_to(made)) for path in made.rglob("*.vseg")}
    assert sorted(errors(done)) == sorted((name, 9101) for name in names - there)
    assert vaults.head_of(tmp_path / "new") == vaults.head_of(vault)


def test_a_bundle_of_the_same_state_restores_keys_that_the_copy_has_lost(
    vault: Path, made: Path, tmp_path: Path
) -> None:
    expected = held_by(vault, store_of(vault), tmp_path / "x")
    copy(vault, tmp_path / "bundle", kind=CopyKind.KEYS)
    for path in [*made.rglob("keyring.1"), *made.rglob("*.vkey.1"), *made.rglob("VAULT.1")]:
        path.unlink()
    done = restore(made, tmp_path / "new", tmp_path / "bundle")
    assert errors(done) == []
    assert held_by(tmp_path / "new", store_of(vault), tmp_path / "x") == expected


def test_a_bundle_that_is_older_or_of_another_vault_is_refused(vault: Path, made: Path, tmp_path: Path) -> None:
    copy(vault, tmp_path / "older", kind=CopyKind.KEYS)
    copy(vaults.make(tmp_path / "o.vault"), tmp_path / "other", kind=CopyKind.KEYS)
    add(vault, settle=True)
    copy(vault, made)
    for bundle in ("older", "other"):
        with pytest.raises(BundleUnfit):
            restore(made, tmp_path / "new", tmp_path / bundle)
        assert not (tmp_path / "new").exists()


# Drills.


def key(vault: Path) -> Key:
    return Key(vaults.unlocking(), store_of(vault), "tester", "HSYSADMIN")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("keyed", [True, False])
def test_a_drill_finds_all_equal_and_changes_nothing(
    vault: Path, made: Path, tmp_path: Path, seed: int, keyed: bool
) -> None:
    before, store = vaults.tree(made), vaults.tree(store_of(vault))
    report = Drill(made, tmp_path / "scratch", key(vault) if keyed else None, seed, 30).run()
    assert (report["equal"], report["lost"], report["seed"]) == (True, [], seed)
    assert isinstance(report["damage"], dict)
    assert sum(report["damage"].values()) > 15
    assert isinstance(report["healed"], int)
    assert report["healed"] > 5
    assert (vaults.tree(made), vaults.tree(store_of(vault))) == (before, store)
    assert json.loads((tmp_path / "scratch" / "report.json").read_bytes()) == report
    assert (tmp_path / "scratch" / "report.sig").exists() is keyed


def test_a_drill_reads_deleted_records_too(vault: Path, made: Path, tmp_path: Path) -> None:
    """What is hidden is still to be there: whoever undeletes it must find it."""
    before = Drill(made, tmp_path / "one", key(vault), 1).run()["compared"]
    with vaults.opened(vault) as opened, opened.session(vaults.WHO, "TREAT") as session:
        for info in session.find(subject=vaults.PATIENT):
            with session.transaction() as txn:
                txn.delete(info.id)
    copy(vault, made)
    report = Drill(made, tmp_path / "two", key(vault), 1).run()
    assert (report["equal"], report["compared"]) == (True, before)


@pytest.mark.parametrize("unlock", [vaults.unlocking(), vaultfs.Passphrase(b"another one")])
def test_a_drill_leaves_no_copy_of_the_epoch_store(
    vault: Path, made: Path, tmp_path: Path, unlock: vaultfs.Passphrase
) -> None:
    """A secret that is given up later, so that what it opens is erased, must not lie there still."""
    with nullcontext() if unlock.secret == vaults.SECRET else pytest.raises(NoRecipientMatches):
        Drill(made, tmp_path / "scratch", Key(unlock, store_of(vault), "tester", "HSYSADMIN"), 1).run()
    kept = {path.read_bytes() for path in store_of(vault).rglob("*") if path.is_file()}
    assert kept
    left = [path.read_bytes() for path in (tmp_path / "scratch").rglob("*") if path.is_file()]
    assert kept.isdisjoint(left)


def test_the_same_seed_does_the_same_damage(vault: Path, made: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        Drill(made, tmp_path / name, None, 5, 30).run()
    assert vaults.tree(tmp_path / "one" / "copy") == vaults.tree(tmp_path / "two" / "copy")


@pytest.mark.parametrize("count", [1, 1_000])
def test_a_drill_with_a_copy_that_does_not_heal_says_so(vault: Path, made: Path, tmp_path: Path, count: int) -> None:
    """Also where it would damage what is damaged already."""
    segment = max(made.rglob("*.vseg"), key=lambda path: path.stat().st_size)
    segment.write_bytes(bytes(segment.stat().st_size))
    assert Drill(made, tmp_path / "scratch", None, 1, count).run()["equal"] is False


def test_a_drill_damages_segments_of_any_size(tmp_path: Path) -> None:
    vault = vaults.make(tmp_path / "v")
    with vaults.opened(vault) as opened:
        with opened.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
            txn.put(os.urandom(17 << 20), kind="Binary", subject=None)
        opened.settle()
    copy(vault, tmp_path / "copy")
    report = Drill(tmp_path / "copy", tmp_path / "scratch", None, 1, 1_000).run()
    assert report["equal"] is True


def test_a_report_is_proved_without_a_key_and_a_changed_one_refused(vault: Path, made: Path, tmp_path: Path) -> None:
    Drill(made, tmp_path / "scratch", key(vault), 7).run()
    path = tmp_path / "scratch" / "report.json"
    report, signer = verified_report(path, vault)
    assert verified_report(path, made, signer.fingerprint) == (report, signer)
    with pytest.raises(SignerUnknown):
        verified_report(path, vault, bytes(32))
    data, signature = path.read_bytes(), path.with_suffix(".sig").read_bytes()
    path.write_bytes(data.replace(b'"seed": 7', b'"seed": 8'))
    with pytest.raises(SignatureInvalid):
        verified_report(path, vault)
    path.write_bytes(data)
    for at in (10, 1000):
        vaults.flip(path.with_suffix(".sig"), at)
        with pytest.raises(SignatureInvalid):
            verified_report(path, vault)
        path.with_suffix(".sig").write_bytes(signature)
    for broken in (b"[]", b"{", b'{"vault_id": "00"}'):
        path.write_bytes(broken)
        with pytest.raises((ReportInvalid, FormatError)):
            verified_report(path, vault)


def test_a_scratch_directory_with_something_in_it_is_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "file").touch()
    with pytest.raises(PlaceTaken):
        Drill(made, tmp_path / "scratch", None, 1).run()
    shutil.rmtree(tmp_path / "scratch")

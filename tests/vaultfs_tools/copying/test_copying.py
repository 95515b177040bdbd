"""A copy holds what the vault holds, takes only what is new, and is refused where it would replace something better."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from pathlib import Path

import pytest
from vaultfs_format.copymark import CopyKind, CopyMark
from vaultfs_format.events.vault import CopyClaimed
from vaultfs_tools.copying.errors import CopyBusy, OtherCopy, PlacesOverlap, SourceOlder
from vaultfs_tools.keyless.errors import SignerUnknown

import vaultfs
from tests.vaultfs.support import events_of
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, errors, held_by, store_of


def names(place: Path) -> set[str]:
    """Return the names of all files below a directory."""
    return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def add(vault: Path, data: bytes = b"more", *, settle: bool = False) -> None:
    """Put a record in a vault."""
    with vaults.opened(vault) as opened:
        with opened.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
            txn.put(data, kind="Observation", subject=vaults.PATIENT)
        if settle:
            opened.settle()


def test_a_copy_gives_the_same_answers(vault: Path, made: Path, tmp_path: Path) -> None:
    expected = held_by(vault, store_of(vault), tmp_path / "x")
    assert len(expected) > 20
    assert held_by(made, store_of(vault), tmp_path / "x") == expected


def test_a_copy_is_a_vault_in_which_a_check_finds_nothing(made: Path) -> None:
    assert vaults.findings(made) == []
    assert list(made.rglob("*.vacc"))
    assert list(made.rglob("*.part"))


def test_a_copy_has_nothing_that_belongs_to_the_writer(vault: Path, made: Path) -> None:
    with vaults.opened(vault):
        copy(vault, made)
    kept = {name.partition("/")[0] for name in names(made)}
    assert not kept & {"index", "lock", "acts"}
    assert not (made / "journal" / "reserve").exists()
    places = [made, *made.rglob("*")]
    assert {stat.S_IMODE(place.stat().st_mode) for place in places} == {0o700, 0o600}


def test_nothing_is_copied_twice(vault: Path, made: Path) -> None:
    before = vaults.tree(made)
    again = copy(vault, made)
    assert (again.bytes, again.segments, again.kept) == (0, 0, len(vaults.head_of(vault).segments))
    assert vaults.tree(made) == before


def test_of_a_journal_only_what_was_appended_counts(vault: Path, made: Path) -> None:
    with vaults.opened(vault) as opened:
        with opened.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
            txn.put(os.urandom(50_000), kind="Observation", subject=vaults.PATIENT)
        first = copy(vault, made)
        with opened.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
            txn.put(os.urandom(1000), kind="Observation", subject=vaults.PATIENT)
        second = copy(vault, made)
    assert first.bytes > 2 * 50_000
    assert 2 * 1000 < second.bytes < 2 * 10_000  # journal and mirror


def test_what_was_settled_replaces_the_journals_it_was_in(vault: Path, made: Path, tmp_path: Path) -> None:
    add(vault, settle=True)
    expected = held_by(vault, store_of(vault), tmp_path / "x")
    done = copy(vault, made)
    assert done.kept > 0
    assert done.segments > 0
    assert {path.name for path in made.rglob("*.vjrn")} == {path.name for path in vault.rglob("*.vjrn")}
    assert not list(made.rglob("*.part"))
    assert vaults.findings(made) == []
    assert held_by(made, store_of(vault), tmp_path / "x") == expected


def test_the_writer_logs_the_copy_and_who_keeps_copies_is_known(vault: Path, tmp_path: Path) -> None:
    from vaultfs_tools import backup

    from vaultfs.storage.copies import copies_of

    assert backup.main(["copy", str(vault), str(tmp_path / "copy")]) == 0
    mark = CopyMark.decode((tmp_path / "copy" / "copy").read_bytes())
    with vaults.opened(vault) as opened:
        (event,) = events_of(opened, CopyClaimed)
        assert event.copy == mark.copy_id
        assert event.size > 100_000
        assert copies_of(opened) == {mark.copy_id: event.at}


def test_what_is_not_of_the_vault_is_left_where_it_is(vault: Path, made: Path) -> None:
    (made / "notes.txt").write_bytes(b"mine")
    add(vault, settle=True)
    copy(vault, made)
    assert (made / "notes.txt").read_bytes() == b"mine"


def test_the_id_of_a_copy_stays(vault: Path, made: Path) -> None:
    first = CopyMark.decode((made / "copy").read_bytes())
    (made / "copy").unlink()
    assert copy(vault, made).copy_id == first.copy_id
    assert CopyMark.decode((made / "copy").read_bytes()) == first


# What is refused.


def test_one_directory_in_the_other_is_refused(vault: Path) -> None:
    for target in (vault, vault / "backup", vault.parent):
        with pytest.raises(PlacesOverlap):
            copy(vault, target)


def test_a_directory_that_is_no_copy_of_the_vault_is_refused(vault: Path, made: Path, tmp_path: Path) -> None:
    other = vaults.make(tmp_path / "other.vault")
    (tmp_path / "file").touch()
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").touch()
    before = vaults.tree(made)
    with pytest.raises(OtherCopy):
        copy(other, made)
    for target in (other, full, tmp_path / "file"):
        with pytest.raises(OtherCopy):
            copy(vault, target)
    with pytest.raises(OtherCopy):
        copy(vault, made, kind=CopyKind.KEYS)
    assert vaults.tree(made) == before


def test_a_vault_that_was_put_back_is_refused(full: Path, vault: Path, made: Path, tmp_path: Path) -> None:
    """It has an older head, or the same one and less in its journals, or went on from there."""
    for settle in (False, True):
        add(vault, settle=settle)
        copy(vault, made)
        before = vaults.tree(made)
        with pytest.raises(SourceOlder):
            copy(full, made)
        assert vaults.tree(made) == before
    back = vaults.copied(full, tmp_path / "back" / "v")
    shutil.rmtree(store_of(back))
    shutil.copytree(store_of(vault), store_of(back))
    vaultfs.open(back, unlock=vaults.unlocking(), accept_older=True).close()
    assert vaults.head_of(back).generation > vaults.head_of(made).generation
    with pytest.raises(SourceOlder):
        copy(back, made)


def test_an_older_vault_is_copied_where_that_is_asked_for(full: Path, vault: Path, made: Path, tmp_path: Path) -> None:
    add(vault)
    copy(vault, made)
    copy(full, made, allow_older=True)
    expected = held_by(full, store_of(full), tmp_path / "x")
    assert held_by(made, store_of(vault), tmp_path / "x") == expected
    add(vault, settle=True)
    copy(vault, made)
    copy(full, made, allow_older=True)
    assert held_by(made, store_of(vault), tmp_path / "x") == expected
    assert vaults.findings(made) == []


def test_another_signer_is_refused(vault: Path, tmp_path: Path) -> None:
    with pytest.raises(SignerUnknown):
        copy(vault, tmp_path / "copy", signer=bytes(32))
    done = copy(vault, tmp_path / "copy")
    assert copy(vault, tmp_path / "copy", signer=done.report.signer).report.pinned


def test_two_programs_do_not_write_to_one_copy(vault: Path, made: Path) -> None:
    with made.with_name("copy.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CopyBusy):
            copy(vault, made)
    assert errors(copy(vault, made)) == []

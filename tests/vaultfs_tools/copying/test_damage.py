"""A damaged vault: the copy is healed as it is made, what is lost is named, and nothing good is written over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from vaultfs_format.copymark import CopyMark
from vaultfs_format.errors import SignatureInvalid
from vaultfs_tools.keyless.findings import Severity

from tests.vaultfs.support import lost
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, errors
from tests.vaultfs_tools.copying.test_copying import add


def segment(vault: Path, kind: str = "RECORD") -> Path:
    """Return a segment of a class."""
    return next(vault.rglob(f"{vaults.rows_of(vault)[kind].segment_id.hex()}.vseg"))


def test_what_heals_is_whole_in_the_copy_and_as_it_was_in_the_vault(vault: Path, made: Path, tmp_path: Path) -> None:
    expected = vaults.tree(made)
    path = segment(vault)
    vaults.flip(path, 4500)
    vaults.flip(vault / "keyring.1", 100)
    vaults.flip(vault / "head", 100)
    vaults.flip(vault / "copies" / "VAULT.1", 100)
    journal = vaults.journals_of(vault)[-1]
    vaults.flip(journal, vaults.groups_of(journal)[0] + 50)
    next((vault / "segments").rglob("*.part")).unlink()
    damaged = vaults.tree(vault)
    done = copy(vault, tmp_path / "new")
    found = vaults.tree(tmp_path / "new")
    assert errors(done) == []
    assert {one.file for one in done.report.findings if one.severity is Severity.CORRECTED} >= {
        str(path.relative_to(vault)), "keyring.1", "head", str(journal.relative_to(vault)),
    }  # fmt: skip
    assert {n: d for n, d in found.items() if "copy" not in n} == {n: d for n, d in expected.items() if "copy" not in n}
    assert vaults.tree(vault) == damaged


def test_a_segment_that_is_lost_comes_from_its_mirror(vault: Path, made: Path, tmp_path: Path) -> None:
    path = segment(vault)
    mirror = vault / "copies" / path.relative_to(vault)
    shutil.copy(path, mirror)
    expected = path.read_bytes()
    path.write_bytes(bytes(len(expected)))
    assert errors(copy(vault, tmp_path / "new")) == []
    assert (tmp_path / "new" / path.relative_to(vault)).read_bytes() == expected


def test_what_is_lost_is_named_and_copied_as_it_is(vault: Path, tmp_path: Path) -> None:
    path = segment(vault)
    lost(path, 1)
    name = str(path.relative_to(vault))
    done = copy(vault, tmp_path / "new")
    assert errors(done) == [(name, 1108)]
    assert (tmp_path / "new" / name).read_bytes() == path.read_bytes()


def test_damage_that_was_copied_is_looked_at_again(full: Path, vault: Path, tmp_path: Path) -> None:
    path = segment(vault)
    name = path.relative_to(vault)
    lost(path, 1)
    for _ in range(2):
        assert errors(copy(vault, tmp_path / "new")) == [(str(name), 1108)]
        assert CopyMark.decode((tmp_path / "new" / "copy").read_bytes()).doubtful
    shutil.copy(full / name, path)
    assert errors(copy(vault, tmp_path / "new")) == []
    assert (tmp_path / "new" / name).read_bytes() == path.read_bytes()
    assert not CopyMark.decode((tmp_path / "new" / "copy").read_bytes()).doubtful


def test_what_is_good_in_the_copy_stays_when_the_vault_has_lost_it(vault: Path, made: Path) -> None:
    expected = vaults.tree(made)
    lost(segment(vault), 1)
    for name in ("keyring.1", "copies/keyring.1"):
        vaults.flip(vault / name, 100)
    journal = vaults.journals_of(vault)[-1]
    vaults.flip_both(journal, vaults.groups_of(journal)[0] + 50)
    copy(vault, made)
    copy(vault, made, verify=True)
    found = vaults.tree(made)
    for name, data in expected.items():
        if name not in {"copy", "copies/copy"}:
            assert found[name] == data, name


def test_what_older_states_need_stays_while_something_is_lost(vault: Path, made: Path) -> None:
    before = set(vaults.tree(made))
    add(vault, settle=True)
    new = next(path for path in vault.rglob("*.vseg") if not (made / path.relative_to(vault)).exists())
    new.write_bytes(bytes(new.stat().st_size))
    assert errors(copy(vault, made)) == [(str(new.relative_to(vault)), 9118)]
    assert before <= set(vaults.tree(made))


def test_a_copy_that_has_rotted_is_found_and_made_good_where_that_is_asked_for(vault: Path, made: Path) -> None:
    expected = vaults.tree(made)
    rotten = made / segment(vault).relative_to(vault)
    rotten.write_bytes(bytes(rotten.stat().st_size))
    for path in sorted(made.rglob("*.vkey.1"))[:2]:
        vaults.flip(path, 130)
    assert copy(vault, made).bytes == 0
    assert errors(copy(vault, made, verify=True)) == []
    assert vaults.tree(made) == expected


def test_a_head_that_the_signer_has_not_signed_replaces_nothing(vault: Path, made: Path) -> None:
    before = vaults.tree(made)
    head = vaults.head_of(vault)
    forged = vaults.changed(head, generation=head.generation + 1)
    for place in ("head", "copies/head"):
        (vault / place).write_bytes(forged.encode(bytes(32)))
    with pytest.raises(SignatureInvalid):
        copy(vault, made)
    assert vaults.tree(made) == before


def test_files_that_are_missing_are_named(vault: Path, tmp_path: Path) -> None:
    path = segment(vault)
    name = str(path.relative_to(vault))
    path.unlink()
    done = copy(vault, tmp_path / "new")
    assert errors(done) == [(name, 9101)]
    assert done.turns == 2


def log_of(place: Path) -> Path:
    """Return the access journal of a vault."""
    return next((place / "journal").glob("*.vacc"))


@pytest.mark.parametrize("at", [100, 600])
def test_an_access_journal_that_is_damaged_is_named_and_stays_in_the_copy(vault: Path, made: Path, at: int) -> None:
    """In the header, or in the first of its groups that were durable."""
    good = log_of(vault).read_bytes()
    name = f"journal/{log_of(vault).name}"
    vaults.flip(log_of(vault), at)
    for _ in range(2):
        assert [file for file, _ in errors(copy(vault, made))] == [name]
        assert log_of(made).read_bytes() == good
    log_of(vault).write_bytes(good)
    assert errors(copy(vault, made)) == []
    assert log_of(made).read_bytes() == good


def test_an_access_journal_that_was_merged_goes_and_one_that_was_just_begun_is_none(vault: Path, made: Path) -> None:
    vaults.opened(vault).close()
    begun = vault / "journal" / f"{'0' * 32}.vacc"
    begun.write_bytes(b"\x89VFS")
    assert errors(copy(vault, made)) == []
    assert not list(made.rglob("*.vacc"))

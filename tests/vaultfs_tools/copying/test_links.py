"""Links that somebody has planted: nothing is written through them into a copy, and nothing read through them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from vaultfs_tools.copying import restore
from vaultfs_tools.copying.drill import Drill
from vaultfs_tools.copying.errors import DirectoryLinked
from vaultfs_tools.keyless.errors import FileMissing

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, errors
from tests.vaultfs_tools.copying.test_copying import add

SECRET = b"of somebody else" * 1000


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return a file that is neither the vault's nor the copy's."""
    path = tmp_path / "elsewhere"
    path.write_bytes(SECRET)
    return path


def linked(path: Path, elsewhere: Path) -> None:
    """Put a link to another file in the place of one."""
    path.unlink(missing_ok=True)
    path.symlink_to(elsewhere)


def secrets(place: Path) -> list[str]:
    """Return the files of a directory that hold what lies elsewhere."""
    return [name for name, data in vaults.tree(place).items() if SECRET[:64] in data]


@pytest.mark.parametrize(
    "pattern", ["*.vseg", "*.vkey.1", "*.part", "*.vjrn", "*.vacc", "VAULT.1", "README.txt", "1.zdict"]
)
def test_a_link_in_the_place_of_a_file_of_a_copy_is_replaced(
    vault: Path, made: Path, elsewhere: Path, pattern: str
) -> None:
    expected = vaults.tree(made)
    for path in list(made.rglob(pattern)):
        linked(path, elsewhere)
    assert errors(copy(vault, made, verify=True)) == []
    assert elsewhere.read_bytes() == SECRET
    assert vaults.tree(made) == expected
    assert not any(path.is_symlink() for path in made.rglob("*"))


def test_a_link_where_a_file_is_prepared_is_not_written_through(vault: Path, made: Path, elsewhere: Path) -> None:
    for path in [*made.rglob("*.vseg"), *made.rglob("*.vjrn"), *made.rglob("*.vacc")]:
        path.unlink()
        linked(path.with_suffix(".tmp"), elsewhere)
    assert errors(copy(vault, made)) == []
    assert elsewhere.read_bytes() == SECRET
    assert vaults.findings(made) == []


@pytest.mark.parametrize("name", ["copies", "journal", "segments", "segments/main/blob", "copies/segments"])
def test_a_copy_one_of_whose_directories_is_a_link_is_refused(vault: Path, made: Path, name: str) -> None:
    away = made.with_name("away")
    (made / name).rename(away)
    (made / name).symlink_to(away)
    add(vault, settle=True)
    before = vaults.tree(away), vaults.tree(made)
    with pytest.raises(DirectoryLinked):
        copy(vault, made)
    assert (vaults.tree(away), vaults.tree(made)) == before


def test_a_link_to_the_lock_of_a_copy_is_not_followed(vault: Path, made: Path, elsewhere: Path) -> None:
    linked(made.with_name("copy.lock"), elsewhere.with_name("new"))
    with pytest.raises(OSError, match="symbolic links"):
        copy(vault, made)
    assert not elsewhere.with_name("new").exists()


@pytest.mark.parametrize("pattern", ["*.vseg", "*.part", "README.txt"])
def test_what_a_link_in_a_vault_or_a_copy_leads_to_is_not_copied(
    vault: Path, made: Path, elsewhere: Path, tmp_path: Path, pattern: str
) -> None:
    for place in (vault, made):
        for path in list(place.rglob(pattern)):
            linked(path, elsewhere)
    copy(vault, tmp_path / "new")
    assert secrets(tmp_path / "new") == []
    restore(made, tmp_path / "restored")
    assert secrets(tmp_path / "restored") == []
    with suppress(FileMissing):  # a segment that is none cannot be damaged
        Drill(made, tmp_path / "scratch", None, 1, 40).run()
    assert secrets(tmp_path / "scratch") == []
    assert elsewhere.read_bytes() == SECRET


def test_the_copies_of_a_vault_may_lie_elsewhere_those_of_a_copy_may_not(
    vault: Path, made: Path, tmp_path: Path
) -> None:
    for place in (vault, made):
        (place / "copies").rename(tmp_path / f"{place.name}.copies")
        (place / "copies").symlink_to(tmp_path / f"{place.name}.copies")
        (place / "head").unlink()
    assert errors(copy(vault, tmp_path / "new")) == []
    assert not (tmp_path / "new" / "copies").is_symlink()
    assert vaults.findings(tmp_path / "new") == []
    with pytest.raises(FileMissing):
        restore(made, tmp_path / "restored")

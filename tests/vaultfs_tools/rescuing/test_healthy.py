"""Of a healthy vault nothing is missing, whatever kinds of files it holds and whatever lies beside it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from vaultfs_tools import backup, cli, fsck

import vaultfs
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing.archive import ONE, Archive, check, rescued, segments_of

KINDS = {
    r"VAULT\.1", r"head", r"keyring\.1", r"lock", r"README\.txt", r"index/.*", r"journal/reserve", r"journal/.*\.vjrn",
    r"journal/.*\.vacc", r"segments/.*\.vseg", r"segments/.*\.part", r"segments/.*\.vkey\.1", r"acts/.*\.vact",
    r"copies/VAULT\.1", r"copies/head", r"copies/keyring\.1", r"copies/journal/.*\.vjrn",
    r"copies/segments/.*\.vkey\.1", r"copies/segments/.*\.part", r"1\.zdict",
}  # fmt: skip
"""All kinds of files that a vault holds."""


def _used(archive: Archive, copy: Path) -> None:
    """Read from a vault, repair it and copy it, each of which leaves files in it."""
    with vaultfs.open_reader(
        archive.path, unlock=vaults.unlocking(), policy=vaultfs.PermitAll()
    ) as reader, reader.session(vaults.WHO, "TREAT") as session:  # fmt: skip
        session.find(subject=ONE)
    vaults.flip(segments_of(archive)[0], 5000)
    assert fsck.main([str(archive.path)]) == cli.Exit.ATTENTION
    assert backup.main(["copy", str(archive.path), str(copy)]) == cli.Exit.DONE


def _names(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def test_of_a_vault_with_every_kind_of_file_nothing_is_missing(archive: Archive, tmp_path: Path) -> None:
    _used(archive, tmp_path / "copy.vault")
    names = _names(archive.path)
    assert {kind for kind in KINDS if not any(re.fullmatch(kind, name) for name in names)} == set()
    assert {name for name in names if not any(re.fullmatch(kind, name) for kind in KINDS)} == set()
    found = rescued(archive.path)
    assert (check(archive, found), found.code, found.missing) == (set(), 0, [])


def test_of_a_copy_nothing_is_missing(archive: Archive, tmp_path: Path) -> None:
    copy = tmp_path / "copy.vault"
    _used(archive, copy)
    assert "copy" in _names(copy)
    found = rescued(copy, "--epoch-store", f"{archive.path}.epoch")
    assert (check(archive, found), found.code, found.missing) == (set(), 0, [])


def test_of_a_vault_and_its_copy_and_its_epoch_store_in_one_directory_nothing_is_missing(
    archive: Archive, tmp_path: Path
) -> None:
    place = tmp_path / "all"
    _used(archive, place / "copy.vault")
    shutil.move(archive.path, place / "clinic.vault")
    shutil.move(f"{archive.path}.epoch", place / "clinic.vault.epoch")
    found = rescued(place)
    assert (check(archive, found), found.code, found.missing) == (set(), 0, [])


def test_of_files_under_other_names_nothing_is_missing(archive: Archive, tmp_path: Path) -> None:
    _used(archive, tmp_path / "copy.vault")
    place = tmp_path / "found"
    place.mkdir()
    for number, name in enumerate(sorted(_names(archive.path))):
        (archive.path / name).rename(place / f"#{number}")
    found = rescued(place, "--epoch-store", f"{archive.path}.epoch")
    assert (check(archive, found), found.code, found.missing) == (set(), 0, [])


@pytest.mark.parametrize("end", ["", ".pdf", ".vact", ".vkey.1"])
def test_a_file_that_is_named_like_an_id_and_holds_no_frame_is_not_missed(archive: Archive, end: str) -> None:
    (archive.path / (bytes(range(16)).hex() + end)).write_bytes(os.urandom(9000))
    found = rescued(archive.path)
    assert (check(archive, found), found.code, found.missing) == (set(), 0, [])

"""Small files of which both copies are damaged: a vault reads them if they are damaged at different places."""

from __future__ import annotations

from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.support import answers, crashed, put, read_only, reopen
from vaultfs.errors import VaultDamaged


@pytest.fixture
def settled(vault: vaultfs.Vault, tmp_path: Path) -> tuple[Path, object]:
    """Return a copy of a vault with segments, without an index, and what it answers."""
    for number in range(4):
        put(vault, b"record %d" % number)
    vault.settle()
    put(vault, b"not settled")
    return crashed(vault.path, tmp_path / "copy", index=False), answers(vault)


def small_files(vault: Path) -> list[Path]:
    """Return all files that have a copy, but for mirrors."""
    copies = [path for path in (vault / "copies").rglob("*") if path.is_file()]
    return [vault / path.relative_to(vault / "copies") for path in copies if path.suffix not in {".vjrn", ".part"}]


def flip(vault: Path, path: Path, *places: int) -> None:
    """Change a byte of a file and of its copy, at these places."""
    for one, at in zip((path, vault / "copies" / path.relative_to(vault)), places, strict=True):
        data = bytearray(one.read_bytes())
        data[at] ^= 0x10
        one.write_bytes(data)


def test_a_byte_in_each_copy_of_every_small_file_keeps_a_vault_from_nothing(settled: tuple[Path, object]) -> None:
    path, expected = settled
    assert {file.name.split(".")[0] for file in small_files(path)} >= {"head", "VAULT", "keyring"}
    assert any(".vkey." in file.name for file in small_files(path))
    for file in small_files(path):
        flip(path, file, 25, file.stat().st_size - 40)
    harmed = {file: file.read_bytes() for file in small_files(path) if file.name != "head"}
    with reopen(path) as again:
        assert answers(again) == expected
    assert {file: file.read_bytes() for file in harmed} == harmed


def test_the_head_that_two_copies_give_together_is_written_to_both(settled: tuple[Path, object]) -> None:
    path, _ = settled
    head = (path / "head").read_bytes()
    flip(path, path / "head", 50, 60)
    reopen(path).close()
    assert (path / "head").read_bytes() == (path / "copies/head").read_bytes() == head


def test_a_reader_puts_them_together_in_memory(settled: tuple[Path, object], tmp_path: Path) -> None:
    path, _ = settled
    for file in small_files(path):
        flip(path, file, 25, file.stat().st_size - 40)
    before = {file: file.read_bytes() for file in small_files(path)}
    with read_only(path, index=tmp_path / "own") as reader:
        assert reader.engine.head.generation == 2
    assert {file: file.read_bytes() for file in small_files(path)} == before


@pytest.mark.parametrize("name", ["head", "VAULT.1", "keyring.1"])
def test_a_byte_that_both_copies_have_lost_is_damage(settled: tuple[Path, object], name: str) -> None:
    path, _ = settled
    flip(path, path / name, 40, 40)
    with pytest.raises(VaultDamaged):
        reopen(path)

"""Copies of a vault that were both written to: what one of them holds comes out, and what both hold comes out once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from vaultfs_tools import cli

import vaultfs
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing.archive import Rescued, rescued

DAY = date(2021, 1, 1)
Write = Callable[[vaultfs.Vault, vaultfs.RecordId], None]


def _diverged(vault: Path, tmp_path: Path, *writes: Write) -> Rescued:
    """Rescue copies of a vault, each written to in its own way, from one directory."""
    with (
        vaults.opened(vault) as opened,
        opened.session(vaults.WHO, "TREAT") as session,
        session.transaction() as txn,
    ):
        record = txn.put(b"first", kind="Basic", subject=vaults.PATIENT, date=DAY)
    place = tmp_path / "found"
    place.mkdir()
    for number, write in enumerate(writes):
        copy = vaults.copied(vault, place / f"{number}.vault")
        with vaults.opened(copy) as opened:
            write(opened, record)
    return rescued(place, "--epoch-store", f"{vault}.epoch")


def _replace(data: bytes, *, settle: bool = False) -> Write:
    def write(vault: vaultfs.Vault, record: vaultfs.RecordId) -> None:
        with vault.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
            txn.put(data, kind="Basic", subject=vaults.PATIENT, date=DAY, replaces=record, before=b"<", after=b">")
        if settle:
            vault.settle()

    return write


def _delete(vault: vaultfs.Vault, record: vaultfs.RecordId) -> None:
    with vault.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
        txn.delete(record)


def _versions(found: Rescued, version: int) -> list[tuple[str, bytes | None]]:
    """Return what the rewritten record is in a version."""
    first = next(row["record"] for row in found.manifest if row["file"] and _data(found, row) == b"first")
    rows = [row for row in found.manifest if (row["record"], row["version"]) == (first, version)]
    return sorted((row["role"], _data(found, row)) for row in rows)


def _data(found: Rescued, row: dict[str, object]) -> bytes:
    return (found.out / str(row["file"])).read_bytes() if row["file"] else b""


@pytest.mark.parametrize("settle", [False, True], ids=["journals", "journal and segment"])
@pytest.mark.parametrize("size", [9, 90_000], ids=["small", "blob"])
def test_both_contents_of_a_version_come_out_under_names_of_their_own(
    vault: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int, *, settle: bool
) -> None:
    one, other = b"1" * size, b"2" * size
    found = _diverged(vault, tmp_path, _replace(one), _replace(other, settle=settle))
    assert (found.code, found.missing) == (cli.Exit.ATTENTION, [])
    assert _versions(found, 2) == [("record", one), ("record", other)]
    rows = [row for row in found.manifest if row["diverged"]]
    assert [row["version"] for row in rows] == [2, 2]
    plain, numbered = sorted((row["file"] for row in rows), key=len)
    assert numbered == f"{plain}-2"
    assert [(found.out / f"{numbered}{end}").read_bytes() for end in (".before", ".after")] == [b"<", b">"]
    assert "\ndiverged: 1; all contents are there" in capsys.readouterr().out


def test_new_records_of_both_copies_come_out_though_their_ids_are_alike(vault: Path, tmp_path: Path) -> None:
    def put(data: bytes) -> Write:
        def write(opened: vaultfs.Vault, _: vaultfs.RecordId) -> None:
            with opened.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
                txn.put(data, kind="Observation", subject=vaults.PATIENT, date=DAY)

        return write

    found = _diverged(vault, tmp_path, put(b"only in one"), put(b"only in the other"))
    assert found.code == cli.Exit.ATTENTION
    assert {_data(found, row) for row in found.manifest if row["diverged"]} == {b"only in one", b"only in the other"}


def test_a_deletion_in_one_copy_and_a_change_in_the_other_are_both_told_and_nothing_is_hidden(
    vault: Path, tmp_path: Path
) -> None:
    found = _diverged(vault, tmp_path, _replace(b"changed"), _delete)
    assert found.code == cli.Exit.ATTENTION
    assert _versions(found, 2) == [("delete", b""), ("record", b"changed")]
    assert not any(row["hidden"] for row in found.manifest)


def test_the_same_content_in_both_copies_comes_out_once(vault: Path, tmp_path: Path) -> None:
    found = _diverged(vault, tmp_path, _replace(b"same"), _replace(b"same"), lambda *_: None)
    assert (found.code, found.missing) == (0, [])
    assert _versions(found, 2) == [("record", b"same")]
    assert not any(row["diverged"] for row in found.manifest)


def test_of_two_contents_one_that_is_lost_is_listed_as_missing(vault: Path, tmp_path: Path) -> None:
    def lose(opened: vaultfs.Vault, record: vaultfs.RecordId) -> None:
        _replace(b"2" * 90_000)(opened, record)
        for path in (tmp_path / "found/1.vault").rglob("*.part"):
            path.write_bytes(path.read_bytes()[:4096].ljust(path.stat().st_size, b"\0"))

    found = _diverged(vault, tmp_path, _replace(b"1" * 90_000), lose)
    assert found.code == cli.Exit.DAMAGED | cli.Exit.ATTENTION
    assert _versions(found, 2) == [("record", b"1" * 90_000)]
    (row,) = [row for row in found.missing if row["what"] == "record"]
    assert row["version"] == 2

"""Damage to the files that are small, and files that lie elsewhere: what comes out, and what is listed instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaultfs_format.superblock import Superblock
from vaultfs_tools import cli

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing.archive import (
    Archive,
    check,
    in_file,
    overwrite,
    rescued,
    segments_of,
    tables_of,
)

BOTH = ("", "copies/")


def test_everything_comes_out_of_an_undamaged_vault(archive: Archive) -> None:
    before = vaults.tree(archive.path)
    found = rescued(archive.path)
    assert check(archive, found) == set()
    assert (found.code, found.missing) == (0, [])
    assert found.proofs() == {"segment, signed root", "journal, chained"}
    assert all(row["commit_proved"] and row["commit"] for row in found.manifest)
    assert {row["record"] for row in found.manifest if row["hidden"]} == archive.hidden
    assert {(row["system"], row["value"]) for row in found.subjects} == archive.identifiers
    assert vaults.tree(archive.path) == before


def test_bytes_around_a_record_come_out_beside_it(archive: Archive) -> None:
    found = rescued(archive.path)
    for row in found.manifest:
        if row["role"] == "record":
            before, after = archive.around[row["record"], row["version"]]
            assert (row["before"], row["after"]) == (len(before), len(after))
            for data, end in ((before, ".before"), (after, ".after")):
                beside = found.out / (row["file"] + end)
                assert (beside.read_bytes() if beside.exists() else b"") == data


# The head.


def test_without_a_head_all_records_come_out(archive: Archive) -> None:
    for place in BOTH:
        (archive.path / f"{place}head").unlink()
    found = rescued(archive.path)
    assert check(archive, found) == set()
    assert (found.code, found.missing) == (0, [])
    assert found.proofs() == {"segment, signed root", "journal, chained"}


def test_two_damaged_heads_tell_together_which_segments_there_were(archive: Archive) -> None:
    gone = segments_of(archive)[0]
    versions = in_file(archive, gone)
    gone.unlink()
    vaults.flip(archive.path / "head", 40)
    overwrite(archive.path / "copies/head", 512, bytes(512))
    found = rescued(archive.path)
    assert check(archive, found) == versions
    (row,) = [row for row in found.missing if row["what"] == "segment"]
    assert row["segment"] == gone.stem
    assert row["frames"] > 256
    assert row["entries"] >= len(versions)


def test_a_head_that_is_not_authentic_says_nothing(archive: Archive) -> None:
    gone = segments_of(archive)[0]
    gone.unlink()
    vaults.put_head(archive.path, vaults.head_of(archive.path))
    found = rescued(archive.path)
    assert "segment" not in found.what()


# The keyring.


def test_without_the_keyring_records_are_named_by_their_numbers(archive: Archive) -> None:
    for place in BOTH:
        (archive.path / f"{place}keyring.1").unlink()
    found = rescued(archive.path)
    assert (found.code, found.missing) == (0, [])
    files = {row["file"]: f"records/{row['incarnation']}-{row['number']}.{row['version']}" for row in found.manifest}
    del files[None]
    assert all(name == expected for name, expected in files.items())
    assert sorted((found.out / name).read_bytes() for name in files) == sorted(archive.put.values())
    assert {row["kind_name"] for row in found.manifest} == {"Observation", "Basic", "Binary"}
    assert {row["record"] for row in found.manifest} == {None}
    assert check(archive, found) == set()


def test_a_keyring_that_commits_to_another_key_is_none(archive: Archive) -> None:
    for place in BOTH:
        vaults.flip(archive.path / f"{place}keyring.1", 80)
    found = rescued(archive.path)
    assert {row["record"] for row in found.manifest} == {None}
    assert check(archive, found) == set()


def test_a_keyring_with_damage_outside_of_its_first_compartment_gives_ids(archive: Archive) -> None:
    for place in BOTH:
        path = archive.path / f"{place}keyring.1"
        overwrite(path, path.stat().st_size - 200, bytes(200))
    assert check(archive, rescued(archive.path)) == set()


# VAULT.


@pytest.mark.parametrize("harms", [((60, 1), (900, 1)), ((0, 512), (512, 1024)), ((700, 2), (705, 2))])
def test_two_damaged_copies_of_vault_give_a_good_one(archive: Archive, harms: tuple[tuple[int, int], ...]) -> None:
    for place, (at, length) in zip(BOTH, harms, strict=True):
        path = archive.path / f"{place}VAULT.1"
        overwrite(path, at, bytes(byte ^ 0xFF for byte in path.read_bytes()[at : at + length]))
    found = rescued(archive.path)
    assert check(archive, found) == set()
    assert found.proofs() == {"segment, signed root", "journal, chained"}


def test_a_copy_of_vault_that_is_cut_helps_too(archive: Archive) -> None:
    path = archive.path / "VAULT.1"
    path.write_bytes(path.read_bytes()[:1000])
    vaults.flip(archive.path / "copies/VAULT.1", 20)
    assert check(archive, rescued(archive.path)) == set()


def test_signers_count_only_under_the_mac_of_vault(archive: Archive) -> None:
    """Whoever has no key can make the digest of VAULT right, with signers of his own."""
    for place in BOTH:
        path = archive.path / f"{place}VAULT.1"
        path.write_bytes(Superblock.decode(path.read_bytes()).encode(bytes(32)))
    found = rescued(archive.path)
    assert check(archive, found) == set()
    assert found.proofs() == {"segment, frame only", "journal, chained"}
    assert {row["commit_proved"] for row in found.manifest if row["proof"] == "segment, frame only"} == {False}


# Key tables.


def test_a_missing_key_table_is_listed_with_the_frames_that_it_would_open(archive: Archive) -> None:
    segment = segments_of(archive)[0]
    versions = in_file(archive, segment)
    for table in tables_of(archive, segment):
        table.unlink()
    found = rescued(archive.path)
    assert check(archive, found) == versions
    (row,) = [row for row in found.missing if row["what"] == "key_table"]
    assert (row["segment"], row["code"]) == (segment.stem, 9101)
    assert {row["code"] for row in found.missing if row["what"] == "frame"} == {9211}


def test_blocks_of_keys_are_taken_from_either_copy(archive: Archive) -> None:
    one, other = tables_of(archive, segments_of(archive)[0])
    vaults.flip(one, 200)
    vaults.flip(other, 120 + 256 * 32 + 16 + 5)
    assert check(archive, rescued(archive.path)) == set()


def test_a_table_whose_headers_are_damaged_is_put_together(archive: Archive) -> None:
    one, other = tables_of(archive, segments_of(archive)[0])
    vaults.flip(one, 60)
    vaults.flip(other, 100)
    assert check(archive, rescued(archive.path)) == set()


@pytest.mark.parametrize("at", [8, 55, 70])
def test_a_table_helps_with_the_header_of_its_copy(archive: Archive, at: int) -> None:
    one, other = tables_of(archive, segments_of(archive)[0])
    vaults.flip(one, at)
    vaults.flip(other, 200)
    assert check(archive, rescued(archive.path)) == set()


def test_a_block_of_keys_that_is_damaged_twice_is_listed_alone(archive: Archive) -> None:
    segment = segments_of(archive)[0]
    for table in tables_of(archive, segment):
        vaults.flip(table, 200)
    found = rescued(archive.path)
    gone = check(archive, found)
    assert 200 < len(gone) < len(in_file(archive, segment))
    (row,) = [row for row in found.missing if row["what"] == "key_block"]
    assert (row["segment"], row["block"], row["keys"], row["code"]) == (segment.stem, 0, 256, 1203)
    assert sum(row["what"] == "frame" for row in found.missing) == 256


def test_a_table_that_is_cut_gives_the_blocks_that_are_left(archive: Archive) -> None:
    segment = segments_of(archive)[0]
    for table in tables_of(archive, segment):
        table.write_bytes(table.read_bytes()[: 120 + 256 * 32 + 16])
    found = rescued(archive.path)
    gone = check(archive, found)
    assert 0 < len(gone) < 60
    assert found.code == cli.Exit.DAMAGED


# Elsewhere.


def test_files_are_known_by_what_they_hold(archive: Archive, tmp_path: Path) -> None:
    """As after a check of a file system that had lost its directories; the head is lost, too."""
    found_there = tmp_path / "lost+found"
    (found_there / "deep").mkdir(parents=True)
    names = [name for name in vaults.tree(archive.path) if not name.endswith("head")]
    for number, name in enumerate(names):
        (archive.path / name).rename(found_there / ("deep" if number % 3 else "") / f"#{number}")
    (found_there / "letter.txt").write_text("nothing of a vault")
    (tmp_path / "clinic.vault.epoch").rename(tmp_path / "elsewhere")
    found = rescued(found_there, f"--epoch-store={tmp_path / 'elsewhere'}")
    assert check(archive, found) == set()
    assert found.code == 0


def test_the_index_is_not_needed(archive: Archive) -> None:
    for path in (archive.path / "index").iterdir():
        path.unlink()
    found = rescued(archive.path)
    assert (check(archive, found), found.code) == (set(), 0)


def test_files_of_another_vault_are_left_alone(archive: Archive, tmp_path: Path) -> None:
    other = vaults.make(tmp_path / "other.vault")
    for pattern in ("*.vseg", "*.vkey.1", "*.vjrn", "*.part", "head", "keyring.1"):
        for path in other.rglob(pattern):
            path.rename(archive.path / f"other-{path.parent.name}-{path.name}")
    found = rescued(archive.path)
    assert check(archive, found) == set()
    assert found.code == 0


@pytest.mark.parametrize("pattern", ["VAULT.1", "keyring.1", "*.vkey.1", "*.vseg", "*.vjrn", "*.part"])
def test_a_damaged_beginning_hides_no_file(archive: Archive, pattern: str) -> None:
    """The bytes that say what a file is; its name says it still, or the rest of it does."""
    for place in BOTH:
        (archive.path / f"{place}head").unlink()
    for number, path in enumerate(sorted(archive.path.rglob(pattern))):
        if "copies" not in path.parts:
            vaults.flip(path, 3)
            path.rename(path.with_name(f"#{number}") if number % 2 else path)
    assert check(archive, rescued(archive.path)) == set()

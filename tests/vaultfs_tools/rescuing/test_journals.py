"""Damaged journals, both copies alike: groups behind damage, headers, ends, void groups, and open blob segments."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.directory import PLACE
from vaultfs_format.frame import HEADER as FRAME
from vaultfs_format.group import GROUP, TRAILER, group_sizes
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_format.segment import SUPERBLOCK_SIZE

import vaultfs
from tests.vaultfs.support import crashed
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing.archive import ONE, Archive, Version, check, footer_of, in_file, overwrite, rescued


def _groups(archive: Archive, journal: Path) -> dict[int, set[Version]]:
    """Return where the groups of a journal begin that hold versions of records, in order."""
    found: dict[int, set[Version]] = {}
    for version, homes in archive.homes.items():
        for home in homes:
            if home.file == journal.stem:
                found.setdefault(home.offset, set()).add(version)
    return dict(sorted(found.items()))


def _proofs(found: Any) -> dict[Version, str]:
    return {(row["record"], row["version"]): row["proof"] for row in found.manifest}


def _overwrite_both(journal: Path, offset: int, data: bytes) -> None:
    for path in vaults.both(journal):
        overwrite(path, offset, data)


@pytest.fixture
def journal(archive: Archive) -> Path:
    """Return the last journal, which has several groups."""
    return vaults.journals_of(archive.path)[-1]


def test_a_group_that_is_unreadable_is_a_stretch_and_those_behind_it_are_chained_again(
    archive: Archive, journal: Path
) -> None:
    at, versions = list(_groups(archive, journal).items())[1]
    end = at + group_sizes(journal.read_bytes(), at).total
    _overwrite_both(journal, at, random.Random(1).randbytes(end - at - TRAILER))
    found = rescued(archive.path)
    gone = check(archive, found)
    assert versions <= gone
    (row,) = [row for row in found.missing if row["what"] == "stretch"]
    assert (row["journal"], row["from"], row["to"], row["code"]) == (journal.stem, at, end, 9214)
    later = set().union(*(held for start, held in _groups(archive, journal).items() if start > at)) - gone
    assert {_proofs(found)[version] for version in later} == {"journal, chained"}


def test_behind_a_group_of_which_nothing_is_left_one_is_not_chained(archive: Archive, journal: Path) -> None:
    starts = _groups(archive, journal)
    first = min(starts)
    end = first + group_sizes(journal.read_bytes(), first).total
    _overwrite_both(journal, first, bytes(end - first))
    found = rescued(archive.path)
    gone = check(archive, found)
    proofs = _proofs(found)
    following = [proofs[version] for start in list(starts)[1:] for version in sorted(starts[start] - gone)]
    assert following[0] == "journal, frame only"
    assert following[-1] == "journal, chained"


@pytest.mark.parametrize("section", ["body", "directory", "audit", "trailer", "sizes"])
def test_what_is_whole_of_a_damaged_group_comes_out(archive: Archive, journal: Path, section: str) -> None:
    at, versions = min(_groups(archive, journal).items())
    sizes = group_sizes(journal.read_bytes(), at)
    place = {
        "body": at + sizes.directory_offset - 20,
        "directory": at + sizes.directory_offset + 30,
        "audit": at + sizes.total - TRAILER - 20,
        "trailer": at + sizes.total - 40,
        "sizes": at + 8,
    }[section]
    vaults.flip_both(journal, place)
    found = rescued(archive.path)
    gone = check(archive, found)
    if section in ("audit", "trailer"):
        assert (gone, found.missing) == (set(), [])
        assert {_proofs(found)[version] for version in versions} == {"journal, frame only"}
    elif section == "body":  # that of the events comes last
        assert gone == set()
    else:
        assert gone
        assert gone <= versions | in_file(archive, journal)


def test_a_row_whose_commitment_is_damaged_in_both_copies_is_listed(archive: Archive, journal: Path) -> None:
    at, versions = min(_groups(archive, journal).items())
    sizes = group_sizes(journal.read_bytes(), at)
    vaults.flip_both(journal, at + sizes.directory_offset + PLACE.size + FRAME.offset_of("commitment"))
    found = rescued(archive.path)
    gone = check(archive, found)
    assert gone
    assert gone <= versions
    (row,) = [row for row in found.missing if row["what"] == "frame"]
    assert (row["journal"], row["code"], row["class"]) == (journal.stem, 9211, "record")


def test_a_journal_whose_header_is_damaged_where_no_key_depends_on_it_is_read(archive: Archive, journal: Path) -> None:
    for at in (120, 3000, 4050, 4090):
        vaults.flip_both(journal, at)
    found = rescued(archive.path)
    assert (check(archive, found), found.missing) == (set(), [])
    # The first group, which has no record in it, proves those behind it.
    assert min(_groups(archive, journal)) > HEADER_SIZE
    assert found.proofs() == {"segment, signed root", "journal, chained"}


@pytest.mark.parametrize("at", [0, 22, 30, 45])
def test_an_id_an_epoch_and_a_vault_id_are_known_from_elsewhere(archive: Archive, journal: Path, at: int) -> None:
    vaults.flip_both(journal, at)
    assert check(archive, rescued(archive.path)) == set()


def test_a_journal_whose_salt_is_lost_is_listed(archive: Archive, journal: Path) -> None:
    vaults.flip_both(journal, 60)
    found = rescued(archive.path)
    assert check(archive, found)
    (row,) = [row for row in found.missing if row["what"] == "journal"]
    assert (row["journal"], row["code"], row["size"]) == (journal.stem, 9216, journal.stat().st_size)


def test_a_journal_that_shows_by_its_groups_alone_what_it_is_is_listed(archive: Archive, journal: Path) -> None:
    _overwrite_both(journal, 0, bytes(HEADER_SIZE))
    vaults.mirror_of(journal).unlink()
    journal = journal.rename(archive.path / "#7")
    found = rescued(archive.path)
    assert check(archive, found)
    (row,) = [row for row in found.missing if row["what"] == "journal"]
    assert (row["journal"], row["code"], row["size"]) == (None, 9216, journal.stat().st_size)


def test_two_damaged_copies_of_a_journal_give_a_whole_one(archive: Archive, journal: Path) -> None:
    other = vaults.mirror_of(journal).rename(archive.path / "again")
    starts = list(_groups(archive, journal))
    overwrite(journal, starts[0], bytes(200))
    overwrite(other, 0, bytes(100))
    overwrite(other, starts[1], bytes(200))
    other.write_bytes(other.read_bytes()[: starts[-1] + 10])
    found = rescued(archive.path)
    assert (check(archive, found), found.missing) == (set(), [])
    assert found.proofs() == {"segment, signed root", "journal, chained"}


def test_a_journal_that_is_missing_is_listed_if_a_later_one_continues_it(archive: Archive) -> None:
    first, *_ = vaults.journals_of(archive.path)
    gone = in_file(archive, first)
    for copy in vaults.both(first):
        copy.unlink()
    found = rescued(archive.path)
    assert gone <= check(archive, found)
    assert first.stem in {row["journal"] for row in found.missing if row["what"] == "journal"}


def test_a_journal_that_ends_too_early_for_its_successor_is_listed(archive: Archive) -> None:
    first, *_ = vaults.journals_of(archive.path)
    at = list(_groups(archive, first))[-1]
    vaults.write(first, first.read_bytes()[:at])
    found = rescued(archive.path)
    assert check(archive, found)
    (row,) = [row for row in found.missing if row["what"] == "stretch"]
    assert (row["journal"], row["from"]) == (first.stem, at)


def test_a_torn_end_is_listed_and_zeros_are_not(archive: Archive, journal: Path) -> None:
    size = journal.stat().st_size
    vaults.write(journal, journal.read_bytes() + bytes(2_100_000))
    assert rescued(archive.path).code == 0
    _overwrite_both(journal, size, b"VGRP" + bytes(40) + b"torn")
    found = rescued(archive.path, out=archive.path.parent / "again")
    assert check(archive, found) == set()
    (row,) = found.missing
    assert (row["what"], row["from"], row["to"]) == ("stretch", size, size + 48)


def test_bodies_of_which_no_group_is_left_are_listed(archive: Archive, journal: Path) -> None:
    """The end of the journal is gone, at the border of a group, and nothing in it tells."""
    at = next(start for start, held in _groups(archive, journal).items() if len(held) == 2)
    data = journal.read_bytes()
    assert GROUP.unpack(data, at)[3] == 1  # it names a part file
    vaults.write(journal, data[:at])
    found = rescued(archive.path)
    part = next(path for path in archive.path.rglob("*.part") if path.stem in {r.get("segment") for r in found.missing})
    (row,) = found.missing
    assert (row["what"], row["to"], row["code"]) == ("part_file", part.stat().st_size, 9215)


def test_a_lost_part_file_costs_its_blobs_alone(archive: Archive) -> None:
    for part in archive.path.rglob("*.part"):
        part.unlink()
    found = rescued(archive.path)
    gone = check(archive, found)
    assert gone
    assert {row["what"] for row in found.missing} == {"record"}
    assert all(len(archive.put[version]) >= 70_000 for version in gone)


def test_a_part_file_needs_neither_superblock_nor_name(archive: Archive) -> None:
    for number, part in enumerate(sorted(archive.path.rglob("*.part"))):
        overwrite(part, 0, bytes(HEADER_SIZE))
        part.rename(archive.path / f"part {number}")
    found = rescued(archive.path)
    assert (check(archive, found), found.code) == (set(), 0)


def test_what_a_successor_declares_void_does_not_come_out(tmp_path: Path) -> None:
    """A group whose sync failed, and was never acknowledged: the record got another second version later."""
    with vaultfs.create(
        tmp_path / "v", recipients=[vaults.unlocking()], policy=vaultfs.PermitAll()
    ) as vault, vault.session(vaults.WHO, "TREAT") as session:  # fmt: skip
        with session.transaction() as txn:
            record = txn.put(b"first", kind="Basic", subject=ONE)
        before = crashed(tmp_path / "v", tmp_path / "early")
        with session.transaction() as txn:
            txn.put(b"void", kind="Basic", subject=ONE, replaces=record)
        after = crashed(tmp_path / "v", tmp_path / "late")
    with vaults.opened(before) as vault, vault.session(vaults.WHO, "TREAT") as session:
        with session.transaction() as txn:
            txn.put(b"second", kind="Basic", subject=ONE, replaces=record)
        (longer,) = (after / "journal").glob("*.vjrn")
        vaults.write(before / "journal" / longer.name, longer.read_bytes())
        with session.transaction() as txn:
            txn.put(b"third", kind="Basic", subject=ONE, replaces=record)
    found = rescued(before)
    contents = {version: data for (_, version), data in found.records().items()}
    assert (contents, found.missing) == ({1: b"first", 2: b"second", 3: b"third"}, [])


def test_access_journals_hold_no_records_and_are_not_missed(archive: Archive) -> None:
    with vaultfs.open_reader(
        archive.path, unlock=vaults.unlocking(), policy=vaultfs.PermitAll()
    ) as reader, reader.session(vaults.WHO, "TREAT") as session:  # fmt: skip
        session.find(subject=ONE)
    logs = list(archive.path.rglob("*.vacc"))
    assert logs
    found = rescued(archive.path)
    assert (check(archive, found), found.code) == (set(), 0)
    overwrite(logs[0], 100, os.urandom(100))
    assert rescued(archive.path, out=archive.path.parent / "again").code == 0


def test_a_settled_journal_that_comes_back_adds_nothing_and_is_not_missed(archive: Archive, tmp_path: Path) -> None:
    before = vaults.copied(archive.path, tmp_path / "before.vault")
    with vaults.opened(archive.path) as vault:
        vault.settle()
    for path in before.rglob("*.vjrn"):
        back = Path(shutil.copy(path, archive.path / "journal" / path.name))
        overwrite(back, HEADER_SIZE + 200, bytes(300))
    found = rescued(archive.path)
    assert (found.records(), found.missing) == (archive.put, [])


def test_what_settling_has_put_into_new_frames_comes_out_of_the_old_ones_too(archive: Archive, tmp_path: Path) -> None:
    """The bodies of the new segments are lost, and the journals that were settled into them come back."""
    before = vaults.copied(archive.path, tmp_path / "before.vault")
    kept = set(archive.path.rglob("*.vseg"))
    with vaults.opened(archive.path) as vault:
        vault.settle()
    for path in set(archive.path.rglob("*.vseg")) - kept:
        footer = footer_of(path)
        overwrite(path, SUPERBLOCK_SIZE, bytes(footer.bodies_length))
        overwrite(path, footer.parity_offset, bytes(footer.parity_length))
    found = rescued(archive.path)
    gone = archive.put.keys() - found.records().keys()
    assert gone
    assert gone == {(row["record"], row["version"]) for row in found.missing if row["what"] == "record"}
    for path in [*(before / "journal").glob("*.vjrn"), *(before / "segments").rglob("*.part")]:
        shutil.copy(path, archive.path / path.name)
    found = rescued(archive.path, out=archive.path.parent / "again")
    assert found.records() == archive.put
    assert found.what() == {"events"}  # of the settling itself

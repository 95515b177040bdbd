"""Damaged segments: parity, both copies of footers and leaf hashes, frames by their magic, and other copies."""

from __future__ import annotations

import dataclasses
import random
import shutil
from pathlib import Path

import pytest
from vaultfs_format.directory import PLACE
from vaultfs_format.frame import HEADER, FrameClass
from vaultfs_format.segment import SUPERBLOCK_SIZE
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DEFAULT

from tests.vaultfs.support import lost
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing.archive import (
    Archive,
    Version,
    check,
    footer_of,
    in_file,
    overwrite,
    rescued,
    segments_of,
    tables_of,
)


def _without_footers(path: Path) -> None:
    for at in footer_of(path).footer_offsets:
        overwrite(path, at, bytes(1024))


def _without_parity(path: Path) -> None:
    """Leave nothing that could heal a slice."""
    footer = footer_of(path)
    overwrite(path, footer.parity_offset, bytes(footer.parity_length))


def _offsets(archive: Archive, path: Path) -> dict[int, set[Version]]:
    """Return where the rows of a segment begin that hold versions of records, in order."""
    found: dict[int, set[Version]] = {}
    for version, homes in archive.homes.items():
        for home in homes:
            if home.file == path.stem:
                found.setdefault(home.offset, set()).add(version)
    return dict(sorted(found.items()))


def test_parity_heals_what_is_read(archive: Archive) -> None:
    for path in segments_of(archive) + segments_of(archive, FrameClass.BLOB):
        footer = footer_of(path)
        overwrite(path, SUPERBLOCK_SIZE, bytes(min(3000, footer.bodies_length)))
        overwrite(path, footer.directory_offset, bytes(100))
        path.write_bytes(path.read_bytes()[:-500])
    before = vaults.tree(archive.path)
    found = rescued(archive.path)
    assert check(archive, found) == set()
    assert found.code == 0
    assert found.proofs() == {"segment, signed root", "journal, chained"}
    assert vaults.tree(archive.path) == before


def test_a_slice_that_is_lost_with_its_hashes_takes_no_other_along(archive: Archive) -> None:
    """The root proves nothing of the segment then; what parity gives back elsewhere proves itself."""
    path = segments_of(archive, FrameClass.BLOB)[0]
    footer, data = footer_of(path), path.read_bytes()
    zone, gone, healed = footer.geometry.zones[0], 3, 31
    assert zone.stripe_of(gone) != zone.stripe_of(healed)
    lost(path, gone)
    for place, bit in zip(footer.leaves_offsets, (1, 2), strict=True):
        overwrite(path, place + 32 * gone, bytes([data[place + 32 * gone] ^ bit]))
    overwrite(path, healed * footer.geometry.slice_size + 9, bytes(50))
    assert len(check(archive, rescued(archive.path))) == 1


def test_bodies_that_are_lost_are_listed_by_record_and_version(archive: Archive) -> None:
    path = segments_of(archive, FrameClass.BLOB)[0]
    lost(path, 3)
    found = rescued(archive.path)
    gone = check(archive, found)
    assert gone
    rows = [row for row in found.missing if row["what"] == "record"]
    assert {(row["record"], row["version"]) for row in rows} == gone
    assert {row["code"] for row in rows} == {1203}
    assert len(rows) == len(found.missing)


def test_identifiers_whose_body_is_lost_are_listed_by_subject(archive: Archive) -> None:
    path = segments_of(archive)[0]
    footer = footer_of(path)
    overwrite(path, SUPERBLOCK_SIZE, bytes(footer.bodies_length))
    _without_parity(path)
    found = rescued(archive.path)
    assert check(archive, found)
    lost_ones = [row for row in found.missing if row["what"] == "identifier"]
    assert len(lost_ones) == len(archive.identifiers) - len({(row["system"], row["value"]) for row in found.subjects})
    assert all(len(row["subject"]) == 32 and row["segment"] == path.stem for row in lost_ones)


def test_a_segment_that_another_has_signed_is_proved_by_its_frames_alone(archive: Archive) -> None:
    path = segments_of(archive)[0]
    footer = footer_of(path)
    stranger = SigningKeys(DEFAULT, footer.signer, bytes(96))
    forged = dataclasses.replace(footer, signature=stranger.sign_segment(footer.statement())).encode()
    for at in footer.footer_offsets:
        overwrite(path, at, forged)
    found = rescued(archive.path)
    assert check(archive, found) == set()
    proofs = {(row["record"], row["version"]): row["proof"] for row in found.manifest}
    assert {proofs[version] for version in in_file(archive, path)} == {"segment, frame only"}


def test_a_blob_of_which_a_part_is_lost_leaves_no_file(archive: Archive) -> None:
    lost(segments_of(archive, FrameClass.BLOB)[0], 3)
    found = rescued(archive.path)
    files = {str(path.relative_to(found.out)) for path in (found.out / "records").iterdir()}
    listed = {row["file"] for row in found.manifest if row["file"]}
    assert {name for name in files if not name.endswith((".before", ".after"))} == listed


def test_without_footers_frames_are_found_by_their_magic(archive: Archive) -> None:
    paths = segments_of(archive) + segments_of(archive, FrameClass.BLOB)
    for path in paths:
        _without_footers(path)
    found = rescued(archive.path)
    assert check(archive, found) == set()
    assert found.code == 0
    proofs = {(row["record"], row["version"]): row for row in found.manifest}
    for version in set().union(*(in_file(archive, path) for path in paths)):
        assert proofs[version]["proof"] == "segment, frame only"
        assert proofs[version]["commit_proved"] is False


def test_a_segment_without_footers_and_head_says_how_many_frames_its_keys_are_for(archive: Archive) -> None:
    path = segments_of(archive)[0]
    _without_footers(path)
    for place in ("head", "copies/head"):
        (archive.path / place).unlink()
    assert rescued(archive.path).code == 0
    at = next(iter(_offsets(archive, path)))
    overwrite(path, at + PLACE.size, b"XXXX")
    found = rescued(archive.path, out=archive.path.parent / "again")
    assert check(archive, found) == _offsets(archive, path)[at]
    (row,) = [row for row in found.missing if row["what"] == "segment"]
    assert (row["found"], row["frames"] - row["found"], row["code"]) == (row["frames"] - 1, 1, 9118)


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize(
    "harm",
    [
        pytest.param((0, b"\xff"), id="place"),
        pytest.param((10, b"\xff\xff"), id="runs"),
        pytest.param((12, b"\xff"), id="reserved"),
        pytest.param((PLACE.size + HEADER.size + 4, bytes(8)), id="commit"),
    ],
)
def test_a_row_whose_unsealed_fields_are_damaged_gives_its_frame(
    archive: Archive, harm: tuple[int, bytes], footers: bool
) -> None:
    path = segments_of(archive)[0]
    rows = list(_offsets(archive, path))
    for at in rows[5:50:7]:
        overwrite(path, at + harm[0], harm[1])
    _without_parity(path)
    if not footers:
        _without_footers(path)
    found = rescued(archive.path)
    assert check(archive, found) == set()
    harmed = set().union(*(_offsets(archive, path)[at] for at in rows[5:50:7]))
    assert not any(row["commit_proved"] for row in found.manifest if (row["record"], row["version"]) in harmed)


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("at", [PLACE.size + 1, PLACE.size + 12, PLACE.size + 24, PLACE.size + 32, PLACE.size + 60])
def test_a_frame_whose_header_is_damaged_is_listed_and_those_behind_it_come_out(
    archive: Archive, at: int, footers: bool
) -> None:
    path = segments_of(archive)[0]
    offsets = _offsets(archive, path)
    rows = list(offsets)
    for row in rows[5:50:7]:
        vaults.flip(path, row + at)
    _without_parity(path)
    if not footers:
        _without_footers(path)
    found = rescued(archive.path)
    assert check(archive, found) == set().union(*(offsets[row] for row in rows[5:50:7]))


def test_a_frame_whose_entries_are_damaged_is_listed_with_their_number(archive: Archive) -> None:
    """One of records of one version each: nothing else tells of them."""
    path = segments_of(archive)[0]
    offsets = _offsets(archive, path).items()
    crowd = [one for one in offsets if all(archive.put.get(held, b"").startswith(b"crowd") for held in one[1])]
    at, versions = crowd[9]
    vaults.flip(path, at + PLACE.size + HEADER.size + 12 + 20)
    _without_parity(path)
    found = rescued(archive.path)
    assert check(archive, found) == versions
    (row,) = found.missing
    assert (row["what"], row["segment"], row["offset"], row["code"]) == ("frame", path.stem, at, 1203)
    assert row["entries"] >= len(versions)
    assert row["class"] == "record"


def test_frames_behind_a_hole_in_the_directory_find_their_keys(archive: Archive) -> None:
    path = segments_of(archive)[0]
    offsets = _offsets(archive, path)
    first, last = list(offsets)[20], list(offsets)[90]
    overwrite(path, first, random.Random(3).randbytes(last - first))
    _without_parity(path)
    found = rescued(archive.path)
    assert check(archive, found) == set().union(*(held for at, held in offsets.items() if first <= at < last))
    (row,) = [row for row in found.missing if row["what"] == "stretch"]
    assert (row["segment"], row["from"], row["to"]) == (path.stem, first, last)


def test_two_damaged_copies_of_a_segment_give_a_whole_one(archive: Archive, tmp_path: Path) -> None:
    path = segments_of(archive, FrameClass.BLOB)[0]
    other = Path(shutil.copy(path, archive.path / "second copy"))
    middle = 20 * footer_of(path).geometry.slice_size
    overwrite(path, 0, bytes(middle))
    _without_parity(path)
    overwrite(other, middle, bytes(other.stat().st_size - middle))
    found = rescued(archive.path)
    assert check(archive, found) == set()
    assert found.code == 0


def test_a_segment_of_which_only_bytes_are_left_is_looked_through(archive: Archive) -> None:
    """Its beginning, its footers and its name are gone."""
    path = segments_of(archive)[0]
    _without_footers(path)
    overwrite(path, 0, bytes(SUPERBLOCK_SIZE))
    path.rename(archive.path / "fragment")
    found = rescued(archive.path)
    assert (check(archive, found), found.missing) == (set(), [])


def test_bytes_of_a_segment_without_name_and_keys_are_listed(archive: Archive) -> None:
    path = segments_of(archive)[0]
    for place in [*tables_of(archive, path), archive.path / "head", archive.path / "copies/head"]:
        place.unlink()
    _without_footers(path)
    overwrite(path, 0, bytes(SUPERBLOCK_SIZE))
    versions = in_file(archive, path)
    path.rename(archive.path / "fragment")
    found = rescued(archive.path)
    assert check(archive, found) == versions
    (row,) = [row for row in found.missing if row["what"] == "segment"]
    assert (row["segment"], row["code"]) == (None, 9211)


def test_a_segment_that_is_cut_gives_what_is_left(archive: Archive) -> None:
    path = segments_of(archive)[0]
    offsets = _offsets(archive, path)
    end = list(offsets)[100]
    path.write_bytes(path.read_bytes()[:end])
    found = rescued(archive.path)
    assert check(archive, found) == set().union(*(held for at, held in offsets.items() if at >= end))
    assert "segment" in found.what()


def test_what_was_merged_or_never_finished_is_not_missed(archive: Archive, tmp_path: Path) -> None:
    """An older segment that comes back: all that it holds is in a newer one that the head names."""
    before = vaults.copied(archive.path, tmp_path / "before.vault")
    with vaults.opened(archive.path) as vault:
        for year in range(2030, 2042):
            with vault.session(vaults.WHO, "TREAT") as session, session.transaction() as txn:
                txn.put(b"later %d" % year, kind="Observation", subject=None)
            vault.settle()
    gone = [path for path in before.rglob("*.vseg") if not (archive.path / path.relative_to(before)).exists()]
    assert gone
    for path in gone:
        end = path.stat().st_size
        shutil.copy(path, archive.path / path.name)
        overwrite(archive.path / path.name, 100, bytes(end // 2 - 100))
    found = rescued(archive.path)
    assert (found.code, found.missing) == (0, [])
    assert archive.put.items() <= found.records().items()

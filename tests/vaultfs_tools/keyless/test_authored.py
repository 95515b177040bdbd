"""Vaults whose every digest and signature is right, and which break a rule that no writer of the project breaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaultfs_format.directory import encode_row
from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import SUPERBLOCK_SIZE
from vaultfs_tools.keyless import Finding, Severity
from vectors import scenes, world
from vectors.author import closing, journal, runs_of, segment
from vectors.operations.registry import Directory
from vectors.operations.vaults import lay_out
from vectors.topics.chains import third_group

from tests.vaultfs_tools import vaults


def _findings(files: dict[str, bytes], place: Path) -> list[Finding]:
    lay_out(Directory(files), place)
    return vaults.findings(place)


def test_a_group_behind_a_closing_record_is_damage(tmp_path: Path) -> None:
    groups = [*scenes.GROUPS, closing(3), third_group(4)]
    found = _findings(scenes.live_with(journal(scenes.JOURNAL.header, groups)), tmp_path)
    assert vaults.names(found) == ["FieldInvalid"]


def _overlapping(frame_class: FrameClass) -> dict[str, bytes]:
    blob = frame_class is FrameClass.BLOB
    frames = scenes.PART_FRAMES[:2] if blob else [scenes.PERSON, world.RECORDS]
    rows = [encode_row(one.encoded, one.entries, SUPERBLOCK_SIZE, 0, runs_of([one], 1)[0]) for one in frames]
    name = "blob" if blob else "record"
    return scenes.settled_with({name: segment(name, frame_class, frames, years=(2001, 2001), rows=rows)})


@pytest.mark.parametrize("frame_class", [FrameClass.RECORD, FrameClass.BLOB])
def test_bodies_that_overlap_are_damage(tmp_path: Path, frame_class: FrameClass) -> None:
    found = _findings(_overlapping(frame_class), tmp_path)
    assert set(vaults.names(found)) == {"Disagreement"}


def test_bodies_of_records_fill_their_section(tmp_path: Path) -> None:
    longer = segment("record", FrameClass.RECORD, [scenes.PERSON], years=(2001, 2001), bodies=scenes.PERSON.body + b"x")
    assert vaults.names(_findings(scenes.settled_with({"record": longer}), tmp_path)) == ["Disagreement"]


def test_a_segment_of_a_newer_version_is_not_damaged_whatever_follows_its_prefix(tmp_path: Path) -> None:
    lay_out(Directory(scenes.SETTLED), tmp_path)
    for path in tmp_path.rglob("*.vseg"):
        vaults.make_newer(path)
    assert Severity.ERROR not in {
        one.severity for one in vaults.findings(tmp_path) if one.file.endswith(".vseg") and "/audit/" not in one.file
    }


def test_an_older_segment_is_litter_only_where_its_frames_are_in_force(tmp_path: Path) -> None:
    for name, frames, expected in (("taken in", [scenes.PERSON], "Superseded"), ("lost", [world.RECORDS], "NotNamed")):
        stray = segment(name, FrameClass.RECORD, frames, years=(2001, 2001))
        found = _findings(scenes.SETTLED | stray.files(), tmp_path / name.replace(" ", "-"))
        assert vaults.names(found) == [expected] * 3

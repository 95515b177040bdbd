"""What is well formed and was not written by this vault, or not by this version, is not gone on from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
from vaultfs_format.directory import FrameRow
from vaultfs_format.head import Head
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

import vaultfs
from tests.vaultfs.support import MRN, crashed, files_of, get, lost, put, reopen, session
from vaultfs.errors import MacMismatch, UnsupportedVersion, VaultDamaged

HEADS = ("head", "copies/head")


@pytest.fixture
def settled(vault: vaultfs.Vault, tmp_path: Path) -> tuple[Path, vaultfs.RecordId]:
    """Return the bytes of a settled vault without its index, and a record of it."""
    record = put(vault)
    vault.settle()
    return crashed(vault.path, tmp_path / "settled", index=False), record


@pytest.mark.parametrize("name", HEADS)
def test_a_newer_head_that_is_not_the_vaults_own_gives_way_to_the_other_copy(
    settled: tuple[Path, vaultfs.RecordId], name: str
) -> None:
    path, record = settled
    own = (path / name).read_bytes()
    head = Head.decode(own)
    (path / name).write_bytes(replace(head, generation=head.generation + 1).encode(bytes(32)))
    with reopen(path) as vault:
        assert get(vault, record) == b"data"
    assert {(path / one).read_bytes() for one in HEADS} == {own}


def test_two_heads_that_are_not_the_vaults_own_are_refused(settled: tuple[Path, vaultfs.RecordId]) -> None:
    path, _ = settled
    for name in HEADS:
        (path / name).write_bytes(Head.decode((path / name).read_bytes()).encode(bytes(32)))
    with pytest.raises(MacMismatch):
        reopen(path)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_a_newer_format_is_not_overwritten(settled: tuple[Path, vaultfs.RecordId], name: str) -> None:
    path, _ = settled
    data = (path / name).read_bytes()
    start = data[:8] + b"\x63" + data[9:12]
    newer = start + crc32(start).to_bytes(4, "little") + data[16:]
    (path / name).write_bytes(newer)
    with pytest.raises(UnsupportedVersion):
        reopen(path)
    assert (path / name).read_bytes() == newer


def test_a_commit_number_that_was_changed_in_a_segment_does_not_enter_the_index(
    settled: tuple[Path, vaultfs.RecordId],
) -> None:
    """Commit numbers stand outside of what is sealed; they decide which of two statements is the newer one."""
    path, _ = settled
    (segment,) = [file for file in files_of(path, "*.vseg") if "record" in file.parts]
    data = bytearray(segment.read_bytes())
    footer = SegmentFooter.decode(bytes(data[-FOOTER_SIZE:]), len(data))
    row, end = FrameRow.decode(bytes(data), footer.directory_offset)
    commit = end - len(row.entries) - 8
    assert int.from_bytes(data[commit : commit + 8], "little") == row.runs[-1][1]
    data[commit] ^= 1
    segment.write_bytes(data)
    with reopen(path) as vault, session(vault) as s:
        assert row.runs[-1][1] in {info.commit for info in s.find(subject=MRN)}
    lost(segment, *range(footer.geometry.slices))
    shutil.rmtree(path / "index")
    with pytest.raises(VaultDamaged):
        reopen(path)

"""Files that somebody put among those of a vault: none exhausts memory, hangs a rescue, or leads it to other places."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format.directory import PLACE
from vaultfs_format.frame import HEADER as FRAME
from vaultfs_format.frame import FrameClass
from vaultfs_format.group import GROUP
from vaultfs_format.limits import GIB, MIB
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter, segment_length

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing.archive import (
    Archive,
    Rescued,
    check,
    footer_of,
    in_file,
    overwrite,
    rescued,
    segments_of,
    written,
)

ID = bytes(range(16))
MEMORY = GIB // 2
"""Bytes of addresses that a rescue gets here, most of which are the interpreter's and the libraries'."""

PATIENCE = 60
"""Seconds: any of these files would take hours otherwise."""


def _bounded(vault: Path) -> Rescued:
    """Rescue a vault in a process that has little memory, and little time."""
    out, secret = vault.parent / "out", vault.parent / "passphrase"
    secret.write_bytes(vaults.SECRET)
    secret.chmod(0o600)
    words = [str(vault), str(out), f"--passphrase-file={secret}"]
    program = f"import sys; from vaultfs_tools import rescue; sys.exit(rescue.main({words!r}))"

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    code = subprocess.run([sys.executable, "-c", program], timeout=PATIENCE, preexec_fn=bound, check=False).returncode
    return written(code, out)


def _sparse(path: Path, size: int, **ends: bytes) -> None:
    """Write a file that is a hole but for its first and last bytes."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.write(ends.get("first", b""))
        file.truncate(size)
        file.seek(size - len(ends.get("last", b"")))
        file.write(ends.get("last", b""))


def _hollow_footer(footer: SegmentFooter, covered: int) -> SegmentFooter:
    """Return a footer that states that a segment covers so many bytes, most of them bodies."""
    head = replace(footer.head, covered=covered, segment_id=ID, generation=1 << 40)
    bodies = covered - SUPERBLOCK_SIZE - footer.directory_length - footer.audit_length
    return replace(footer, head=head, bodies_length=bodies)


@pytest.mark.parametrize("covered", [1 << 40, 1 << 42], ids=["1 TiB", "4 TiB"])
def test_a_segment_that_is_a_hole_costs_nothing(archive: Archive, covered: int) -> None:
    footer = _hollow_footer(footer_of(segments_of(archive)[0]), covered)
    path = archive.path / f"{ID.hex()}.vseg"
    _sparse(path, segment_length(covered), first=footer.head.encode(), last=footer.encode())
    found = _bounded(archive.path)
    assert check(archive, found) == set()
    (row,) = found.missing
    assert (row["what"], row["segment"], row["code"]) == ("segment", ID.hex(), 9118)


def test_holes_under_any_names_cost_nothing(archive: Archive) -> None:
    for number, end in enumerate((".vseg", ".part", ".vjrn", "", "stranger")):
        _sparse(archive.path / f"{number:032x}{end}", 1 << 42)
    assert check(archive, _bounded(archive.path)) == set()


@pytest.mark.parametrize("size", [GIB, 1 << 40], ids=["1 GiB", "1 TiB"])
def test_small_files_that_are_large_are_not_read(archive: Archive, size: int) -> None:
    for name in ("head", "keyring.1", "VAULT.1", f"{ID.hex()}.vkey.1", "secret.1"):
        path = archive.path / name
        start = path.read_bytes() if path.exists() else b""
        _sparse(path, size, first=start, last=start or b"end")
    found = _bounded(archive.path)
    assert (check(archive, found), found.missing) == (set(), [])


def test_a_large_head_without_holes_is_not_read(archive: Archive) -> None:
    with (archive.path / "head").open("ab") as file:
        for _ in range(320):
            file.write(b"\xff" * MIB)
    found = _bounded(archive.path)
    assert (check(archive, found), found.missing) == (set(), [])


def _groups(archive: Archive) -> bytes:
    journal = vaults.journals_of(archive.path)[-1]
    at = vaults.groups_of(journal)[1]
    return journal.read_bytes()[at : at + GROUP.size] * (1 << 14)


def _frames(archive: Archive) -> bytes:
    segment = segments_of(archive)[0]
    row = segment.read_bytes()[footer_of(segment).directory_offset :][: PLACE.size + FRAME.size]
    return b"".join([row[:-48] + os.urandom(48) for _ in range(1 << 11)])


@pytest.mark.parametrize("fill", [_groups, _frames])
def test_beginnings_of_groups_and_rows_by_the_thousand_cost_little(
    archive: Archive, fill: Callable[[Archive], bytes]
) -> None:
    data = fill(archive)
    for name in (f"{ID.hex()}.vseg", f"{ID.hex()}.vjrn", "stranger"):
        (archive.path / name).write_bytes(data)
    assert check(archive, _bounded(archive.path)) == set()


def test_pipes_in_the_place_of_files_do_not_hang_it(archive: Archive) -> None:
    for name in ("head", "stranger", f"journal/{ID.hex()}.vjrn", f"segments/{ID.hex()}.vseg"):
        (archive.path / name).unlink(missing_ok=True)
        os.mkfifo(archive.path / name)
    assert check(archive, _bounded(archive.path)) == set()


@pytest.mark.parametrize("directory", [False, True], ids=["file", "directory"])
def test_links_lead_nowhere(archive: Archive, tmp_path: Path, *, directory: bool) -> None:
    """What lies behind them would come out otherwise."""
    segment = segments_of(archive)[0]
    held = in_file(archive, segment)
    place = segment.parent if directory else segment
    other = tmp_path / "elsewhere"
    place.rename(other)
    place.symlink_to(other, target_is_directory=directory)
    found = _bounded(archive.path)
    assert check(archive, found) >= held
    assert segment.stem in {row.get("segment") for row in found.missing}


def test_mirrors_behind_a_link_are_on_another_disk(archive: Archive, tmp_path: Path) -> None:
    copies = archive.path / "copies"
    copies.rename(tmp_path / "other disk")
    copies.symlink_to(tmp_path / "other disk")
    for journal in vaults.journals_of(archive.path):
        journal.unlink()
    found = _bounded(archive.path)
    assert (check(archive, found), found.missing) == (set(), [])


def test_a_footer_of_nobody_does_not_stand_before_one_that_is_signed(archive: Archive) -> None:
    path = segments_of(archive, FrameClass.BLOB)[0]
    footer = footer_of(path)
    forged = replace(footer, root=bytes(32), parity_root=bytes(32), signature=bytes(64))
    overwrite(path, path.stat().st_size - FOOTER_SIZE, forged.encode())
    found = rescued(archive.path)
    assert (check(archive, found), found.missing) == (set(), [])
    assert found.proofs() == {"segment, signed root", "journal, chained"}

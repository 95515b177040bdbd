"""Part files, of which nothing but keys tells whether they are right: the copy has what most of the files agree on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from vaultfs_format.copymark import CopyMark

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, errors

BODIES = slice(4096, None)
"""All but the superblock, which a copy has another one of."""
AT = 50_000


def parts(place: Path) -> list[Path]:
    """Return a part file, and its mirror."""
    name = min(path.relative_to(place) for path in (place / "segments").rglob("*.part"))
    return [place / name, place / "copies" / name]


def bodies(place: Path) -> list[bytes]:
    """Return the bodies in a part file, and those in its mirror."""
    return [path.read_bytes()[BODIES] for path in parts(place)]


@contextmanager
def unreadable(*paths: Path) -> Iterator[None]:
    """Have the device report errors where a sector of some files is read."""
    bad, real = {os.stat(path).st_ino for path in paths}, os.preadv

    def preadv(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        end = offset + sum(map(len, buffers))
        if os.fstat(descriptor).st_ino in bad and offset <= AT < end:
            raise OSError(errno.EIO, "I/O error")
        return real(descriptor, buffers, offset)

    with mock.patch("os.preadv", preadv):
        yield


def test_part_files_that_have_rotted_are_made_good_where_that_is_asked_for(vault: Path, made: Path) -> None:
    for path in parts(made):
        vaults.flip(path, AT)
    assert copy(vault, made).bytes == 0
    assert bodies(made) != bodies(vault)
    assert copy(vault, made, verify=True).bytes == 2 * 4096
    assert bodies(made) == bodies(vault)
    assert copy(vault, made, verify=True).bytes == 0


@pytest.mark.parametrize("mirror", [True, False])
def test_a_part_file_that_has_rotted_in_the_vault_takes_the_place_of_none_that_is_good(
    vault: Path, made: Path, mirror: bool
) -> None:
    expected = bodies(made)
    file, other = parts(vault)
    vaults.flip(file, AT)
    if not mirror:
        other.unlink()
    copy(vault, made, verify=True)
    assert bodies(made) == expected


def test_what_the_device_does_not_give_is_named_until_it_does(vault: Path, tmp_path: Path) -> None:
    name = str(parts(vault)[0].relative_to(vault))
    with unreadable(*parts(vault)):
        for _ in range(2):
            assert errors(copy(vault, tmp_path / "new")) == [(name, 9102)]
            assert CopyMark.decode((tmp_path / "new" / "copy").read_bytes()).doubtful
            lost = [data[AT - 4096] for data in bodies(tmp_path / "new")]
            assert lost == [0, 0]
            assert [len(data) for data in bodies(tmp_path / "new")] == [len(data) for data in bodies(vault)]
    assert errors(copy(vault, tmp_path / "new")) == []
    assert bodies(tmp_path / "new") == bodies(vault)
    assert not CopyMark.decode((tmp_path / "new" / "copy").read_bytes()).doubtful


def test_what_the_copy_has_stays_where_the_device_gives_nothing(vault: Path, made: Path) -> None:
    expected = bodies(made)
    with unreadable(*parts(vault)):
        assert errors(copy(vault, made, verify=True)) == []
    assert bodies(made) == expected


def test_a_mirror_that_is_missing_in_the_copy_is_made(vault: Path, made: Path) -> None:
    parts(made)[1].unlink()
    copy(vault, made)
    assert bodies(made) == bodies(vault)

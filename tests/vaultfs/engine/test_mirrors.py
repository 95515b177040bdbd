"""Journals and open blob segments are there twice: damage to one of the copies loses nothing and stops nothing."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from vaultfs_format.group import group_sizes
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_tools import fsck
from vaultfs_tools.cli import Exit

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import (
    MRN,
    PASSPHRASE,
    answers,
    crashed,
    drop_mirrors,
    files_of,
    get,
    put,
    read_only,
    reopen,
    session,
)
from vaultfs.errors import StorageFailed, StorageFull, VaultDamaged
from vaultfs.metrics import Counter, Tally
from vaultfs.testing.quota import QuotaVfs
from vaultfs.vfs import Buffer, File, Vfs

Opened = vaultfs.Vault


def mirror_of(vault: Path, path: Path) -> Path:
    """Return the mirror of a file."""
    return vault / "copies" / path.relative_to(vault)


def flip(path: Path, at: int) -> None:
    """Change a bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def groups_of(journal: bytes) -> list[int]:
    """Return where the groups of a journal begin, and where the last one ends."""
    offsets = [HEADER_SIZE]
    while offsets[-1] < len(journal):
        offsets.append(offsets[-1] + group_sizes(journal, offsets[-1]).total)
    return offsets


@pytest.fixture
def filled(vault: vaultfs.Vault) -> vaultfs.Vault:
    """Return a vault with records and a blob in its journal."""
    for number in range(4):
        put(vault, b"record %d" % number)
    put(vault, random.Random(1).randbytes(300_000))
    with session(vault) as s, s.transaction() as txn:
        txn.set_state("ns", b"k", b"value")
    return vault


def test_a_mirror_is_the_file_byte_for_byte(filled: vaultfs.Vault) -> None:
    path = filled.path
    filled.close()
    for pattern in ("*.vjrn", "*.part"):
        (file,) = files_of(path, pattern)
        assert mirror_of(path, file).read_bytes() == file.read_bytes()


def test_every_byte_of_a_journal_that_flips_is_healed_when_the_vault_is_opened(
    filled: vaultfs.Vault, tmp_path: Path
) -> None:
    before = answers(filled)
    copy = crashed(filled.path, tmp_path / "copy", index=False)
    (journal,) = files_of(copy, "*.vjrn")
    good = journal.read_bytes()
    chance = random.Random(2)
    for at in (*range(0, HEADER_SIZE, 256), *chance.sample(range(HEADER_SIZE, len(good)), 60)):
        place = crashed(copy, tmp_path / f"at{at}", index=False)
        flip(place / "journal" / journal.name, at)
        with reopen(place) as again:
            assert answers(again) == before
        shutil.rmtree(place.parent)


def test_damage_to_both_copies_in_different_groups_is_healed(filled: vaultfs.Vault, tmp_path: Path) -> None:
    before = answers(filled)
    copy = crashed(filled.path, tmp_path / "copy", index=False)
    (journal,) = files_of(copy, "*.vjrn")
    good = journal.read_bytes()
    offsets = groups_of(good)
    flip(journal, offsets[1] + 100)
    flip(mirror_of(copy, journal), offsets[2] + 100)
    flip(mirror_of(copy, journal), 30)
    with reopen(copy) as again:
        assert answers(again) == before
        assert journal.read_bytes()[: len(good)] == good


def test_damage_to_both_copies_of_one_group_is_damage(filled: vaultfs.Vault, tmp_path: Path) -> None:
    copy = crashed(filled.path, tmp_path / "copy", index=False)
    (journal,) = files_of(copy, "*.vjrn")
    at = groups_of(journal.read_bytes())[1] + 100
    flip(journal, at)
    flip(mirror_of(copy, journal), at)
    with pytest.raises(VaultDamaged):
        reopen(copy)


@pytest.mark.parametrize("kept", [0, 3])
def test_groups_that_only_the_mirror_shows_to_be_durable_are_not_given_up(
    filled: vaultfs.Vault, tmp_path: Path, kept: int
) -> None:
    """The file ends after some groups, and the mirror is damaged in the next one alone: keys and none find damage."""
    copy = crashed(filled.path, tmp_path / "copy", index=False)
    (journal,) = files_of(copy, "*.vjrn")
    offsets = groups_of(journal.read_bytes())
    os.truncate(journal, offsets[kept])
    flip(mirror_of(copy, journal), offsets[kept] + 100)
    with pytest.raises(VaultDamaged):
        reopen(copy)
    assert fsck.main([str(copy), "-n"]) == Exit.DAMAGED


def test_a_torn_mirror_of_a_torn_journal_is_no_damage(filled: vaultfs.Vault, tmp_path: Path) -> None:
    """The last group is in neither: nobody says that it was durable."""
    copy = crashed(filled.path, tmp_path / "copy", index=False)
    (journal,) = files_of(copy, "*.vjrn")
    last = groups_of(journal.read_bytes())[-2]
    os.truncate(journal, last)
    flip(mirror_of(copy, journal), last + 100)
    with reopen(copy) as again, session(again) as s:
        assert len(s.find(subject=MRN)) == 5


def test_a_journal_whose_mirror_has_groups_was_used(filled: vaultfs.Vault, tmp_path: Path) -> None:
    """The file is torn in its header, and the header of the mirror is damaged, too: the groups are not given up."""
    copy = crashed(filled.path, tmp_path / "copy", index=False)
    (journal,) = files_of(copy, "*.vjrn")
    os.truncate(journal, 100)
    flip(mirror_of(copy, journal), 30)
    with pytest.raises(VaultDamaged):
        reopen(copy)
    assert journal.exists()


def test_what_only_the_mirror_has_is_not_given_up_for_want_of_space(filled: vaultfs.Vault, tmp_path: Path) -> None:
    before = answers(filled)
    copy = crashed(filled.path, tmp_path / "copy", index=False)
    (journal,) = files_of(copy, "*.vjrn")
    os.truncate(journal, HEADER_SIZE)
    with pytest.raises(StorageFull):
        reopen(copy, vfs=QuotaVfs(0))
    with reopen(copy) as again:
        assert answers(again) == before


@pytest.mark.parametrize("pattern", ["*.vjrn", "*.part"])
def test_a_file_that_is_lost_comes_back_from_its_mirror(filled: vaultfs.Vault, tmp_path: Path, pattern: str) -> None:
    before = answers(filled)
    for index in (True, False):
        copy = crashed(filled.path, tmp_path / f"copy{index}", index=index)
        (file,) = files_of(copy, pattern)
        file.unlink()
        with reopen(copy) as again:
            assert answers(again) == before
            again.settle()
            assert answers(again) == before


def test_a_running_vault_reads_what_rots_from_the_mirror(opened: type, tmp_path: Path) -> None:
    tally = Tally()
    vault = opened(options=vaultfs.Options(metrics=tally))
    data = [os.urandom(5000), os.urandom(200_000)]
    records = [put(vault, one) for one in data]
    for pattern in ("*.vjrn", "*.part"):
        (file,) = files_of(vault.path, pattern)
        size = file.stat().st_size
        with file.open("r+b") as damaged:
            damaged.seek(HEADER_SIZE)
            damaged.write(bytes(size - HEADER_SIZE))
    assert [get(vault, record) for record in records] == data
    with session(vault) as s, s.open(records[1]) as stream:
        assert stream.read() == data[1]
    assert tally.counts[Counter.HEALED_READS] >= 2


@pytest.mark.parametrize("pattern", ["*.vjrn", "*.part"])
def test_a_settling_takes_from_the_mirror_what_rots_in_the_file(filled: vaultfs.Vault, pattern: str) -> None:
    before = answers(filled)
    (file,) = files_of(filled.path, pattern)
    flip(file, HEADER_SIZE + 1000)
    mirrors = [path for path in (filled.path / "copies").rglob("*") if path.suffix in {".vjrn", ".part"}]
    assert len(mirrors) == 2
    filled.settle()
    assert answers(filled) == before
    assert not any(path.exists() for path in mirrors)
    filled.close()
    assert fsck.main([str(filled.path)]) == 0


def test_a_doubtful_blob_is_written_again_from_the_mirror(vault: vaultfs.Vault, tmp_path: Path) -> None:
    data = os.urandom(200_000)
    record = put(vault, data)
    copy = crashed(vault.path, tmp_path / "copy", index=False)
    (part,) = files_of(copy, "*.part")
    flip(part, 10_000)
    with reopen(copy) as again:
        assert get(again, record) == data
        again.settle()
        assert get(again, record) == data


def test_a_reader_reads_what_rots_from_the_mirror(filled: vaultfs.Vault, tmp_path: Path) -> None:
    """It heals nothing: it only reads."""
    with session(filled) as s:
        infos = s.find(subject=MRN)
    copy = crashed(filled.path, tmp_path / "copy")
    for pattern in ("*.vjrn", "*.part"):
        (file,) = files_of(copy, pattern)
        harmed = bytearray(file.read_bytes())
        for at in range(HEADER_SIZE + 100, len(harmed), 50):
            harmed[at] ^= 1
        file.write_bytes(harmed)
    held = {path: path.read_bytes() for path in files_of(copy, "*.vjrn")}
    with read_only(copy, index=tmp_path / "own") as reader:
        for info in infos:
            assert get(reader, info.id) == get(filled, info.id)
    assert {path: path.read_bytes() for path in files_of(copy, "*.vjrn")} == held


class _NoMirrors(Vfs):
    """A disk on which mirrors cannot be written, after so many writes."""

    def __init__(self, after: int) -> None:
        self.left = after

    def file(self, descriptor: int, path: Path) -> File:
        mirror = "copies" in path.parts and path.suffix in {".vjrn", ".part"}
        return _Failing(descriptor, self) if mirror else File(descriptor)


class _Failing(File):
    def __init__(self, descriptor: int, vfs: _NoMirrors) -> None:
        super().__init__(descriptor)
        self._vfs = vfs

    def append(self, pieces: Sequence[Buffer], offset: int) -> int:
        self._vfs.left -= 1
        if self._vfs.left < 0:
            raise StorageFailed
        return super().append(pieces, offset)

    def truncate(self, length: int) -> None:
        raise StorageFailed

    def sync(self) -> None:
        raise StorageFailed


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_a_mirror_that_cannot_be_written_keeps_nobody_from_anything(tmp_path: Path, after: int) -> None:
    options = {"recipients": [PASSPHRASE], "policy": vaultfs.PermitAll()}
    with vaultfs.create(tmp_path / "v", **options, vfs=_NoMirrors(after)) as vault:  # type: ignore[arg-type]
        data = [b"one", os.urandom(100_000), b"two"]
        records = [put(vault, one) for one in data]
        with session(vault) as s:
            txn = s.transaction()
            txn.put(os.urandom(100_000), kind="Binary", subject=None)
            txn.rollback()
    with reopen(tmp_path / "v") as vault:
        assert [get(vault, record) for record in records] == data
        vault.settle()
        assert [get(vault, record) for record in records] == data


class _OtherDisk(QuotaVfs):
    """A disk for the second copies alone that has a size."""

    def file(self, descriptor: int, path: Path) -> File:
        return super().file(descriptor, path) if "copies" in path.parts else File(descriptor)


@pytest.fixture
def other() -> _OtherDisk:
    """Return a disk for second copies, with space."""
    return _OtherDisk(1 << 30)


def test_a_mirror_keeps_what_it_has_when_its_disk_is_full(opened: Open, other: _OtherDisk) -> None:
    vault = opened(vfs=other)
    for _ in range(4):
        put(vault, os.urandom(20_000))
    (journal,) = files_of(vault.path, "*.vjrn")
    mirror = mirror_of(vault.path, journal)
    held = mirror.read_bytes()
    assert held == journal.read_bytes()
    other.left = -(1 << 30)  # what is removed makes no space for anybody
    put(vault, b"more")
    vault.close()
    assert mirror.read_bytes() == held


def test_a_mirror_goes_on_where_it_ended_when_there_is_space_again(opened: Open, other: _OtherDisk) -> None:
    vault = opened(vfs=other)
    (journal,) = files_of(vault.path, "*.vjrn")
    mirror = mirror_of(vault.path, journal)
    put(vault, b"before")
    other.left = 500
    for _ in range(3):
        put(vault, os.urandom(5_000))
    os.link(mirror, vault.path / "held")
    assert len(mirror.read_bytes()) < len(journal.read_bytes())
    other.left = 1 << 30
    vault.close()
    assert mirror.read_bytes() == journal.read_bytes()
    assert mirror.samefile(vault.path / "held")


def test_a_file_that_rots_is_not_written_over_its_mirror(opened: Open, tmp_path: Path, other: _OtherDisk) -> None:
    """Of what has rotted in the file the mirror has the only good copy."""
    vault = opened(vfs=other)
    records = [put(vault, b"%d" % number) for number in range(4)]
    (journal,) = files_of(vault.path, "*.vjrn")
    other.left = 0
    records.append(put(vault, b"4"))
    other.left = 1 << 30
    flip(journal, groups_of(journal.read_bytes())[2] + 100)
    vault.close()
    with reopen(crashed(vault.path, tmp_path / "copy", index=False)) as again:
        assert [get(again, record) for record in records] == [b"%d" % number for number in range(5)]


def test_a_mirror_of_a_settled_journal_does_not_bring_it_back(filled: vaultfs.Vault, tmp_path: Path) -> None:
    (journal,) = files_of(filled.path, "*.vjrn")
    mirror = mirror_of(filled.path, journal)
    old = mirror.read_bytes()
    filled.settle()
    before = answers(filled)
    copy = crashed(filled.path, tmp_path / "copy")
    back = mirror_of(copy, copy / "journal" / journal.name)
    back.parent.mkdir(parents=True, exist_ok=True)
    back.write_bytes(old)
    with reopen(copy) as again:
        assert answers(again) == before
    assert not back.exists()


def test_a_mirror_of_another_journal_is_not_written_into_a_journal(filled: vaultfs.Vault, tmp_path: Path) -> None:
    copy = crashed(filled.path, tmp_path / "copy", index=False)
    (journal,) = files_of(copy, "*.vjrn")
    reopen(copy).close()
    (other,) = set(files_of(copy, "*.vjrn")) - {journal}
    shutil.copy(other, mirror_of(copy, journal))
    flip(journal, 30)
    harmed = journal.read_bytes()
    with pytest.raises(VaultDamaged):
        reopen(copy)
    assert journal.read_bytes() == harmed


def test_a_mirror_that_nobody_can_prove_is_left_alone(filled: vaultfs.Vault, tmp_path: Path) -> None:
    copy = crashed(filled.path, tmp_path / "copy")
    stray = copy / "copies/journal" / f"{'ab' * 16}.vjrn"
    stray.write_bytes(os.urandom(HEADER_SIZE + 500))
    with reopen(copy) as again:
        assert answers(again) == answers(filled)
    assert stray.exists()


def test_an_index_from_before_a_recovery_that_did_not_have_it_is_made_anew(opened: type, tmp_path: Path) -> None:
    """Its removal was not durable when the power failed: it names groups that the recovery has written elsewhere."""
    vault = opened()
    record = put(vault, b"kept")
    index = crashed(vault.path, tmp_path / "index") / "index"
    copy = crashed(vault.path, tmp_path / "copy", index=False)
    drop_mirrors(copy)
    reopen(copy).engine.poison()
    left = crashed(copy, tmp_path / "left", index=False)
    shutil.copytree(index, left / "index")
    with reopen(left) as again:
        assert get(again, record) == b"kept"

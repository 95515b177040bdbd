"""Every damaged byte is a finding: single bits and truncations, over every kind of file."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from vaultfs_format.head import Head
from vaultfs_tools.keyless import Severity, VaultFiles, heal
from vaultfs_tools.keyless.findings import Report
from vaultfs_tools.keyless.heads import check_head
from vaultfs_tools.keyless.pairs import check_keyring, check_superblock, check_table
from vaultfs_tools.keyless.segments import Scrubber

from tests.vaultfs_tools import vaults

BAD = {Severity.ERROR, Severity.UNSUPPORTED}


def _judge(vault: Path, name: str, head: Head) -> Report:
    """Check what the named file belongs to, and nothing else."""
    files, report = VaultFiles(vault), Report()
    last = name.rpartition("/")[2]
    if last == "head":
        check_head(files, report)
    elif last.startswith("VAULT"):
        check_superblock(files, report, head)
    elif last.startswith("keyring"):
        check_keyring(files, report, head)
    else:
        row = next(row for row in head.segments if row.segment_id.hex() in last)
        if ".vkey." in last:
            check_table(files, report, head, row)
        else:
            Scrubber(files, report, lambda _: None).check(name, head, row)
    return report


def _small(vault: Path) -> list[str]:
    """Return one name of each kind of small file, the first place of each."""
    names = [name for name in vaults.small_files(vault) if not name.startswith("copies/")]
    return [*names[:3], next(name for name in names if ".vkey." in name)]


def test_every_byte_of_the_small_files_is_covered(vault: Path) -> None:
    """One bit of each byte; which bit is drawn with a fixed seed."""
    draw = random.Random(5)
    _check_bits(vault, lambda size: [8 * at + draw.randrange(8) for at in range(size)])


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_bit_of_the_small_files_is_covered(vault: Path) -> None:
    _check_bits(vault, lambda size: range(8 * size))


def _check_bits(vault: Path, bits_of: Callable[[int], Iterable[int]]) -> None:
    head = vaults.head_of(vault)
    for name in _small(vault):
        path = vault / name
        good = path.read_bytes()
        for bit in bits_of(len(good)):
            data = bytearray(good)
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            found = _judge(vault, name, head).findings
            assert [(f.file, f.severity) for f in found] == [(name, Severity.ERROR)], bit
            assert found[0].remedy is not None
        path.write_bytes(good)
        assert not _judge(vault, name, head).findings


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
def test_every_truncation_of_the_small_files_is_found(vault: Path, step: int) -> None:
    head = vaults.head_of(vault)
    for name in _small(vault):
        path = vault / name
        good = path.read_bytes()
        for length in range(0, len(good), step):
            path.write_bytes(good[:length])
            found = _judge(vault, name, head).findings
            assert [(f.file, f.severity) for f in found] == [(name, Severity.ERROR)], length
        path.write_bytes(good + b"\0")
        assert _judge(vault, name, head).findings
        path.write_bytes(good)


def _segment(vault: Path, kind: str) -> str:
    row = vaults.rows_of(vault)[kind]
    return next(str(path.relative_to(vault)) for path in vault.rglob(f"{row.segment_id.hex()}.vseg"))


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_every_byte_of_a_small_segment_is_covered(vault: Path, step: int) -> None:
    """One bit of each byte; which bit is drawn with a fixed seed. The long test takes all bytes."""
    head, name = vaults.head_of(vault), _segment(vault, "CONTROL")
    path, draw = vault / name, random.Random(7)
    good = path.read_bytes()
    for at in range(0, len(good), step):
        data = bytearray(good)
        data[at] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        found = _judge(vault, name, head).findings
        assert {f.severity for f in found} & BAD, at
    path.write_bytes(good)
    assert not _judge(vault, name, head).findings


@pytest.mark.parametrize("kind", ["RECORD", "AUDIT", "BLOB"])
def test_sampled_bits_of_segments_are_found_with_their_slice(vault: Path, kind: str) -> None:
    head, name = vaults.head_of(vault), _segment(vault, kind)
    path, draw = vault / name, random.Random(11)
    good = path.read_bytes()
    for _ in range(60):
        at = draw.randrange(len(good))
        data = bytearray(good)
        data[at] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        report = _judge(vault, name, head)
        assert {f.severity for f in report.findings} == {Severity.ERROR}, at
        for finding in report.findings:
            if "slice" in finding.error.facts:
                assert finding.offset is not None
                assert finding.offset <= at < finding.offset + int(str(finding.error.facts["size"]))


def test_every_length_of_a_segment_but_its_own_is_found(vault: Path) -> None:
    head, name = vaults.head_of(vault), _segment(vault, "CONTROL")
    path = vault / name
    good = path.read_bytes()
    for length in [*range(0, len(good), 13), len(good) - 1]:
        path.write_bytes(good[:length])
        assert _judge(vault, name, head).count(Severity.ERROR), length
    path.write_bytes(good + b"\0")
    assert _judge(vault, name, head).count(Severity.ERROR)


def test_every_bit_of_a_vault_that_is_damaged_in_one_place_heals_to_the_same_bytes(vault: Path) -> None:
    """Each file of which there are two copies is damaged, healed, and compared with what it was."""
    before = vaults.tree(vault)
    for name in list(vaults.small_files(vault)):
        vaults.flip(vault / name, 20)
        report = vaults.checked(vault)
        heal(VaultFiles(vault), report)
        assert [f.severity for f in report.findings] == [Severity.CORRECTED], name
        assert vaults.tree(vault) == before

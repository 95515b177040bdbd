"""Which bytes a segment is made whole with: those that the head names and the vault's signer has signed alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DEFAULT
from vaultfs_tools import fsck
from vaultfs_tools.keyless import Severity, VaultFiles, heal

from tests.vaultfs_tools import vaults

STRANGER = SigningKeys(DEFAULT, 1, bytes(96))


def segment(vault: Path, kind: str = "RECORD") -> Path:
    return next((vault / "segments").rglob(f"{vaults.rows_of(vault)[kind].segment_id.hex()}.vseg"))


def footer_of(path: Path) -> SegmentFooter:
    return SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])


def put(path: Path, footer: SegmentFooter, *copies: int) -> None:
    """Write a footer over one or both of a segment."""
    data = bytearray(path.read_bytes())
    for copy in copies:
        at = footer.footer_offsets[copy]
        data[at : at + FOOTER_SIZE] = footer.encode()
    path.write_bytes(data)


def forgeries(path: Path) -> list[SegmentFooter]:
    """Return footers with right digests that the vault's signer has not signed."""
    good = footer_of(path)
    counted = replace(good, entries=good.entries + 1)
    return [
        replace(good, signature=bytes(64)),
        replace(good, signature=STRANGER.sign_segment(good.statement())),
        replace(counted, signature=STRANGER.sign_segment(counted.statement())),
        replace(good, signer=2),
    ]


@pytest.mark.parametrize("copy", [0, 1])
@pytest.mark.parametrize("forgery", range(4))
def test_a_forged_footer_is_healed_from_the_signed_one(vault: Path, copy: int, forgery: int) -> None:
    before, path = vaults.tree(vault), segment(vault)
    put(path, forgeries(path)[forgery], copy)
    report = vaults.checked(vault)
    assert vaults.names(report.findings) == ["FooterDamaged"]
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before


@pytest.mark.parametrize("forgery", range(4))
def test_a_segment_whose_footers_are_both_forged_is_healed_from_its_mirror_alone(vault: Path, forgery: int) -> None:
    for path in (vault / "segments").rglob("*.vseg"):
        vaults.mirror_of(path).write_bytes(path.read_bytes())
    before, path = vaults.tree(vault), segment(vault)
    put(path, forgeries(path)[forgery], 0, 1)
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before
    put(path, forgeries(path)[forgery], 0, 1)
    vaults.mirror_of(path).write_bytes(path.read_bytes())
    vaults.flip(path, 4200)
    harmed = vaults.tree(vault)
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert Severity.CORRECTED not in {f.severity for f in report.findings}
    assert vaults.tree(vault) == harmed


@pytest.mark.parametrize("missing", [True, False])
def test_the_mirror_of_another_segment_heals_nothing(vault: Path, *, missing: bool) -> None:
    path, other = segment(vault), segment(vault, "CONTROL")
    mirror = vaults.mirror_of(path)
    shutil.copy(other, mirror)
    good = path.read_bytes()
    if missing:
        path.unlink()
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    if missing:
        assert ("FileMissing", Severity.ERROR) in {(type(f.error).__name__, f.severity) for f in report.findings}
        assert not path.exists()
    else:
        assert {f.severity for f in report.findings} == {Severity.CORRECTED}
        assert path.read_bytes() == mirror.read_bytes() == good


def test_a_lost_segment_is_its_mirror(vault: Path) -> None:
    path = segment(vault)
    good = path.read_bytes()
    path.rename(vaults.mirror_of(path))
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.CORRECTED}
    assert path.read_bytes() == good


# Without a head nobody knows the signers.


def test_a_segment_by_itself_whose_footers_differ_is_left_alone(vault: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(segment(vault), tmp_path / "segment"))
    put(path, forgeries(path)[0], 0)
    harmed = path.read_bytes()
    assert fsck.main([str(path)]) == 4
    assert path.read_bytes() == harmed


def test_without_a_head_a_segment_is_not_made_of_one_with_another_id(vault: Path) -> None:
    path = segment(vault)
    for place in ("head", "copies/head"):
        (vault / place).unlink()
    shutil.copy(next(vault.rglob("control/**/*.vseg")), path)
    vaults.flip(path, 4200)
    before = vaults.tree(vault)
    heal(VaultFiles(vault), vaults.checked(vault))
    assert vaults.tree(vault) == before

"""Files that are missing, swapped, put back, left over or foreign; heads; the audit tree."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from vaultfs_format.errors import FieldInvalid, Truncated
from vaultfs_format.head import JournalRow, SegmentRow
from vaultfs_format.segment import SegmentFooter, SegmentHead
from vaultfs_tools.keyless import Severity, VaultFiles, check, heal
from vaultfs_tools.keyless.errors import Property
from vaultfs_tools.keyless.findings import Report
from vaultfs_tools.keyless.rows import read_rows

from tests.vaultfs_tools import vaults


def _row(vault: Path, kind: str) -> tuple[SegmentRow, Path]:
    row = vaults.rows_of(vault)[kind]
    return row, next(vault.rglob(f"{row.segment_id.hex()}.vseg"))


# Missing and swapped files.


def test_a_missing_segment_is_an_error(vault: Path) -> None:
    row, path = _row(vault, "RECORD")
    path.unlink()
    found = vaults.findings(vault)
    assert [(f.file, type(f.error).__name__) for f in found] == [(str(path.relative_to(vault)), "FileMissing")]
    assert found[0].severity is Severity.ERROR
    assert row.segment_id.hex() in found[0].file


def test_every_file_that_is_deleted_is_missed(vault: Path) -> None:
    unnamed = {"lock", "README.txt", "1.zdict", "journal/reserve"}
    for name, data in vaults.tree(vault).items():
        if name.startswith("copies/") and name.endswith((".vjrn", ".part")):
            (vault / name).unlink()
            assert vaults.names(vaults.findings(vault)) == ["MirrorBehind"]
            (vault / name).write_bytes(data)
        elif name not in unnamed:
            (vault / name).unlink()
            assert Severity.ERROR in {f.severity for f in vaults.findings(vault)}, name
            (vault / name).write_bytes(data)
    assert vaults.findings(vault) == []


def test_missing_copies_are_healed_and_missing_both_is_an_error(vault: Path) -> None:
    for name in list(vaults.small_files(vault)):
        good = (vault / name).read_bytes()
        (vault / name).unlink()
        report = vaults.checked(vault)
        assert vaults.names(report.findings) == ["FileMissing"]
        heal(VaultFiles(vault), report)
        assert (vault / name).read_bytes() == good
    for name in ("keyring.1", "copies/keyring.1"):
        (vault / name).unlink()
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert [f.severity for f in report.findings] == [Severity.ERROR] * 2


def test_a_vault_whose_copies_are_gone_gets_them_again(vault: Path) -> None:
    before = vaults.tree(vault)
    shutil.rmtree(vault / "copies")
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before


def test_swapped_segments_are_errors(vault: Path) -> None:
    (_, one), (_, other) = _row(vault, "CONTROL"), _row(vault, "AUDIT")
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    found = [f for f in vaults.findings(vault) if f.severity is Severity.ERROR]
    stated = {f.error.facts.get("property") for f in found}
    assert {Property.FILE_ID, Property.FRAME_CLASS, Property.ROOT} <= stated
    assert {f.file for f in found} >= {str(path.relative_to(vault)) for path in (one, other)}


def test_swapped_key_tables_are_healed_from_their_copies(vault: Path) -> None:
    tables = sorted((vault / "segments").rglob("*.vkey.*"))[:2]
    before = vaults.tree(vault)
    first, second = (path.read_bytes() for path in tables)
    tables[0].write_bytes(second)
    tables[1].write_bytes(first)
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert [f.severity for f in report.findings] == [Severity.CORRECTED] * 2
    assert vaults.tree(vault) == before


def test_a_segment_of_another_vault_is_an_error(vault: Path, tmp_path: Path) -> None:
    other = vaults.make(tmp_path / "other.vault")
    _, mine = _row(vault, "CONTROL")
    _, theirs = _row(other, "CONTROL")
    mine.write_bytes(theirs.read_bytes())
    assert Property.VAULT_ID in {f.error.facts.get("property") for f in vaults.findings(vault)}


def test_every_part_of_a_segment_is_told_and_healed(vault: Path) -> None:
    row, path = _row(vault, "BLOB")
    data = path.read_bytes()
    footer = SegmentFooter.decode(data[-1024:], row.length)
    places = {
        (65_536 + 5, "SlicesDamaged"),
        (footer.parity_offset + 5, "ParityDamaged"),
        (footer.leaves_offsets[0] + 5, "LeavesDamaged"),
        (footer.leaves_offsets[1] + 5, "LeavesDamaged"),
        (footer.footer_offsets[0] + 5, "FooterDamaged"),
        (footer.footer_offsets[1] + 5, "FooterDamaged"),
    }
    for at, name in places:
        vaults.flip(path, at)
        report = vaults.checked(vault)
        assert vaults.names(report.findings) == [name]
        heal(VaultFiles(vault), report)
        assert [f.severity for f in report.findings] == [Severity.CORRECTED]
        assert path.read_bytes() == data


def test_a_segment_of_another_length_is_healed(vault: Path) -> None:
    _, path = _row(vault, "BLOB")
    data = path.read_bytes()
    for harmed in (data[:-5000], data + b"more"):
        path.write_bytes(harmed)
        report = vaults.checked(vault)
        heal(VaultFiles(vault), report)
        assert {f.severity for f in report.findings} == {Severity.CORRECTED}
        assert path.read_bytes() == data


def test_damage_in_many_places_at_once_is_healed_whole(vault: Path) -> None:
    before = vaults.tree(vault)
    for path in vault.rglob("*.vseg"):
        for at in (5, 4100, path.stat().st_size - 3):
            vaults.flip(path, at)
    report = vaults.checked(vault)
    heal(VaultFiles(vault), report)
    assert {f.severity for f in report.findings} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before


def test_slices_that_cannot_be_rebuilt_are_told_exactly_and_left_alone(vault: Path) -> None:
    row, path = _row(vault, "AUDIT")
    footer = SegmentFooter.decode(path.read_bytes()[-1024:], row.length)
    geometry = footer.geometry
    for number in range(geometry.parity_slices):
        vaults.flip(path, footer.parity_offset + number * geometry.slice_size + 7)
    vaults.flip(path, 4096 + 7)
    harmed = path.read_bytes()
    report = vaults.checked(vault)
    found = [f for f in report.findings if type(f.error).__name__ == "SlicesLost"]
    assert [(f.offset, f.error.facts["slices"]) for f in found] == [(4096, 1)]
    heal(VaultFiles(vault), report)
    assert path.read_bytes() == harmed


def test_damaged_slices_are_told_in_runs(vault: Path) -> None:
    _, path = _row(vault, "AUDIT")
    for at in (4096 + 1, 100):
        vaults.flip(path, at)
    found = [f for f in vaults.findings(vault) if type(f.error).__name__ == "SlicesDamaged"]
    assert [(f.offset, f.error.facts["slices"]) for f in found] == [(0, 2)]


def test_a_segment_of_a_newer_program_is_unsupported(vault: Path) -> None:
    _, path = _row(vault, "RECORD")
    vaults.make_newer(path)
    assert Severity.UNSUPPORTED in {f.severity for f in vaults.findings(vault)}


# Heads.


def test_a_stale_head_or_copy_is_healed_from_the_newer_one(pristine: Path, vault: Path) -> None:
    newest = (vault / "head").read_bytes()
    old = vaults.changed(vaults.head_of(vault), generation=2)
    for place in ("head", "copies/head"):
        vaults.put_head(vault, old, place)
        report = vaults.checked(vault)
        assert vaults.names(report.findings) == ["CopyStale"]
        heal(VaultFiles(vault), report)
        assert (vault / place).read_bytes() == newest


def test_an_older_head_in_both_places_is_older_than_its_files(vault: Path) -> None:
    head = vaults.head_of(vault)
    vaults.put_head(vault, vaults.changed(head, generation=1))
    found = vaults.findings(vault)
    assert "HeadOlder" in vaults.names(found)


def test_heads_of_one_generation_that_differ_are_an_error(vault: Path) -> None:
    vaults.put_head(vault, vaults.changed(vaults.head_of(vault), last_commit=1), "copies/head")
    assert vaults.names(vaults.findings(vault)) == ["HeadsDisagree"]


def test_heads_of_two_vaults_are_an_error(vault: Path) -> None:
    vaults.put_head(vault, vaults.changed(vaults.head_of(vault), vault_id=bytes(16)), "copies/head")
    found = vaults.findings(vault)
    assert [(f.file, f.error.facts["property"]) for f in found] == [("copies/head", Property.VAULT_ID)]


def test_a_head_of_a_newer_program_ends_the_check(vault: Path) -> None:
    vaults.make_newer(vault / "head")
    (vault / "keyring.1").unlink()
    found = vaults.findings(vault)
    assert [(f.file, f.severity) for f in found] == [("head", Severity.UNSUPPORTED)]


def test_without_a_head_every_file_is_checked_by_itself(vault: Path) -> None:
    for place in ("head", "copies/head"):
        (vault / place).write_bytes(b"gone")
    report = vaults.checked(vault)
    assert vaults.names(report.findings) == ["Truncated", "Truncated"]
    assert report.segments == len(list(vault.rglob("*.vseg")))
    assert report.journals == 2
    _, path = next(iter((path.name, path) for path in vault.rglob("*.vseg")))
    vaults.flip(path, 4100)
    vaults.flip(vault / "VAULT.1", 40)
    vaults.flip(vault / "copies/keyring.1", 40)
    vaults.flip(next(vault.rglob("*.vkey.1")), 40)
    vaults.flip(vaults.journals_of(vault)[0], 4200)
    assert len(vaults.findings(vault)) >= 7


def test_without_a_head_and_a_superblock_a_segment_is_checked_by_its_footer(vault: Path) -> None:
    for place in ("head", "copies/head"):
        (vault / place).unlink()
    path = next(iter(vault.rglob("*.vseg")))
    vaults.flip(path, 5)
    assert vaults.names(vaults.findings(vault)) == ["FileMissing", "FileMissing", "SlicesDamaged"]
    path.write_bytes(b"short")
    assert "FooterLost" in vaults.names(vaults.findings(vault))


def test_a_journal_that_the_head_names_must_exist(vault: Path) -> None:
    vaults.put_head(vault, vaults.changed(vaults.head_of(vault), journals=[JournalRow(b"\x05" * 16, 1)]))
    found = vaults.findings(vault)
    assert ("FileMissing", f"journal/{'05' * 16}.vjrn") in [(type(f.error).__name__, f.file) for f in found]


def test_rows_of_the_head_must_agree_with_the_segments(vault: Path) -> None:
    head = vaults.head_of(vault)
    rows = [row._replace(entries=row.entries + 1, length=row.length + 1, disposition=1) for row in head.segments]
    vaults.put_head(vault, vaults.changed(head, segments=rows))
    stated = {f.error.facts.get("property") for f in vaults.findings(vault)}
    assert {Property.ENTRIES, Property.LENGTH, Property.DISPOSITION} <= stated


# The audit tree.


def test_a_tree_that_the_entries_do_not_give_is_an_error(vault: Path) -> None:
    head = vaults.head_of(vault)
    vaults.put_head(vault, vaults.changed(head, tree_size=head.tree_size, peaks=[bytes(32)] * len(head.peaks)))
    assert "TreeMismatch" in vaults.names(vaults.findings(vault))


def test_a_missing_audit_segment_leaves_a_gap(vault: Path) -> None:
    head = vaults.head_of(vault)
    audit = [row for row in head.segments if row.frame_class.name == "AUDIT"]
    for row in audit:
        path = next(vault.rglob(f"{row.segment_id.hex()}.vseg"))
        good = path.read_bytes()
        path.unlink()
        assert {"FileMissing", "TreeMismatch"} <= set(vaults.names(vaults.findings(vault)))
        path.write_bytes(good)


# What nothing names.


def test_leftovers_are_remarks_and_no_damage(vault: Path) -> None:
    blob = vault / "segments/main/blob"
    left = {
        "head.tmp": "Leftover",
        "copies/VAULT.1.99.tmp": "Leftover",
        f"segments/main/blob/none/{'12' * 16}.tmp": "Leftover",
        f"segments/main/blob/{'34' * 16}.part": "Leftover",
        "VAULT.0": "Superseded",
        "copies/VAULT.2": "Leftover",
        "keyring.0": "Superseded",
        f"segments/main/blob/none/{'56' * 16}.vkey.1": "SettlingUnfinished",
    }
    (blob / "none").mkdir(exist_ok=True)
    for name in left:
        (vault / name).write_bytes(b"x")
    found = vaults.findings(vault)
    assert {f.file: type(f.error).__name__ for f in found} == left
    assert not [f for f in found if f.severity in (Severity.ERROR, Severity.UNSUPPORTED)]


def test_foreign_files_are_counted_and_never_named(vault: Path) -> None:
    (vault / "Doe John 1970.pdf").write_bytes(b"x")
    (vault / "copies" / "README.txt").write_bytes(b"x")
    (vault / "segments/main/Roe").mkdir()
    (vault / "segments/main/Roe/Jane.dcm").write_bytes(b"x")
    found = vaults.findings(vault)
    assert [(f.file, f.error.facts["files"]) for f in found] == [(".", 1), ("copies", 1), ("segments/main", 1)]
    assert {f.severity for f in found} == {Severity.REMARK}
    assert not any(word in f.error.message() + f.file for f in found for word in ("Doe", "Roe", "Jane"))


def test_a_segment_that_no_head_names_is_judged_by_its_generation(vault: Path) -> None:
    """And by its frames: those of a copy of what the last settling wrote are in force."""
    last = vaults.head_of(vault).generation - 1
    path = next(one for one in vault.rglob("*.vseg") if SegmentHead.decode(one.read_bytes()).generation == last)
    stray = path.with_name("99" * 16 + ".vseg")
    stray.write_bytes(path.read_bytes())
    assert vaults.names(vaults.findings(vault)) == ["Superseded"]
    stray.write_bytes(b"nothing of a segment")
    assert vaults.names(vaults.findings(vault)) == ["BadMagic"]


@pytest.mark.parametrize(("journals", "expected"), [(True, "SettlingUnfinished"), (False, "NotNamed")])
def test_what_a_settling_left_counts_only_while_journals_hold_it(
    vault: Path, tmp_path: Path, *, journals: bool, expected: str
) -> None:
    """The next settling's segments, put beside the journals that they were made of."""
    settled = vaults.copied(vault, tmp_path / "settled.vault")
    with vaults.opened(settled) as later:
        later.settle()
    before = {row.segment_id for row in vaults.head_of(vault).segments}
    rows = vaults.head_of(settled).segments
    new = next(row for row in rows if row.segment_id not in before and row.frame_class.name == "RECORD")
    for path in settled.rglob(f"{new.segment_id.hex()}*"):
        target = vault / path.relative_to(settled)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    if not journals:
        for path in vaults.journals_of(vault):
            vaults.mirror_of(path).unlink()
            path.unlink()
    found = [f for f in vaults.findings(vault) if new.segment_id.hex() in f.file]
    assert set(vaults.names(found)) == {expected}
    assert len(found) == 3


# The device and its surroundings.


@pytest.mark.parametrize("target", ["head", "keyring.1", "RECORD", "journal"])
def test_an_error_of_the_device_is_a_finding(vault: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    path = {"RECORD": lambda: _row(vault, "RECORD")[1], "journal": lambda: vaults.journals_of(vault)[1]}.get(
        target, lambda: vault / target
    )()
    bad, real = os.stat(path).st_ino, os.preadv

    def preadv(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(errno.EIO, "I/O error")
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    found = vaults.findings(vault)
    assert "FileUnreadable" in {type(f.error).__name__ for f in found if f.file == str(path.relative_to(vault))}


def test_a_directory_that_the_device_cannot_list_is_a_finding(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(_: object) -> object:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "scandir", scandir)
    assert ("FileUnreadable", ".") in [(type(f.error).__name__, f.file) for f in vaults.findings(vault)]
    for place in ("head", "copies/head"):
        (vault / place).unlink()
    assert "FileUnreadable" in vaults.names(vaults.findings(vault))
    assert VaultFiles(vault).total() == 0


def test_what_the_vault_is_not_to_blame_for_ends_the_check(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def preadv(*_: object) -> int:
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(OSError, match="no memory"):
        vaults.findings(vault)


def test_special_files_do_not_hang_the_check(vault: Path) -> None:
    (vault / "keyring.1").unlink()
    os.mkfifo(vault / "keyring.1")
    (vault / "copies/VAULT.1").unlink()
    (vault / "copies/VAULT.1").mkdir()
    report = vaults.checked(vault)
    assert vaults.names(report.findings) == ["NotRegular", "NotRegular"]
    heal(VaultFiles(vault), report)
    assert [f.severity for f in report.findings] == [Severity.ERROR, Severity.CORRECTED]


def test_a_file_that_shrinks_while_it_is_read_is_damage(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "preadv", lambda *_: 0)
    assert {"Truncated"} == set(vaults.names(vaults.findings(vault)))


def test_a_small_file_that_is_far_too_large_is_not_read(vault: Path) -> None:
    with (vault / "VAULT.1").open("r+b") as file:
        file.truncate(1 << 33)
    assert vaults.names(vaults.findings(vault)) == ["LimitExceeded"]


# Healing.


def test_healing_that_cannot_write_leaves_the_error(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vaults.flip(vault / "head", 30)
    report, before = vaults.checked(vault), vaults.tree(vault)

    def rename(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "rename", rename)
    heal(VaultFiles(vault), report)
    assert [f.severity for f in report.findings] == [Severity.ERROR]
    assert vaults.tree(vault) == before


def test_healing_checks_the_good_copy_once_more(vault: Path) -> None:
    vaults.flip(vault / "head", 30)
    report = vaults.checked(vault)
    vaults.flip(vault / "copies/head", 30)
    heal(VaultFiles(vault), report)
    (vault / "copies/head").unlink()
    heal(VaultFiles(vault), report)
    assert [f.severity for f in report.findings] == [Severity.ERROR]


def test_the_check_itself_writes_nothing(vault: Path) -> None:
    vaults.flip(vault / "head", 30)
    before = vaults.tree(vault)
    seen: list[int] = []
    check(VaultFiles(vault), seen.append)
    assert vaults.tree(vault) == before
    assert sum(seen) > 90_000


# Rows.


def test_rows_larger_than_a_window_are_read(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
    from vaultfs_tools.keyless import rows

    row, path = _row(vault, "RECORD")
    footer = SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:], row.length)
    monkeypatch.setattr(rows, "CHUNK", 16)
    place = str(path.relative_to(vault))
    with VaultFiles(vault).open(place) as file:
        found = list(read_rows(file.read, footer.directory_offset, footer.directory_length, footer.frames))
    assert len(found) == footer.frames
    for length, count, error in ((-1, 0, Truncated), (0, -1, FieldInvalid)):
        with VaultFiles(vault).open(place) as file, pytest.raises(error):
            list(read_rows(file.read, footer.directory_offset, footer.directory_length + length, footer.frames + count))


def test_a_report_counts(vault: Path) -> None:
    report = vaults.checked(vault)
    head = vaults.head_of(vault)
    assert report.segments == len(head.segments)
    assert report.frames >= sum(row.frames for row in head.segments)
    assert report.entries >= sum(row.entries for row in head.segments)
    assert report.count(Severity.ERROR) == 0
    assert Report().vault_id == b""

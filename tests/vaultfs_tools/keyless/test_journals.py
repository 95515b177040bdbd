"""Journals: a torn tail is not damage, damage is not a torn tail, and files follow each other without a gap."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaultfs_format.journal import HEADER_SIZE, JournalRole
from vaultfs_tools.keyless import Severity
from vaultfs_tools.keyless.errors import Property

from tests.vaultfs_tools import vaults


def test_a_closed_vault_is_consistent(vault: Path) -> None:
    report = vaults.checked(vault)
    assert report.findings == []
    assert (report.journals, report.generation) == (2, 3)
    assert report.audit_leaves > vaults.head_of(vault).tree_size


def test_a_last_group_cut_at_any_byte_is_a_torn_tail(vault: Path) -> None:
    last = vaults.journals_of(vault)[-1]
    good, offsets = last.read_bytes(), vaults.groups_of(last)
    for end in range(offsets[-3] + 1, offsets[-2]):
        vaults.write(last, good[:end])
        found = vaults.findings(vault)
        assert vaults.names(found) == ["TornTail"], end
        assert (found[0].severity, found[0].offset) == (Severity.RECOVERY, offsets[-3])


def test_a_journal_without_its_closing_record_needs_recovery(vault: Path) -> None:
    last = vaults.journals_of(vault)[-1]
    vaults.write(last, last.read_bytes()[: vaults.groups_of(last)[-2]])
    assert vaults.names(vaults.findings(vault)) == ["JournalOpen"]


def test_a_flip_in_a_group_that_a_later_one_calls_durable_is_damage(vault: Path) -> None:
    last = vaults.journals_of(vault)[-1]
    good, offsets = last.read_bytes(), vaults.groups_of(last)
    for number in range(len(offsets) - 2):
        for at in (offsets[number], offsets[number] + 8, offsets[number + 1] - 40):
            vaults.flip_both(last, at)
            found = vaults.findings(vault)
            assert "DurableLost" in vaults.names(found), (number, at)
            assert {f.offset for f in found if f.severity is Severity.ERROR} == {offsets[number]}
            vaults.write(last, good)


def test_a_flip_in_the_closing_record_is_a_torn_tail(vault: Path) -> None:
    last = vaults.journals_of(vault)[-1]
    vaults.flip_both(last, vaults.groups_of(last)[-2] + 30)
    assert vaults.names(vaults.findings(vault)) == ["TornTail"]


def test_damage_before_the_end_that_a_successor_states_is_damage(vault: Path) -> None:
    first, _ = vaults.journals_of(vault)
    vaults.flip_both(first, HEADER_SIZE + 200)
    found = vaults.findings(vault)
    assert vaults.names(found)[:2] == ["ChainBroken", "DurableLost"]
    assert found[0].file == f"journal/{first.name}"


def test_bytes_beyond_the_end_that_a_successor_states_are_void(vault: Path) -> None:
    first, _ = vaults.journals_of(vault)
    vaults.write(first, first.read_bytes() + b"anything")
    assert vaults.findings(vault) == []


def test_a_claim_across_two_reads_is_found(vault: Path) -> None:
    """The group that proves the loss begins just before a read of one mebibyte ends."""
    last = vaults.journals_of(vault)[-1]
    good, offsets = last.read_bytes(), vaults.groups_of(last)
    begin = offsets[1]
    padding = bytes((1 << 20) - 20)
    vaults.write(last, good[:begin] + padding + good[offsets[-2] :])
    assert "DurableLost" in vaults.names(vaults.findings(vault))


def test_a_chance_group_mark_in_the_tail_proves_nothing(vault: Path) -> None:
    last = vaults.journals_of(vault)[-1]
    good, offsets = last.read_bytes(), vaults.groups_of(last)
    vaults.write(last, good[: offsets[-2] - 1] + b"VGRP\x09" + bytes(200) + b"VGRP\x00\x09" + bytes(200) + b"VGRP")
    assert vaults.names(vaults.findings(vault)) == ["TornTail"]


def test_a_missing_journal_is_damage(vault: Path) -> None:
    first, last = vaults.journals_of(vault)
    first.unlink()
    vaults.mirror_of(first).unlink()
    found = vaults.findings(vault)
    assert vaults.names(found) == ["PredecessorMissing"]
    assert found[0].file == f"journal/{last.name}"


def test_two_journals_that_follow_the_same_one_are_damage(vault: Path) -> None:
    _, last = vaults.journals_of(vault)
    rival = last.with_name("ff" * 16 + ".vjrn")
    vaults.write(rival, last.read_bytes())
    vaults.put_header(rival, journal_id=b"\xff" * 16)
    assert "JournalsFork" in vaults.names(vaults.findings(vault))


def test_a_journal_under_another_name_is_damage(vault: Path) -> None:
    _, last = vaults.journals_of(vault)
    for path in (last, vaults.mirror_of(last)):
        path.rename(path.with_name("00" * 16 + ".vjrn"))
    found = vaults.findings(vault)
    assert vaults.names(found) == ["Disagreement", "MirrorBehind"]
    assert found[0].error.facts["property"] is Property.FILE_ID


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"generation": 9}, "HeadOlder"),
        ({"generation": 1}, "Superseded"),
        ({"vault_id": bytes(16)}, "Disagreement"),
        ({"incarnation": 3}, "Disagreement"),
        ({"epoch": 2}, "Disagreement"),
        ({"first_leaf": 1}, "Disagreement"),
        ({"first_number": 1, "last_number": 2}, "Disagreement"),
        (
            {"role": JournalRole.READER, "sealed_key": b"x", "first_number": 0, "last_number": 0, "first_leaf": 0},
            "Disagreement",
        ),
        ({"predecessor": b"\x01" * 16, "predecessor_group": 1, "predecessor_end": 5000}, "PredecessorMissing"),
    ],
)
def test_a_header_that_does_not_fit_is_reported(vault: Path, changes: dict[str, object], expected: str) -> None:
    first, last = vaults.journals_of(vault)
    last.unlink()
    vaults.mirror_of(last).unlink()
    vaults.put_header(first, **changes)
    found = [f for f in vaults.findings(vault) if f.file == f"journal/{first.name}"]
    assert expected in vaults.names(found)


def test_commit_numbers_that_go_back_are_reported(vault: Path) -> None:
    """Under a head that says that later commits than those of the journals are settled."""
    vaults.put_head(vault, vaults.changed(vaults.head_of(vault), last_commit=1000))
    found = vaults.findings(vault)
    stated = [f.file for f in found if f.error.facts.get("property") is Property.COMMIT_NUMBERS]
    assert stated == [f"journal/{vaults.journals_of(vault)[0].name}"]


def test_a_journal_with_nothing_but_a_bad_header_was_never_used(vault: Path) -> None:
    path = vault / "journal" / ("ab" * 16 + ".vjrn")
    for data in (b"", b"half a header", bytes(HEADER_SIZE)):
        path.write_bytes(data)
        found = vaults.findings(vault)
        assert [(f.severity, type(f.error).__name__) for f in found] == [(Severity.RECOVERY, "JournalEmpty")]


def test_a_bad_header_before_groups_is_damage(vault: Path) -> None:
    _, last = vaults.journals_of(vault)
    vaults.flip_both(last, 30)
    assert vaults.names(vaults.findings(vault)) == ["DigestMismatch"]


def test_a_header_of_a_newer_program_is_unsupported(vault: Path) -> None:
    _, last = vaults.journals_of(vault)
    vaults.make_newer(last)
    assert [f.severity for f in vaults.findings(vault)] == [Severity.UNSUPPORTED]


def test_a_directory_in_the_place_of_a_journal_is_no_journal(vault: Path) -> None:
    (vault / "journal" / ("cd" * 16 + ".vjrn")).mkdir()
    assert vaults.findings(vault) == []


def test_a_part_file_must_hold_what_a_group_names(vault: Path) -> None:
    part = next((vault / "segments").rglob("*.part"))
    vaults.mirror_of(part).unlink()
    good = part.read_bytes()
    part.write_bytes(good[:-1])
    assert _bad(vault) == ["Disagreement"]
    part.write_bytes(b"\0" + good[1:])
    assert _bad(vault) == ["BadMagic"]
    other = next(path for path in vault.rglob("*.vseg") if "blob" in path.parts)
    part.write_bytes(other.read_bytes() + good)
    assert _bad(vault) == ["Disagreement"]
    part.unlink()
    assert _bad(vault) == ["FileMissing"]


def _bad(vault: Path) -> list[str]:
    """Return what is wrong with a vault of which an open blob segment has no mirror."""
    return [name for name in vaults.names(vaults.findings(vault)) if not name.startswith("Mirror")]


def test_a_torn_superblock_of_a_part_file_is_no_damage(vault: Path) -> None:
    """A power cut during a settling leaves it so; nothing relies on it (PRT-21)."""
    part = next((vault / "segments").rglob("*.part"))
    vaults.flip(part, 40)
    assert [(f.severity, type(f.error).__name__) for f in vaults.findings(vault)] == [(Severity.REMARK, "PartHeadTorn")]


def test_a_part_file_that_settling_had_named_already_is_found(vault: Path) -> None:
    part = next((vault / "segments").rglob("*.part"))
    part.rename(part.parent / "none" / f"{part.stem}.vseg")
    assert vaults.findings(vault) == []

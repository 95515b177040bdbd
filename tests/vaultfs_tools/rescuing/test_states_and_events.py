"""Control states and audit events come out of a damaged vault, too, and what is lost of them is listed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from vaultfs_format.frame import FrameClass
from vaultfs_format.segment import SUPERBLOCK_SIZE
from vaultfs_tools import cli

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing.archive import Archive, Rescued, footer_of, overwrite, rescued, segments_of
from vaultfs.audit.events import EventType
from vaultfs.audit.log import read_leaves


def _told(archive: Archive) -> list[dict[str, object]]:
    """Return what the vault itself says of its events, oldest first."""
    told = []
    with vaults.opened(archive.path) as vault:
        for leaf in read_leaves(vault):
            event = leaf.event
            if event is not None:
                row = {name: getattr(event, name) for name in event.__struct_fields__}
                row |= {"type": event.type, "name": EventType(event.type).name}
                row |= {"commitment": leaf.entry.commitment, "commit": leaf.entry.number}
                told.append(json.loads(json.dumps(row, default=bytes.hex)))
    return told


def _lose_bodies(archive: Archive, kind: FrameClass) -> set[str]:
    """Damage the bodies of all segments of a class beyond what parity heals; return the ids of the segments."""
    paths = segments_of(archive, kind)
    for path in paths:
        footer = footer_of(path)
        overwrite(path, SUPERBLOCK_SIZE, bytes(footer.bodies_length))
        overwrite(path, footer.parity_offset, bytes(footer.parity_length))
    return {path.stem for path in paths}


def _years(found: Rescued) -> dict[int, tuple[str, bool]]:
    """Return value and currency of the state that the archive sets, by version."""
    rows = [row for row in found.states if (row["namespace"], row["key"]) == ("tests", b"year".hex())]
    assert len(rows) == len({row["version"] for row in rows})
    return {row["version"]: (bytes.fromhex(row["value"]).decode(), row["current"]) for row in rows}


def test_every_state_comes_out_and_tells_whether_it_is_current(archive: Archive) -> None:
    found = rescued(archive.path)
    years = _years(found)
    assert years[max(years)] == ("2013", True)
    assert [current for _, (_, current) in sorted(years.items())] == [False] * (len(years) - 1) + [True]
    assert all(row["commit_proved"] and row["commit"] and not row["diverged"] for row in found.states)


def test_every_event_comes_out_once_and_in_order_as_the_log_has_it(archive: Archive) -> None:
    told = _told(archive)
    found = rescued(archive.path)
    rows = [{name: row[name] for name in row if name not in ("proof", "commit_proved")} for row in found.events]
    assert rows[: len(told)] == told
    assert len({row["commitment"] for row in rows}) == len(rows)
    assert {row["principal"] for row in rows if "principal" in row} == {vaults.WHO.id}


def test_events_of_a_settled_journal_that_comes_back_come_out_once(archive: Archive, tmp_path: Path) -> None:
    before = vaults.copied(archive.path, tmp_path / "before.vault")
    with vaults.opened(archive.path) as vault:
        vault.settle()
    for path in before.rglob("*.vjrn"):
        shutil.copy(path, archive.path / "journal" / path.name)
    commitments = [row["commitment"] for row in rescued(archive.path).events]
    assert len(commitments) == len(set(commitments))


@pytest.mark.parametrize(("kind", "what"), [(FrameClass.CONTROL, "state"), (FrameClass.AUDIT, "events")])
def test_what_is_lost_is_listed(archive: Archive, kind: FrameClass, what: str) -> None:
    whole = rescued(archive.path)
    segments = _lose_bodies(archive, kind)
    found = rescued(archive.path, out=archive.path.parent / "again")
    assert (found.code, found.what()) == (cli.Exit.DAMAGED, {what})
    assert {row["segment"] for row in found.missing} <= segments
    assert found.records() == archive.put
    lines = {"state": (found.states, whole.states), "events": (found.events, whole.events)}
    for name, (left, all_of_them) in lines.items():
        assert (len(left) < len(all_of_them)) == (name == what)
        assert left
        assert all(line in all_of_them for line in left)


def test_a_state_that_two_copies_have_set_differently_comes_out_twice(vault: Path, tmp_path: Path) -> None:
    place = tmp_path / "found"
    place.mkdir()
    for value in (b"one", b"other"):
        copy = vaults.copied(vault, place / f"{value.decode()}.vault")
        with (
            vaults.opened(copy) as opened,
            opened.session(vaults.WHO, "TREAT") as session,
            session.transaction() as txn,
        ):
            txn.set_state("tests", b"fork", value)
    found = rescued(place, "--epoch-store", f"{vault}.epoch")
    rows = [row for row in found.states if row["diverged"]]
    assert found.code == cli.Exit.ATTENTION
    assert {bytes.fromhex(row["value"]) for row in rows} == {b"one", b"other"}
    assert {bytes.fromhex(row["key"]) for row in rows} == {b"fork"}

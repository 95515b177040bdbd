"""Export: everything back in plain text, and on record who saw it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.events.records import SubjectExported

import vaultfs
from tests.vaultfs.migrate.support import MRN, Archive, bundle, files_of, message, ndjson, observation, patient, rows_of
from vaultfs import EventType, Identifier, PixelData, Request
from vaultfs.audit.log import read_events
from vaultfs.errors import AccessDenied, DestinationNotEmpty
from vaultfs.migrate import export as exporting
from vaultfs.migrate.kinds import GAP
from vaultfs.migrate.recipes import Recipe
from vaultfs.testing.synthetic import sample


def modes_of(directory: Path) -> tuple[set[int], set[int]]:
    places = [directory, *directory.rglob("*")]
    folders = {stat.S_IMODE(one.stat().st_mode) for one in places if one.is_dir()}
    return folders, {stat.S_IMODE(one.stat().st_mode) for one in places if one.is_file()}


def test_the_synthetic_sample_comes_back_with_a_true_manifest(archive: Archive, tmp_path: Path) -> None:
    files = sample(patients=10)
    for name, data in files.items():
        archive.write(name, data)
    archive.take()
    report = archive.export(tmp_path / "out")
    assert files_of(tmp_path / "out") == files
    assert (report.sources, report.partial, report.bytes) == (len(files), 0, sum(len(one) for one in files.values()))
    rows = {row["id"]: row for row in rows_of(tmp_path / "out")}
    records = archive.records()
    assert rows.keys() == {one.info.id.hex() for one in records}
    for record in records:
        row = rows[record.info.id.hex()]
        assert row["sha256"] == hashlib.sha256(record.data).hexdigest()
        assert (row["kind"], row["length"], row["version"]) == (record.info.kind, len(record.data), 1)
        assert record.data in (tmp_path / "out" / row["file"]).read_bytes()
    by_source: dict[str, set[str]] = {}
    for row in rows.values():
        by_source.setdefault(row["source"], set()).add(row["file"])
    assert all(len(names) == 1 for names in by_source.values())
    assert modes_of(tmp_path / "out") == ({0o700}, {0o600})


def test_records_that_were_not_imported_come_too(archive: Archive, tmp_path: Path) -> None:
    archive.write("a.ndjson", ndjson(observation("1", None, "one"), observation("2", None, "two")))
    archive.take()
    with archive.session.transaction() as txn:
        own = txn.put(b"of the host", kind="Basic", subject=Identifier(MRN, "1"), before=b"<", after=b">")
        large = txn.put(b"large" * 500_000, kind="Binary", subject=None)
        txn.put(b"newer", kind="Observation", subject=None, replaces=archive.one("one").info.id)
    archive.export(tmp_path / "out")
    records = tmp_path / "out" / "records"
    newer = archive.one("newer").info.id
    assert {one.name for one in records.iterdir()} == {one.hex() for one in (own, large, newer)}
    assert (records / own.hex()).read_bytes() == b"of the host"
    assert (records / large.hex()).read_bytes() == b"large" * 500_000
    assert (records / newer.hex()).read_bytes() == b"newer"
    assert {row["id"] for row in rows_of(tmp_path / "out") if row["source"] is None} == {
        one.hex() for one in (own, large, newer)
    }
    assert b"one" in files_of(tmp_path / "out")["a.ndjson"], "the source is what it was"


def test_records_that_share_their_bytes_come_back_each_by_itself(archive: Archive, tmp_path: Path) -> None:
    shared = os.urandom(300_000)
    pixels = [PixelData(len(head), len(shared), 1000, 2) for head in (b"one", b"another")]
    with archive.session.transaction() as txn:
        one = txn.put(b"one" + shared, kind="Binary", subject=None, pixels=pixels[0])
        other = txn.put(b"another" + shared, kind="Binary", subject=None, pixels=pixels[1])
    archive.export(tmp_path / "out")
    records = tmp_path / "out" / "records"
    assert (records / one.hex()).read_bytes() == b"one" + shared
    assert (records / other.hex()).read_bytes() == b"another" + shared


def test_deleted_records_are_not_exported(archive: Archive, tmp_path: Path) -> None:
    with archive.session.transaction() as txn:
        record = txn.put(b"secret", kind="Basic", subject=None)
    with archive.session.transaction() as txn:
        txn.delete(record)
    assert archive.export(tmp_path / "out").records == 0
    assert not rows_of(tmp_path / "out")


def test_two_sources_with_files_of_one_name_come_back_apart(archive: Archive, tmp_path: Path) -> None:
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.hl7").write_text(message("1", name))
    archive.take(tmp_path / "north", tmp_path / "south")
    archive.export(tmp_path / "out")
    found = sorted(path.read_bytes() for path in (tmp_path / "out").rglob("a.hl7"))
    assert [b"north" in found[0], b"south" in found[1]] == [True, True]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_only_an_empty_directory_is_written_to(archive: Archive, tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o755)
    if what == "file":
        (out / ".hidden").touch()
    else:
        (out / "folder").mkdir()
    with pytest.raises(DestinationNotEmpty):
        archive.export(out)
    assert len(list(out.iterdir())) == 1


def test_a_directory_that_is_there_becomes_private(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o777)
    archive.write("d/e/a.hl7", message("1"))
    archive.take()
    archive.export(tmp_path / "out")
    assert modes_of(tmp_path / "out") == ({0o700}, {0o600})


def test_a_disclosure_of_every_patient_is_on_record_before_the_data(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        archive.write(f"{number}.json", bundle(patient(str(number), (MRN, str(number)))))
    archive.write("x.json", {"resourceType": "Organization"})
    archive.take()
    seen: list[int] = []
    private = exporting._private

    def counting(path: Path) -> Any:
        events = [event for _, event in read_events(archive.vault) if event.type == EventType.SUBJECT_EXPORTED]
        seen.append(len(events))
        return private(path)

    monkeypatch.setattr(exporting, "_private", counting)
    report = archive.export(tmp_path / "out")
    assert report.patients == 3
    assert set(seen) == {3}
    events = [event for _, event in read_events(archive.vault) if isinstance(event, SubjectExported)]
    assert {bytes(event.subject) for event in events} == {
        bytes(archive.session.subjects(Identifier(MRN, str(number)))[0]) for number in range(3)
    }


def test_without_permission_to_disclose_nothing_is_written(tmp_path: Path) -> None:
    class Reader:
        def permits(self, request: Request) -> bool:
            return request.action != vaultfs.Action.EXPORT

    from tests.vaultfs.support import create

    with create(tmp_path / "vault", policy=Reader()) as vault:
        session = vault.session(vaultfs.Principal("reader"), "TREAT")
        with session.transaction() as txn:
            txn.put(b"secret", kind="Basic", subject=Identifier(MRN, "1"))
        with pytest.raises(AccessDenied):
            exporting.Exporter(session, tmp_path / "out").run()
        assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "name",
    [
        b"../../escape",
        b"/etc/passwd",
        b"..",
        b".",
        b"",
        b"/",
        b"a/../../b",
        b"\0",
        b"x\0/../y",
        b"manifest.jsonl",
        b"//x//",
        b"../" * 50 + b"tmp/escape",
    ],
)
def test_a_stored_name_never_leads_out_of_the_directory(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    archive.write("a.hl7", message("1"))
    archive.take()
    monkeypatch.setattr(Recipe, "name", lambda self: name)
    before = {path for path in tmp_path.rglob("*") if "vault" not in path.parts}
    archive.export(tmp_path / "deep" / "out")
    after = {path for path in tmp_path.rglob("*") if "vault" not in path.parts}
    assert all((tmp_path / "deep") in (path, *path.parents) for path in after - before)
    assert list(files_of(tmp_path / "deep" / "out").values()) == [message("1").encode()]


def test_names_that_fall_together_come_back_side_by_side(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One name is a folder of the other, and two are the same."""
    for number in range(4):
        archive.write(f"{number}.hl7", message("1", f"text{number}"))
    archive.take()
    names = iter([b"a", b"a/b", b"a", b"a/b/c"])
    monkeypatch.setattr(Recipe, "name", lambda self: next(names))
    archive.export(tmp_path / "out")
    assert sorted(files_of(tmp_path / "out").values()) == [message("1", f"text{n}").encode() for n in range(4)]


def test_a_source_whose_name_is_gone_is_named_after_its_token(archive: Archive, tmp_path: Path) -> None:
    archive.write("Jane_Doe.hl7", message("1"))
    archive.take()
    with archive.session.transaction() as txn:
        for one in archive.records(own=True):
            if one.info.kind == GAP:
                txn.delete(one.info.id)
    archive.export(tmp_path / "out")
    ((name, data),) = files_of(tmp_path / "out").items()
    assert data == message("1").encode()
    assert "Jane" not in name

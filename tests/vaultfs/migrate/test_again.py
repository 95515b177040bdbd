"""Importing again: nothing twice, what changed as a new version, and what was begun is finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vaultfs.migrate.support import (
    MRN,
    Archive,
    bundle,
    message,
    ndjson,
    observation,
    patient,
)
from vaultfs import Transaction
from vaultfs.errors import StorageFull, TransactionConflict, VaultError
from vaultfs.migrate.importer import Importer, ImportOptions
from vaultfs.testing.synthetic import sample


def synthetic(archive: Archive) -> dict[str, bytes]:
    files = sample(patients=10)
    for name, data in files.items():
        archive.write(name, data)
    return files


def test_the_same_tree_again_is_nothing_new(archive: Archive, tmp_path: Path) -> None:
    files = synthetic(archive)
    first = archive.take()
    before = archive.records(own=True)
    second = archive.take()
    assert archive.records(own=True) == before
    assert second.sources == {"unchanged": len(files)}
    assert second.outcome("unchanged") == first.outcome("stored")
    assert second.verified == len(files)
    assert {kind for kind, _, _ in second.records} == {kind for kind, _, _ in first.records}
    assert archive.exported(tmp_path / "out") == files


def test_exactly_what_changed_becomes_a_new_version(archive: Archive, tmp_path: Path) -> None:
    old = [observation(str(n), "Patient/1", f"old{n}.") for n in range(10)]
    archive.write("a.json", bundle(patient("1", (MRN, "1")), *old))
    archive.take()
    before = archive.one("old4.")
    new = [*old[:4], observation("4", "Patient/1", "new4."), *old[5:]]
    path = archive.write("a.json", bundle(patient("1", (MRN, "1")), *new))
    report = archive.take()
    assert (report.outcome("version"), report.outcome("stored"), report.outcome("unchanged")) == (1, 0, 10)
    after = archive.one("new4.")
    assert (after.info.id, after.info.version) == (before.info.id, 2)
    assert archive.session.get(before.info.id, 1) == before
    assert archive.exported(tmp_path / "out") == {"a.json": path.read_bytes()}
    assert archive.take().sources == {"unchanged": 1}


def test_a_line_at_the_top_makes_one_record(archive: Archive, tmp_path: Path) -> None:
    lines = [patient("1", (MRN, "1")), *(observation(str(n), "Patient/1") for n in range(10))]
    archive.write("a.ndjson", ndjson(*lines))
    archive.take()
    path = archive.write("a.ndjson", ndjson(observation("top", "Patient/1", "top"), *lines))
    report = archive.take(window_bytes=400)
    assert (report.outcome("stored"), report.outcome("version"), report.outcome("unchanged")) == (1, 0, 11)
    assert archive.together(archive.holder("top"), archive.holder('"Patient"'))
    assert archive.exported(tmp_path / "out")["a.ndjson"] == path.read_bytes()


def test_an_entry_at_the_end_leaves_the_one_before_it_alone(archive: Archive, tmp_path: Path) -> None:
    """The bytes around the last record change from a closing bracket to a comma."""
    people = [patient("1", (MRN, "1")), observation("1", "Patient/1"), observation("2", "Patient/1")]
    archive.write("a.json", bundle(*people))
    archive.take()
    path = archive.write("a.json", bundle(*people, observation("3", "Patient/1")))
    report = archive.take()
    assert (report.outcome("stored"), report.outcome("version"), report.outcome("unchanged")) == (1, 0, 3)
    assert archive.exported(tmp_path / "out")["a.json"] == path.read_bytes()
    archive.write("a.json", bundle(*reversed(people)))
    assert archive.take().outcome("unchanged") == 3
    assert archive.exported(tmp_path / "again")["a.json"] == (archive.folder / "a.json").read_bytes()


def test_a_line_that_was_removed_stays_in_the_vault_and_comes_back_as_itself(archive: Archive, tmp_path: Path) -> None:
    lines = [patient("1", (MRN, "1")), *(observation(str(n), "Patient/1", f"v{n}.") for n in range(4))]
    archive.write("a.ndjson", ndjson(*lines))
    archive.take()
    before = archive.one("v2.")
    path = archive.write("a.ndjson", ndjson(*lines[:3], lines[4]))
    report = archive.take()
    assert (report.outcome("stored"), report.outcome("version"), report.outcome("unchanged")) == (0, 0, 4)
    assert archive.one("v2.") == before
    assert archive.exported(tmp_path / "out") == {"a.ndjson": path.read_bytes()}
    archive.write("a.ndjson", ndjson(lines[0]))
    archive.take()
    archive.write("a.ndjson", ndjson(*lines[:3], observation("2", "Patient/1", "v2+"), lines[4]))
    report = archive.take()
    assert (report.outcome("stored"), report.outcome("version"), report.outcome("unchanged")) == (0, 1, 4)
    assert archive.one("v2+").info.id == before.info.id


def test_equal_records_of_one_file_stay_as_many(archive: Archive, tmp_path: Path) -> None:
    line = ndjson(observation("1", "Patient/1", "twin"))
    archive.write("a.ndjson", line * 3)
    archive.write("b.hl7", message("1^^^X", "double") * 2)
    assert archive.take().outcome("stored") == 5
    assert len([one for one in archive.records() if b"twin" in one.data]) == 3
    path = archive.write("a.ndjson", line * 4)
    report = archive.take()
    assert (report.outcome("stored"), report.outcome("unchanged")) == (1, 5)
    assert archive.exported(tmp_path / "out")["a.ndjson"] == path.read_bytes()


def test_records_of_one_logical_id_keep_their_own_histories(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(observation("1", None, "x1"), observation("1", None, "y1")))
    archive.take()
    x, y = archive.one("x1").info.id, archive.one("y1").info.id
    archive.write("a.ndjson", ndjson(observation("1", None, "x1"), observation("1", None, "y2")))
    archive.take()
    assert (archive.one("x1").info.id, archive.one("y2").info.id) == (x, y)


def test_a_message_that_is_sent_again_with_other_content_is_a_new_version(archive: Archive) -> None:
    archive.write("a.hl7", message("1^^^X", "first", control="A") + message("1^^^X", "second", control="B"))
    archive.take()
    archive.write("a.hl7", message("1^^^X", "first", control="A") + message("1^^^X", "other", control="B"))
    report = archive.take()
    assert (report.outcome("version"), report.outcome("unchanged")) == (1, 1)
    assert archive.one("other").info.version == 2


def test_versions_that_the_host_has_made_do_not_disturb(archive: Archive, tmp_path: Path) -> None:
    archive.write("a.ndjson", ndjson(observation("1", None, "one"), observation("2", None, "two")))
    archive.take()
    info = archive.one("one").info
    with archive.session.transaction() as txn:
        txn.put(b"{}", kind="Observation", subject=None, replaces=info.id)
    path = archive.write("a.ndjson", ndjson(observation("1", None, "three"), observation("2", None, "two")))
    archive.take()
    assert archive.one("three").info.version == 3
    assert archive.exported(tmp_path / "out") == {"a.ndjson": path.read_bytes()}


def test_a_deleted_record_does_not_keep_the_others_from_being_known(archive: Archive, tmp_path: Path) -> None:
    lines = [observation(str(n), None, f"v{n}.") for n in range(5)]
    path = archive.write("a.json", bundle(*lines))
    archive.take()
    with archive.session.transaction() as txn:
        txn.delete(archive.one("v2.").info.id)
    report = archive.take()
    assert (report.outcome("stored"), report.outcome("unchanged")) == (1, 4)
    assert archive.exported(tmp_path / "out") == {"a.json": path.read_bytes()}


def test_what_was_quarantined_and_is_repaired_leaves_quarantine(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(observation("1", None, "one")) + "{broken}\n")
    archive.write("b.bin", b"\x00\x01\x02")
    assert archive.take().outcome("quarantined") == 2
    archive.write("a.ndjson", ndjson(observation("1", None, "one"), observation("2", None, "two")))
    archive.write("b.bin", ndjson(observation("3", None, "three")))
    report = archive.take()
    assert (report.outcome("quarantined"), report.outcome("stored"), report.outcome("unchanged")) == (0, 2, 1)
    assert not [one for one in archive.records() if one.info.kind == "vaultfs.quarantine"]


def test_what_stays_broken_is_stored_once(archive: Archive) -> None:
    archive.write("a.ndjson", ndjson(observation("1", None, "one")) + "{broken}\n")
    archive.write("b.bin", b"\x00\x01\x02")
    archive.take()
    before = archive.records(own=True)
    assert archive.take().outcome("quarantined") == 2
    assert archive.records(own=True) == before
    archive.write("a.ndjson", ndjson(observation("1", None, "other")) + "{broken}\n")
    assert archive.take().outcome("quarantined") == 2
    assert len([one for one in archive.records() if b"{broken}" in one.data]) == 1


# Interrupted, in the same process: the commit fails, and the import is run again.


class Fails:
    """Lets the n-th transaction fail when it commits, after all of its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, error: VaultError) -> None:
        self.left = number
        commit = Transaction.commit

        def failing(txn: Transaction) -> int:
            self.left -= 1
            if self.left == 0:
                txn.rollback()
                raise error
            return commit(txn)

        monkeypatch.setattr(Transaction, "commit", failing)


@pytest.mark.parametrize("number", [1, 2, 4, 6])
@pytest.mark.parametrize("again", ["same", "other"])
def test_a_changed_file_that_was_half_taken_in_is_finished(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, again: str
) -> None:
    """What is known of the earlier version counts until the new one is complete."""
    old = [patient("1", (MRN, "1")), *(observation(str(n), "Patient/1", f"old{n}.") for n in range(20))]
    new = [
        one if n % 3 else {**one, "status": "amended"} if n else {**one, "active": True} for n, one in enumerate(old)
    ]
    archive.write("a.ndjson", ndjson(*old))
    archive.take(window_bytes=500)
    ids = {one.info.id for one in archive.records()}
    path = archive.write("a.ndjson", ndjson(*new, observation("more", "Patient/1")))
    with monkeypatch.context() as patched:
        Fails(patched, number, TransactionConflict())
        with pytest.raises(TransactionConflict):
            archive.take(window_bytes=500)
    if again == "other":
        path = archive.write("a.ndjson", ndjson(*reversed(new), observation("more", "Patient/1")))
    report = archive.take(window_bytes=500)
    after = archive.records()
    assert len(after) == 22
    assert ids < {one.info.id for one in after}
    assert report.sources == {"resumed" if again == "same" and number > 1 else "changed": 1}
    assert {one.info.version for one in after if b"amended" in one.data} == {2}
    assert {one.info.version for one in after if b"final" in one.data} == {1}
    assert archive.exported(tmp_path / "out") == {"a.ndjson": path.read_bytes()}


def test_a_file_that_changes_at_every_interruption_leaves_nothing_double(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each revision takes in a part of its own before it is given up."""
    lines = [observation(str(n), None, f"v{n}.") for n in range(30)]
    archive.write("a.ndjson", ndjson(*lines[:3]))
    archive.take()
    for turn in range(3):
        added = [observation(f"t{turn}{n}", None, f"t{turn}.{n}.") for n in range(5)]
        path = archive.write("a.ndjson", ndjson(*added, *lines))
        with monkeypatch.context() as patched:
            Fails(patched, 4, TransactionConflict())
            with pytest.raises(TransactionConflict):
                archive.take(window_bytes=300)
        with monkeypatch.context() as patched:
            Fails(patched, 3, TransactionConflict())
            with pytest.raises(TransactionConflict):
                archive.take(window_bytes=300)
    archive.take(window_bytes=300)
    data = [one.data for one in archive.records()]
    assert len(data) == len(set(data)) == 45
    assert {one.info.version for one in archive.records()} == {1}
    assert archive.exported(tmp_path / "out") == {"a.ndjson": path.read_bytes()}
    archive.write("a.ndjson", ndjson(*lines))
    archive.take()
    archive.write("a.ndjson", path.read_bytes())
    assert archive.take().outcome("stored") == 0


def test_sources_that_are_single_files_share_windows(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit waits for the disk, so there is not one for every file that is named."""
    paths = [archive.write(f"{n}.hl7", message("1", f"v{n}.")) for n in range(50)]
    count = 0
    commit = Transaction.commit

    def counting(txn: Transaction) -> int:
        nonlocal count
        count += 1
        return commit(txn)

    monkeypatch.setattr(Transaction, "commit", counting)
    assert archive.take(*paths).outcome("stored") == 50
    assert count == 1
    assert len({archive.holder(f"v{n}.") for n in range(50)}) == 50


def test_an_importer_whose_commit_failed_can_be_run_again(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the first run lies in wait for the second."""
    files = synthetic(archive)
    importer = Importer(archive.vault, archive.session, ImportOptions(window_bytes=100_000))
    with monkeypatch.context() as patched:
        Fails(patched, 3, StorageFull())
        with pytest.raises(StorageFull):
            importer.run([archive.folder])
    report = importer.run([archive.folder])
    assert report.bytes_in == sum(len(one) for one in files.values())
    assert report.sources["unchanged"] > 0
    assert len(archive.records()) == report.read
    assert archive.exported(tmp_path / "out") == files


def test_a_begun_import_goes_on_under_other_options(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive.write("a.hl7", "".join(message(str(n % 3), f"v{n}.", control=str(n)) for n in range(12)))
    with monkeypatch.context() as patched:
        Fails(patched, 3, TransactionConflict())
        with pytest.raises(TransactionConflict):
            archive.take(window_bytes=300)
    archive.take(window_bytes=10_000, namespace="https://hospital.example/mrn")
    assert len(archive.records()) == 12
    assert archive.exported(tmp_path / "out") == {"a.hl7": path.read_bytes()}

"""An export says to whom it goes, and for what, where its caller does; without a word it is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaultfs_format.events.disclosures import SubjectDisclosed
from vaultfs_format.events.records import RecordRead, SubjectExported

import vaultfs
from tests.vaultfs.support import MRN, OTHER, WHO, create, event_types, events, put, read_only
from vaultfs.audit.accounting import account
from vaultfs.audit.disclosures import disclosures
from vaultfs.errors import DestinationFailed, ReadOnly
from vaultfs.migrate import export
from vaultfs.migrate.export import Exporter

TO = vaultfs.Disclosure(
    recipient="Registry of CanaryQ",
    address="1 Main Street",
    description="all records",
    purpose="cancer registry",
    basis=vaultfs.Basis.PUBLIC_HEALTH,
)


@pytest.fixture
def vault(tmp_path: Path) -> vaultfs.Vault:
    """Return a vault with three records of one patient and one of another."""
    vault = create(tmp_path / "v")
    for number in range(3):
        put(vault, b"%d" % number, subject=MRN)
    put(vault, b"other", subject=OTHER)
    return vault


def test_disclosures_are_on_record_before_anything_is_written(
    vault: vaultfs.Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(path: Path) -> object:
        assert sorted(one.records for one in events(vault) if isinstance(one, SubjectDisclosed)) == [1, 3]
        raise OSError(5, "no")

    monkeypatch.setattr(export, "_private", failing)
    with vault, vault.session(WHO, "TREAT") as session, pytest.raises(DestinationFailed):
        Exporter(session, tmp_path / "out", TO).run()


@pytest.mark.parametrize("batch", [1, 256])
def test_every_patient_is_told_who_received_what(
    vault: vaultfs.Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(export, "_DISCLOSED", batch)
    with vault:
        with vault.session(WHO, "TREAT") as session:
            assert Exporter(session, tmp_path / "out", TO).run().patients == 2
            subjects = session.subjects(MRN)[0], session.subjects(OTHER)[0]
        for subject, records in zip(subjects, (3, 1), strict=True):
            (row,) = disclosures(account(vault, subject)).rows
            assert (row.recipient, row.purpose, row.basis, row.records) == (TO.recipient, TO.purpose, TO.basis, records)
        kinds = [type(one) for one in events(vault)]
        assert SubjectExported not in kinds
        assert max(at for at, kind in enumerate(kinds) if kind is SubjectDisclosed) < kinds.index(RecordRead)


def test_who_else_received_records_is_not_exported(vault: vaultfs.Vault, tmp_path: Path) -> None:
    with vault, vault.session(WHO, "TREAT") as session:
        first = Exporter(session, tmp_path / "one", TO).run()
        second = Exporter(session, tmp_path / "two").run()
        assert first.records == second.records == 4
        names = [{path.name for path in (tmp_path / out).rglob("*")} for out in ("one", "two")]
        assert names[0] == names[1]
        counts = [one.records for one in events(vault) if isinstance(one, SubjectExported)]
        assert sorted(counts) == [1, 3]
    written = b"".join(path.read_bytes() for path in (tmp_path / "two").rglob("*") if path.is_file())
    assert b"CanaryQ" not in written


def test_who_may_only_read_cannot_put_it_on_record(vault: vaultfs.Vault, tmp_path: Path) -> None:
    vault.close()
    with read_only(vault.path) as reader, reader.session(WHO, "TREAT") as session:
        with pytest.raises(ReadOnly):
            Exporter(session, tmp_path / "out", TO).run()
        assert not list((tmp_path / "out").iterdir())
    with create(tmp_path / "empty") as empty, empty.session(WHO, "TREAT") as session:
        assert Exporter(session, tmp_path / "nothing", TO).run().patients == 0
        assert vaultfs.EventType.SUBJECT_DISCLOSED not in event_types(empty)

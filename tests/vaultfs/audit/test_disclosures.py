"""The accounting of disclosures: what 45 CFR 164.528 wants of each, what it leaves out, and what the proof shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from vaultfs_format.disclosure import DISCLOSURE_KIND, SUSPENSION_KIND, Statement
from vaultfs_format.errors import CommitmentMismatch, FieldInvalid, ProofInvalid
from vaultfs_format.events.disclosures import SubjectDisclosed
from vaultfs_format.events.records import RecordPut, SubjectExported
from vaultfs_format.subjectproof import SubjectProof
from vaultfs_tools.auditing import accounts

import vaultfs
from tests.vaultfs.engine.years import kept_apart
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, WHO, create, events
from vaultfs import Basis, Disclosure, Suspension
from vaultfs.audit import statements
from vaultfs.audit.accounting import Accounting, account
from vaultfs.audit.disclosures import Disclosures, Row, disclosures
from vaultfs.audit.view import LogView
from vaultfs.disclosing import DisclosureInvalid, SuspensionInvalid
from vaultfs.errors import ArgumentInvalid, Deleted, NotFound, VaultDamaged
from vaultfs.migrate.export import Exporter

DAY = 24 * 3600 * 1_000_000
NOW = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
SHERIFF = "Sheriff of CanaryQ County"


class Clock:
    """A clock that stands until somebody moves it."""

    now = int(NOW.timestamp()) * 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the vault."""
    return Clock()


@pytest.fixture
def vault(tmp_path: Path, clock: Clock) -> Iterator[vaultfs.Vault]:
    """Return a vault with a record of a subject and one of another."""
    with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
            txn.put(b"one", kind="Observation", subject=MRN)
            txn.put(b"other", kind="Observation", subject=OTHER)
        yield vault


def to(recipient: str = "Registry", basis: Basis = Basis.PUBLIC_HEALTH, **more: object) -> Disclosure:
    """Return a disclosure."""
    stated: dict[str, object] = {"description": "results", "purpose": "reporting", **more}
    return Disclosure(recipient=recipient, basis=basis, **stated)  # type: ignore[arg-type] # of any field


def disclose(vault: vaultfs.Vault, *stated: Disclosure, records: int = 1) -> list[vaultfs.RecordId]:
    """Put disclosures on record, each in a commit of its own."""
    with vault.session(WHO, "TREAT") as session:
        found = []
        for one in stated:
            with session.transaction() as txn:
                found.append(txn.disclose(MRN, one, records))
        return found


def suspend(vault: vaultfs.Vault, suspension: Suspension) -> vaultfs.RecordId:
    """Suspend accounting."""
    with vault.session(WHO, "HLEGAL") as session, session.transaction() as txn:
        return txn.suspend(MRN, suspension)


def surrogate(vault: vaultfs.Vault) -> vaultfs.SubjectId:
    """Return the surrogate of the subject."""
    with vault.session(WHO, "TREAT") as session:
        return session.subjects(MRN)[0]


def accounted(vault: vaultfs.Vault) -> Accounting:
    """Return all that the log has about the subject."""
    return account(vault, surrogate(vault))


def told(vault: vaultfs.Vault, **more: object) -> Disclosures:
    """Return what the subject is told."""
    return disclosures(accounted(vault), **more)  # type: ignore[arg-type] # of any argument


def recipients(found: Disclosures) -> list[str | None]:
    """Return who received something, by date."""
    return [row.recipient for row in found.rows]


class TestStating:
    def test_a_row_has_what_the_rule_wants(self, vault: vaultfs.Vault) -> None:
        disclose(vault, to("Registry", address="1 Main Street", description="labs", purpose="notice"), records=3)
        (row,) = told(vault).rows
        assert (row.date, row.recipient, row.address) == (TODAY, "Registry", "1 Main Street")
        assert (row.description, row.purpose, row.basis, row.records) == ("labs", "notice", Basis.PUBLIC_HEALTH, 3)
        assert not row.excepted
        assert not row.gone

    def test_event_and_record_are_one_commit_and_the_event_has_no_text(self, vault: vaultfs.Vault) -> None:
        (record,) = disclose(vault, to("CanaryQ"))
        (event,) = (one for one in events(vault) if isinstance(one, SubjectDisclosed))
        assert event.record == record
        assert b"CanaryQ" not in msgspec.msgpack.encode(event)
        with vault.session(WHO, "TREAT") as session:
            found = session.get(record)
        assert found.info.kind == DISCLOSURE_KIND
        assert found.info.subject == event.subject
        assert Statement.decode(found.data).recipient == "CanaryQ"

    def test_what_is_rolled_back_was_not_disclosed(self, vault: vaultfs.Vault) -> None:
        with vault.session(WHO, "TREAT") as session:
            txn = session.transaction()
            txn.disclose(MRN, to(), 1)
            txn.rollback()
        assert not told(vault).rows

    @pytest.mark.parametrize(
        "changes", [{"recipient": ""}, {"purpose": ""}, {"description": "x" * 3000}, {"address": ""}, {"date": NOW}]
    )
    def test_what_lacks_something_is_no_disclosure(self, changes: dict[str, object]) -> None:
        with pytest.raises(DisclosureInvalid):
            to(**changes)  # type: ignore[arg-type] # of any field

    def test_a_ground_is_one_of_the_list(self) -> None:
        with pytest.raises(ArgumentInvalid):
            to(basis=21)  # type: ignore[arg-type] # what must be refused

    def test_nobody_and_strangers_are_refused(self, vault: vaultfs.Vault) -> None:
        with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
            with pytest.raises(ArgumentInvalid):
                txn.disclose(vaultfs.NOBODY, to(), 1)
            with pytest.raises(ArgumentInvalid):
                txn.disclose(MRN, to(), -1)
            with pytest.raises(NotFound):
                txn.disclose(vaultfs.Identifier("urn:x", "nobody"), to(), 1)

    def test_what_is_to_come_was_not_disclosed(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        """It is tomorrow where the day begins first; what is later no accounting would have."""
        disclose(vault, to(date=TODAY + dt.timedelta(1)))
        assert len(told(vault, until=TODAY + dt.timedelta(1)).rows) == 1
        stated = to(date=TODAY + dt.timedelta(2))
        with pytest.raises(ArgumentInvalid):
            disclose(vault, stated)
        with vault.session(WHO, "TREAT") as session, pytest.raises(ArgumentInvalid):
            Exporter(session, tmp_path / "out", stated).run()
        assert not list((tmp_path / "out").iterdir())
        assert len([event for event in events(vault) if isinstance(event, SubjectDisclosed)]) == 1

    def test_nothing_of_it_is_in_a_repr(self, vault: vaultfs.Vault) -> None:
        one = to("CanaryQ", description="CanaryQ", purpose="CanaryQ", address="CanaryQ", date=TODAY)
        disclose(vault, one)
        suspension = Suspension(recipient="CanaryQ", until=NOW + dt.timedelta(1))
        suspend(vault, suspension)
        found = accounted(vault)
        shown = repr((one, suspension, found, disclosures(found), disclosures(found).summarised()))
        assert "CanaryQ" not in shown


class TestPeriod:
    def test_it_is_six_years_by_custom(self, vault: vaultfs.Vault) -> None:
        days = [dt.date(2018, 2, 27), dt.date(2018, 2, 28), dt.date(2024, 2, 29)]
        disclose(vault, *(to(str(day), date=day) for day in days))
        found = told(vault)
        assert (found.since, found.until) == (dt.date(2018, 2, 28), TODAY)
        assert recipients(found) == [str(day) for day in days[1:]]

    def test_the_clock_is_that_of_the_vault(self, vault: vaultfs.Vault, clock: Clock) -> None:
        disclose(vault, to())
        clock.now += 6 * 366 * DAY
        assert told(vault).rows == ()
        assert recipients(told(vault, since=TODAY)) == ["Registry"]

    def test_less_may_be_asked_for(self, vault: vaultfs.Vault) -> None:
        disclose(vault, *(to(str(month), date=dt.date(2023, month, 1)) for month in (3, 2, 1)))
        assert recipients(told(vault)) == ["1", "2", "3"]
        found = told(vault, since=dt.date(2023, 2, 1), until=dt.date(2023, 2, 1))
        assert recipients(found) == ["2"]
        with pytest.raises(ArgumentInvalid):
            told(vault, since=TODAY, until=dt.date(2020, 1, 1))


class TestGrounds:
    def test_what_is_not_known_must_be_told_of(self) -> None:
        assert not Row(0, TODAY, 1).excepted
        assert Row(0, TODAY, 1, Basis.INCIDENT).excepted

    def test_it_is_left_out_by_custom_and_marked_else(self, vault: vaultfs.Vault) -> None:
        disclose(vault, to("Payer", Basis.TREATMENT_PAYMENT_OPERATIONS), to("Court", Basis.PROCEEDINGS))
        assert recipients(told(vault)) == ["Court"]
        found = told(vault, excepted=True)
        assert [(row.recipient, row.excepted) for row in found.rows] == [("Payer", True), ("Court", False)]

    def test_what_left_without_a_word_is_told_of(self, vault: vaultfs.Vault) -> None:
        with vault.session(WHO, "TREAT") as session:
            session.disclose(surrogate(vault), 7)
        (row,) = told(vault).rows
        assert (row.basis, row.recipient, row.records, row.gone, row.excepted) == (None, None, 7, False, False)


class TestSuspension:
    UNTIL = NOW + dt.timedelta(days=60)

    @pytest.fixture
    def suspended(self, vault: vaultfs.Vault) -> vaultfs.RecordId:
        """Suspend accounting for what goes to the sheriff; return the record of it."""
        for basis in (Basis.LAW_ENFORCEMENT, Basis.OVERSIGHT, Basis.REQUIRED_BY_LAW):
            disclose(vault, to(SHERIFF, basis, description=basis.name))
        disclose(vault, to("Police", Basis.LAW_ENFORCEMENT))
        return suspend(vault, Suspension(recipient=f" {SHERIFF.upper()}  ", until=self.UNTIL))

    def test_those_to_the_agency_are_left_out_and_counted_for_the_keeper(
        self, vault: vaultfs.Vault, suspended: vaultfs.RecordId
    ) -> None:
        found = told(vault)
        assert [(row.recipient, row.basis) for row in found.rows] == [
            (SHERIFF, Basis.REQUIRED_BY_LAW),
            ("Police", Basis.LAW_ENFORCEMENT),
        ]
        assert found.suspended == 2
        with vault.session(WHO, "TREAT") as session:
            assert session.get(suspended).info.kind == SUSPENSION_KIND

    def test_the_proof_that_is_given_does_not_tell(self, vault: vaultfs.Vault, suspended: vaultfs.RecordId) -> None:
        whole = accounted(vault)
        proof, keys = disclosures(whole).proof, LogView(vault).keys
        proof.verify(keys)
        shown = [event.basis for event, _ in proof.disclosed()]
        assert shown == [Basis.REQUIRED_BY_LAW, Basis.LAW_ENFORCEMENT]
        assert bytes(suspended) not in proof.encode()
        without = disclosures(replace(whole, said=replace(whole.said, suspensions=())))
        assert len(without.rows) == 4
        assert without.proof.total == proof.total
        assert proof.total > len(list(without.proof.about())) > len(list(proof.about())) == 2

    def test_it_ends_when_its_time_is_over(
        self, vault: vaultfs.Vault, clock: Clock, suspended: vaultfs.RecordId
    ) -> None:
        clock.now += 60 * DAY - 1
        assert told(vault).suspended == 2
        clock.now += 1
        found = told(vault)
        assert (found.suspended, len(found.rows)) == (0, 4)

    def test_it_ends_when_its_record_is_deleted(self, vault: vaultfs.Vault, suspended: vaultfs.RecordId) -> None:
        with vault.session(WHO, "HLEGAL") as session, session.transaction() as txn:
            txn.delete(suspended)
        assert told(vault).suspended == 0

    def test_it_does_not_hold_before_it_is_stated(self, vault: vaultfs.Vault) -> None:
        disclose(vault, to(SHERIFF, Basis.LAW_ENFORCEMENT))
        suspend(vault, Suspension(recipient=SHERIFF, stated=NOW + dt.timedelta(1), until=self.UNTIL))
        assert told(vault).suspended == 0

    @pytest.mark.parametrize(
        "suspension",
        [
            Suspension(recipient=SHERIFF, until=NOW),
            Suspension(recipient="", until=UNTIL),
            Suspension(recipient=SHERIFF, until=NOW + dt.timedelta(days=30, microseconds=1), oral=True),
        ],
    )
    def test_one_that_is_none_is_refused(self, vault: vaultfs.Vault, suspension: Suspension) -> None:
        with pytest.raises(SuspensionInvalid):
            suspend(vault, suspension)

    def test_an_oral_one_holds_for_thirty_days(self, vault: vaultfs.Vault, clock: Clock) -> None:
        disclose(vault, to(SHERIFF, Basis.LAW_ENFORCEMENT))
        suspend(vault, Suspension(recipient=SHERIFF, until=NOW + dt.timedelta(30), oral=True))
        assert told(vault).suspended == 1
        clock.now += 30 * DAY
        assert told(vault).suspended == 0

    def test_a_time_has_an_offset(self, vault: vaultfs.Vault) -> None:
        with pytest.raises(ArgumentInvalid):
            suspend(vault, Suspension(recipient=SHERIFF, until=dt.datetime(2030, 1, 1)))

    def test_one_that_cannot_be_read_stops_the_accounting(
        self, vault: vaultfs.Vault, suspended: vaultfs.RecordId
    ) -> None:
        with vault.session(WHO, "HLEGAL") as session, session.transaction() as txn:
            txn.put(b"other", kind=SUSPENSION_KIND, subject=MRN, replaces=suspended)
        with pytest.raises(FieldInvalid):
            accounted(vault)

    @pytest.mark.parametrize("rebuilt", [False, True])
    def test_it_holds_for_longer_than_its_event_is_kept(
        self, vault: vaultfs.Vault, clock: Clock, rebuilt: bool
    ) -> None:
        record = suspend(vault, Suspension(recipient=SHERIFF, until=NOW + dt.timedelta(days=2500)))
        ended = suspend(vault, Suspension(recipient="Police", until=NOW + dt.timedelta(days=2500)))
        with vault.session(WHO, "HLEGAL") as session, session.transaction() as txn:
            txn.delete(ended)
        vault.settle()
        clock.now += 2300 * DAY
        disclose(vault, to(SHERIFF, Basis.LAW_ENFORCEMENT), to("Police", Basis.LAW_ENFORCEMENT))
        before = told(vault)
        clock.now += 100 * DAY
        with kept_apart():
            assert vault.maintenance.prune_log(NOW + dt.timedelta(days=200)).leaves > 0
        assert not [event for event in events(vault) if isinstance(event, RecordPut) and event.record == record]
        if rebuilt:
            vault.rebuild_index()
        after = told(vault)
        assert (recipients(after), after.suspended) == (recipients(before), before.suspended) == (["Police"], 1)
        with vault.session(WHO, "HLEGAL") as session, session.transaction() as txn:
            txn.put(b"other", kind="Observation", subject=MRN, replaces=record)
        with pytest.raises(FieldInvalid):
            accounted(vault)


class TestSummaries:
    def test_those_to_one_recipient_for_one_purpose_are_one(self, vault: vaultfs.Vault) -> None:
        days = [dt.date(2023, month, 1) for month in (5, 3, 4)]
        disclose(vault, *(to("Registry ", date=day, description=day.isoformat()) for day in days), records=2)
        disclose(vault, to("registry", purpose="another"), to("Other"))
        found = told(vault).summarised()
        assert [(one.first.recipient, one.disclosures, one.records) for one in found] == [
            ("Registry ", 3, 6),
            ("registry", 1, 1),
            ("Other", 1, 1),
        ]
        assert (found[0].first.date, found[0].last) == (days[1], days[0])
        assert found[0].first.description == days[1].isoformat()

    def test_two_of_one_name_are_not_one(self, vault: vaultfs.Vault) -> None:
        places = ("1 Main Street, Aville", "1 MAIN  Street, Aville", "1 Main Street, Btown", None)
        disclose(vault, *(to(address=place) for place in places))
        found = [(one.first.address, one.disclosures) for one in told(vault).summarised()]
        assert found == [(places[0], 2), (places[2], 1), (None, 1)]

    @pytest.mark.parametrize("basis", [Basis.NOT_PERMITTED, Basis.OTHER, Basis.NATIONAL_SECURITY, Basis.AUTHORIZATION])
    def test_no_others_are(self, vault: vaultfs.Vault, basis: Basis) -> None:
        disclose(vault, to(basis=basis), to(basis=basis))
        assert [one.disclosures for one in told(vault, excepted=True).summarised()] == [1, 1]

    def test_those_for_compliance_are(self, vault: vaultfs.Vault) -> None:
        disclose(vault, to(basis=Basis.COMPLIANCE), to(basis=Basis.COMPLIANCE))
        with vault.session(WHO, "TREAT") as session:
            for _ in range(2):
                session.disclose(surrogate(vault), 1)
        assert [one.disclosures for one in told(vault).summarised()] == [2, 1, 1]


class TestProof:
    def test_it_shows_the_rows_and_what_was_stated_and_nothing_else(self, vault: vaultfs.Vault) -> None:
        disclose(vault, to("One"), to("Two"), to("Payer", Basis.TREATMENT_PAYMENT_OPERATIONS))
        whole = accounted(vault)
        proof = SubjectProof.decode(disclosures(whole).proof.encode())
        proof.verify(LogView(vault).keys)
        assert proof.total == len(whole.entries)
        said = [statement.recipient for _, statement in proof.disclosed() if statement]
        assert said == ["One", "Two"]
        assert {type(event) for event in proof.about()} == {SubjectDisclosed}

    def test_what_was_stated_cannot_be_put_otherwise(self, vault: vaultfs.Vault) -> None:
        disclose(vault, to("One"))
        proof, keys = told(vault).proof, LogView(vault).keys
        new = msgspec.structs.replace
        other = new(Statement.decode(proof.statements[0]), recipient="Another").encode()
        with pytest.raises(ProofInvalid):
            new(proof, statements=(other,)).verify(keys)
        with pytest.raises(FieldInvalid):
            new(proof, statements=(b"nothing",)).verify(keys)
        new(proof, statements=()).verify(keys)

    def test_an_export_is_among_it(self, vault: vaultfs.Vault) -> None:
        with vault.session(WHO, "TREAT") as session:
            session.disclose(surrogate(vault), 1)
        proof = told(vault).proof
        proof.verify(LogView(vault).keys)
        assert [type(event) for event in proof.about()] == [SubjectExported]


class TestRecords:
    """What was stated stays what it was, for as long as the subject is there."""

    def test_deleting_or_replacing_the_record_changes_nothing(self, vault: vaultfs.Vault) -> None:
        first, second = disclose(vault, to("One"), to("Two"))
        with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
            txn.delete(first)
            txn.put(b"other", kind=DISCLOSURE_KIND, subject=MRN, replaces=second)
        vault.settle()
        assert recipients(told(vault)) == ["One", "Two"]
        with vault.session(WHO, "TREAT") as session, pytest.raises(Deleted):
            session.get(first)

    def test_it_goes_with_the_subject_and_the_event_stays(self, vault: vaultfs.Vault) -> None:
        disclose(vault, to("One", date=dt.date(2023, 1, 1)), records=5)
        suspend(vault, Suspension(recipient="One", until=NOW + dt.timedelta(1)))
        subject = surrogate(vault)
        vault.keys.turn(PASSPHRASE, dispose=[subject])
        whole = account(vault, subject)
        found = disclosures(whole)
        (row,) = found.rows
        assert (row.gone, row.recipient, row.date) == (True, None, TODAY)
        assert (row.basis, row.records) == (Basis.PUBLIC_HEALTH, 5)
        assert found.proof.statements == ()
        assert accounts.rows_of(found, summarise=True)[0]["note"] == "what was stated went with the subject"
        found.proof.verify(LogView(vault).keys)

    @pytest.mark.parametrize(
        ("read", "error"),
        [(lambda: b"other", CommitmentMismatch), (lambda: _raise(NotFound()), VaultDamaged)],
        ids=["other", "missing"],
    )
    def test_one_that_is_not_the_one_of_the_event_stops_the_accounting(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch, read: Callable[[], bytes], error: type[Exception]
    ) -> None:
        disclose(vault, to())
        monkeypatch.setattr(statements, "_data", lambda *_: read())
        with pytest.raises(error):
            accounted(vault)

    def test_a_suspension_that_is_missing_stops_it_too(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        suspend(vault, Suspension(recipient="One", until=NOW + dt.timedelta(1)))
        monkeypatch.setattr(statements, "_data", lambda *_: _raise(NotFound()))
        with pytest.raises(VaultDamaged):
            accounted(vault)


def _raise(error: Exception) -> bytes:
    raise error

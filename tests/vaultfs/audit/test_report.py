"""The report on the log: counted as the events are, within its time, and recorded; none of a log that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from vaultfs_format.events.base import Event, UnknownEvent
from vaultfs_format.events.disclosures import Basis, SubjectDisclosed
from vaultfs_format.events.keys import (
    CryptoperiodSet,
    EpochTurned,
    EscrowDrilled,
    KeyRefused,
    KeyStatePassed,
    KeyStateSet,
    RecipientAdded,
    RecipientRemoved,
    SignerAdded,
    SubjectDisposed,
    UnlockFailed,
)
from vaultfs_format.events.records import AccessDenied, RecordRead, SubjectExported, SubjectsListed
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.events.vault import AccessMerged, LogReported, SegmentRepaired

import vaultfs
from tests.vaultfs.audit.small import in_order, of
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, create, events, events_of, lost, put, read_only, reopen
from vaultfs import Outcome
from vaultfs.audit.report import Report, report
from vaultfs.audit.tallying import LISTED, Table, Tally
from vaultfs.audit.verifying import checked, verify
from vaultfs.errors import AccessDenied as Denied
from vaultfs.errors import ArgumentInvalid, NoRecipientMatches, NotFound, VaultDamaged
from vaultfs.keys import PrivateKey
from vaultfs.storage.scrub import scrub

HOUR = 3_600_000_000
START = 1_700_000_000_000_000
ALWAYS = 1 << 62


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        self.now += 1
        return self.now


class Gate:
    """Denies one person everything."""

    def permits(self, request: vaultfs.Request) -> bool:
        return request.principal.id != "visitor"


STANDING = {Table.HEALTH, Table.KEY_STATES, Table.CLOCK_STEPS}
"""Tables whose rows are not about events of a time."""


def counts(found: Report, table: Table) -> dict[str, int]:
    """Return the counts of a table by key."""
    return {row.key: row.count for row in found.table(table)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the vault of this module lies, and what keeps its files."""
    return tmp_path_factory.mktemp("reported")


@pytest.fixture(scope="module")
def vault(place: Path) -> Iterator[vaultfs.Vault]:
    """Return a vault in which five persons have acted, an hour apart, and much has happened to its keys."""
    clock = Clock()
    with create(place / "v", policy=Gate(), options=vaultfs.Options(clock=clock)) as vault:
        record, other = put(vault), put(vault, subject=OTHER)
        clock.now += HOUR
        with vault.session(vaultfs.Principal("dr-one"), "TREAT") as one:
            one.get(record)
            one.get(record)
            one.get(other)
            with pytest.raises(NotFound):
                one.get(vaultfs.RecordId(b"x" * 16))
            (subject,) = one.subjects(MRN)
            one.disclose(subject, 7)
        clock.now += HOUR
        with vault.session(vaultfs.Principal("dr-two"), "BTG") as two:
            two.get(other)
        with vault.session(vaultfs.Principal("visitor"), "HRESCH") as nobody, pytest.raises(Denied):
            nobody.get(record)
        clock.now += HOUR
        with pytest.raises(NoRecipientMatches):
            vault.keys.add(PASSPHRASE, unlock=vaultfs.Passphrase(b"wrong"))
        vault.keys.add(PrivateKey.generate().public_key, unlock=PASSPHRASE)
        (gone,) = one_of(vault)
        vault.keys.turn(PASSPHRASE, dispose=[gone], new_signer=True)
        yield vault


def one_of(vault: vaultfs.Vault) -> list[vaultfs.SubjectId]:
    with vault.session(vaultfs.Principal("keeper"), "HSYSADMIN") as session:
        return list(session.subjects(OTHER))


@pytest.fixture(scope="module")
def whole(vault: vaultfs.Vault) -> Report:
    """Return the report on all time."""
    return report(vault, 0, ALWAYS)


class TestTables:
    def test_access_is_counted_by_person_patient_and_purpose(self, vault: vaultfs.Vault, whole: Report) -> None:
        by_person = counts(whole, Table.ACCESS_BY_PERSON)
        assert (by_person["dr-one"], by_person["dr-two"], by_person["keeper"]) == (5, 1, 1)
        assert "visitor" not in by_person
        by_purpose = counts(whole, Table.ACCESS_BY_PURPOSE)
        assert (by_purpose["BTG"], by_purpose["HSYSADMIN"]) == (1, 1)
        subjects = [event.subject.hex() for event in events(vault) if isinstance(event, RecordRead) and event.subject]
        assert {key: subjects.count(key) for key in subjects}.items() != {}
        assert counts(whole, Table.ACCESS_BY_PATIENT).keys() == {*subjects}
        assert counts(whole, Table.FAILED_ACCESS_BY_PERSON) == {"dr-one": 1}

    def test_the_glass_that_was_broken_is_counted_apart(self, whole: Report) -> None:
        assert counts(whole, Table.BREAK_GLASS_SESSIONS_BY_PERSON) == {"dr-two": 1}
        assert counts(whole, Table.BREAK_GLASS_ACCESS_BY_PERSON) == {"dr-two": 1}
        ((patient, times),) = counts(whole, Table.BREAK_GLASS_ACCESS_BY_PATIENT).items()
        assert (times, patient in counts(whole, Table.ACCESS_BY_PATIENT)) == (1, True)

    def test_denials_are_counted_by_person_and_action(self, whole: Report) -> None:
        assert counts(whole, Table.DENIED_BY_PERSON) == {"visitor": 1}
        assert counts(whole, Table.DENIED_BY_ACTION) == {"read": 1}

    def test_disclosures_are_counted_with_their_records(self, whole: Report) -> None:
        assert list(counts(whole, Table.DISCLOSURES_BY_PATIENT).values()) == [1]
        assert list(counts(whole, Table.DISCLOSED_RECORDS_BY_PATIENT).values()) == [7]

    def test_what_became_of_keys_is_counted(self, whole: Report) -> None:
        assert counts(whole, Table.UNLOCKING) == {"unlock_failed": 1}
        assert [key.partition(" ")[0] for key in counts(whole, Table.RECIPIENTS)] == ["recipient_added"]
        assert counts(whole, Table.KEYS) == {"signer_added 2": 1, "key_state_set signer 2 active": 1}
        epochs = counts(whole, Table.EPOCHS)
        assert (epochs["epoch_turning"], epochs["epoch_turned"]) == (1, 1)
        assert list(counts(whole, Table.DISPOSALS).values()) == [1]

    def test_what_became_of_the_vault_is_counted(self, whole: Report) -> None:
        upkeep = counts(whole, Table.UPKEEP)
        assert (upkeep["vault_created"], upkeep["vault_opened"]) == (1, 1)
        assert upkeep["settled"] >= 1

    def test_how_the_vault_is_now_is_told(self, vault: vaultfs.Vault, whole: Report) -> None:
        health = counts(whole, Table.HEALTH)
        assert health["epoch_stores"] == vault.maintenance.health().epoch_stores
        assert {f"concern {one.name.lower()}" for one in vault.maintenance.health().concerns} <= health.keys()

    def test_how_each_key_stands_now_is_told(self, vault: vaultfs.Vault, whole: Report) -> None:
        found = counts(whole, Table.KEY_STATES)
        assert {"epoch 1 deactivated", "epoch 2 active", "signer 2 active"} <= found.keys()
        recipients = [key for key in found if key.startswith("recipient ")]
        assert len(recipients) == len(vault.keys.recipients()) == 2

    def test_the_age_of_the_last_scrub_is_told_once_there_was_one(self, tmp_path: Path) -> None:
        clock = Clock()
        with create(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
            put(vault)
            assert "scrub_age_seconds" not in counts(report(vault, 0, ALWAYS), Table.HEALTH)
            scrub(vault, seconds=60)
            clock.now += HOUR
            assert 3600 <= counts(report(vault, 0, ALWAYS), Table.HEALTH)["scrub_age_seconds"] < 3700

    def test_every_event_is_in_a_table(self, whole: Report) -> None:
        """Each is counted once by person, by purpose or by what it is: nothing of the log is left out."""
        once = set(Table) - {
            *(Table.ACCESS_BY_PATIENT, Table.ACCESS_BY_PURPOSE, Table.DENIED_BY_ACTION, Table.DISCLOSURES_BY_PATIENT),
            *(Table.DISCLOSED_RECORDS_BY_PATIENT, Table.BREAK_GLASS_SESSIONS_BY_PERSON, Table.CLOCK_STEPS),
            *(Table.BREAK_GLASS_ACCESS_BY_PERSON, Table.BREAK_GLASS_ACCESS_BY_PATIENT, Table.HEALTH),
            Table.KEY_STATES,
        }
        assert sum(row.count for row in whole.rows if row.table in once) == whole.events

    def test_first_and_last_are_times_of_events(self, vault: vaultfs.Vault, whole: Report) -> None:
        times = {event.at for event in events(vault)}
        timed = [row for row in whole.rows if row.table not in STANDING]
        assert all(row.first in times and row.last in times and row.first <= row.last for row in timed)


class TestTime:
    def test_times_that_follow_each_other_give_what_they_give_together(self, vault: vaultfs.Vault) -> None:
        last = max(event.at for event in events(vault)) + 1
        ends = [0, START + HOUR, START + 2 * HOUR, START + 3 * HOUR, last]
        parts = [report(vault, since, until) for since, until in pairwise(ends)]
        together = report(vault, 0, last)
        assert sum(part.events for part in parts) == together.events
        for table in set(Table) - STANDING:
            summed: dict[str, int] = {}
            for part in parts:
                for key, count in counts(part, table).items():
                    summed[key] = summed.get(key, 0) + count
            assert summed == counts(together, table)

    def test_the_end_is_not_in_it(self, vault: vaultfs.Vault) -> None:
        (opening,) = (e for e in events(vault) if isinstance(e, SessionOpened) and e.principal == "dr-two")
        assert counts(report(vault, opening.at, opening.at + 1), Table.SESSIONS_BY_PERSON) == {"dr-two": 1}
        assert counts(report(vault, 0, opening.at), Table.SESSIONS_BY_PERSON).get("dr-two") is None

    def test_who_opened_a_session_before_the_time_is_known_in_it(self, vault: vaultfs.Vault) -> None:
        (opening,) = (e for e in events(vault) if isinstance(e, SessionOpened) and e.principal == "dr-two")
        found = report(vault, opening.at + 1, ALWAYS)
        assert counts(found, Table.ACCESS_BY_PERSON)["dr-two"] == 1
        assert counts(found, Table.BREAK_GLASS_SESSIONS_BY_PERSON) == {}

    @pytest.mark.parametrize(("since", "until"), [(5, 5), (6, 5), (-1, 5), (0, 1 << 63)])
    def test_what_is_no_time_is_refused_and_not_recorded(self, vault: vaultfs.Vault, since: int, until: int) -> None:
        before = len(events(vault))
        with pytest.raises(ArgumentInvalid):
            report(vault, since, until)
        assert len(events(vault)) == before


def test_that_a_report_was_made_is_in_the_log(vault: vaultfs.Vault) -> None:
    found = report(vault, 17, ALWAYS)
    *_, last = events_of(vault, LogReported)
    assert (last.since, last.until) == (17, ALWAYS)
    assert counts(found, Table.LOG_GIVEN)["log_reported"] >= 1


def test_a_report_is_shown_without_names(whole: Report) -> None:
    assert "dr-one" not in repr(whole)
    assert "dr-one" not in repr(whole.rows[0])


def test_reads_of_another_process_are_counted_while_it_goes_on(vault: vaultfs.Vault) -> None:
    with read_only(vault.path) as reader, reader.session(vaultfs.Principal("far-away"), "TREAT") as session:
        session.subjects(MRN)
        reader._log.sync()
        assert counts(report(vault, 0, ALWAYS), Table.ACCESS_BY_PERSON)["far-away"] == 1


def test_a_log_is_checked_whatever_is_merged_meanwhile(tmp_path: Path) -> None:
    """Settlings merge the segments that the check is about to read into others, and remove them."""
    merging: list[int] = []

    class Busy(Tally):
        """Counts, and settles the first times that it sees something."""

        def see(self, index: int, event: Event) -> None:
            super().see(index, event)
            if len(merging) < 40:
                merging.append(index)
                put(busy)
                busy.settle()

    with create(tmp_path / "v") as busy:
        for _ in range(6):
            put(busy)
            busy.settle()
        found, tally = checked(busy, lambda: Busy(0, ALWAYS))
        assert merging.count(0) + merging.count(1) > 1
        assert found.events == tally.events
        verify(busy)


def test_nothing_is_reported_of_a_log_that_is_wrong(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        put(vault)
        vault.settle()
        ((_, row),) = in_order(vault)
        data = of(vault, row).read_bytes()
        of(vault, row).write_bytes(data[:-1])
        assert report(vault, 0, ALWAYS).healed == 1
        of(vault, row).write_bytes(data)
        lost(of(vault, row), 1)
        with pytest.raises(VaultDamaged):
            report(vault, 0, ALWAYS)
        of(vault, row).write_bytes(data)
    with reopen(tmp_path / "v") as vault:
        assert report(vault, 0, ALWAYS).healed == 0


# By events alone.

ID = b"i" * 16


def tallied(*seen: Event) -> dict[Table, dict[str, tuple[int, int | None, int | None]]]:
    """Return what is counted of events."""
    tally = Tally(0, ALWAYS)
    for index, event in enumerate(seen):
        tally.see(index, event)
    found: dict[Table, dict[str, tuple[int, int | None, int | None]]] = {}
    for table, key, count in tally.rows():
        found.setdefault(table, {})[key] = (count.count, count.first, count.last)
    return found


def test_keys_are_named_by_kind_number_and_state() -> None:
    found = tallied(
        KeyStateSet(1, ID, 1, (3).to_bytes(4, "little"), 4, 1),
        KeyStatePassed(2, ID, 2, b"stanzaid", 5),
        KeyStatePassed(3, ID, 3, (2).to_bytes(4, "little"), 99),
        SignerAdded(4, ID, 7, bytes(32)),
        CryptoperiodSet(5, ID, 1, 5),
    )
    assert found[Table.KEYS].keys() == {
        "key_state_set epoch 3 deactivated",
        f"key_state_passed recipient {b'stanzaid'.hex()} compromised",
        "key_state_passed signer 2 99",
        "signer_added 7",
        "cryptoperiod_set epoch",
    }


def test_what_failed_says_so() -> None:
    found = tallied(
        UnlockFailed(1, ID),
        KeyRefused(2, ID, 1),
        EscrowDrilled(3, ID, None, 0, Outcome.FAILED),
        RecipientAdded(4, ID, b"stanzaid", 1, Outcome.FAILED),
        RecipientRemoved(5, ID, b"stanzaid", 1),
        SegmentRepaired(6, ID, ID, 1, 1, Outcome.FAILED),
        SessionOpened(7, ID, "one", (), "BTG", outcome=Outcome.FAILED),
    )
    assert found[Table.UNLOCKING].keys() == {"unlock_failed", "key_refused", "escrow_drilled_failed"}
    assert found[Table.RECIPIENTS].keys() == {
        f"recipient_added_failed {b'stanzaid'.hex()}",
        f"recipient_removed {b'stanzaid'.hex()}",
    }
    assert found[Table.UPKEEP].keys() == {"segment_repaired_failed"}
    assert found[Table.FAILED_SESSIONS_BY_PERSON] == {"one": (1, 7, 7)}
    assert Table.BREAK_GLASS_SESSIONS_BY_PERSON not in found


def test_what_was_disclosed_with_a_statement_is_a_disclosure_and_an_access() -> None:
    opened = SessionOpened(1, ID, "one", (), "BTG")
    found = tallied(opened, SubjectDisclosed(2, ID, b"s" * 16, b"r" * 16, bytes(32), 5, Basis.RESEARCH))
    patient = (b"s" * 16).hex()
    assert found[Table.DISCLOSURES_BY_PATIENT] == {patient: (1, 2, 2)}
    assert found[Table.DISCLOSED_RECORDS_BY_PATIENT] == {patient: (5, 2, 2)}
    assert found[Table.BREAK_GLASS_ACCESS_BY_PERSON] == {"one": (1, 2, 2)}
    assert Table.UPKEEP not in found


def test_who_is_not_known_and_what_is_about_nobody_is_counted_all_the_same() -> None:
    found = tallied(
        AccessDenied(1, ID, None, 0, 200),
        SubjectsListed(2, ID, 5, Outcome.DONE),
        SubjectExported(3, ID, bytes(16), 2),
        SubjectDisposed(4, ID, b"s" * 16),
        EpochTurned(5, ID, 1),
        UnknownEvent(6, ID, 60_000, b""),
    )
    assert found[Table.ACCESS_BY_PERSON] == {"": (2, 2, 3)}
    assert found[Table.DENIED_BY_ACTION] == {"200": (1, 1, 1)}
    assert Table.ACCESS_BY_PATIENT not in found
    assert found[Table.UPKEEP] == {"60000": (1, 6, 6)}


def test_where_the_clock_goes_back_is_listed() -> None:
    seen = [SubjectsListed(at, ID, 1, Outcome.DONE) for at in (10_000_000, 9_999_999, 5_000_000, 6_000_000, 2_500_000)]
    tally = Tally(0, ALWAYS)
    for index, event in enumerate(seen):
        tally.see(index, event)
    steps = [
        (key, count.count, count.first, count.last) for table, key, count in tally.rows() if table == "clock_steps"
    ]
    assert tally.steps == 3
    assert steps == [("2", 4, 5_000_000, 9_999_999), ("4", 3, 2_500_000, 6_000_000)]


def test_what_was_merged_has_a_time_of_its_own() -> None:
    late, early = START, START - HOUR
    seen = [
        SubjectsListed(late, ID, 1, Outcome.DONE),
        AccessMerged(late, ID, ID, 2),
        *[SubjectsListed(early, ID, 1, Outcome.DONE)] * 2,
    ]
    tally = Tally(0, ALWAYS)
    for index, event in enumerate([*seen, SubjectsListed(late, ID, 1, Outcome.DONE)]):
        tally.see(index, event)
    assert tally.steps == 0
    tally.see(9, SubjectsListed(early, ID, 1, Outcome.DONE))
    assert tally.steps == 1


def test_no_more_steps_are_listed_than_a_person_reads() -> None:
    seen = [SubjectsListed(START + HOUR * (index % 2), ID, 1, Outcome.DONE) for index in range(2 * LISTED + 100)]
    assert len(tallied(*seen)[Table.CLOCK_STEPS]) == LISTED

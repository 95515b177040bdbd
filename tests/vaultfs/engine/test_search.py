"""Searches: by subject, kind and time, over links; who is who; and control state."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, put, session
from vaultfs.engine.reading.state import MAX_KEY, MAX_NAMESPACE, MAX_STATE
from vaultfs.errors import ArgumentInvalid, NotFound, SubjectAmbiguous, TransactionConflict

UNICODE = vaultfs.Identifier(
    "https://krankenhaus.example/größe/Ωμέγα", "Zoë-\N{GRINNING FACE}-Ñ-\N{ARABIC LETTER ALEF}-名"
)


def _subject(vault: vaultfs.Vault, identifier: vaultfs.Identifier = MRN) -> vaultfs.SubjectId:
    with session(vault) as s:
        return s.subjects(identifier)[0]


class TestFind:
    def test_returns_a_subjects_records_in_the_order_they_were_stored(self, vault: vaultfs.Vault) -> None:
        ids = [put(vault, f"{n}".encode(), date=date(2020 - n, 1, 1) if n % 2 else None) for n in range(6)]
        put(vault, b"of another", subject=OTHER)
        for _ in range(2):
            with session(vault) as s:
                assert [info.id for info in s.find(subject=MRN)] == ids
                assert [info.id for info in s.find(subject=_subject(vault))] == ids
            vault.settle()

    def test_keeps_to_a_kind(self, vault: vaultfs.Vault) -> None:
        put(vault, kind="Observation")
        wanted = put(vault, kind="Condition")
        with session(vault) as s:
            assert [info.id for info in s.find(subject=MRN, kind="Condition")] == [wanted]

    @pytest.mark.parametrize("settled", [False, True])
    def test_keeps_to_a_time_half_open_by_instant(self, vault: vaultfs.Vault, settled: bool) -> None:
        east = timezone(timedelta(hours=14))
        west = timezone(timedelta(hours=-12))
        dates = {
            "year": vaultfs.ClinicalDate(datetime(2019, 1, 1), vaultfs.Precision.YEAR),
            "new year in the east": datetime(2020, 1, 1, 0, 30, tzinfo=east),  # 2019-12-31T10:30Z
            "new year": datetime(2020, 1, 1, tzinfo=UTC),
            "old year in the west": datetime(2019, 12, 31, 23, 30, tzinfo=west),  # 2020-01-01T11:30Z
            "day": date(2020, 6, 1),
        }
        ids = {put(vault, date=when): name for name, when in dates.items()}
        ids[put(vault)] = "undated"
        if settled:
            vault.settle()

        def found(since: date | datetime | None, until: date | datetime | None) -> list[str]:
            with session(vault) as s:
                return [ids[info.id] for info in s.find(subject=MRN, since=since, until=until)]

        assert found(None, None) == [*dates, "undated"]
        assert found(date(2020, 1, 1), None) == ["new year", "old year in the west", "day"]
        assert found(None, date(2020, 1, 1)) == ["year", "new year in the east"]
        assert found(date(2020, 1, 1), date(2020, 6, 1)) == ["new year", "old year in the west"]
        assert found(datetime(2020, 1, 1, 0, 0, 0, 1000, tzinfo=UTC), date(2020, 6, 2)) == [
            "old year in the west",
            "day",
        ]
        assert found(date.min, date.max) == list(dates)
        assert found(date(1900, 1, 1), date(1900, 1, 2)) == []
        assert found(date.max, date.min) == []

    def test_finds_the_newest_version_under_its_own_date_and_kind(self, vault: vaultfs.Vault) -> None:
        record = put(vault, kind="Observation", date=date(2001, 1, 1))
        put(vault, kind="Condition", date=date(2011, 1, 1), replaces=record)
        for _ in range(2):
            with session(vault) as s:
                assert s.find(subject=MRN, kind="Observation") == []
                assert s.find(subject=MRN, until=date(2005, 1, 1)) == []
                assert [i.version for i in s.find(subject=MRN, kind="Condition", since=date(2005, 1, 1))] == [2]
            vault.settle()

    def test_a_record_that_moved_to_another_subject_is_found_there_alone(self, vault: vaultfs.Vault) -> None:
        record = put(vault)
        put(vault, subject=OTHER, replaces=record)
        for _ in range(2):
            with session(vault) as s:
                assert s.find(subject=MRN) == []
                assert [info.id for info in s.find(subject=OTHER)] == [record]
            vault.settle()

    def test_an_identifier_that_nobody_claimed_is_not_found(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            with pytest.raises(NotFound):
                s.find(subject=MRN)
            assert s.subjects(MRN) == []
            assert s.find(subject=vaultfs.NOBODY) == []
            with pytest.raises(NotFound):
                s.identifiers(vaultfs.SubjectId(b"x" * 16))


class TestSubjects:
    def test_two_hospitals_that_share_a_number_have_two_patients(self, vault: vaultfs.Vault) -> None:
        mine, theirs = put(vault, subject=MRN), put(vault, subject=OTHER)
        with session(vault) as s:
            assert s.subjects(MRN) != s.subjects(OTHER)
            assert [info.id for info in s.find(subject=MRN)] == [mine]
            assert [info.id for info in s.find(subject=OTHER)] == [theirs]
            assert set(s.all_subjects()) == {vaultfs.NOBODY, *s.subjects(MRN), *s.subjects(OTHER)}

    def test_an_identifier_means_the_same_subject_every_time(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            with s.transaction() as txn:
                one = txn.subject(MRN, date(2020, 1, 1))
                assert txn.subject(MRN) == one
                txn.put(b"a", kind="Observation", subject=MRN)
                assert txn.claimants(MRN) == [one]
            with s.transaction() as txn:
                assert txn.subject(MRN) == one
            assert s.subjects(MRN) == [one]
            assert s.identifiers(one) == [MRN]

    def test_a_subject_may_have_many_identifiers_in_any_script(self, vault: vaultfs.Vault) -> None:
        put(vault)
        subject = _subject(vault)
        long = vaultfs.Identifier("u" * 1024, "\N{GRINNING FACE}" * 1024)
        with session(vault) as s:
            for identifier in (UNICODE, OTHER, long):
                with s.transaction() as txn:
                    txn.identify(subject, identifier, date(2020, 1, 1))
            for _ in range(2):
                assert set(s.identifiers(subject)) == {MRN, UNICODE, OTHER, long}
                for identifier in (UNICODE, OTHER, long):
                    assert s.subjects(identifier) == [subject]
                    assert len(s.find(subject=identifier)) == 1
                vault.settle()

    def test_asserting_again_changes_nothing(self, vault: vaultfs.Vault) -> None:
        put(vault)
        with session(vault) as s:
            txn = s.transaction()
            txn.identify(_subject(vault), MRN)
            assert txn.commit() == 0

    def test_a_subject_without_identifier_has_records(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            with s.transaction() as txn:
                subject = txn.new_subject()
                record = txn.put(b"x", kind="Observation", subject=subject)
                assert txn.identifiers(subject) == []
            assert s.identifiers(subject) == []
            assert [info.id for info in s.find(subject=subject)] == [record]
            put(vault, subject=subject)
            assert len(s.find(subject=subject)) == 2

    def test_an_unknown_subject_is_not_found_and_costs_no_rebuild(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vault, "rebuild_index", lambda: pytest.fail("rebuilt"))
        nobody = vaultfs.SubjectId(b"\x01" * 16)
        put(vault)
        with session(vault) as s, s.transaction() as txn:
            for call in (
                lambda: txn.put(b"x", kind="Observation", subject=nobody),
                lambda: txn.identify(nobody, MRN),
                lambda: txn.link(nobody, _subject(vault)),
                lambda: txn.link(_subject(vault), nobody),
            ):
                with pytest.raises(NotFound):
                    call()

    def test_nobody_has_no_identifier_and_no_links(self, vault: vaultfs.Vault) -> None:
        put(vault)
        with session(vault) as s, s.transaction() as txn:
            with pytest.raises(ArgumentInvalid):
                txn.identify(vaultfs.NOBODY, OTHER)
            with pytest.raises(ArgumentInvalid):
                txn.link(_subject(vault), vaultfs.NOBODY)
            with pytest.raises(ArgumentInvalid):
                txn.link(_subject(vault), _subject(vault))

    def test_an_identifier_of_two_subjects_is_ambiguous_until_they_are_linked(self, vault: vaultfs.Vault) -> None:
        first, second = put(vault, subject=MRN), put(vault, subject=OTHER)
        one, two = _subject(vault, MRN), _subject(vault, OTHER)
        with session(vault) as s:
            with s.transaction() as txn:
                txn.identify(two, MRN)
            assert set(s.subjects(MRN)) == {one, two}
            with pytest.raises(SubjectAmbiguous):
                s.find(subject=MRN)
            with pytest.raises(SubjectAmbiguous), s.transaction() as txn:
                txn.put(b"x", kind="Observation", subject=MRN)
            with s.transaction() as txn:
                assert not txn.linked(one, two)
                txn.link(one, two)
                assert txn.linked(two, one)
            assert [info.id for info in s.find(subject=MRN)] == [first, second]
            third = put(vault, subject=MRN)
            assert third in [info.id for info in s.find(subject=MRN)]

    def test_linked_subjects_are_found_together_and_unlinking_separates_them(self, vault: vaultfs.Vault) -> None:
        names = [vaultfs.Identifier("urn:x", str(n)) for n in range(3)]
        ids = [put(vault, subject=name) for name in names]
        subjects = [_subject(vault, name) for name in names]
        with session(vault) as s:
            for one, other in ((0, 1), (2, 1)):
                with s.transaction() as txn:
                    txn.link(subjects[one], subjects[other])
            for _ in range(2):
                for name in names:
                    assert [info.id for info in s.find(subject=name)] == ids
                assert [info.id for info in s.find(subject=names[1], follow_links=False)] == [ids[1]]
                vault.settle()
            with s.transaction() as txn:
                txn.unlink(subjects[1], subjects[2])
            for _ in range(2):
                assert [info.id for info in s.find(subject=names[0])] == ids[:2]
                assert [info.id for info in s.find(subject=names[2])] == ids[2:]
                vault.settle()
                vault.rebuild_index()
            with s.transaction() as txn:
                txn.link(subjects[1], subjects[2])
            vault.rebuild_index()
            assert [info.id for info in s.find(subject=names[2])] == ids

    def test_a_link_and_its_withdrawal_in_one_transaction_leave_no_link(self, vault: vaultfs.Vault) -> None:
        put(vault, subject=MRN), put(vault, subject=OTHER)
        one, two = _subject(vault, MRN), _subject(vault, OTHER)
        with session(vault) as s:
            with s.transaction() as txn:
                txn.link(one, two)
                txn.unlink(two, one)
            for _ in range(2):
                assert len(s.find(subject=MRN)) == 1
                vault.rebuild_index()
                assert len(s.find(subject=MRN)) == 1
                vault.settle()

    def test_text_that_is_no_unicode_is_refused_and_not_shown(self) -> None:
        for system, value in (("", "x"), ("x", ""), ("x" * 1025, "x"), ("x", "secret\ud800"), ("secret\udfff", "x")):
            with pytest.raises(ArgumentInvalid) as caught:
                vaultfs.Identifier(system, value)
            assert "secret" not in str(caught.value)
            assert caught.value.__context__ is None


class TestState:
    def test_states_are_versioned_and_separate_by_namespace_and_key(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            assert s.state("ns", b"k") == vaultfs.State(0, None)
            with s.transaction() as txn:
                assert txn.set_state("ns", b"k", b"one") == 1
                assert txn.set_state("ns", b"", b"") == 1
                assert txn.set_state("n", b"sk", b"not the same") == 1
            with s.transaction() as txn:
                assert txn.set_state("ns", b"k", b"two") == 2
                assert txn.set_state("ns", b"k", b"three") == 3
            for _ in range(3):
                assert s.state("ns", b"k") == vaultfs.State(3, b"three")
                assert s.state("ns", b"") == vaultfs.State(1, b"")
                assert s.state("n", b"sk").value == b"not the same"
                assert s.state("ns", b"unset").version == 0
                vault.settle()

    def test_the_newest_value_survives_settling_rebuilding_and_reopening(self, opened: Open) -> None:
        vault = opened()
        for n in range(4):
            with session(vault) as s, s.transaction() as txn:
                txn.set_state("ns", b"k", b"%d" % n)
            if n % 2:
                vault.settle()
        for _ in range(2):
            with session(vault) as s:
                assert s.state("ns", b"k") == vaultfs.State(4, b"3")
            vault.rebuild_index()
            vault = opened(fresh=True)
            with session(vault) as s, s.transaction() as txn:
                assert txn.state("ns", b"k") == vaultfs.State(4, b"3")

    def test_the_limits_of_a_state_are_kept(self, vault: vaultfs.Vault) -> None:
        namespace, key, value = "n" * MAX_NAMESPACE, b"k" * MAX_KEY, b"v" * MAX_STATE
        with session(vault) as s:
            with s.transaction() as txn:
                txn.set_state(namespace, key, value)
                for wrong in (
                    ("", b"", b""),
                    (namespace + "n", b"", b""),
                    ("n", key + b"k", b""),
                    ("n", b"", value + b"v"),
                    ("ü" * 200, b"", b""),
                ):
                    with pytest.raises(ArgumentInvalid):
                        txn.set_state(*wrong)
            vault.settle()
            assert s.state(namespace, key).value == value

    def test_a_guard_holds_or_the_whole_transaction_fails(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            with s.transaction() as txn:
                txn.set_state("ns", b"k", b"one")
            with s.transaction() as txn:
                txn.guard("ns", b"k", 1)
                txn.guard("ns", b"absent", 0)
                txn.put(b"x", kind="Observation", subject=MRN)
            with pytest.raises(TransactionConflict), s.transaction() as txn:  # noqa: PT012 - its end is what raises
                txn.guard("ns", b"k", 0)
                txn.put(b"y", kind="Observation", subject=OTHER)
            assert s.subjects(OTHER) == []
            with s.transaction() as txn:
                txn.guard("ns", b"k", 1)
                with pytest.raises(ArgumentInvalid):
                    txn.guard("ns", b"k", 2)

    def test_a_transaction_that_only_guards_is_checked_and_writes_nothing(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            end = vault.engine.writer().journal.end
            txn = s.transaction()
            txn.guard("ns", b"k", 0)
            assert txn.commit() == 0
            with pytest.raises(TransactionConflict), s.transaction() as txn:
                txn.guard("ns", b"k", 7)
            assert vault.engine.writer().journal.end == end

    def test_a_state_read_twice_must_not_change_in_between(self, vault: vaultfs.Vault) -> None:
        with session(vault) as s:
            txn = s.transaction()
            assert txn.state("ns", b"k").version == 0
            with s.transaction() as other:
                other.set_state("ns", b"k", b"theirs")
            with pytest.raises(TransactionConflict):
                txn.state("ns", b"k")
            with pytest.raises(TransactionConflict):
                txn.commit()

    def test_absence_is_not_concluded_from_the_index_alone(self, vault: vaultfs.Vault) -> None:
        """A state that an index has lost is found again, not taken for one that was never set."""
        with session(vault) as s:
            for settled in (False, True):
                with s.transaction() as txn:
                    txn.set_state("hold", b"k", b"on")
                if settled:
                    vault.settle()
                token = vault.engine.chain.state_token("hold", b"k")
                vault._census._tokens = None
                vault._rebuilt = False
                version = s.state("hold", b"k").version
                with vault.engine.index.writing() as txn_:
                    txn_.delete(token, db=vault.engine.index.tables.states)
                assert s.state("hold", b"k") == vaultfs.State(version, b"on")
                with vault.engine.index.writing() as txn_:
                    txn_.delete(token, db=vault.engine.index.tables.states)
                vault._rebuilt = False
                with s.transaction() as txn:
                    assert txn.set_state("hold", b"k", b"on") == version + 1

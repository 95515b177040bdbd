"""Subjects and identifiers inside a transaction."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from vaultfs_format.events.records import SubjectCreated

import vaultfs
from tests.vaultfs.support import MRN, events_of, session
from vaultfs.errors import ArgumentInvalid


@pytest.mark.parametrize("created", [False, True])
def test_an_identifier_with_a_date_that_is_refused_leaves_nothing_behind(
    vault: vaultfs.Vault, *, created: bool
) -> None:
    """Whoever goes on in the same transaction, with a good date, gets what was asked for."""
    beyond = datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=23, minutes=59, seconds=40)))
    with session(vault) as s:
        with s.transaction() as txn:
            subject = txn.new_subject() if created else None

            def assert_from(since: date) -> vaultfs.SubjectId:
                if subject is None:
                    return txn.subject(MRN, since)
                txn.identify(subject, MRN, since)
                return subject

            with pytest.raises(ArgumentInvalid):
                assert_from(beyond)
            assert txn.claimants(MRN) == []
            named = assert_from(date(2026, 1, 31))
            record = txn.put(b"data", kind="Observation", subject=MRN)
        assert s.subjects(MRN) == [named]
        assert [hit.id for hit in s.find(subject=MRN)] == [record]
    assert [e.subject for e in events_of(vault, SubjectCreated)] == [named]

"""What a transaction tells before it ends, of who has an identifier and who is one person, is in the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vaultfs_format.events.records import SubjectsCompared, SubjectSearched

import vaultfs
from tests.vaultfs.support import MRN, OTHER, WHO, create, events, put
from vaultfs.errors import Closed, TransactionConflict

NOBODY_KNOWS = vaultfs.Identifier("urn:example:mrn", "nobody")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vaultfs.Vault]:
    """Return a vault with two subjects."""
    with create(tmp_path_factory.mktemp("telling") / "v") as vault:
        for subject in (MRN, OTHER):
            put(vault, subject=subject)
        yield vault


def told(vault: vaultfs.Vault, session: vaultfs.Session) -> list[bytes | None]:
    """Return the subjects of which the log says that they were searched or compared in a session."""
    kinds = SubjectSearched, SubjectsCompared
    return [one.subject for one in events(vault) if isinstance(one, kinds) and one.session == session.id]


def surrogates(vault: vaultfs.Vault) -> tuple[vaultfs.SubjectId, vaultfs.SubjectId]:
    """Return the surrogates of both subjects."""
    with vault.session(WHO, "TREAT") as session:
        return session.subjects(MRN)[0], session.subjects(OTHER)[0]


def test_what_was_told_is_in_the_commit_once(vault: vaultfs.Vault) -> None:
    one, other = surrogates(vault)
    with vault.session(WHO, "TREAT") as session:
        with session.transaction() as txn:
            for _ in range(3):
                assert txn.claimants(MRN) == [one]
                assert txn.claimants(NOBODY_KNOWS) == []
                assert txn.subject(OTHER) == other
            txn.set_state("ns", b"k", b"v")
            assert told(vault, session) == []
        assert told(vault, session) == [one, None, other]


def test_of_what_the_transaction_itself_has_made_nothing_is_told(vault: vaultfs.Vault) -> None:
    with vault.session(WHO, "TREAT") as session:
        with session.transaction() as txn:
            made = txn.new_subject()
            txn.identify(made, vaultfs.Identifier("urn:example:mrn", "made"))
            assert txn.claimants(vaultfs.Identifier("urn:example:mrn", "made")) == [made]
        assert told(vault, session) == []


def test_asking_whether_two_are_one_is_about_both(vault: vaultfs.Vault) -> None:
    one, other = surrogates(vault)
    with vault.session(WHO, "TREAT") as session:
        with session.transaction() as txn:
            assert not txn.linked(one, other)
            assert not txn.linked(other, one)
        assert told(vault, session) == [one, other]


@pytest.mark.parametrize("how", ["rolled back", "raises", "conflict", "nothing to commit"])
def test_what_was_told_is_written_though_the_transaction_is_not(vault: vaultfs.Vault, how: str) -> None:
    one, _ = surrogates(vault)
    with vault.session(WHO, "TREAT") as session:
        txn = session.transaction()
        txn.claimants(MRN)
        if how == "raises":
            with pytest.raises(KeyError), txn:
                raise KeyError
        if how == "rolled back":
            txn.rollback()
            txn.rollback()
        elif how == "conflict":
            txn.guard("ns", b"other", 7)
            with pytest.raises(TransactionConflict):
                txn.commit()
        elif how == "nothing to commit":
            assert txn.commit() == 0
        assert told(vault, session) == [one]


def test_in_a_strict_session_it_is_written_before_it_is_told(vault: vaultfs.Vault) -> None:
    one, _ = surrogates(vault)
    with vault.session(WHO, "TREAT", strict=True) as session:
        txn = session.transaction()
        txn.claimants(MRN)
        assert told(vault, session) == [one]
        txn.rollback()
        assert told(vault, session) == [one]


def test_what_cannot_be_recorded_any_more_is_said(tmp_path: Path) -> None:
    vault = create(tmp_path / "v")
    put(vault)
    session = vault.session(WHO, "TREAT")
    txn, other = session.transaction(), session.transaction()
    txn.claimants(MRN)
    vault.close()
    with pytest.raises(Closed):
        txn.rollback()
    other.rollback()

"""Who asks for what cannot be read, or for what is none, leaves the event of the call: it has failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from audit_calls import CALLS

import vaultfs
from tests.vaultfs.engine.years import ruin
from tests.vaultfs.support import MRN, OTHER, create, event_types, events, put, reopen, session
from vaultfs.errors import KindUnknown, VaultError

Call = Callable[[vaultfs.Session, vaultfs.RecordId, vaultfs.SubjectId], Any]
STRANGER = vaultfs.SubjectId(b"s" * 16)
READING: dict[str, Call] = {
    "Session.get": lambda s, record, _: s.get(record),
    "Session.info": lambda s, record, _: s.info(record),
    "Session.open": lambda s, record, _: s.open(record),
    "Session.get_many": lambda s, record, _: s.get_many([(record, None)]),
    "Session.versions": lambda s, record, _: s.versions(record),
    "Session.find": lambda s, _, subject: s.find(subject=subject),
    "Session.identifiers": lambda s, _, subject: s.identifiers(subject),
    "Transaction.identify": lambda s, _, subject: s.transaction().identify(subject, OTHER),
    "Transaction.link": lambda s, _, subject: s.transaction().link(subject, STRANGER),
    "Transaction.unlink": lambda s, _, subject: s.transaction().unlink(subject, STRANGER),
}


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[tuple[vaultfs.Vault, vaultfs.RecordId, vaultfs.SubjectId]]:
    """Return a vault whose records are ruined, though not its index, with a record and its subject."""
    with create(tmp_path / "v") as vault:
        record = put(vault, b"data", subject=MRN)
        with session(vault) as s:
            (subject,) = s.subjects(MRN)
        vault.settle()
    for path in (tmp_path / "v").rglob("*.vseg"):
        if "audit" not in path.parts:
            ruin(path)
    with reopen(tmp_path / "v") as vault:
        yield vault, record, subject


def left(vault: vaultfs.Vault, call: Callable[[vaultfs.Session], Any], error: type[VaultError]) -> list[str]:
    """Return the names of the events that a call leaves which fails."""
    with session(vault) as s:
        before = len(event_types(vault))
        with pytest.raises(error):
            call(s)
    assert events(vault)[-1].outcome is vaultfs.Outcome.FAILED
    return [kind.name for kind in event_types(vault)[before:]]


@pytest.mark.parametrize("name", READING)
def test_what_cannot_be_read_was_asked_for(
    filed: tuple[vaultfs.Vault, vaultfs.RecordId, vaultfs.SubjectId], name: str
) -> None:
    vault, record, subject = filed
    assert left(vault, lambda s: READING[name](s, record, subject), VaultError) == list(CALLS[name].failed or ())


def test_a_search_by_a_kind_that_is_none_was_asked_for(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        put(vault, b"data", subject=MRN)
        found = left(vault, lambda s: s.find(subject=MRN, kind="none"), KindUnknown)
    assert found == list(CALLS["Session.find"].failed or ())

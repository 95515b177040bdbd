"""Every access is a question to the policy; what is denied leaves a record and nothing else."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from vaultfs_format.events.records import AccessDenied as AccessDeniedEvent

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, WHO, event_types, events, put, session
from vaultfs import Action, EventType
from vaultfs.access.policy import DenyAll
from vaultfs.errors import AccessDenied, IndexDamaged, NotFound
from vaultfs.metrics import Counter, Tally

Call = Callable[[vaultfs.Session, vaultfs.RecordId, vaultfs.SubjectId], Any]


def _in_transaction(act: Callable[[vaultfs.Transaction], Any]) -> Callable[[vaultfs.Session], Any]:
    def call(s: vaultfs.Session) -> Any:
        with s.transaction() as txn:
            return act(txn)

    return call


CALLS: dict[str, tuple[Action, Call]] = {
    "get": (Action.READ, lambda s, r, _: s.get(r)),
    "info": (Action.READ, lambda s, r, _: s.info(r)),
    "open": (Action.READ, lambda s, r, _: s.open(r)),
    "get_many": (Action.READ, lambda s, r, _: s.get_many([(r, None)])),
    "versions": (Action.READ, lambda s, r, _: s.versions(r)),
    "find": (Action.SEARCH, lambda s, _, __: s.find(subject=MRN)),
    "subjects": (Action.SEARCH, lambda s, _, __: s.subjects(MRN)),
    "identifiers": (Action.SEARCH, lambda s, _, p: s.identifiers(p)),
    "all_subjects": (Action.SEARCH, lambda s, _, __: list(s.all_subjects())),
    "state": (Action.READ_STATE, lambda s, _, __: s.state("ns", b"k")),
    "disclose": (Action.EXPORT, lambda s, _, p: s.disclose(p, 1)),
    "put": (
        Action.WRITE,
        lambda s, _, __: _in_transaction(lambda t: t.put(b"x", kind="Observation", subject=MRN))(s),
    ),
    "replace": (
        Action.WRITE,
        lambda s, r, _: _in_transaction(lambda t: t.put(b"x", kind="Observation", subject=MRN, replaces=r))(s),
    ),
    "delete": (Action.DELETE, lambda s, r, _: _in_transaction(lambda t: t.delete(r))(s)),
    "undelete": (Action.UNDELETE, lambda s, r, _: _in_transaction(lambda t: t.undelete(r))(s)),
    "new_subject": (Action.LINK, lambda s, _, __: _in_transaction(lambda t: t.new_subject())(s)),
    "subject": (Action.LINK, lambda s, _, __: _in_transaction(lambda t: t.subject(OTHER))(s)),
    "identify": (Action.LINK, lambda s, _, p: _in_transaction(lambda t: t.identify(p, OTHER))(s)),
    "link": (Action.LINK, lambda s, _, p: _in_transaction(lambda t: t.link(p, vaultfs.SubjectId(b"x" * 16)))(s)),
    "set_state": (Action.WRITE_STATE, lambda s, _, __: _in_transaction(lambda t: t.set_state("ns", b"k", b""))(s)),
    "state in a transaction": (Action.READ_STATE, lambda s, _, __: _in_transaction(lambda t: t.state("ns", b"k"))(s)),
}


@pytest.mark.parametrize(("action", "call"), CALLS.values(), ids=CALLS)
def test_the_default_policy_denies_and_the_denial_is_durable(opened: Open, action: Action, call: Call) -> None:
    vault = opened()
    record = put(vault)
    with session(vault) as s:
        subject = s.subjects(MRN)[0]
    vault = opened(fresh=True, policy=None)
    with vault.session(WHO, "TREAT") as s:
        with pytest.raises(AccessDenied) as caught:
            call(s, record, subject)
        assert caught.value.facts == {"action": action}
        journal = vault.engine.writer().journal
        assert journal.durable == journal.last_group
        last = events(vault)[-1]
    assert isinstance(last, AccessDeniedEvent)
    assert (last.action, last.outcome) == (action, vaultfs.Outcome.DENIED)


class Failing:
    """Permits as much as it is told to, and fails at what it is asked then."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error
        self._permitted = 0
        self.asked = 0

    def fail_after(self, permitted: int) -> None:
        self._permitted, self.asked = permitted, 0

    def permits(self, _: vaultfs.Request) -> bool:
        self.asked += 1
        if self.asked > self._permitted:
            raise self._error
        return True


def _raised(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - that is what is asked
        return error
    return None


class Only:
    """Permits what it is told to, and keeps what it was asked."""

    def __init__(self, permits: Callable[[vaultfs.Request], bool]) -> None:
        self._permits = permits
        self.asked: list[vaultfs.Request] = []

    def permits(self, request: vaultfs.Request) -> bool:
        self.asked.append(request)
        return self._permits(request)


@pytest.mark.parametrize("error", [ZeroDivisionError, NotFound, IndexDamaged])
@pytest.mark.parametrize(("action", "call"), CALLS.values(), ids=CALLS)
def test_a_policy_that_fails_has_denied_durably_and_its_error_goes_on(
    opened: Open, action: Action, call: Call, error: type[Exception]
) -> None:
    """At whichever question; what it raises is not taken for an answer of the vault, even if it looks like one."""
    vault = opened()
    record = put(vault)
    with session(vault) as s:
        subject = s.subjects(MRN)[0]
    policy = Failing(error)
    vault = opened(fresh=True, policy=policy)
    with vault.session(WHO, "TREAT") as s:
        for permitted in itertools.count():
            policy.fail_after(permitted)
            before = len(events(vault))
            raised = _raised(lambda: call(s, record, subject))
            if policy.asked == permitted:
                break
            assert type(raised) is error
            journal = vault.engine.writer().journal
            assert journal.durable == journal.last_group
            *others, last = events(vault)[before:]
            assert isinstance(last, AccessDeniedEvent)
            assert (last.action, last.outcome) == (action, vaultfs.Outcome.DENIED)
            assert all(one.outcome is vaultfs.Outcome.DONE for one in others)
            assert policy.asked == permitted + 1
    assert permitted > 0


def test_the_policy_is_told_who_why_what_kind_and_whose(opened: Open) -> None:
    policy = Only(lambda _: True)
    vault = opened(policy=policy)
    with vault.session(WHO, "HPAYMT") as s:
        with s.transaction() as txn:
            record = txn.put(b"x", kind="Condition", subject=MRN)
        policy.asked.clear()
        subject = s.get(record).info.subject
    assert policy.asked == [vaultfs.Request(WHO, "HPAYMT", Action.READ, "Condition", subject)]


@pytest.mark.parametrize(
    "read",
    [lambda s, record: s.get(record).data, lambda s, record: s.get_many([(record, None)])[0].data],
    ids=["get", "get_many"],
)
def test_what_was_permitted_is_read_whatever_becomes_of_the_record_meanwhile(
    opened: Open, read: Callable[[vaultfs.Session, vaultfs.RecordId], bytes]
) -> None:
    """The policy is asked under no lock: others replace the record, and it moves, before the policy has answered."""
    record = put(opened(), b"permitted")

    def permits(request: vaultfs.Request) -> bool:
        if request.action is Action.READ:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(put, vault, b"another", kind="Condition", subject=OTHER, replaces=record).result(30)
                pool.submit(vault.settle).result(30)
        return True

    tally = Tally()
    vault = opened(fresh=True, policy=Only(permits), options=vaultfs.Options(metrics=tally))
    with vault.session(WHO, "TREAT") as s:
        assert read(s, record) == b"permitted"
    assert tally.counts[Counter.RETRIES] == 1


def test_a_denied_put_leaves_no_subject_behind(opened: Open) -> None:
    for denied in ({Action.WRITE}, {Action.LINK}):
        vault = opened(fresh=True, policy=Only(lambda request, denied=denied: request.action not in denied))  # type: ignore[misc]
        with vault.session(WHO, "TREAT") as s:
            with s.transaction() as txn:
                for data in (b"x", os.urandom(100_000)):
                    with pytest.raises(AccessDenied):
                        txn.put(data, kind="Observation", subject=MRN)
            assert txn.commit_number == 0
            assert s.subjects(MRN) == []


def test_a_record_is_not_taken_from_a_subject_that_one_may_not_write(opened: Open) -> None:
    """A new version under another subject would take the record out of sight of its first one."""
    vault = opened()
    record = put(vault)
    with session(vault) as s:
        subject = s.subjects(MRN)[0]
    put(vault, subject=OTHER)
    vault = opened(fresh=True, policy=Only(lambda r: r.action is not Action.WRITE or r.subject != subject))
    with vault.session(WHO, "TREAT") as s:
        with pytest.raises(AccessDenied), s.transaction() as txn:
            txn.put(b"mine now", kind="Observation", subject=OTHER, replaces=record)
        assert [info.version for info in s.find(subject=MRN)] == [1]


def test_versions_need_the_right_to_every_one_of_them(opened: Open) -> None:
    vault = opened()
    record = put(vault, kind="Observation")
    put(vault, kind="Condition", replaces=record)
    vault = opened(fresh=True, policy=Only(lambda request: request.kind != "Observation"))
    with vault.session(WHO, "TREAT") as s:
        assert s.get(record).info.kind == "Condition"
        for call in (lambda: s.versions(record), lambda: s.get(record, 1)):
            with pytest.raises(AccessDenied):
                call()


def test_searching_linked_subjects_needs_the_right_to_all_of_them(opened: Open) -> None:
    vault = opened()
    put(vault, subject=MRN), put(vault, subject=OTHER)
    with session(vault) as s:
        one, two = s.subjects(MRN)[0], s.subjects(OTHER)[0]
        with s.transaction() as txn:
            txn.link(one, two)
    vault = opened(fresh=True, policy=Only(lambda request: request.subject != two))
    with vault.session(WHO, "TREAT") as s:
        with pytest.raises(AccessDenied):
            s.find(subject=MRN)
        assert len(s.find(subject=one, follow_links=False)) == 1


def test_deny_all_is_the_default(opened: Open) -> None:
    assert not DenyAll().permits(vaultfs.Request(WHO, "TREAT", Action.READ))
    assert vaultfs.PermitAll().permits(vaultfs.Request(WHO, "TREAT", Action.READ))
    vault = opened(policy=None)
    with vault.session(WHO, "TREAT") as s, pytest.raises(NotFound):
        s.get(vaultfs.RecordId(bytes(16)))
    assert EventType.RECORD_READ in event_types(vault)

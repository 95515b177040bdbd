"""Every public call leaves the audit events that the table of SPEC.md says: where it succeeds, is denied, and fails."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audit_calls import CALLS
from vaultfs_tools.copying.copier import Copier
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.target import Target
from vaultfs_tools.copying.turn import Options as CopyOptions
from vaultfs_tools.copying.turn import Source

import vaultfs
from tests.vaultfs.audit.scenes import (
    DISCLOSURE,
    DONE,
    FAILED,
    NOBODY_KNOWS,
    STRANGER,
    SUSPENSION,
    Scene,
    again,
    by_reader,
    claimed,
    delivery,
    left,
    refused,
    restored,
)
from tests.vaultfs.audit.stage import Gate, GateFallen, Stage
from tests.vaultfs.audit.surface import CLASSES, FUNCTIONS
from tests.vaultfs.engine.years import ruin
from tests.vaultfs.migrate.test_quarantine import MARK, Legacy
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, WHO, create, event_types, events, reopen
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.reader import Reader
from vaultfs.errors import AccessDenied, IndexDamaged, KindUnknown, NotFound, SubjectAmbiguous, VaultError
from vaultfs.keys.escrow import Escrow, Shares
from vaultfs.keys.lifecycle import KeyRef
from vaultfs.migrate import previous, reading
from vaultfs.migrate import redrive as redriving
from vaultfs.migrate.importer import Importer, ImportOptions
from vaultfs.storage import copies


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    gate = Gate()
    vault = create(tmp_path / "v", policy=gate)
    session = vault.session(WHO, "TREAT")
    with session.transaction() as txn:
        record = txn.put(b"data", kind="Observation", subject=MRN)
        txn.put(b"data", kind="Observation", subject=OTHER)
    one, two = session.subjects(MRN)[0], session.subjects(OTHER)[0]
    found = Stage(tmp_path, vault, session, gate, record, one, two)
    yield found
    found.vault.close()


APART = {
    "vaultfs.create", "vaultfs.open_reader", "Vault.close", "Vault.merge_access_logs", "Reader.session", "Keys.drill",
    "Transaction.undelete", "storage.copies.confirm_keys", "storage.copies.give_up", "Lives.record_passed",
    "vaultfs_tools.copying.Copier.run", "vaultfs_tools.copying.restore", "vaultfs_tools.backup.main", "migrate.redrive",
    "audit.Delivery.resend", "Maintenance.prune_log",
}  # fmt: skip
"""Calls that have tests of their own, since more must be made ready for them."""
DENIABLE = {name for name, row in CALLS.items() if row.denied is not None}
NOT_THERE = {"Session.subjects", "Transaction.claimants"}
"""What answers with nothing, and raises nothing."""


def _properties(name: str) -> bool:
    kind, _, member = name.partition(".")
    return kind in CLASSES and not callable(inspect.getattr_static(CLASSES[kind], member, len))


def test_every_public_call_has_a_row_and_every_row_a_call() -> None:
    found = {
        f"{name}.{member}"
        for name, kind in CLASSES.items()
        for member, _ in inspect.getmembers(kind)
        if not member.startswith("_")
    }
    found |= {f"Vault.{name}" for name in ("keys", "lives", "maintenance")} | FUNCTIONS
    assert found == set(CALLS)


def test_every_row_has_its_scenes() -> None:
    wanted = {name for name, row in CALLS.items() if not row.internal and not _properties(name)} - {"Vault.lives"}
    assert wanted == set(DONE) | APART
    failing = {name for name, row in CALLS.items() if row.failed is not None} - NOT_THERE - {"Reader.session"}
    assert failing - set(SEARCHING) - set(TOLD) == set(FAILED) - set(SEARCHING) - set(TOLD)


def test_a_row_without_events_says_why() -> None:
    assert [name for name, row in CALLS.items() if not (row.done or row.why)] == []


@pytest.mark.parametrize("name", DONE)
def test_a_call_that_succeeds_leaves_its_events(stage: Stage, name: str) -> None:
    row = CALLS[name]
    found = left(stage, DONE[name])
    if name == "vaultfs.open":
        found.remove("VAULT_CLOSED")
    if name.startswith("Reader."):
        found = found[2:]
    if row.each:
        assert set(found) == set(row.done)
    else:
        assert found == list(row.done)


@pytest.mark.parametrize("name", sorted(DENIABLE & DONE.keys() | {"Transaction.undelete"}))
@pytest.mark.parametrize("fails", [False, True])
def test_a_call_that_is_denied_leaves_that(stage: Stage, name: str, fails: bool) -> None:
    """So does one of which the policy fails."""
    scene = DONE.get(name, lambda s: s.txn(lambda t: t.undelete(s.record)))
    stage.gate.shut, stage.gate.fallen = True, fails
    found = left(stage, scene, GateFallen if fails else AccessDenied)
    if name == "migrate.Importer.run":
        found.remove("SETTLED")
    assert found == list(CALLS[name].denied or ())


@pytest.mark.parametrize("name", sorted(DENIABLE & DONE.keys() | {"Transaction.undelete"}))
def test_a_call_of_which_the_policy_fails_is_denied(stage: Stage, name: str) -> None:
    scene = DONE.get(name, lambda s: s.txn(lambda t: t.undelete(s.record)))
    stage.gate.fallen = True
    found = left(stage, scene, GateFallen)
    if name == "migrate.Importer.run":
        found.remove("SETTLED")
    assert found == list(CALLS[name].denied or ())


@pytest.mark.parametrize(
    ("act", "event"),
    [
        (lambda s: s.session.find(subject=MRN), "RECORDS_SEARCHED"),
        (lambda s: s.txn(lambda t: t.put(b"x", kind="Patient", subject=MRN)), "SUBJECT_SEARCHED"),
        (lambda s: s.txn(lambda t: t.put_many([vaultfs.NewRecord(b"x", "Patient", MRN)])), "SUBJECT_SEARCHED"),
        (lambda s: s.txn(lambda t: t.disclose(MRN, DISCLOSURE, 1)), "SUBJECT_SEARCHED"),
        (lambda s: s.txn(lambda t: t.suspend(MRN, SUSPENSION)), "SUBJECT_SEARCHED"),
    ],
    ids=["find", "put", "put_many", "disclose", "suspend"],
)
@pytest.mark.parametrize("shut", [False, True])
def test_that_several_have_an_identifier_is_told_to_who_may_know_and_leaves_that(
    stage: Stage, act: Scene, event: str, shut: bool
) -> None:
    stage.txn(lambda t: t.identify(stage.two, MRN))
    stage.gate.shut = shut
    found = left(stage, act, AccessDenied if shut else SubjectAmbiguous)
    assert found == ["ACCESS_DENIED" if shut else event]
    assert events(stage.vault)[-1].outcome is (vaultfs.Outcome.DENIED if shut else vaultfs.Outcome.FAILED)


def test_who_may_not_search_is_not_told_that_nobody_has_an_identifier(stage: Stage) -> None:
    stage.gate.shut = True
    assert left(stage, lambda s: s.session.find(subject=NOBODY_KNOWS), AccessDenied) == ["ACCESS_DENIED"]


def test_putting_for_a_subject_that_is_not_there_leaves_that(stage: Stage) -> None:
    found = left(stage, lambda s: s.txn(lambda t: t.put(b"x", kind="Patient", subject=STRANGER)), NotFound)
    assert found == list(CALLS["Transaction.put"].failed or ())
    assert events(stage.vault)[-1].outcome is vaultfs.Outcome.FAILED


READING = ["Session.get", "Session.info", "Session.open", "Session.get_many", "Session.versions", "Session.find"]


SEARCHING = ["Session.subjects", "Session.identifiers", "Session.all_subjects", "Session.state"]
TOLD = ["Transaction.claimants", "Transaction.linked", "Transaction.state"]


@pytest.mark.parametrize("name", [*READING, *SEARCHING, *TOLD, "Transaction.subject"])
def test_a_call_that_asks_for_what_cannot_be_read_leaves_that(
    stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither from the files nor from the index, which cannot be made anew from them."""
    stage.txn(lambda txn: txn.set_state("ns", b"k", b"v"))
    stage.vault.settle()
    again(stage)
    stage.session = stage.vault.session(WHO, "TREAT")
    for path in stage.vault.path.rglob("*.vseg"):
        if "audit" not in path.parts:
            ruin(path)
    for one in ("all_units", "links"):  # of these two the index alone is asked
        monkeypatch.setattr(stage.vault.engine.index, one, _damaged)
    act = CANNOT.get(name, DONE.get(name))
    assert act is not None
    assert left(stage, act, VaultError) == list(CALLS[name].failed or ())
    assert events(stage.vault)[-1].outcome is vaultfs.Outcome.FAILED


def _damaged(*_: object) -> Any:
    raise IndexDamaged


CANNOT: dict[str, Scene] = {
    "Session.find": lambda s: s.session.find(subject=s.one),
    "Transaction.subject": lambda s: s.txn(lambda t: t.subject(MRN)),
}
"""What asks for something that was there."""


def test_a_search_for_a_kind_that_is_none_leaves_that(stage: Stage) -> None:
    found = left(stage, lambda s: s.session.find(subject=s.one, kind="none"), KindUnknown)
    assert found == list(CALLS["Session.find"].failed or ())
    assert events(stage.vault)[-1].outcome is vaultfs.Outcome.FAILED


@pytest.mark.parametrize("name", FAILED)
def test_a_call_that_fails_leaves_that(stage: Stage, name: str) -> None:
    assert left(stage, FAILED[name], VaultError) == list(CALLS[name].failed or ())


def test_a_search_that_finds_nobody_is_there(stage: Stage) -> None:
    assert left(stage, lambda s: s.session.subjects(NOBODY_KNOWS)) == list(CALLS["Session.subjects"].failed or ())
    found = left(stage, lambda s: s.txn(lambda t: t.claimants(NOBODY_KNOWS)))
    assert found == list(CALLS["Transaction.claimants"].failed or ())


@pytest.mark.parametrize("name", [name for name in CALLS if _properties(name)])
def test_a_property_leaves_nothing(stage: Stage, name: str) -> None:
    kind, _, member = name.partition(".")
    if kind == "Reader":
        found = left(stage, lambda s: by_reader(s, lambda r: getattr(r, member)))[2:]
    else:
        found = left(stage, lambda s: getattr(s.vault, member))
    assert found == list(CALLS[name].done) == []


def test_creating_opening_and_closing(stage: Stage, tmp_path: Path) -> None:
    vault = create(tmp_path / "new")
    found = [kind.name for kind in event_types(vault)]
    assert found == list(CALLS["vaultfs.create"].done)
    vault.close()
    with reopen(tmp_path / "new") as vault:
        later = [kind.name for kind in event_types(vault)][len(found) :]
    assert later == [*CALLS["Vault.close"].done, *CALLS["vaultfs.open"].done]


def test_what_a_reader_does_is_merged(stage: Stage) -> None:
    def act(reader: Reader) -> None:
        reader.session(WHO, "TREAT")
        reader.session(WHO, "TREAT", attest=refused)

    row = CALLS["Reader.session"]
    assert left(stage, lambda s: by_reader(s, act)) == [
        *CALLS["Vault.merge_access_logs"].done,
        *CALLS["vaultfs.open_reader"].done,
        *row.done,
        *(row.failed or ()),
    ]


def test_undeleting(stage: Stage) -> None:
    stage.txn(lambda txn: txn.delete(stage.record))
    found = left(stage, lambda s: s.txn(lambda txn: txn.undelete(s.record)))
    assert found == list(CALLS["Transaction.undelete"].done)


def test_copies_leave_word_and_are_given_up(stage: Stage) -> None:
    copy = b""

    def copied(s: Stage) -> None:
        nonlocal copy
        copy = claimed(s)

    assert left(stage, copied) == ["VAULT_CLOSED", "VAULT_OPENED", *CALLS["vaultfs_tools.backup.main"].done]
    confirmed = left(stage, lambda s: copies.confirm_keys(s.vault, copy, s.vault.engine.head.epoch))
    assert confirmed == list(CALLS["storage.copies.confirm_keys"].done)
    assert left(stage, lambda s: copies.give_up(s.vault, copy)) == list(CALLS["storage.copies.give_up"].done)


def test_copying_without_the_command_leaves_nothing(stage: Stage) -> None:
    def copied(s: Stage) -> None:
        Copier(Source.of_vault(s.vault.path), Target(s.place / "copy"), CopyOptions(), Pace()).run()
        again(s)

    assert left(stage, copied) == ["VAULT_CLOSED", "VAULT_OPENED", *CALLS["vaultfs_tools.copying.Copier.run"].done]


def test_redriving(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stage.place / "legacy"
    folder.mkdir()
    (folder / "a.bin").write_bytes(MARK + b"12345:known\n1:new\n")
    (folder / "b.ndjson").write_bytes(b'{"resourceType":"Basic","id":"1"}\n{oops\n')
    Importer(stage.vault, stage.session).run([folder])
    for module in (reading, previous, redriving):
        monkeypatch.setattr(module, "recognise", lambda _: Legacy())

    def redriven(s: Stage) -> None:
        assert redriving.redrive(s.vault, s.session, ImportOptions()).outcome("stored") == 2

    assert set(left(stage, redriven)) == set(CALLS["migrate.redrive"].done)
    stage.gate.shut = True
    with pytest.raises(AccessDenied):
        redriving.redrive(stage.vault, stage.session, ImportOptions())
    assert event_types(stage.vault)[-1].name in (CALLS["migrate.redrive"].denied or ())


def test_sending_events_again(stage: Stage) -> None:
    sending = delivery(stage)
    sending.run()
    assert left(stage, lambda _: sending.resend([range(5)])) == list(CALLS["audit.Delivery.resend"].done)
    assert left(stage, lambda _: sending.resend([])) == []


def test_a_drill_of_an_escrow(stage: Stage) -> None:
    escrow = Escrow.draw([(1, 1)], iteration_exponent=0)
    stage.vault.keys.add(escrow, unlock=PASSPHRASE)
    found = left(stage, lambda s: s.vault.keys.drill(Shares(escrow.groups[0])))
    assert found == list(CALLS["Keys.drill"].done)


def test_a_date_that_has_passed(tmp_path: Path) -> None:
    now = 1_700_000_000_000_000
    with create(tmp_path / "v", options=vaultfs.Options(clock=lambda: now)) as vault:
        vault.lives.set_dates(KeyRef.recipient(vault.keys.recipients()[0].id), protect_until=now + 1)
        before = len(event_types(vault))
        superblock, _ = read_superblock(vault.engine.vfs, vault.engine.layout, vault.engine.head)
        vault.lives.record_passed(superblock)
        assert len(event_types(vault)) == before + len(CALLS["Lives.record_passed"].done)
        now += 2
        vault.lives.record_passed(superblock)
        assert [kind.name for kind in event_types(vault)[before:]] == ["KEY_STATE_PASSED"]


def test_restoring_leaves_word(stage: Stage) -> None:
    restored(stage)
    found = [kind.name for kind in event_types(stage.vault)]
    at = found.index("RESTORE_CLAIMED")
    assert found[at:][:1] == list(CALLS["vaultfs_tools.copying.restore"].done)
    assert found.count("RESTORE_CLAIMED") == 1

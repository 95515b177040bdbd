"""Every public call leaves the audit events that the table of SPEC.md says: where it succeeds, is denied, and fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from audit_calls import CALLS
from vaultfs_format.stanza import Argon2Cost
from vaultfs_format.tlog.policy import Policy
from vaultfs_tools import backup
from vaultfs_tools.copying import restoring
from vaultfs_tools.copying.copier import Copier
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.target import Target
from vaultfs_tools.copying.turn import Options as CopyOptions
from vaultfs_tools.copying.turn import Source

import vaultfs
from tests.vaultfs.audit.stage import Gate, GateFallen, Stage
from tests.vaultfs.audit.surface import CLASSES, FUNCTIONS
from tests.vaultfs.engine.years import ruin
from tests.vaultfs.migrate.test_quarantine import MARK, Legacy
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, WHO, create, event_types, events, read_only, reopen
from vaultfs.audit import accounting, anchoring, log, report, verifying, view
from vaultfs.audit.exporting import reconciling
from vaultfs.audit.exporting.delivering import Delivery
from vaultfs.audit.exporting.errors import ReceiverUnreachable
from vaultfs.audit.exporting.spool import FileSink
from vaultfs.audit.exporting.syslog import Syslog
from vaultfs.engine.heads import read_superblock
from vaultfs.engine.reader import Reader
from vaultfs.errors import AccessDenied, KindUnknown, VaultError
from vaultfs.keys import PrivateKey
from vaultfs.keys.escrow import Escrow, Shares
from vaultfs.keys.lifecycle import Cryptoperiod, KeyRef, KeyState
from vaultfs.keys.stores import DirectoryStore
from vaultfs.migrate import previous, reading
from vaultfs.migrate import redrive as redriving
from vaultfs.migrate.export import Exporter
from vaultfs.migrate.importer import Importer, ImportOptions
from vaultfs.storage import copies

GONE = vaultfs.RecordId(bytes(16))
NOBODY_KNOWS = vaultfs.Identifier("urn:x", "1")
STRANGER = vaultfs.SubjectId(b"x" * 16)
NOBODY_WITNESSES = Policy.decode(b"quorum none\n")
SOMEBODY_WITNESSES = Policy((), (), (), b"somebody")
DISCLOSURE = vaultfs.Disclosure(recipient="x", description="x", purpose="x", basis=vaultfs.Basis.PUBLIC_HEALTH)
SUSPENSION = vaultfs.Suspension(recipient="x", until=datetime(2100, 1, 1, tzinfo=UTC))
WRONG = vaultfs.Passphrase(b"another", Argon2Cost(64, 1, 1))


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


def _again(s: Stage, path: Path | None = None, **more: Any) -> None:
    s.vault.close()
    s.vault = reopen(path or s.vault.path, policy=s.gate, **more)


def _reader(s: Stage, act: Callable[[Reader], Any]) -> None:
    """Act by a reader, and hand its log over; the events of its opening and of the merging are no part of the act."""
    with read_only(s.vault.path) as reader, suppress(VaultError):
        act(reader)
    s.vault.merge_access_logs()


def _claimed(s: Stage) -> bytes:
    """Have a copy made of the vault, open it again, and return the id of the copy."""
    assert backup.main(["copy", str(s.vault.path), str(s.place / "copy")]) == 0
    _again(s)
    (copy,) = copies.copies_of(s.vault)
    return copy


def _restored(s: Stage) -> None:
    _claimed(s)
    s.vault.close()
    restoring.restore(s.place / "copy", s.place / "restored")
    store = DirectoryStore(s.place / "v.epoch")
    s.vault = reopen(s.place / "restored", epoch_stores=[store])


class _Away:
    """A receiver that is not there."""

    def send(self, _: Sequence[bytes]) -> None:
        raise ReceiverUnreachable


def _delivery(s: Stage, *, failing: bool = False) -> Delivery:
    sink = _Away() if failing else FileSink(s.place / "sent")
    return Delivery(s.vault, "one", Syslog(), sink, s.place / "cursors")


def _imported(s: Stage) -> None:
    folder = s.place / "legacy"
    folder.mkdir(exist_ok=True)
    (folder / "x.json").write_text('{"resourceType":"Patient","id":"1","identifier":[{"system":"urn:y","value":"9"}]}')
    Importer(s.vault, s.session).run([folder])


def _rolled_back(txn: vaultfs.Transaction) -> None:
    txn.set_state("ns", b"k", b"v")
    txn.rollback()


def _refused(_: bytes) -> Any:
    raise RuntimeError


EPOCH = KeyRef.epoch(1)
Scene = Callable[[Stage], Any]
DONE: dict[str, Scene] = {
    "vaultfs.open": _again,
    "Vault.session": lambda s: s.vault.session(WHO, "TREAT"),
    "Vault.context_tokens": lambda s: s.vault.context_tokens(vaultfs.Context(encounter="1")),
    "Vault.settle": lambda s: s.vault.settle(),
    "Vault.rebuild_index": lambda s: s.vault.rebuild_index(),
    "Vault.retire": lambda s: s.vault.retire(),
    "Vault.space": lambda s: s.vault.space(),
    "Reader.context_tokens": lambda s: _reader(s, lambda r: r.context_tokens(vaultfs.Context(encounter="1"))),
    "Reader.close": lambda s: _reader(s, lambda r: r.close()),
    "Session.get": lambda s: s.session.get(s.record),
    "Session.info": lambda s: s.session.info(s.record),
    "Session.open": lambda s: s.session.open(s.record).read(),
    "Session.get_many": lambda s: s.session.get_many([(s.record, None)]),
    "Session.versions": lambda s: s.session.versions(s.record),
    "Session.find": lambda s: s.session.find(subject=MRN),
    "Session.subjects": lambda s: s.session.subjects(MRN),
    "Session.identifiers": lambda s: s.session.identifiers(s.one),
    "Session.all_subjects": lambda s: list(s.session.all_subjects()),
    "Session.state": lambda s: s.session.state("ns", b"k"),
    "Session.disclose": lambda s: s.session.disclose(s.one, 1),
    "Session.compared": lambda s: s.session.compared(1, whole=True),
    "Session.transaction": lambda s: s.session.transaction(),
    "Session.close": lambda s: s.session.close(),
    "Session.authorize": lambda s: s.session.authorize(vaultfs.Action.READ, None, None),
    "Transaction.put": lambda s: s.txn(lambda t: t.put(b"x", kind="Patient", subject=NOBODY_KNOWS)),
    "Transaction.put_many": lambda s: s.txn(
        lambda t: t.put_many([vaultfs.NewRecord(b"x", "Patient", NOBODY_KNOWS)] * 2)
    ),
    "Transaction.delete": lambda s: s.txn(lambda t: t.delete(s.record)),
    "Transaction.subject": lambda s: s.txn(lambda t: t.subject(NOBODY_KNOWS)),
    "Transaction.new_subject": lambda s: s.txn(lambda t: t.new_subject()),
    "Transaction.identify": lambda s: s.txn(lambda t: t.identify(s.one, NOBODY_KNOWS)),
    "Transaction.link": lambda s: s.txn(lambda t: t.link(s.one, s.two)),
    "Transaction.unlink": lambda s: s.txn(lambda t: t.unlink(s.one, s.two)),
    "Transaction.claimants": lambda s: s.txn(lambda t: t.claimants(MRN)),
    "Transaction.linked": lambda s: s.txn(lambda t: t.linked(s.one, s.two)),
    "Transaction.disclose": lambda s: s.txn(lambda t: t.disclose(s.one, DISCLOSURE, 1)),
    "Transaction.suspend": lambda s: s.txn(lambda t: t.suspend(s.one, SUSPENSION)),
    "Transaction.identifiers": lambda s: s.txn(lambda t: t.identifiers(s.one)),
    "Transaction.state": lambda s: s.txn(lambda t: t.state("ns", b"k")),
    "Transaction.guard": lambda s: s.txn(lambda t: t.guard("ns", b"k", 0)),
    "Transaction.set_state": lambda s: s.txn(lambda t: t.set_state("ns", b"k", b"v")),
    "Transaction.commit": lambda s: s.txn(lambda t: (t.set_state("ns", b"k", b"v"), t.commit())),
    "Transaction.rollback": lambda s: s.txn(_rolled_back),
    "Keys.recipients": lambda s: s.vault.keys.recipients(),
    "Keys.add": lambda s: s.vault.keys.add(PrivateKey.generate().public_key, unlock=PASSPHRASE),
    "Keys.turn": lambda s: s.vault.keys.turn(PASSPHRASE),
    "Keys.rekey": lambda s: s.vault.keys.rekey(unlock=PASSPHRASE),
    "Keys.reencrypt": lambda s: s.vault.keys.reencrypt(),
    "Keys.keep_secret": lambda s: s.vault.keys.keep_secret(DirectoryStore(s.place / "more"), unlock=PASSPHRASE),
    "Lives.set_state": lambda s: s.vault.lives.set_state(KeyRef.signer(1), KeyState.SUSPENDED),
    "Lives.set_dates": lambda s: s.vault.lives.set_dates(EPOCH, protect_until=1 << 60),
    "Lives.set_period": lambda s: s.vault.lives.set_period(Cryptoperiod(1 << 60)),
    "Lives.accept_risk": lambda s: s.vault.lives.accept_risk(),
    "Lives.life": lambda s: s.vault.lives.life(EPOCH),
    "Lives.period": lambda s: s.vault.lives.period(),
    "Lives.refusing": lambda s: s.vault.lives.refusing(),
    "Lives.rotates": lambda s: s.vault.lives.rotates(),
    "Lives.expired_signer": lambda s: s.vault.lives.expired_signer(),
    "Lives.record_passed_in_use": lambda s: s.vault.lives.record_passed_in_use(),
    "Maintenance.run": lambda s: s.vault.maintenance.run(60),
    "Maintenance.health": lambda s: s.vault.maintenance.health(),
    "Maintenance.overdue": lambda s: s.vault.maintenance.overdue(),
    "Maintenance.mirror_segments": lambda s: s.vault.maintenance.mirror_segments(on=True),
    "audit.read_events": lambda s: list(log.read_events(s.vault)),
    "audit.read_leaves": lambda s: list(log.read_leaves(s.vault)),
    "audit.verify": lambda s: verifying.verify(s.vault),
    "audit.check_log": lambda s: verifying.check_log(s.vault),
    "audit.report": lambda s: report.report(s.vault, 0, 1),
    "audit.account": lambda s: accounting.account(s.vault, s.one),
    "audit.prove": lambda s: view.prove(s.vault, 1),
    "audit.export": lambda s: view.export(s.vault, s.place / "log"),
    "audit.shown": lambda s: view.shown(s.vault, entries=0, events=0),
    "audit.cosign": lambda s: anchoring.cosign(s.vault, [], NOBODY_WITNESSES),
    "audit.Delivery.run": lambda s: _delivery(s).run(),
    "audit.reconcile": lambda s: reconciling.reconcile(s.vault, []),
    "storage.copies.copies_of": lambda s: copies.copies_of(s.vault),
    "migrate.Importer.run": _imported,
    "migrate.Exporter.run": lambda s: Exporter(s.session, s.place / "out").run(),
}
FAILED: dict[str, Scene] = {
    "vaultfs.open": lambda s: reopen(s.vault.path, unlock=WRONG),
    "vaultfs.open_reader": lambda s: read_only(s.vault.path, unlock=WRONG),
    "Vault.session": lambda s: s.vault.session(WHO, "TREAT", attest=_refused),
    "Vault.merge_access_logs": lambda s: s.vault.merge_access_logs(s.place / "nowhere"),
    "Session.get": lambda s: s.session.get(GONE),
    "Session.info": lambda s: s.session.info(GONE),
    "Session.open": lambda s: s.session.open(GONE),
    "Session.get_many": lambda s: s.session.get_many([(GONE, None)]),
    "Session.versions": lambda s: s.session.versions(GONE),
    "Session.find": lambda s: s.session.find(subject=NOBODY_KNOWS),
    "Session.identifiers": lambda s: s.session.identifiers(STRANGER),
    "Transaction.put": lambda s: s.txn(lambda t: t.put(b"x", kind="Patient", subject=MRN, replaces=GONE)),
    "Transaction.put_many": lambda s: s.txn(
        lambda t: t.put_many([vaultfs.NewRecord(b"x", "Patient", MRN, replaces=vaultfs.RecordId(GONE))])
    ),
    "Transaction.delete": lambda s: s.txn(lambda t: t.delete(GONE)),
    "Transaction.undelete": lambda s: s.txn(lambda t: t.undelete(GONE)),
    "Transaction.identify": lambda s: s.txn(lambda t: t.identify(STRANGER, MRN)),
    "Transaction.link": lambda s: s.txn(lambda t: t.link(s.one, STRANGER)),
    "Transaction.unlink": lambda s: s.txn(lambda t: t.unlink(s.one, STRANGER)),
    "Transaction.disclose": lambda s: s.txn(lambda t: t.disclose(NOBODY_KNOWS, DISCLOSURE, 1)),
    "Transaction.suspend": lambda s: s.txn(lambda t: t.suspend(STRANGER, SUSPENSION)),
    "Transaction.identifiers": lambda s: s.txn(lambda t: t.identifiers(STRANGER)),
    "Transaction.commit": lambda s: s.txn(lambda t: t.guard("ns", b"k", 7)),
    "Keys.add": lambda s: s.vault.keys.add(PASSPHRASE, unlock=WRONG),
    "Keys.turn": lambda s: s.vault.keys.turn(WRONG),
    "Keys.rekey": lambda s: s.vault.keys.rekey(unlock=WRONG),
    "Keys.keep_secret": lambda s: s.vault.keys.keep_secret(DirectoryStore(s.place / "more"), unlock=WRONG),
    "Keys.drill": lambda s: s.vault.keys.drill(Shares(["academic acid"])),
    "Lives.set_state": lambda s: s.vault.lives.set_state(EPOCH, KeyState.PRE_ACTIVE),
    "Lives.set_dates": lambda s: s.vault.lives.set_dates(EPOCH, protect_until=2, process_until=1),
    "audit.account": lambda s: accounting.account(s.vault, vaultfs.NOBODY),
    "audit.prove": lambda s: view.prove(s.vault, 1 << 40),
    "Maintenance.prune_log": lambda s: s.vault.maintenance.prune_log(datetime.now(UTC)),
    "audit.cosign": lambda s: anchoring.cosign(s.vault, [], SOMEBODY_WITNESSES),
    "audit.report": lambda s: report.report(s.vault, 1, 0),
    "audit.Delivery.run": lambda s: _delivery(s, failing=True).run(),
    "storage.copies.confirm_keys": lambda s: copies.confirm_keys(s.vault, bytes(16), s.vault.engine.head.epoch),
    "storage.copies.give_up": lambda s: copies.give_up(s.vault, bytes(16)),
}
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


def _left(s: Stage, scene: Scene, error: type[BaseException] | None = None) -> list[str]:
    """Return the names of the events that a scene leaves."""
    before = len(event_types(s.vault))
    if error is None:
        scene(s)
    else:
        with pytest.raises(error):
            scene(s)
    return [kind.name for kind in event_types(s.vault)[before:]]


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
    assert failing == set(FAILED)


def test_a_row_without_events_says_why() -> None:
    assert [name for name, row in CALLS.items() if not (row.done or row.why)] == []


@pytest.mark.parametrize("name", DONE)
def test_a_call_that_succeeds_leaves_its_events(stage: Stage, name: str) -> None:
    row = CALLS[name]
    found = _left(stage, DONE[name])
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
    found = _left(stage, scene, GateFallen if fails else AccessDenied)
    if name == "migrate.Importer.run":
        found.remove("SETTLED")
    assert found == list(CALLS[name].denied or ())


@pytest.mark.parametrize("name", sorted(DENIABLE & DONE.keys() | {"Transaction.undelete"}))
def test_a_call_of_which_the_policy_fails_is_denied(stage: Stage, name: str) -> None:
    scene = DONE.get(name, lambda s: s.txn(lambda t: t.undelete(s.record)))
    stage.gate.fallen = True
    found = _left(stage, scene, GateFallen)
    if name == "migrate.Importer.run":
        found.remove("SETTLED")
    assert found == list(CALLS[name].denied or ())


READING = ["Session.get", "Session.info", "Session.open", "Session.get_many", "Session.versions", "Session.find"]


@pytest.mark.parametrize("name", [*READING, "Session.identifiers"])
def test_a_call_that_asks_for_what_cannot_be_read_leaves_that(stage: Stage, name: str) -> None:
    stage.vault.settle()
    for path in stage.vault.path.rglob("*.vseg"):
        if "audit" not in path.parts:
            ruin(path)
    _again(stage)
    stage.session = stage.vault.session(WHO, "TREAT")
    act = DONE[name] if name != "Session.find" else lambda s: s.session.find(subject=s.one)
    assert _left(stage, act, VaultError) == list(CALLS[name].failed or ())
    assert events(stage.vault)[-1].outcome is vaultfs.Outcome.FAILED


def test_a_search_for_a_kind_that_is_none_leaves_that(stage: Stage) -> None:
    found = _left(stage, lambda s: s.session.find(subject=s.one, kind="none"), KindUnknown)
    assert found == list(CALLS["Session.find"].failed or ())
    assert events(stage.vault)[-1].outcome is vaultfs.Outcome.FAILED


@pytest.mark.parametrize("name", FAILED)
def test_a_call_that_fails_leaves_that(stage: Stage, name: str) -> None:
    assert _left(stage, FAILED[name], VaultError) == list(CALLS[name].failed or ())


def test_a_search_that_finds_nobody_is_there(stage: Stage) -> None:
    assert _left(stage, lambda s: s.session.subjects(NOBODY_KNOWS)) == list(CALLS["Session.subjects"].failed or ())
    found = _left(stage, lambda s: s.txn(lambda t: t.claimants(NOBODY_KNOWS)))
    assert found == list(CALLS["Transaction.claimants"].failed or ())


@pytest.mark.parametrize("name", [name for name in CALLS if _properties(name)])
def test_a_property_leaves_nothing(stage: Stage, name: str) -> None:
    kind, _, member = name.partition(".")
    if kind == "Reader":
        found = _left(stage, lambda s: _reader(s, lambda r: getattr(r, member)))[2:]
    else:
        found = _left(stage, lambda s: getattr(s.vault, member))
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
        reader.session(WHO, "TREAT", attest=_refused)

    row = CALLS["Reader.session"]
    assert _left(stage, lambda s: _reader(s, act)) == [
        *CALLS["Vault.merge_access_logs"].done,
        *CALLS["vaultfs.open_reader"].done,
        *row.done,
        *(row.failed or ()),
    ]


def test_undeleting(stage: Stage) -> None:
    stage.txn(lambda txn: txn.delete(stage.record))
    found = _left(stage, lambda s: s.txn(lambda txn: txn.undelete(s.record)))
    assert found == list(CALLS["Transaction.undelete"].done)


def test_copies_leave_word_and_are_given_up(stage: Stage) -> None:
    copy = b""

    def copied(s: Stage) -> None:
        nonlocal copy
        copy = _claimed(s)

    assert _left(stage, copied) == ["VAULT_CLOSED", "VAULT_OPENED", *CALLS["vaultfs_tools.backup.main"].done]
    confirmed = _left(stage, lambda s: copies.confirm_keys(s.vault, copy, s.vault.engine.head.epoch))
    assert confirmed == list(CALLS["storage.copies.confirm_keys"].done)
    assert _left(stage, lambda s: copies.give_up(s.vault, copy)) == list(CALLS["storage.copies.give_up"].done)


def test_copying_without_the_command_leaves_nothing(stage: Stage) -> None:
    def copied(s: Stage) -> None:
        Copier(Source.of_vault(s.vault.path), Target(s.place / "copy"), CopyOptions(), Pace()).run()
        _again(s)

    assert _left(stage, copied) == ["VAULT_CLOSED", "VAULT_OPENED", *CALLS["vaultfs_tools.copying.Copier.run"].done]


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

    assert set(_left(stage, redriven)) == set(CALLS["migrate.redrive"].done)
    stage.gate.shut = True
    with pytest.raises(AccessDenied):
        redriving.redrive(stage.vault, stage.session, ImportOptions())
    assert event_types(stage.vault)[-1].name in (CALLS["migrate.redrive"].denied or ())


def test_sending_events_again(stage: Stage) -> None:
    delivery = _delivery(stage)
    delivery.run()
    assert _left(stage, lambda _: delivery.resend([range(5)])) == list(CALLS["audit.Delivery.resend"].done)
    assert _left(stage, lambda _: delivery.resend([])) == []


def test_a_drill_of_an_escrow(stage: Stage) -> None:
    escrow = Escrow.draw([(1, 1)], iteration_exponent=0)
    stage.vault.keys.add(escrow, unlock=PASSPHRASE)
    found = _left(stage, lambda s: s.vault.keys.drill(Shares(escrow.groups[0])))
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
    _restored(stage)
    found = [kind.name for kind in event_types(stage.vault)]
    at = found.index("RESTORE_CLAIMED")
    assert found[at:][:1] == list(CALLS["vaultfs_tools.copying.restore"].done)
    assert found.count("RESTORE_CLAIMED") == 1

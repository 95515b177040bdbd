"""The calls of the table of events, each tried where it succeeds and where it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.stanza import Argon2Cost
from vaultfs_format.tlog.policy import Policy
from vaultfs_tools import backup
from vaultfs_tools.copying import restoring

import vaultfs
from tests.vaultfs.audit.stage import Stage
from tests.vaultfs.support import MRN, PASSPHRASE, WHO, event_types, read_only, reopen
from vaultfs.audit import accounting, anchoring, log, report, verifying, view
from vaultfs.audit.exporting import reconciling
from vaultfs.audit.exporting.delivering import Delivery
from vaultfs.audit.exporting.errors import ReceiverUnreachable
from vaultfs.audit.exporting.spool import FileSink
from vaultfs.audit.exporting.syslog import Syslog
from vaultfs.engine.reader import Reader
from vaultfs.errors import AccessDenied, VaultError
from vaultfs.keys import PrivateKey
from vaultfs.keys.escrow import Shares
from vaultfs.keys.lifecycle import Cryptoperiod, KeyRef, KeyState
from vaultfs.keys.stores import DirectoryStore
from vaultfs.migrate.export import Exporter
from vaultfs.migrate.importer import Importer
from vaultfs.storage import copies

GONE = vaultfs.RecordId(bytes(16))
NOBODY_KNOWS = vaultfs.Identifier("urn:x", "1")
STRANGER = vaultfs.SubjectId(b"x" * 16)
NOBODY_WITNESSES = Policy.decode(b"quorum none\n")
SOMEBODY_WITNESSES = Policy((), (), (), b"somebody")
DISCLOSURE = vaultfs.Disclosure(recipient="x", description="x", purpose="x", basis=vaultfs.Basis.PUBLIC_HEALTH)
SUSPENSION = vaultfs.Suspension(recipient="x", until=datetime(2100, 1, 1, tzinfo=UTC))
WRONG = vaultfs.Passphrase(b"another", Argon2Cost(64, 1, 1))


def again(s: Stage, path: Path | None = None, **more: Any) -> None:
    s.vault.close()
    s.vault = reopen(path or s.vault.path, policy=s.gate, **more)


def by_reader(s: Stage, act: Callable[[Reader], Any]) -> None:
    """Act by a reader, and hand its log over; the events of its opening and of the merging are no part of the act."""
    with read_only(s.vault.path) as reader, suppress(VaultError):
        act(reader)
    s.vault.merge_access_logs()


def claimed(s: Stage) -> bytes:
    """Have a copy made of the vault, open it again, and return the id of the copy."""
    assert backup.main(["copy", str(s.vault.path), str(s.place / "copy")]) == 0
    again(s)
    (copy,) = copies.copies_of(s.vault)
    return copy


def restored(s: Stage) -> None:
    claimed(s)
    s.vault.close()
    restoring.restore(s.place / "copy", s.place / "restored")
    store = DirectoryStore(s.place / "v.epoch")
    s.vault = reopen(s.place / "restored", epoch_stores=[store])


class _Away:
    """A receiver that is not there."""

    def send(self, _: Sequence[bytes]) -> None:
        raise ReceiverUnreachable


def delivery(s: Stage, *, failing: bool = False) -> Delivery:
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


def _ambiguous(s: Stage, act: Callable[[vaultfs.Transaction], Any]) -> None:
    """Act on an identifier that two subjects have, one of them by a transaction that is not committed."""

    def acted(txn: vaultfs.Transaction) -> None:
        txn.identify(s.two, MRN)
        act(txn)

    s.txn(acted)


def refused(_: bytes) -> Any:
    raise RuntimeError


EPOCH = KeyRef.epoch(1)
Scene = Callable[[Stage], Any]
DONE: dict[str, Scene] = {
    "vaultfs.open": again,
    "Vault.session": lambda s: s.vault.session(WHO, "TREAT"),
    "Vault.context_tokens": lambda s: s.vault.context_tokens(vaultfs.Context(encounter="1")),
    "Vault.settle": lambda s: s.vault.settle(),
    "Vault.rebuild_index": lambda s: s.vault.rebuild_index(),
    "Vault.retire": lambda s: s.vault.retire(),
    "Vault.space": lambda s: s.vault.space(),
    "Reader.context_tokens": lambda s: by_reader(s, lambda r: r.context_tokens(vaultfs.Context(encounter="1"))),
    "Reader.close": lambda s: by_reader(s, lambda r: r.close()),
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
    "audit.Delivery.run": lambda s: delivery(s).run(),
    "audit.reconcile": lambda s: reconciling.reconcile(s.vault, []),
    "storage.copies.copies_of": lambda s: copies.copies_of(s.vault),
    "migrate.Importer.run": _imported,
    "migrate.Exporter.run": lambda s: Exporter(s.session, s.place / "out").run(),
}
FAILED: dict[str, Scene] = {
    "vaultfs.open": lambda s: reopen(s.vault.path, unlock=WRONG),
    "vaultfs.open_reader": lambda s: read_only(s.vault.path, unlock=WRONG),
    "Vault.session": lambda s: s.vault.session(WHO, "TREAT", attest=refused),
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
    "Transaction.suspend": lambda s: s.txn(lambda t: t.suspend(NOBODY_KNOWS, SUSPENSION)),
    "Transaction.subject": lambda s: _ambiguous(s, lambda t: t.subject(MRN)),
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
    "audit.Delivery.run": lambda s: delivery(s, failing=True).run(),
    "storage.copies.confirm_keys": lambda s: copies.confirm_keys(s.vault, bytes(16), s.vault.engine.head.epoch),
    "storage.copies.give_up": lambda s: copies.give_up(s.vault, bytes(16)),
}


def left(s: Stage, scene: Scene, error: type[BaseException] | None = None) -> list[str]:
    """Return the names of the events that a scene leaves. An error that says no says nothing of what is there."""
    before = len(event_types(s.vault))
    if error is None:
        scene(s)
    else:
        with pytest.raises(error) as caught:
            scene(s)
        assert not isinstance(caught.value, AccessDenied) or caught.value.__context__ is None
    return [kind.name for kind in event_types(s.vault)[before:]]

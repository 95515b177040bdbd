"""The life of a vault with a canary in every field of every input: good calls, failing calls, and bad days."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vaultfs_format.events.base import UnknownEvent
from vaultfs_format.events.session import SessionOpened, statement_of
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import Argon2Cost, StanzaType
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.witness import Witnessed

import vaultfs
from tests.vaultfs import softhsm
from tests.vaultfs.canaries import delivered, witnessed
from tests.vaultfs.canaries.exports import asked, exported
from tests.vaultfs.support import drop_mirrors, files_of, flipped, lost
from vaultfs.audit.accounting import account
from vaultfs.audit.events import sealable
from vaultfs.audit.log import read_events
from vaultfs.audit.verifying import verify
from vaultfs.audit.view import LogView, export, origin_of, prove
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.custody.copies import KnownCopy
from vaultfs.keys import Escrow, HostKey, Passphrase, PrivateKey, RecipientKey, Shares, TokenStore
from vaultfs.keys.lifecycle import Cryptoperiod, KeyRef, KeyState
from vaultfs.keys.recipients import Known, _AtAnyCost
from vaultfs.metrics import Counter, Tally
from vaultfs.storage.copies import confirm_keys, copies_of, give_up
from vaultfs.storage.health import health
from vaultfs.storage.indexing import heal_index
from vaultfs.storage.mirroring import complete_mirrors, missing_mirrors, set_mirroring
from vaultfs.storage.repair import Repaired, repair, repair_queue
from vaultfs.storage.scrub import round_of, scrub
from vaultfs.storage.tables import heal_table
from vaultfs.testing.canary import Canaries
from vaultfs.testing.vfs import CHANGES, FaultyVfs
from vaultfs.testing.watch import Watch

PLANTED = Canaries(2)
TEXT = PLANTED.text
SECRET = _AtAnyCost(TEXT("passphrase").encode(), Argon2Cost(64, 1, 1))
WHO = vaultfs.Principal(TEXT("principal"), frozenset({TEXT("role")}))
NAME = vaultfs.Identifier(TEXT("system"), TEXT("value"))
ALIAS = vaultfs.Identifier(TEXT("system2"), TEXT("value2"))
WRONG = vaultfs.Identifier(TEXT("wrong"), TEXT("wrong"))
SPACE, KEY = TEXT("namespace"), TEXT("key").encode()
WHEN = PLANTED.moment
KIND = "host.note"
"""A word of the host's vocabulary, which is no data and is shown."""


def live(watch: Watch, folder: Path) -> None:
    """Go through it all; the vault is left in `folder`."""
    vfs, path, tally = FaultyVfs(), folder / "v", Tally()
    watch.said(SECRET, WHO, NAME, vaultfs.ClinicalDate.of(WHEN))
    watch.said(vaultfs.Request(WHO, TEXT("purpose"), vaultfs.Action.READ))
    vault = vaultfs.create(
        path,
        recipients=[SECRET],
        policy=vaultfs.PermitAll(),
        kinds=[KIND],
        copies=folder / "elsewhere",
        vfs=vfs,
        options=vaultfs.Options(sync_bound=0.01, metrics=tally),
    )
    with vault, vault.session(WHO, TEXT("purpose")) as session:
        ids = _written(watch, session)
        _recipients(watch, vault, folder)
        watch.files(folder)
        _conflicting(watch, session)
        for _ in range(2):
            _read(watch, vault, session, ids)
            vault.settle()
            watch.files(folder)
        _subjects(watch, session)
        _failing(watch, vault, session, ids[0])
        _deleted(watch, session, ids[0])
        vault.rebuild_index()
        session.get(ids[1])
        _repaired(watch, vault, session, ids[1])
        vault.finish()
        watch.files(folder)
        _turned(watch, vault, session)
        _shown(watch, vault, session, folder)
        delivered.deliver(watch, vault, PLANTED)
        witnessed.witness(watch, vault, PLANTED)
        vault.settle()
        pruned = vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0))
        watch.said(pruned)
        assert pruned.leaves
    watch.files(folder)
    assert min(tally.counts[one] for one in (Counter.RECORDS_PUT, Counter.CONFLICTS, Counter.INDEX_REBUILDS)) > 0
    watch.said(str(vars(tally)))
    _not_opened(watch, path)
    _bad_days(watch, path, vfs)
    _without_the_disk_of_the_copies(watch, path)
    _denied(watch, path, ids[1])
    watch.files(folder)


class _Service:
    """A key service that fails when it is told to, and says what it should not."""

    def __init__(self) -> None:
        self.fails = False

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        self._fail()
        return secret

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        self._fail()
        return blob

    def _fail(self) -> None:
        if self.fails:
            raise ConnectionError(TEXT("service"))


def _recipients(watch: Watch, vault: vaultfs.Vault, folder: Path) -> None:
    """Add one of each kind, and open by it; a few fail on the way, each in its own words."""
    service, key = _Service(), PrivateKey.generate()
    token = softhsm.new_token(pin=PLANTED.plain("pin").encode())
    escrow = Escrow.draw([(2, 3)], passphrase=PLANTED.plain("shares").encode(), iteration_exponent=0)
    host = HostKey("kms/records", service)
    watch.said(host, key, token, escrow, escrow.shares, Known(Secret(TEXT("root").encode())))
    for recipient in (key, key.public_key, token, escrow, host):
        watch.said(vault.keys.add(recipient, unlock=SECRET))
        watch.files(folder)
    watch.said(vault.keys, *vault.keys.recipients(), vault.keys.drill(escrow.shares))
    watch.said(*vault.keys.rekey(unlock=SECRET, staying=[key.public_key, token, escrow.shares, host]))
    service.fails = True
    failing: tuple[Callable[[], object], ...] = (
        lambda: vault.keys.add(key, unlock=Passphrase(TEXT("wrong").encode())),
        lambda: vault.keys.add(key, unlock=host),
        lambda: vault.keys.add(key, unlock=replace(token, pin=PLANTED.plain("wrongpin").encode())),
        lambda: vault.keys.add(key, unlock=replace(token, label=TEXT("label"))),
        lambda: vault.keys.add(key, unlock=replace(token, module=TEXT("module"))),
        lambda: vault.keys.add(HostKey(TEXT("name") + "\n", service), unlock=SECRET),
        lambda: vault.keys.drill(Shares([TEXT("share")], PLANTED.plain("shares").encode())),
        lambda: vault.keys.drill(Shares(escrow.groups[0], TEXT("wrong").encode())),
        lambda: Escrow.draw([(1, 1)], passphrase=(TEXT("shares") + "\n").encode()),
        lambda: RecipientKey(TEXT("public").encode()).stanza(vault.engine.suite, bytes(16), bytes(32), bytes(32)),
        token.make_key,
    )
    for act in failing:
        with watch.failing():
            act()
    _token_store(watch, vault, TokenStore(token.module, token.label, token.pin))


def _token_store(watch: Watch, vault: vaultfs.Vault, store: TokenStore) -> None:
    """Keep the secret of an epoch and the head in a token, and ask one that is none."""
    head, (there,) = vault.engine.head, vault.engine.stores
    store.put(there.get(vault.id, head.epoch))
    store.see(Witnessed.of(head))
    watch.said(vault.keys.keep_secret(store, unlock=SECRET))
    watch.said(store, store.get(vault.id, head.epoch), store.epochs(vault.id), store.last(vault.id))
    store.destroy(vault.id, head.epoch)
    for broken in (replace(store, label=TEXT("label")), replace(store, pin=PLANTED.plain("wrongpin").encode()), store):
        with watch.failing():
            broken.get(vault.id, head.epoch)


def _turned(watch: Watch, vault: vaultfs.Vault, session: vaultfs.Session) -> None:
    """Dispose of somebody, with a copy of the vault to wait for; end periods and suspend keys."""
    gone = vaultfs.Identifier(TEXT("gone"), TEXT("gone"))
    with session.transaction() as txn:
        record = txn.put(TEXT("disposed").encode(), kind="Observation", subject=gone)
    for copy in (b"1" * 16, b"2" * 16):
        events = sealable(vault.engine.suite, [])
        vault.commit(control_intent(vault.engine, "vaultfs.copies", copy, KnownCopy(1).encode(), 0, events))
    watch.said(vault.keys.turn(SECRET, session.subjects(gone)), vault.retire())
    confirm_keys(vault, b"1" * 16, vault.engine.head.epoch)
    give_up(vault, b"2" * 16)
    vault.lives.set_period(Cryptoperiod(1))
    with watch.failing(), session.transaction() as txn:
        txn.put(TEXT("expired").encode(), kind="Observation", subject=NAME)
    vault.lives.set_period(Cryptoperiod())
    watch.said(vault.keys.turn(SECRET))
    for state in (KeyState.SUSPENDED, KeyState.PRE_ACTIVE, KeyState.ACTIVE):
        with watch.failing() if state is KeyState.PRE_ACTIVE else nullcontext():
            watch.said(vault.lives.set_state(KeyRef.epoch(vault.engine.head.epoch), state))
    watch.said(vault.keys.reencrypt(), vault.keys.turn(SECRET, new_signer=True))
    for act in (
        lambda: session.get(record),
        lambda: session.find(subject=gone),
        lambda: KeyRef.recipient(TEXT("recipient")),
    ):
        with watch.failing():
            act()
    with watch.failing():
        vault.keys.rekey(unlock=SECRET)
    others = [one.id for one in vault.keys.recipients() if one.type != StanzaType.PASSPHRASE]
    watch.said(*vault.keys.rekey(unlock=SECRET, removed=others))


def _repaired(watch: Watch, vault: vaultfs.Vault, session: vaultfs.Session, record: vaultfs.RecordId) -> None:
    """Damage all segments within what parity gives back, and one beyond it."""
    rows = vault.engine.head.segments
    paths = [vault.engine.layout.segment(row) for row in rows]
    acts: tuple[Callable[[], list[Repaired]], ...] = (
        lambda: list(repair_queue(vault.engine)),
        lambda: [repair(vault.engine, row) for row in rows],
    )
    for act in acts:
        for path in paths:
            path.write_bytes(flipped(path.read_bytes(), 4500))
        session.get(record)
        watch.said(*act())
    whole = paths[0].read_bytes()
    lost(paths[0], 1)
    watch.said(*(repair(vault.engine, row) for row in rows))
    watch.said(scrub(vault, seconds=60), round_of(vault), *(heal_table(vault.engine, row) for row in rows))
    maintained = vault.maintenance.run(60, period=0)
    watch.said(maintained, *maintained.lost, vault.maintenance.overdue())
    watch.said(heal_index(vault))
    set_mirroring(vault, on=True)
    with watch.failing():
        complete_mirrors(vault, 60)
    paths[0].write_bytes(whole)
    vault.engine.store.reopen(rows[0].segment_id)
    for on in (True, False):
        vault.maintenance.mirror_segments(on=on)
        watch.said(vault.maintenance.health(), missing_mirrors(vault.engine), copies_of(vault))
        watch.said(complete_mirrors(vault, 60), health(vault, alarm=watch.said))
    set_mirroring(vault, on=False)


def _written(watch: Watch, session: vaultfs.Session) -> Sequence[vaultfs.RecordId]:
    data: list[bytes | io.BytesIO] = [
        TEXT("small").encode() * 3,
        TEXT("blob").encode() * 5000,
        TEXT("wide").encode("utf-16-le") * 2000,
        PLANTED.data("incompressible", 2_000_000),
        io.BytesIO(TEXT("stream").encode() * 9000),
    ]
    with session.transaction() as txn:
        ids = [
            txn.put(
                one,
                kind="Observation",
                subject=NAME,
                date=WHEN,
                before=TEXT("before").encode(),
                after=TEXT("after").encode(),
            )
            for one in data
        ]
        ids.append(txn.put(TEXT("nobody").encode(), kind=KIND, subject=None))
        txn.set_state(SPACE, KEY, TEXT("state").encode())
        txn.identify(txn.subject(NAME), ALIAS, WHEN)
        many = list(_many())
        ids += txn.put_many(many)
        watch.said(many, *many, many[-1].pixels)
        watch.said(
            txn,
            session,
            txn._intent,
            txn._identities,
            *txn._records.blobs,
            *txn._pending.gathered,
            *txn._pending.sealed,
        )
    with session.transaction() as txn:
        txn.put(TEXT("second").encode(), kind="Observation", subject=NAME, replaces=ids[0])
    return ids


def _many() -> Iterator[vaultfs.NewRecord]:
    """Yield records for `put_many`, the last with canaries among its pixels, of which it is said where they are."""
    for number in range(20):
        yield vaultfs.NewRecord(
            TEXT(f"many{number}").encode(),
            "Observation",
            NAME,
            WHEN,
            before=TEXT("before").encode(),
            after=TEXT("after").encode(),
        )
    header = TEXT("header").encode().ljust(1000)
    pixels = PLANTED.data("pixels", 500_000)
    yield vaultfs.NewRecord(
        header + pixels, "ImagingStudy", NAME, pixels=vaultfs.PixelData(len(header), len(pixels), 1000, 2)
    )


def _conflicting(watch: Watch, session: vaultfs.Session) -> None:
    lost = session.transaction()
    lost.put(TEXT("lost").encode() * 9000, kind="Observation", subject=NAME)
    lost.rollback()
    one, two = session.transaction(), session.transaction()
    for txn in (one, two):
        txn.set_state(SPACE, KEY, TEXT("conflicting").encode())
        txn.put(TEXT("conflicting").encode() * 9000, kind="Observation", subject=NAME)
    one.commit()
    with watch.failing():
        two.commit()


def _read(watch: Watch, vault: vaultfs.Vault, session: vaultfs.Session, ids: Sequence[vaultfs.RecordId]) -> None:
    for record in ids:
        watch.said(session.get(record), session.info(record), session.versions(record))
        with session.open(record) as file:
            watch.said(file)
            assert any(PLANTED.found(file.read()))
            watch.said(file, file.raw)
    for date in (WHEN, WHEN.date(), vaultfs.ClinicalDate.of(WHEN)):
        watch.said(session.find(subject=NAME, kind="Observation", since=date, until=date))
    (subject,) = session.subjects(NAME)
    watch.said(subject, session.identifiers(subject), session.state(SPACE, KEY), list(session.all_subjects()))
    watch.said(session.get_many([(ids[0], None), (ids[1], 1)]))
    session.disclose(subject, 1)
    watch.said(vault, vault.space(), vault.path, vault.id, vault.condition)
    for _, event in read_events(vault):
        watch.said(event)


def _subjects(watch: Watch, session: vaultfs.Session) -> None:
    with session.transaction() as txn:
        (known,) = txn.claimants(NAME)
        other = txn.new_subject()
        txn.identify(other, vaultfs.Identifier(TEXT("system3"), TEXT("value3")), WHEN, weak=True)
        txn.link(known, other)
        assert txn.linked(known, other)
        watch.said(txn.identifiers(known), txn.identifiers(other), txn.state(SPACE, KEY))
        txn.guard(SPACE, KEY + b"2", 0)
    with session.transaction() as txn:
        txn.unlink(known, other)
        disclosure = vaultfs.Disclosure(
            recipient=TEXT("recipient"),
            address=TEXT("address"),
            description=TEXT("described"),
            purpose=TEXT("for"),
            basis=vaultfs.Basis.OVERSIGHT,
        )
        suspension = vaultfs.Suspension(recipient=TEXT("agency"), until=datetime(2100, 1, 1, tzinfo=UTC))
        watch.said(disclosure, suspension, txn.disclose(known, disclosure, 1), txn.suspend(known, suspension))


def _deleted(watch: Watch, session: vaultfs.Session, record: vaultfs.RecordId) -> None:
    with session.transaction() as txn:
        txn.delete(record)
    with watch.failing():
        session.get(record)
    with session.transaction() as txn:
        txn.undelete(record)


def _failing(watch: Watch, vault: vaultfs.Vault, session: vaultfs.Session, record: vaultfs.RecordId) -> None:
    wrong, broken = TEXT("wrong"), TEXT("wrong") + "\ud800"
    beside = vault.path.with_name("w")
    calls: list[Callable[[], Any]] = [
        lambda: vaultfs.Disclosure(recipient=wrong, description=broken, purpose=wrong, basis=vaultfs.Basis.OTHER),
        lambda: vaultfs.Disclosure(recipient=wrong, description=wrong * 999, purpose="", basis=vaultfs.Basis.OTHER),
        lambda: vaultfs.Suspension(recipient=broken, until=datetime(2100, 1, 1, tzinfo=UTC)).statement(0),
        lambda: session.find(subject=WRONG),
        lambda: session.find(subject=NAME, kind=wrong),
        lambda: session.get(record, 99),
        lambda: session.get(vaultfs.RecordId(bytes(range(16)))),
        lambda: session.versions(vaultfs.RecordId(bytes(range(16)))),
        lambda: vaultfs.RecordId(wrong.encode()),
        lambda: vaultfs.SubjectId(wrong.encode()),
        lambda: vaultfs.Identifier(TEXT("system") * 100, TEXT("value")),
        lambda: vaultfs.Identifier(broken, TEXT("value")),
        lambda: vaultfs.Identifier(TEXT("system"), broken),
        lambda: vaultfs.Principal(broken),
        lambda: vaultfs.Principal(TEXT("principal"), frozenset({broken})),
        lambda: vault.session(vaultfs.Principal("x"), broken),
        lambda: session.state(broken, KEY),
        lambda: vault.session(vaultfs.Principal("x"), TEXT("purpose") * 100),
        lambda: vaultfs.ClinicalDate(WHEN.astimezone(), vaultfs.Precision.DAY),
        lambda: vaultfs.ClinicalDate(WHEN, vaultfs.Precision.MILLISECOND, 5000),
        lambda: vaultfs.create(vault.path, recipients=[SECRET]),
        lambda: vaultfs.create(beside, recipients=[vaultfs.Passphrase(wrong.encode()[:3])]),
        lambda: vaultfs.create(beside, recipients=[]),
        lambda: vaultfs.create(beside, recipients=[SECRET], kinds=[wrong + "\n"]),
        lambda: vaultfs.create(beside, recipients=[SECRET], kinds=[broken]),
        lambda: vaultfs.create(beside, recipients=[SECRET], media_types=[broken]),
        lambda: vaultfs.open(vault.path, unlock=SECRET),
    ]
    for call in calls:
        with watch.failing():
            call()
    with session.transaction() as txn:
        refused: list[Callable[[], Any]] = [
            lambda: txn.put(wrong.encode(), kind=wrong, subject=NAME),
            lambda: txn.put(wrong.encode(), kind="Observation", subject=NAME, media_type=TEXT("media")),
            lambda: txn.put_many([*_many(), vaultfs.NewRecord(wrong.encode(), wrong, NAME)]),
            lambda: txn.put_many([vaultfs.NewRecord(io.StringIO(wrong), "Observation", NAME)]),  # type: ignore[arg-type]
            lambda: txn.put_many([vaultfs.NewRecord(wrong.encode(), "Observation", NAME, media_type=wrong)]),
            lambda: txn.put(io.StringIO(wrong), kind="Observation", subject=NAME),  # type: ignore[arg-type]
            lambda: txn.set_state(broken, b"", b""),
            lambda: txn.state(broken, b""),
            lambda: txn.guard(broken, b"", 0),
            lambda: txn.put(broken.encode("utf-8", "surrogatepass"), kind=broken, subject=NAME),
            lambda: txn.set_state(SPACE * 100, KEY, b""),
            lambda: txn.set_state(SPACE, KEY, TEXT("state").encode() * 3000),
            lambda: [txn.guard(SPACE, b"x", number) for number in (1, 2)],  # type: ignore[func-returns-value]
            lambda: txn.identify(vaultfs.NOBODY, NAME),
        ]
        for call in refused:
            with watch.failing():
                call()
        txn.rollback()


def _shown(watch: Watch, vault: vaultfs.Vault, session: vaultfs.Session, folder: Path) -> None:
    """Show the log to strangers, and to who is asked about a subject: that alone is told who has acted."""
    context = vaultfs.Context(encounter=TEXT("encounter"), order=TEXT("order"))
    watch.said(context, vault.context_tokens(context))
    with vault.session(WHO, TEXT("purpose"), context=context, attest=_signed), watch.failing():
        vault.session(WHO, TEXT("purpose"), attest=_unsigned)
    (subject, *_) = session.subjects(NAME) or [vaultfs.SubjectId(b"x" * 16)]
    found = account(vault, subject)
    watch.said(found.proof, found.proof.groups[:1], [entry.event for entry in found.entries], verify(vault))
    asked(watch, vault, found)
    export(vault, folder / "log")
    view = LogView(vault)
    head = Checkpoint(origin_of(vault.id), view.size, view.root)
    view.check_grown_from(head)
    watch.said(view.origin, view.keys, view.entry(0), view.inclusion(1), view.consistency(1), view.checkpoint())
    opened = [leaf.event for leaf in view.leaves() if isinstance(leaf.event, SessionOpened)]
    watch.said(opened[-1], view.leaf(1), view.prove_leaf(view.leaf(1)), prove(vault, 1))
    statement_of(vault.id, opened[-1])
    exported(watch, view, TEXT)
    unknown = UnknownEvent(1, bytes(16), 60_000, TEXT("unknown").encode())
    watch.said(unknown, unknown.type, unknown.outcome, next(leaf.event.outcome for leaf in view.leaves() if leaf.event))
    watch.files(folder)


def _signed(_: bytes) -> vaultfs.PersonSignature:
    return vaultfs.PersonSignature(vaultfs.SignatureScheme.ED25519, b"key", b"signature")


def _unsigned(_: bytes) -> vaultfs.PersonSignature:
    raise ConnectionError(TEXT("signing"))


def _not_opened(watch: Watch, path: Path) -> None:
    with watch.failing():
        vaultfs.open(path, unlock=vaultfs.Passphrase(TEXT("wrong").encode()))
    for victim in ("head", "VAULT.*", "keyring.*", "*.vjrn", "*.vkey.*", "secret.*"):
        copy = path.with_name("harmed") / "v"
        shutil.copytree(path, copy)
        shutil.copytree(path.with_name("v.epoch"), copy.with_name("v.epoch"))
        shutil.rmtree(copy / "index")
        for file in files_of(copy.parent, victim):
            file.write_bytes(flipped(file.read_bytes(), -3) + bytes(4096))
        if victim == "*.vjrn":
            drop_mirrors(copy)
            for file in files_of(copy, victim):
                file.write_bytes(TEXT("wrong").encode() * 300)
        with watch.failing():
            vaultfs.open(copy, unlock=SECRET)
        shutil.rmtree(copy.parent)


def _without_the_disk_of_the_copies(watch: Watch, path: Path) -> None:
    copies, elsewhere = path / "copies", path.with_name("copies kept")
    copies.rename(elsewhere)
    copies.symlink_to(path.with_name("nowhere"))
    with vaultfs.open(path, unlock=SECRET, policy=vaultfs.PermitAll()) as vault:
        with vault.session(vaultfs.Principal(TEXT("who")), TEXT("why")) as session, session.transaction() as txn:
            txn.put(TEXT("small").encode(), kind="Observation", subject=NAME)
        vault.settle()
        watch.said(vault.maintenance.health())
    copies.unlink()
    elsewhere.rename(copies)


def _bad_days(watch: Watch, path: Path, vfs: FaultyVfs) -> None:
    for number in range(1, 40, 3):
        vfs.fail(*CHANGES, error=28, number=number, lasting=True)
        try:
            with vaultfs.open(path, unlock=SECRET, policy=vaultfs.PermitAll(), vfs=vfs) as vault:
                with vault.session(WHO, TEXT("purpose2")) as session, session.transaction() as txn:
                    txn.put(TEXT("full").encode() * 9000, kind="Observation", subject=NAME)
                vault.settle()
        except vaultfs.VaultError as error:
            watch.error(error)
        vfs.heal()


def _denied(watch: Watch, path: Path, record: vaultfs.RecordId) -> None:
    with vaultfs.open(path, unlock=SECRET) as vault, vault.session(WHO, TEXT("purpose")) as session:
        for call in (lambda: session.get(record), lambda: session.find(subject=NAME)):
            with watch.failing():
                call()

"""The life of readers beside a writer, with a canary in all that they read, ask and are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.stanza import Argon2Cost

import vaultfs
from tests.vaultfs.support import files_of, flipped
from vaultfs.audit.log import read_events
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.metrics import Counter, Tally
from vaultfs.testing.canary import Canaries
from vaultfs.testing.vfs import FaultyVfs, Operation, When
from vaultfs.testing.watch import Watch

PLANTED = Canaries(4)
TEXT = PLANTED.text
SECRET = _AtAnyCost(TEXT("passphrase").encode(), Argon2Cost(64, 1, 1))
WRITER = vaultfs.Principal(TEXT("writer"))
WHO = vaultfs.Principal(TEXT("reader"), frozenset({TEXT("role")}))
NAME = vaultfs.Identifier(TEXT("system"), TEXT("value"))
SPACE, KEY = TEXT("namespace"), TEXT("key").encode()
SOON = vaultfs.Options(sync_bound=0.01)


def live(watch: Watch, folder: Path) -> None:
    """Go through it all; the vault is left in `folder`."""
    path, logs, tally = folder / "v", folder / "logs", Tally()
    with vaultfs.create(path, recipients=[SECRET], policy=vaultfs.PermitAll(), options=SOON) as vault:
        ids = _written(vault)
        told = vaultfs.Options(sync_bound=0.01, metrics=tally)
        with _reading(path, options=told) as beside, _reading(path, access_log=logs) as away:
            for _ in range(2):
                for reader in (beside, away):
                    _read(watch, reader, ids)
                    _refused(watch, reader, ids[0])
                watch.files(folder)
                vault.settle()
        watch.said(str(vars(tally)), vault.merge_access_logs(), vault.merge_access_logs(logs))
        with watch.failing():
            vault.merge_access_logs(folder / TEXT("wrong"))
        _denied(watch, path, ids[0])
        _logged(watch, vault)
    assert tally.counts[Counter.RECORDS_READ] > 5
    _bad_days(watch, path, ids[0])
    _not_opened(watch, path, ids[0])
    _alone(watch, path, ids)
    watch.files(folder)


def _reading(path: Path, **more: Any) -> vaultfs.Reader:
    return vaultfs.open_reader(path, **{"unlock": SECRET, "policy": vaultfs.PermitAll(), "options": SOON, **more})


def _written(vault: vaultfs.Vault) -> Sequence[vaultfs.RecordId]:
    data = [TEXT("small").encode(), TEXT("blob").encode() * 5000, PLANTED.data("incompressible", 200_000)]
    with vault.session(WRITER, TEXT("writing")) as session, session.transaction() as txn:
        ids = [txn.put(one, kind="Observation", subject=NAME, date=PLANTED.moment) for one in data]
        txn.set_state(SPACE, KEY, TEXT("state").encode())
    return ids


def _read(watch: Watch, reader: vaultfs.Reader, ids: Sequence[vaultfs.RecordId]) -> None:
    watch.said(reader, reader.id, reader.path)
    for strict in (False, True):
        with reader.session(WHO, TEXT("purpose"), strict=strict) as session:
            watch.said(session)
            for record in ids:
                found = session.get(record)
                assert any(PLANTED.found(found.data))
                watch.said(found, session.info(record), session.versions(record))
                with session.open(record) as file:
                    file.read(100)
                    watch.said(file)
            watch.said(*session.get_many([(record, None) for record in ids]))
            assert len(session.find(subject=NAME, since=PLANTED.moment)) == len(ids)
            (subject,) = session.subjects(NAME)
            watch.said(session.identifiers(subject), list(session.all_subjects()))
            state = session.state(SPACE, KEY)
            assert state.value == TEXT("state").encode()
            watch.said(state)
            session.disclose(subject, 1)


def _refused(watch: Watch, reader: vaultfs.Reader, record: vaultfs.RecordId) -> None:
    wrong, broken = TEXT("wrong"), TEXT("wrong") + "\ud800"
    closed = reader.session(WHO, TEXT("closed"))
    closed.close()
    with reader.session(WHO, TEXT("purpose")) as session:
        calls: list[Callable[[], Any]] = [
            session.transaction,
            closed.transaction,
            lambda: closed.get(record),
            lambda: session.get(record, 99),
            lambda: session.open(vaultfs.RecordId(bytes(range(16)))),
            lambda: session.find(subject=vaultfs.Identifier(wrong, wrong)),
            lambda: session.find(subject=NAME, kind=wrong),
            lambda: session.identifiers(vaultfs.SubjectId(bytes(range(16)))),
            lambda: session.state(broken, KEY),
            lambda: reader.session(WHO, broken),
        ]
        for call in calls:
            with watch.failing():
                call()


def _denied(watch: Watch, path: Path, record: vaultfs.RecordId) -> None:
    with _reading(path, policy=None) as reader, reader.session(WHO, TEXT("denied")) as session:
        for call in (
            lambda: session.get(record),
            lambda: session.find(subject=NAME),
            lambda: session.state(SPACE, KEY),
        ):
            with watch.failing():
                call()
    with watch.failing():
        reader.session(WHO, TEXT("closed"))


def _logged(watch: Watch, vault: vaultfs.Vault) -> None:
    vault.merge_access_logs()
    events = [event for _, event in read_events(vault)]
    assert {vaultfs.EventType.ACCESS_DENIED, vaultfs.EventType.ACCESS_MERGED} <= {event.type for event in events}
    for event in events:
        watch.said(event)


def _bad_days(watch: Watch, path: Path, record: vaultfs.RecordId) -> None:
    """Let a write of the access log fail, with what it was to write half done; and reads of the vault."""
    for kind, when in ((Operation.APPEND, When.HALF_DONE), (Operation.SYNC, When.ALL_DONE), (Operation.READ, When(0))):
        vfs = FaultyVfs()
        for number in (1, 2, 3, 5, 8):
            vfs.fail(kind, error=28 if number % 2 else 5, number=number, lasting=True, when=when)
            try:
                with _reading(path, vfs=vfs) as reader, reader.session(WHO, TEXT("bad"), strict=True) as session:
                    session.get(record)
                    session.find(subject=NAME)
            except vaultfs.VaultError as error:
                watch.error(error)
            finally:
                vfs.heal()
            watch.files(path.parent)


def _not_opened(watch: Watch, path: Path, record: vaultfs.RecordId) -> None:
    with watch.failing():
        _reading(path, unlock=vaultfs.Passphrase(TEXT("wrong").encode()))
    with watch.failing():
        _reading(path.with_name(TEXT("missing")))
    for victim in ("head", "keyring.1", "*.vkey.1", "secret.1", "data.mdb", "*.vseg", "*.vacc"):
        copy = path.with_name("harmed") / "v"
        shutil.copytree(path, copy, ignore=shutil.ignore_patterns("lock.mdb"))
        shutil.copytree(path.with_name("v.epoch"), copy.with_name("v.epoch"))
        (copy / "journal" / f"{1:032x}.vacc").touch()
        harmed = files_of(copy.parent, victim)
        assert harmed, victim
        for file in harmed:
            file.write_bytes(flipped(file.read_bytes() or bytes(1), -1) + TEXT("wrong").encode() * 300)
            if victim == "*.vseg":
                file.write_bytes(TEXT("wrong").encode() * 3000)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("vaultfs.engine.reader.WAITS", (0.0, 0.001))
            try:
                with _reading(copy) as reader, reader.session(WHO, TEXT("harmed")) as session:
                    session.get(record)
                with vaultfs.open(copy, unlock=SECRET) as vault:
                    watch.said(vault.merge_access_logs())
            except vaultfs.VaultError as error:
                watch.error(error)
            else:
                assert victim in {"*.vacc", "data.mdb"}, "the others decide"
        shutil.rmtree(copy.parent)


def _alone(watch: Watch, path: Path, ids: Sequence[vaultfs.RecordId]) -> None:
    """Read without the writer's index: with none at all, and with one of the reader's own."""
    shutil.rmtree(path / "index")
    with watch.failing():
        _reading(path)
    with _reading(path, index=path.with_name("own"), access_log=path.with_name("logs")) as reader:
        _read(watch, reader, ids)
        _refused(watch, reader, ids[0])
        assert watch.files(path.with_name("own"), path.with_name("logs")) > 1

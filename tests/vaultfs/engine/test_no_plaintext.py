"""No plaintext of a patient, a user or a secret: in no byte of a file, no log record, no repr, no exception.

A canary is planted in every field of every input, all public methods are called, in good and in failing calls, and
everything that the vault wrote or said is searched for any of them, in any encoding.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.stanza import Argon2Cost

import vaultfs
from tests.vaultfs.support import files_of
from vaultfs.audit.events import decode_detail
from vaultfs.audit.log import read_events
from vaultfs.testing.vfs import CHANGES, FaultyVfs

CANARIES = {
    name: f"KANARIENVOGEL-{name}-7Qx9"
    for name in (
        "system", "value", "data", "before", "after", "namespace", "key", "state", "principal", "role", "purpose",
        "passphrase", "blob", "stream", "sessionless", "rolledback", "conflicting", "wrong", "purpose2", "media",
    )
}  # fmt: skip
WHEN = datetime(1961, 4, 12, 6, 7, 8)
FORMS: list[bytes] = [
    form
    for text in (*CANARIES.values(), "KANARIENVOGEL")
    for form in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"), text.encode().hex().encode())
] + [b"1961-04-12", "1961-04-12".encode("utf-16-le"), b"19610412"]
WORD = b"KANARIENVOGEL"


class Heard:
    """Everything that was said: results, errors with all they carry, and log records."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.errors = 0

    def say(self, value: object) -> None:
        """Take down a value as a host might print it."""
        self.texts += [repr(value), str(value), f"{value}"]

    def say_all(self, *values: object) -> None:
        """Take down values."""
        for value in values:
            self.say(value)

    def error(self, error: BaseException | None) -> None:
        """Take down an error, its traceback, and those that it came from."""
        if error is not None:
            self.texts += traceback.format_exception(error, chain=True)
        while error is not None:
            self.errors += 1
            self.say(error)
            self.texts += [repr(error.args), repr(getattr(error, "__dict__", None)), repr(getattr(error, "object", ""))]
            self.texts += [repr(getattr(error, "__notes__", "")), repr(getattr(error, "filename", ""))]
            error = error.__cause__ or error.__context__

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Expect a coded error and take it down."""
        try:
            yield
        except vaultfs.VaultError as error:
            self.error(error)
        else:
            raise AssertionError("the call did not fail")

    def assert_silent(self) -> None:
        """Check that nothing was said that should not be."""
        for text in self.texts:
            assert WORD.decode() not in text, text
            assert "1961" not in text, text


def _search(*places: Path) -> int:
    """Search all bytes of all files, and their names; return how many files there were."""
    count = 0
    for place in places:
        for file in [one for one in files_of(place, "*") if one.is_file()]:
            count += 1
            data = file.read_bytes()
            if file.name == "data.mdb" and len(data) < 100:
                continue
            for form in FORMS:
                assert form not in data, (file, form)
            for form in FORMS:
                assert form not in str(file).encode()
    return count


def test_no_canary_is_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    heard = Heard()
    c = CANARIES
    secret = vaultfs.Passphrase(c["passphrase"].encode(), Argon2Cost(64, 1, 1))
    who = vaultfs.Principal(c["principal"], frozenset({c["role"]}))
    name = vaultfs.Identifier(c["system"], c["value"])
    vfs = FaultyVfs()
    path = tmp_path / "v"
    vault = vaultfs.create(
        path, recipients=[secret], policy=vaultfs.PermitAll(), vfs=vfs, options=vaultfs.Options(sync_bound=0.01)
    )
    heard.say_all(secret, who, name, vault, vaultfs.ClinicalDate.of(WHEN))
    heard.say(vaultfs.Request(who, c["purpose"], vaultfs.Action.READ))

    data = {
        "small": c["data"].encode() * 3,
        "blob": c["blob"].encode() * 5000,
        "wide": c["data"].encode("utf-16-le") * 2000,
        "incompressible": os.urandom(2_000_000) + c["blob"].encode(),
    }
    before, after = c["before"].encode(), c["after"].encode()
    with vault.session(who, c["purpose"]) as s:
        with s.transaction() as txn:
            ids = {
                key: txn.put(one, kind="Observation", subject=name, date=WHEN, before=before, after=after)
                for key, one in data.items()
            }
            ids["stream"] = txn.put(io.BytesIO(c["stream"].encode() * 9000), kind="Binary", subject=None, date=WHEN)
            txn.set_state(c["namespace"], c["key"].encode(), c["state"].encode())
            txn.identify(txn.subject(name), vaultfs.Identifier(c["system"] + "2", c["value"] + "2"), WHEN)
            heard.say_all(txn, s, txn._intent, txn._identities, *txn._records.blobs, *txn._gathered, *txn._sealed)
        _search(path, tmp_path / "v.epoch")
        lost = s.transaction()
        lost.put(c["rolledback"].encode() * 9000, kind="Observation", subject=name)
        lost.rollback()
        one, two = s.transaction(), s.transaction()
        for txn in (one, two):
            txn.set_state(c["namespace"], c["key"].encode(), c["conflicting"].encode())
            txn.put(c["conflicting"].encode() * 9000, kind="Observation", subject=name)
        one.commit()
        with heard.failing():
            two.commit()
        for settled in (False, True):
            for record in ids.values():
                heard.say(s.get(record))
                heard.say(s.get(record).info)
                heard.say(s.versions(record))
                with s.open(record) as file:
                    heard.say(file)
                    heard.say(file.read(10) and file)
            heard.say_all(s.find(subject=name, since=WHEN), s.subjects(name), s.identifiers(s.subjects(name)[0]))
            heard.say(s.state(c["namespace"], c["key"].encode()))
            heard.say(s.get_many([(ids["small"], None)]))
            heard.say(list(s.all_subjects()))
            s.disclose(s.subjects(name)[0], 1)
            heard.say(vault.space())
            if not settled:
                vault.settle()
                _search(path, tmp_path / "v.epoch")
        for _, event in read_events(vault):
            heard.say(event)
            if event.detail:
                heard.say(decode_detail(event))
        _failing_calls(vault, s, heard, name, ids["small"])
        with s.transaction() as txn:
            txn.delete(ids["small"])
        with heard.failing():
            s.get(ids["small"])
        vault.rebuild_index()
    _search(path, tmp_path / "v.epoch")
    vault.close()
    _failing_openings(path, heard, secret)
    for number in range(1, 40, 3):
        vfs.fail(*CHANGES, error=28, number=number, lasting=True)
        try:
            with vaultfs.open(path, unlock=secret, policy=vaultfs.PermitAll(), vfs=vfs) as again:
                with again.session(who, c["purpose2"]) as s, s.transaction() as txn:
                    txn.put(c["wrong"].encode() * 9000, kind="Observation", subject=name)
                again.settle()
        except vaultfs.VaultError as error:
            heard.error(error)
        vfs.heal()
    with vaultfs.open(path, unlock=secret) as denied, denied.session(who, c["purpose"]) as s:
        with heard.failing():
            s.get(ids["blob"])
        with heard.failing():
            s.find(subject=name)
    assert heard.errors > 40
    heard.assert_silent()
    for logged in caplog.records:
        assert WORD.decode() not in logged.getMessage() + repr(logged.args)
    assert _search(path, tmp_path / "v.epoch") > 15


def _failing_calls(
    vault: vaultfs.Vault, s: vaultfs.Session, heard: Heard, name: vaultfs.Identifier, record: vaultfs.RecordId
) -> None:
    c = CANARIES
    wrong = vaultfs.Identifier(c["wrong"], c["wrong"])
    broken = c["wrong"] + "\ud800"
    calls: list[Callable[[], Any]] = [
        lambda: s.find(subject=wrong),
        lambda: s.find(subject=name, kind=c["wrong"]),
        lambda: s.get(record, 99),
        lambda: s.get(vaultfs.RecordId(c["wrong"].encode()[:16])),
        lambda: vaultfs.RecordId(c["wrong"].encode()),
        lambda: vaultfs.SubjectId(c["wrong"].encode()),
        lambda: vaultfs.Identifier(c["system"] * 100, c["value"]),
        lambda: vaultfs.Identifier(broken, c["value"]),
        lambda: vaultfs.Identifier(c["system"], broken),
        lambda: vaultfs.Principal(broken),
        lambda: vaultfs.Principal(c["principal"], frozenset({broken})),
        lambda: vaultfs.Principal(c["principal"] * 100),
        lambda: vault.session(vaultfs.Principal("x"), broken),
        lambda: vault.session(vaultfs.Principal("x"), c["purpose"] * 100),
        lambda: vaultfs.ClinicalDate(WHEN.astimezone(), vaultfs.Precision.DAY),
        lambda: vaultfs.ClinicalDate(WHEN, vaultfs.Precision.MILLISECOND, 5000),
        lambda: vaultfs.create(vault.path, recipients=[vaultfs.Passphrase(c["passphrase"].encode())]),
        lambda: vaultfs.create(vault.path.with_name("w"), recipients=[vaultfs.Passphrase(b"KANARI")]),
        lambda: vaultfs.create(vault.path.with_name("w"), recipients=[]),
        lambda: vaultfs.create(
            vault.path.with_name("w"), recipients=[vaultfs.Passphrase(b"x" * 9)], kinds=[c["wrong"] + "\n"]
        ),
        lambda: vaultfs.open(vault.path, unlock=vaultfs.Passphrase(c["passphrase"].encode())),
    ]
    for call in calls:
        with heard.failing():
            call()
    with s.transaction() as txn:
        for refused in (
            lambda: txn.put(c["wrong"].encode(), kind=c["wrong"], subject=name),
            lambda: txn.put(c["wrong"].encode(), kind="Observation", subject=name, media_type=c["media"]),
            lambda: txn.put(io.StringIO(c["wrong"]), kind="Observation", subject=name),  # type: ignore[arg-type]
            lambda: txn.set_state(broken, b"", b""),
            lambda: txn.set_state(c["namespace"] * 100, c["key"].encode(), b""),
            lambda: txn.set_state(c["namespace"], c["key"].encode(), c["state"].encode() * 3000),
            lambda: [txn.guard(c["namespace"], b"x", number) for number in (1, 2)],  # type: ignore[func-returns-value]
            lambda: txn.identify(vaultfs.NOBODY, name),
        ):
            with heard.failing():
                refused()
        txn.rollback()


def _failing_openings(path: Path, heard: Heard, secret: vaultfs.Passphrase) -> None:
    with heard.failing():
        vaultfs.open(path, unlock=vaultfs.Passphrase(CANARIES["wrong"].encode()))
    for victim in ("head", "VAULT.1", "keyring.1", "*.vjrn", "*.vkey.1", "secret.1"):
        copy = path.with_name("harmed") / "v"
        shutil.copytree(path, copy)
        shutil.copytree(path.with_name("v.epoch"), copy.with_name("v.epoch"))
        shutil.rmtree(copy / "index")
        for file in files_of(copy.parent, victim):
            file.write_bytes(file.read_bytes()[:-3] + b"xyz" + bytes(4096))
        if victim == "*.vjrn":
            for file in files_of(copy, victim):
                file.write_bytes(CANARIES["wrong"].encode() * 300)
        with heard.failing():
            vaultfs.open(copy, unlock=secret)
        shutil.rmtree(copy.parent)


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """The control: a canary in any form is found."""
    for number, form in enumerate(FORMS):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "file").write_bytes(os.urandom(10) + form + b"x")
        with pytest.raises(AssertionError):
            _search(place)
    heard = Heard()
    try:
        raise ValueError(WORD.decode())
    except ValueError as error:
        heard.error(error)
    with pytest.raises(AssertionError):
        heard.assert_silent()

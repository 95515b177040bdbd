"""The log of a real vault in every form: valid, a witness of the tree, and without a word about a patient."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import log_schema
import pytest
from jsonschema import Draft202012Validator
from vaultfs_format import merkle
from vaultfs_format.events.session import SessionOpened

import vaultfs
from tests.vaultfs.audit.exporting import balp, r4
from tests.vaultfs.support import PASSPHRASE
from vaultfs.audit.accounting import account
from vaultfs.audit.exporting import auditevent
from vaultfs.audit.exporting.auditevent import AuditEvents, Deployment, bundle
from vaultfs.audit.exporting.jsonlines import JsonLines, decode
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.exporting.shown import ShownCheckpoint, ShownLeaf
from vaultfs.audit.log import read_leaves
from vaultfs.audit.view import LogView
from vaultfs.testing.canary import Canaries

HIDDEN, SAID = Canaries(61), Canaries(62)
WHO = vaultfs.Principal(SAID.text("principal"), frozenset({SAID.text("role")}))
NAME, ALIAS = (vaultfs.Identifier(HIDDEN.text(f"system{n}"), HIDDEN.text(f"value{n}")) for n in (1, 2))
FHIR = AuditEvents(Deployment("emr", "10.0.0.1"))


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vaultfs.Vault]:
    """Return a vault in which most things were done, with a canary in all that it was given."""
    path = tmp_path_factory.mktemp("told") / "v"
    with vaultfs.create(path, recipients=[PASSPHRASE], policy=vaultfs.PermitAll()) as vault:
        with vault.session(WHO, SAID.text("purpose")) as session:
            with session.transaction() as txn:
                record = txn.put(HIDDEN.data("data"), kind="Observation", subject=NAME, date=HIDDEN.moment)
                txn.put(HIDDEN.data("other"), kind="hl7v2.ADT", subject=ALIAS, before=HIDDEN.text("before").encode())
                txn.set_state(HIDDEN.text("namespace"), HIDDEN.text("key").encode(), HIDDEN.text("state").encode())
            (one,), (other,) = session.subjects(NAME), session.subjects(ALIAS)
            with session.transaction() as txn:
                txn.put(HIDDEN.data("newer"), kind="Observation", subject=one, replaces=record)
                txn.link(one, other)
            session.get(record)
            session.find(subject=NAME, kind="Observation")
            session.identifiers(one)
            session.state(HIDDEN.text("namespace"), HIDDEN.text("key").encode())
            with suppress(vaultfs.VaultError):
                session.get(HIDDEN.data("wrong", 16))  # type: ignore[arg-type] # no id at all, but a canary
            with session.transaction() as txn:
                txn.delete(record)
        with vault.session(vaultfs.Principal("other"), "TREAT") as session:
            session.subjects(NAME)
        vault.settle()
        account(vault, one)
        yield vault


@pytest.fixture(scope="module")
def log(vault: vaultfs.Vault) -> list[Logged]:
    """Return its events."""
    found, sessions = [], dict[bytes, SessionOpened]()
    for leaf in read_leaves(vault):
        if isinstance(leaf.event, SessionOpened):
            sessions[leaf.event.session] = leaf.event
        if leaf.event is not None:
            hashed = merkle.audit_leaf(vault.engine.suite, leaf.entry.encode())
            origin = LogView(vault).origin
            found.append(Logged(origin, leaf.index, hashed, leaf.event, sessions.get(leaf.event.session)))
    return found


def test_every_event_is_valid_in_every_form(log: list[Logged]) -> None:
    validator = Draft202012Validator(log_schema.schema())
    assert len({one.event.type for one in log}) >= 14
    for one in log:
        validator.validate(json.loads(JsonLines().event(one)))
        resource = json.loads(FHIR.event(one))
        assert [*r4.broken(resource), *balp.broken(resource)] == []
    entries = json.loads(bundle([FHIR.event(one) for one in log]))["entry"]
    assert len({entry["request"]["url"] for entry in entries}) == len(log)


def test_whoever_keeps_the_lines_is_a_witness_of_the_tree(vault: vaultfs.Vault, log: list[Logged]) -> None:
    view = LogView(vault)
    for one in log:
        shown = decode(JsonLines().event(one))
        assert isinstance(shown, ShownLeaf)
        assert auditevent.decode(FHIR.event(one)) == shown
        if shown.index < view.size:
            assert shown.leaf == merkle.audit_leaf(vault.engine.suite, view.entry(shown.index))
    line = JsonLines().checkpoint(view.origin, view.size, view.checkpoint())
    assert decode(line) == ShownCheckpoint(view.origin, view.size, view.checkpoint())
    message = FHIR.checkpoint(view.origin, view.size, view.checkpoint())
    assert auditevent.decode(message) == decode(line)
    resource = json.loads(message)
    assert [*r4.broken(resource), *balp.broken(resource)] == []
    assert resource["recorded"].startswith("20")


def test_nothing_of_a_patient_is_told_and_who_acts_only_where_it_belongs(
    vault: vaultfs.Vault, log: list[Logged]
) -> None:
    view = LogView(vault)
    said = [FHIR.checkpoint(view.origin, view.size, view.checkpoint())]
    said += [JsonLines().checkpoint(view.origin, view.size, view.checkpoint())]
    said += [encoder.event(one) for one in log for encoder in (JsonLines(), FHIR)]
    assert [leak for message in said for leak in HIDDEN.found(message)] == []
    for name in ("principal", "role", "purpose"):
        assert sum(SAID.plain(name).encode() in message for message in said) > len(log)
    assert [leak for message in said for leak in SAID.found(json.dumps(_without_who_and_why(message)))] == []


def _without_who_and_why(message: bytes) -> Any:
    """Return a message without what is there to say who has acted, and why."""
    found = json.loads(message)
    for told in (found.get("session") or {}, found.get("fields", {})):
        for name in ("principal", "roles", "purpose"):
            told.pop(name, None)
    found.pop("purposeOfEvent", None)
    found["agent"] = [one for one in found.get("agent", ()) if one["requestor"] is False or "purposeOfUse" not in one]
    return found

"""Scenarios: calls that cannot be, and answers that cannot be given."""

from __future__ import annotations

import os

import vaultfs
from tests.vaultfs.errors.world import KEY, OTHER, PATIENT, PLANTED, SPACE, STRANGER, World, reaches


@reaches("ArgumentInvalid")
def an_identifier_is_too_long(_: World) -> None:
    vaultfs.Identifier(PLANTED.text("system") * 99, PLANTED.text("value"))


@reaches("KindUnknown")
def a_kind_was_not_named_when_the_vault_was_created(world: World) -> None:
    with world.session() as session, session.transaction() as txn:
        txn.put(PLANTED.data("put"), kind=PLANTED.text("kind"), subject=PATIENT)


@reaches("Closed")
def a_session_outlives_its_vault(world: World) -> None:
    vault = world.opened()
    session = world.session(vault)
    vault.close()
    session.find(subject=PATIENT)


@reaches("TransactionEnded")
def a_transaction_is_used_after_its_commit(world: World) -> None:
    with world.session() as session:
        txn = session.transaction()
        txn.commit()
        txn.put(PLANTED.data("put"), kind="Observation", subject=PATIENT)


@reaches("TooLarge")
def a_transaction_holds_more_than_half_a_gibibyte(world: World) -> None:
    data = os.urandom(64_000)
    with world.session() as session, session.transaction() as txn:
        for _ in range(8400):
            txn.put(data, kind="Observation", subject=None)


@reaches("NotFound")
def a_patient_is_asked_for_who_is_not_there(world: World) -> None:
    with world.session() as session:
        session.find(subject=STRANGER)


@reaches("Deleted")
def a_deleted_record_is_read(world: World) -> None:
    with world.session() as session:
        record = world.put(session)
        with session.transaction() as txn:
            txn.delete(record)
        session.get(record)


@reaches("SubjectAmbiguous")
def an_identifier_was_asserted_for_two_patients(world: World) -> None:
    with world.session() as session:
        with session.transaction() as txn:
            for _ in range(2):
                txn.identify(txn.new_subject(), OTHER)
        session.find(subject=OTHER)


@reaches("AccessDenied")
def a_vault_is_opened_without_a_policy(world: World) -> None:
    with world.session(world.opened(policy=None)) as session:
        session.find(subject=PATIENT)


@reaches("TransactionConflict")
def two_transactions_set_one_state(world: World) -> None:
    with world.session() as session:
        one, two = session.transaction(), session.transaction()
        for txn in (one, two):
            txn.set_state(SPACE, KEY, PLANTED.text("state").encode())
        one.commit()
        two.commit()


@reaches("Forked")
def a_child_process_uses_its_parents_vault(world: World) -> set[int]:
    session = world.session()
    return world.in_a_child(lambda: session.find(subject=PATIENT))

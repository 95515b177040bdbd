"""What is done with is let go of at once: plaintext and keys do not wait for Python's garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from datetime import date

import pytest

import vaultfs
from tests.vaultfs.support import MRN, OTHER, delete, get, put, read_only, session
from vaultfs.errors import Deleted, TransactionConflict


def left_by(act: Callable[[], object]) -> list[str]:
    """Return the types of those objects that nothing but the collector would free after `act`."""
    act()  # caches are filled
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        act()
        gc.collect()
        return [f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def write(vault: vaultfs.Vault) -> list[vaultfs.RecordId]:
    """Do in one transaction everything that a transaction can."""
    with session(vault) as s, s.transaction() as txn:
        ids = txn.put_many(vaultfs.NewRecord(b"x" * n, "Observation", MRN, date(2026, 1, 1)) for n in range(300))
        ids.append(txn.put(bytes(100_000), kind="Observation", subject=None))
        txn.identify(txn.subject(MRN), vaultfs.Identifier("urn:oid:1.2", "another"))
        txn.link(txn.subject(MRN), txn.subject(OTHER))
        txn.set_state("ns", b"key", b"value")
    return ids


def write_in_vain(vault: vaultfs.Vault) -> None:
    """Roll one transaction back, and let another fail."""
    with session(vault) as s:
        txn = s.transaction()
        txn.put(b"x", kind="Observation", subject=MRN)
        txn.rollback()
        with suppress(TransactionConflict), s.transaction() as txn:
            txn.put(b"x", kind="Observation", subject=MRN)
            txn.guard("ns", b"key", 2**32)


def read(vault: vaultfs.Vault | vaultfs.Reader, ids: list[vaultfs.RecordId], deleted: vaultfs.RecordId) -> None:
    """Read in every way."""
    with vault.session(vaultfs.Principal("dr-who"), "TREAT") as s:
        s.get_many([(one, None) for one in ids])
        list(s.find(subject=MRN))
        s.versions(ids[0])
        s.state("ns", b"key")
        with s.open(ids[-1]) as file:
            file.read(10)
        with suppress(Deleted):
            s.get(deleted)


@pytest.mark.parametrize("settled", [False, True])
def test_nothing_waits_for_the_collector(vault: vaultfs.Vault, settled: bool) -> None:
    ids, deleted = write(vault), put(vault)
    delete(vault, deleted)
    assert left_by(lambda: write(vault)) == []
    assert left_by(lambda: write_in_vain(vault)) == []
    if settled:
        assert left_by(lambda: (put(vault), vault.settle())) == []
        assert left_by(vault.rebuild_index) == []
    assert left_by(lambda: read(vault, ids, deleted)) == []


def test_a_reader_that_was_closed_does_not_wait_for_the_collector(vault: vaultfs.Vault) -> None:
    ids, deleted = write(vault), put(vault)
    delete(vault, deleted)
    path = vault.path

    def once() -> None:
        with read_only(path) as reader:
            read(reader, ids, deleted)
            get(reader, ids[0])

    assert left_by(once) == []

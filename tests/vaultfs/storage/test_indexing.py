"""What the index has lost does not pass for what was never there: maintenance makes the index anew from the files."""

from __future__ import annotations

import os

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import answers, index_content, put, session
from vaultfs.engine.indexing.index import HANDLE
from vaultfs.storage.indexing import heal_index


@pytest.fixture
def settled(opened: Open) -> vaultfs.Vault:
    """Return a vault with records, a blob and a control state in segments."""
    vault = opened()
    for number in range(5):
        put(vault, b"record %d" % number)
    put(vault, os.urandom(200_000))
    with session(vault) as s, s.transaction() as txn:
        txn.set_state("ns", b"k", b"value")
    vault.settle()
    return vault


def test_a_whole_index_is_left_alone(settled: vaultfs.Vault) -> None:
    before = settled.engine.index.identity
    assert not heal_index(settled)
    assert not settled.maintenance.run(60).rebuilt
    assert settled.engine.index.identity == before


def test_every_frame_that_an_index_has_lost_is_missed_and_comes_back(settled: vaultfs.Vault) -> None:
    before, content = answers(settled), index_content(settled)
    index = settled.engine.index
    with index.reading() as txn:
        handles = [handle for handle, _ in index.places(txn)]
    assert len(handles) >= 3
    for number in range(len(handles)):
        index = settled.engine.index
        with index.reading() as txn:
            handle = [handle for handle, _ in index.places(txn)][number]
        with index.writing() as txn:
            txn.delete(HANDLE.pack(handle), db=index.tables.frames)
        done = settled.maintenance.run(60, period=0)
        assert (done.rebuilt, done.failed) == (True, {})
        assert answers(settled) == before
    assert index_content(settled).keys() == content.keys()
    with session(settled) as s:
        assert s.state("ns", b"k").value == b"value"

"""Whether a log has grown from a checkpoint: at every size, and only as the log of the head that is in force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format.head import Head
from vaultfs_format.levels import root_at
from vaultfs_format.merkle import AUDIT_EMPTY
from vaultfs_format.tlog.checkpoint import Checkpoint

import vaultfs
from tests.vaultfs.engine.years import Site
from tests.vaultfs.support import create, get, put, read_only
from vaultfs.audit.errors import LogPrunedBefore
from vaultfs.audit.view import LogView
from vaultfs.engine.opening.grown import diverged


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vaultfs.Vault]:
    """Return a vault whose log lies in three segments."""
    with create(tmp_path_factory.mktemp("grown") / "v") as vault:
        for number in range(3):
            put(vault, b"%d" % number)
            vault.settle()
        yield vault


@pytest.fixture(scope="module")
def known(vault: vaultfs.Vault) -> list[Checkpoint]:
    """Return the checkpoint of every size that the log has had."""
    view = LogView(vault)
    roots = [root_at(view._nodes, view._hashes, size, AUDIT_EMPTY) for size in range(view.size + 1)]
    return [Checkpoint(view.origin, size, root) for size, root in enumerate(roots)]


def wrong(vault: vaultfs.Vault, checkpoints: list[Checkpoint], head: Head | None = None) -> list[Checkpoint]:
    engine = vault.engine
    return diverged(engine.vfs, engine.layout, head or engine.head, checkpoints)


def test_the_log_has_grown_from_every_size_that_it_had(vault: vaultfs.Vault, known: list[Checkpoint]) -> None:
    assert wrong(vault, known) == []
    assert wrong(vault, known[::-1]) == []
    assert [wrong(vault, [one]) for one in known] == [[]] * len(known)


def test_it_has_not_from_another_root_or_a_larger_size(vault: vaultfs.Vault, known: list[Checkpoint]) -> None:
    other = [replace(one, root=bytes(32)) for one in known]
    larger = Checkpoint(known[0].origin, known[-1].size + 1, known[-1].root)
    assert sorted(wrong(vault, [*other, *known, larger]), key=lambda one: one.size) == [*other, larger]


def test_entries_beside_the_head_of_another_log_prove_nothing(vault: vaultfs.Vault, known: list[Checkpoint]) -> None:
    head = vault.engine.head
    another = replace(head, peaks=(*head.peaks[:-1], bytes(32)))
    assert wrong(vault, known[:-1], another) == known[:-1]


def test_of_a_log_that_was_pruned_only_sizes_from_there_on_and_none_are_told(site: Site) -> None:
    site.prune()
    view = LogView(site.vault)
    first = site.vault.engine.head.first_leaf
    roots = [root_at(view._nodes, view._hashes, size, AUDIT_EMPTY) for size in (0, first, first + 1)]
    known = [Checkpoint(view.origin, size, root) for size, root in zip((0, first, first + 1), roots, strict=True)]
    assert wrong(site.vault, known) == []
    others = [replace(one, root=bytes(32)) for one in known]
    assert wrong(site.vault, others) == others
    with pytest.raises(LogPrunedBefore):
        wrong(site.vault, [Checkpoint(view.origin, first - 1, bytes(32))])


def test_a_reader_is_not_told_of_damage_because_segments_were_merged_meanwhile(tmp_path: Path) -> None:
    """The writer takes the audit segments away between the reader's look at the head and that at the log."""

    class Slow:
        """An anchor that is asked for so long that the writer merges segments."""

        def __init__(self, vault: vaultfs.Vault) -> None:
            self.vault = vault
            self.checkpoint = Checkpoint(LogView(vault).origin, 0, AUDIT_EMPTY)
            self.merged = False

        def last(self, _: bytes) -> Checkpoint:
            while not self.merged:
                before = set(self.vault.path.rglob("*.vseg"))
                put(self.vault)
                self.vault.settle()
                gone = before - set(self.vault.path.rglob("*.vseg"))
                self.merged = any("audit" in path.parts for path in gone)
            return self.checkpoint

        def see(self, _: object) -> None:
            pass

    with create(tmp_path / "v") as vault:
        record = put(vault)
        vault.settle()
        anchor = Slow(vault)
        anchor.checkpoint = Checkpoint.decode(LogView(vault).checkpoint().text)
        with read_only(vault.path, anchors=[anchor]) as reader:
            assert get(reader, record) == b"data"
        assert anchor.merged

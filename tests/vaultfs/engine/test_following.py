"""A reader that goes on holds every head against the signer's key and against the head that it has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

import vaultfs
from tests.vaultfs.support import get, put, read_only
from vaultfs.errors import NotAuthentic, RolledBack

HEADS = ("head", "copies/head")


class Beside(NamedTuple):
    """A vault that was settled twice, a reader that was opened in between, a record, and the head of then."""

    vault: vaultfs.Vault
    reader: vaultfs.Reader
    record: vaultfs.RecordId
    older: bytes

    def swap(self, data: bytes, *names: str) -> None:
        """Put something in the place of the head, in a way that a reader looks at it."""
        for name in names or HEADS:
            (self.vault.path / name).write_bytes(data)
        (self.vault.path / "journal" / os.urandom(4).hex()).touch()

    def forged(self, **changes: Any) -> bytes:
        """Return a head that a process can write that has what readers have: the key of its MAC, and no other."""
        head = self.vault.engine.head
        made = replace(head, generation=head.generation + 5, signatures=bytes(len(head.signatures)), **changes)
        return made.encode(self.vault.engine.chain.epoch_root)

    def stayed(self) -> bool:
        """Return whether the reader has the head that the writer has written."""
        return self.reader.engine.head.statement() == self.vault.engine.head.statement()


@pytest.fixture
def beside(vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    """Return a reader beside a writer; what it reads in vain fails soon."""
    monkeypatch.setattr("vaultfs.engine.reader.WAITS", (0.0, 0.001, 0.01))
    record = put(vault)
    vault.settle()
    older = (vault.path / "head").read_bytes()
    with read_only(vault.path) as reader:
        late = put(vault, b"late")
        vault.settle()
        assert get(reader, late) == b"late"
        yield Beside(vault, reader, record, older)


def test_a_head_that_nobody_has_signed_is_not_gone_on_with(beside: Beside) -> None:
    good = (beside.vault.path / "head").read_bytes()
    beside.swap(beside.forged())
    with pytest.raises(NotAuthentic):
        get(beside.reader, beside.record)
    assert beside.stayed()
    beside.swap(good)
    assert get(beside.reader, beside.record) == b"data"


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("changes", [{}, {"epoch": 7}])
def test_it_gives_way_to_the_other_copy(beside: Beside, name: str, changes: dict[str, int]) -> None:
    beside.swap(beside.forged(**changes), name)
    assert get(beside.reader, beside.record) == b"data"
    assert beside.stayed()


def test_a_reader_does_not_go_back(beside: Beside) -> None:
    """To an older head, or to another of the generation that it has; it goes on when the newest one is back."""
    engine = beside.vault.engine
    good = (beside.vault.path / "head").read_bytes()
    other = replace(engine.head, next_number=engine.head.next_number + 1)
    other = replace(other, signatures=engine.signing.sign_head(other.statement()))
    for swapped, generation in ((beside.older, 2), (other.encode(engine.chain.epoch_root), 3)):
        beside.swap(swapped)
        with pytest.raises(RolledBack) as refused:
            get(beside.reader, beside.record)
        assert refused.value.facts == {"generation": generation, "seen": 3}
        assert beside.stayed()
        beside.swap(good)
        assert get(beside.reader, beside.record) == b"data"

"""Bits of the smallest file of every kind: each that flips is found, and healed to the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash.flips import made, sweep
from crash.ledger import Broken

KINDS = {
    "head", "VAULT", "keyring", "key table", "record segment", "blob segment", "control segment", "audit segment",
    "journal",
}  # fmt: skip


@pytest.mark.parametrize(
    "step", [199, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(7200)])], ids=["some", "all"]
)
def test_every_bit_that_flips_is_found_and_healed(in_memory: Path, step: int) -> None:
    swept = list(sweep(made(in_memory), step))
    assert {one.kind for one in swept} == KINDS
    assert sum(one.bits for one in swept) >= 8 * sum(one.bytes for one in swept) // step


def test_a_bit_that_is_not_healed_is_told(in_memory: Path) -> None:
    """The control: the journal has no mirror."""
    vault = made(in_memory)
    for mirror in (vault / "copies/journal").iterdir():
        mirror.unlink()
    with pytest.raises(Broken, match="journal: bit"):
        list(sweep(vault, 1999))

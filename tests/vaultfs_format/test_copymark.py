"""The mark of a copy: which vault, which copy, and whether all of it is good."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vaultfs_format.copymark import CopyKind, CopyMark
from vaultfs_format.errors import DigestMismatch, FieldInvalid, Structure
from vectors.world import with_digest

from tests.vaultfs_format.examples import MARK


@pytest.mark.parametrize("kind", CopyKind)
@pytest.mark.parametrize("doubtful", [False, True])
def test_a_mark_is_what_was_written(kind: CopyKind, doubtful: bool) -> None:
    mark = replace(MARK, kind=kind, doubtful=doubtful)
    assert CopyMark.decode(mark.encode()) == mark


@pytest.mark.parametrize(("at", "value"), [(16, 0), (16, 3), (17, 2)])
def test_another_value_is_refused(at: int, value: int) -> None:
    data = MARK.encode()
    with pytest.raises(FieldInvalid) as caught:
        CopyMark.decode(with_digest(data[:at] + bytes([value]) + data[at + 1 :]))
    assert caught.value.facts == {"structure": Structure.COPY, "rule": 1}


def test_a_changed_mark_is_damaged() -> None:
    data = bytearray(MARK.encode())
    data[40] ^= 1
    with pytest.raises(DigestMismatch):
        CopyMark.decode(data)

"""Acts without keys: what a program says that it has done."""

from __future__ import annotations

import pytest
from vaultfs_format.act import Act
from vaultfs_format.errors import DigestMismatch, FieldInvalid, Structure
from vectors.world import with_digest

from tests.vaultfs_format.examples import ACT


def test_an_act_is_what_was_written() -> None:
    assert Act.decode(ACT.encode()) == ACT


@pytest.mark.parametrize("kind", [0, 4, 65535])
def test_another_kind_is_refused(kind: int) -> None:
    data = ACT.encode()
    changed = with_digest(data[:16] + kind.to_bytes(2, "little") + data[18:])
    with pytest.raises(FieldInvalid) as caught:
        Act.decode(changed)
    assert caught.value.facts == {"structure": Structure.ACT, "rule": 1}


def test_a_changed_act_is_damaged() -> None:
    data = bytearray(ACT.encode())
    data[30] ^= 1
    with pytest.raises(DigestMismatch):
        Act.decode(data)

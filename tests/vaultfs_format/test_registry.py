"""Registries: the numbers of kinds and media types, which are stored, and a vault's own names."""

from __future__ import annotations

import pytest
from vaultfs_format import registry
from vaultfs_format.errors import FieldInvalid, Structure

MANY = b"".join(b"x%d\n" % number for number in range(registry.MAX_HOST_NAMES + 1))


def test_numbers_never_change() -> None:
    kinds, media_types = registry.builtin_kinds(), registry.builtin_media_types()
    assert [kinds[name] for name in ("Account", "VisionPrescription")] == [1, 146]
    assert [kinds[name] for name in ("hl7v2.ACK", "hl7v2.other")] == [1001, 1153]
    assert [kinds[name] for name in ("vaultfs.recipe", "vaultfs.link-candidate")] == [30_001, 30_004]
    assert [media_types[name] for name in ("application/octet-stream", "image/png")] == [1, 13]


def test_a_vaults_own_names_are_numbered_in_their_order() -> None:
    kinds, media_types = registry.own_names(b"acme.note\nacme.plan\n\ntext/acme")
    assert (kinds, media_types) == (["acme.note", "acme.plan"], ["text/acme"])
    assert registry.numbered({"Account": 1}, kinds) == {"Account": 1, "acme.note": 32_768, "acme.plan": 32_769}
    assert registry.own_names(b"") == ([], [])


def test_a_name_has_every_number_that_means_it() -> None:
    assert registry.named({"Account": 1, "acme.note": 2}, ["acme.plan", "acme.note"]) == {
        1: "Account",
        2: "acme.note",
        32_768: "acme.plan",
        32_769: "acme.note",
    }


@pytest.mark.parametrize("data", [b"acme.note", b"\xff\n\n", b"a\na\n\n", b"\n" + b"x" * 65, b"a\n\n\tb", MANY])
def test_what_is_no_registry_is_refused(data: bytes) -> None:
    with pytest.raises(FieldInvalid) as refused:
        registry.own_names(data)
    assert refused.value.facts == {"structure": Structure.KEYRING, "rule": 9}

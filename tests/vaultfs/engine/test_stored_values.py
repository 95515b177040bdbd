"""Bytes of entries that do not follow their form, as only a writer with an error or another's key can store them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultfs.engine.reading.state import decode_state, encode_state
from vaultfs.engine.reading.subjects import decode_identifier, encode_identifier
from vaultfs.errors import FieldInvalid
from vaultfs.model import Identifier

STATE = encode_state("a.namespace", b"key", b"value")
IDENTIFIER = encode_identifier(Identifier("urn:oid:1.2.3", "4711"))


@pytest.mark.parametrize("stored", [b"", STATE[:3], STATE[:17], b"\xff\xff\0\0", b"\1\0\0\0\xff"])
def test_a_state_that_does_not_follow_its_form_is_told_by_a_code(stored: bytes) -> None:
    with pytest.raises(FieldInvalid) as told:
        decode_state(stored)
    assert told.value.__context__ is None, "what could not be decoded would be in it"


@pytest.mark.parametrize(
    "stored", [b"", IDENTIFIER[:3], IDENTIFIER[:8], IDENTIFIER[:17], b"\1\0\0\0\xffa", b"\1\0\0\0a\xff"]
)
def test_an_identifier_that_does_not_follow_its_form_is_told_by_a_code(stored: bytes) -> None:
    with pytest.raises(FieldInvalid) as told:
        decode_identifier(stored)
    assert told.value.__context__ is None


@given(st.text(max_size=9), st.binary(max_size=9), st.binary(max_size=9))
def test_what_follows_the_form_of_a_state_is_read(namespace: str, key: bytes, value: bytes) -> None:
    """Limits are those of a writer: a later one may have others."""
    name = namespace.encode()
    stored = len(name).to_bytes(2, "little") + len(key).to_bytes(2, "little") + name + key + value
    assert decode_state(stored) == (namespace, key, value)

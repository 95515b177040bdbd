"""Secrets: wiped, compared in constant time, shown and serialized nowhere."""

from __future__ import annotations

import pickle
from copy import copy

import pytest
from vaultfs_format.secret import Secret, joined

KEY = bytes(range(32))


def test_a_secret_is_overwritten_while_somebody_looks_at_it() -> None:
    secret = Secret(KEY)
    room = memoryview(secret)
    secret.wipe()
    assert bytes(room) == bytes(32)


def test_a_secret_that_was_wiped_is_no_key_of_zeros() -> None:
    secret = Secret(KEY)
    secret.wipe()
    assert len(secret) == 0
    secret.wipe()
    assert secret == b""


def test_a_secret_is_overwritten_when_nothing_refers_to_it() -> None:
    class Seen(Secret):
        def wipe(self) -> None:
            super().wipe()
            wiped.append(len(self))

    wiped: list[int] = []
    secret = Seen(KEY)
    other = secret
    del secret
    assert wiped == []
    del other
    assert wiped == [0]


def test_a_secret_equals_what_has_the_same_bytes() -> None:
    assert Secret(KEY) == KEY
    assert Secret(KEY) == Secret(KEY)
    assert memoryview(KEY) == Secret(KEY)
    assert Secret(KEY) != KEY[:-1]
    assert Secret(KEY) != KEY.hex()


@pytest.mark.parametrize("form", [repr, str, "{}".format, "%s".__mod__])
def test_a_secret_is_shown_nowhere(form: object) -> None:
    assert callable(form)
    assert form(Secret(KEY)) == "<Secret of 32 bytes>"


@pytest.mark.parametrize("act", [pickle.dumps, copy])
def test_a_secret_is_neither_pickled_nor_copied_by_accident(act: object) -> None:
    assert callable(act)
    with pytest.raises(TypeError):
        act(Secret(KEY))


def test_a_secret_is_no_key_of_a_mapping() -> None:
    with pytest.raises(TypeError):
        hash(Secret(KEY))


def test_pieces_are_joined_in_their_order() -> None:
    assert joined(b"ab", Secret(b"cd"), memoryview(b"ef")) == b"abcdef"
    assert joined() == b""
    assert type(joined(b"a")) is Secret

"""What is stated of disclosures and suspensions: one spelling each, within bounds, and nothing of it in errors."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format.disclosure import Statement, SuspensionStatement, digest_of
from vaultfs_format.errors import FieldInvalid, LimitExceeded, VaultError
from vaultfs_format.events.disclosures import Basis
from vaultfs_format.limits import MAX_DISCLOSURE, MAX_DISCLOSURE_TEXT, MAX_ORAL_SUSPENSION

SALT = b"s" * 16
GOOD = Statement(SALT, "To", "There", "What", "Why", dt.date(2024, 2, 29))
SUSPENDED = SuspensionStatement("To", 1, 2, oral=False)
new = msgspec.structs.replace
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(
    st.builds(
        Statement, st.binary(min_size=16, max_size=16), texts, st.none() | texts, texts, texts, st.none() | st.dates()
    )
)
def test_a_statement_comes_back(statement: Statement) -> None:
    assert Statement.decode(statement.encode()) == statement


@given(texts, st.integers(0, 1 << 60), st.integers(1, 1 << 60), st.booleans())
def test_a_suspension_comes_back_where_it_is_not_too_long(name: str, at: int, length: int, oral: bool) -> None:
    found = SuspensionStatement(name, at, at + length, oral)
    if oral and length > MAX_ORAL_SUSPENSION:
        with pytest.raises(LimitExceeded):
            found.encode()
    else:
        assert SuspensionStatement.decode(found.encode()) == found


def test_the_largest_is_read() -> None:
    text = "\U0001f600" * MAX_DISCLOSURE_TEXT
    largest = Statement(SALT, text, text, text, text, dt.date(9999, 12, 31))
    assert len(largest.encode()) < MAX_DISCLOSURE
    assert Statement.decode(largest.encode()) == largest
    with pytest.raises(LimitExceeded):
        Statement.decode(bytes(MAX_DISCLOSURE + 1))


@pytest.mark.parametrize(
    "changes",
    [{"recipient": ""}, {"purpose": "x" * 2049}, {"description": "\ud800"}, {"salt": b""}, {"recipient": 5},
     {"date": "today"}, {"address": object()}],
)  # fmt: skip
def test_what_nobody_could_read_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded) as refused:
        new(GOOD, **changes).encode()
    assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize("changes", [{"until": 1}, {"stated": -1}, {"recipient": ""}, {"until": 1 << 64}])
def test_no_more_is_a_suspension(changes: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded):
        new(SUSPENDED, **changes).encode()


@pytest.mark.parametrize("kind", [Statement, SuspensionStatement])
@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x90", b"\xff" * 9, b"\x91" * 5000, b"\xa5\xff\xff\xff\xff\xff"])
def test_what_is_no_statement_is_refused(kind: type[Statement | SuspensionStatement], data: bytes) -> None:
    with pytest.raises(FieldInvalid) as refused:
        kind.decode(data)
    assert refused.value.__cause__ is refused.value.__context__ is None


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for kind in (Statement, SuspensionStatement):
        try:
            assert kind.decode(data).encode() == data
        except VaultError:
            continue


def test_nothing_is_shown_and_a_guess_is_not_confirmed() -> None:
    assert (repr(GOOD), repr(SUSPENDED)) == ("<Statement>", "<SuspensionStatement>")
    assert digest_of(GOOD.encode()) != digest_of(new(GOOD, salt=bytes(16)).encode())


def test_the_nine_exceptions_are_those_of_the_rule() -> None:
    assert [one for one in Basis if one.excepted] == [Basis(number) for number in range(1, 10)]
    assert [one for one in Basis if one.suspendable] == [Basis.OVERSIGHT, Basis.LAW_ENFORCEMENT]
    assert [one for one in Basis if not one.paragraph] == [Basis.NOT_PERMITTED, Basis.OTHER]
    assert len({one.paragraph for one in Basis}) == len(Basis) - 1

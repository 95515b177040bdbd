"""Audit events: closed classes, one a type, which hold no text but who acts, and cannot hold what nobody could read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect as types
from vaultfs_format.errors import FieldInvalid, LimitExceeded
from vaultfs_format.events.base import Event, EventType, Outcome, UnknownEvent
from vaultfs_format.events.codec import CLASSES, ID, decode_event, encode_event, encode_part, event_start
from vaultfs_format.events.keys import KeyRefused, RecipientAdded, SubjectDisposed, UnlockFailed
from vaultfs_format.events.records import AccessDenied, RecordRead, SubjectExported
from vaultfs_format.events.session import PersonSignature, SessionOpened, SignatureScheme

AT, SESSION = 1_700_000_000_000_000, b"s" * 16
MAX_BYTES = 16 * 1024


def _fields(found: type[msgspec.Struct]) -> Iterator[tuple[str, types.Type]]:
    described = types.type_info(found)
    assert isinstance(described, types.StructType)
    for field in described.fields:
        for one in _parts(field.type):
            yield field.name, one


def _parts(kind: types.Type) -> Iterator[types.Type]:
    """Yield a type and all that it is made of."""
    yield kind
    if isinstance(kind, types.UnionType):
        for one in kind.types:
            yield from _parts(one)
    elif isinstance(kind, types.VarTupleType):
        yield from _parts(kind.item_type)
    elif isinstance(kind, types.StructType):
        for field in kind.fields:
            yield from _parts(field.type)


def values(kind: types.Type) -> st.SearchStrategy[Any]:
    """Return what a field may hold."""
    match kind:
        case types.UnionType():
            found = st.one_of(*map(values, kind.types))
        case types.NoneType():
            found = st.none()
        case types.BoolType():
            found = st.booleans()
        case types.IntType(ge=least, le=most):
            found = st.integers(0 if least is None else int(least), (1 << 64) - 1 if most is None else int(most))
        case types.EnumType():
            found = st.sampled_from(list(kind.cls))
        case types.BytesType(min_length=least, max_length=most):
            found = st.binary(min_size=least or 0, max_size=most)
        case types.StrType(min_length=least, max_length=most):
            found = st.text(st.characters(exclude_categories=["Cs"]), min_size=least or 0, max_size=most)
        case types.VarTupleType():
            found = st.lists(values(kind.item_type), max_size=3).map(tuple)
        case types.StructType():
            found = st.builds(kind.cls, *(values(field.type) for field in kind.fields))
        case _:
            raise AssertionError(kind)
    return found


EVENTS = st.sampled_from(list(CLASSES.values())).flatmap(lambda found: values(types.type_info(found)))


def test_every_type_has_one_class_of_its_name() -> None:
    assert set(CLASSES) == set(EventType)
    assert len(set(CLASSES.values())) == len(EventType)
    for number, found in CLASSES.items():
        assert re.sub(r"(?<!^)(?=[A-Z])", "_", found.__name__).upper() == number.name


@pytest.mark.parametrize("found", CLASSES.values(), ids=lambda found: found.__name__)
def test_no_event_holds_text_or_bytes_without_bound_but_who_acts(found: type[Event]) -> None:
    text = {name for name, kind in _fields(found) if isinstance(kind, types.StrType | types.AnyType | types.RawType)}
    assert text == ({"principal", "roles", "purpose"} if found is SessionOpened else set())
    for _, kind in _fields(found):
        if isinstance(kind, types.BytesType | types.StrType | types.VarTupleType):
            assert kind.max_length is not None
            assert kind.max_length <= MAX_BYTES


@pytest.mark.parametrize("found", CLASSES.values(), ids=lambda found: found.__name__)
def test_every_class_is_frozen_closed_and_begins_with_time_and_session(found: type[Event]) -> None:
    config = found.__struct_config__
    assert (config.frozen, config.array_like, config.forbid_unknown_fields) == (True, True, True)
    assert found.__struct_fields__[:2] == ("at", "session")
    assert len(found.__struct_fields__) < 15  # the first byte of an array of at most fifteen says its length
    assert "outcome" not in found.__struct_fields__[:-1]


@given(EVENTS)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    data = encode_event(event)
    assert decode_event(data) == event
    assert data.startswith(event_start(EventType(event.type), event.at, event.session))
    shown = repr(event)
    assert shown == f"<{type(event).__name__}>"


@given(EVENTS, st.data())
def test_an_event_that_is_cut_or_goes_on_is_refused(event: Event, data: st.DataObject) -> None:
    whole = encode_event(event)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for broken in (whole[:cut], whole + b"\0"):
        with pytest.raises(FieldInvalid) as told:
            decode_event(broken)
        assert told.value.__context__ is None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(data: bytes) -> None:
    try:
        event = decode_event(data)
    except FieldInvalid:
        return
    assert decode_event(encode_event(event)) == event


@given(st.integers(1, (1 << 16) - 1).filter(lambda number: number not in CLASSES), st.lists(st.integers(0, 9)))
def test_a_type_of_a_later_version_is_kept_as_it_is(number: int, fields: list[int]) -> None:
    data = encode_part([number, AT, SESSION, *fields])
    event = decode_event(data)
    assert event == UnknownEvent(AT, SESSION, number, data)
    assert (event.type, event.outcome) == (number, None)
    assert encode_event(event) == data


@pytest.mark.parametrize(
    "data",
    [
        encode_part([60_000, AT]),
        encode_part([60_000, -1, SESSION]),
        encode_part([60_000, AT, SESSION[1:]]),
        encode_part([1 << 16, AT, SESSION]),
        encode_part([0, AT, SESSION]),
        b"\x94\xcd\xea\x60\x00" + ID + SESSION + b"\x91" * 100_000 + b"\0",
        b"",
    ],
    ids=["short", "before 1970", "session", "large type", "type 0", "deep", "empty"],
)
def test_a_later_event_begins_as_every_event_does(data: bytes) -> None:
    with pytest.raises(FieldInvalid):
        decode_event(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x93\xcc\x01\x00" + ID + bytes(16),
        b"\xdc\x00\x03\x01\x00" + ID + bytes(16),
        b"\x93\x01\x00\xc5\x00\x10" + bytes(16),
        encode_event(RecipientAdded(AT, SESSION, bytes(8), 1))[:-1].replace(b"\x96", b"\x95", 1),
        encode_event(SessionOpened(AT, SESSION, "a", (), "b", False)).replace(b"\x9c", b"\x9b", 1)[:-1],
    ],
    ids=["integer", "array", "bytes", "outcome that is not there", "session without an outcome"],
)
def test_an_event_has_one_spelling_and_all_its_fields(data: bytes) -> None:
    with pytest.raises(FieldInvalid) as refused:
        decode_event(data)
    assert refused.value.facts["rule"] == 5


@pytest.mark.parametrize("fields", [[], [bytes(15)], ["a" * 16], [None], [bytes(16), 0]])
def test_a_known_type_with_other_fields_is_no_later_one(fields: list[object]) -> None:
    with pytest.raises(FieldInvalid):
        decode_event(encode_part([EventType.SUBJECT_DISPOSED, AT, SESSION, *fields]))


@pytest.mark.parametrize(
    "event",
    [
        SubjectDisposed(AT, SESSION, b"short"),
        SubjectExported(AT, SESSION, bytes(16), -1),
        SubjectExported(AT, SESSION[1:], bytes(16), 1),
        RecordRead(AT, SESSION, None, 1 << 16, None, 0, Outcome.FAILED),
        SessionOpened(AT, SESSION, "", (), "TREAT"),
        SessionOpened(AT, SESSION, "x", tuple("abcdefgh" * 9), "TREAT"),
        SessionOpened(
            AT, SESSION, "x", (), "TREAT", signature=PersonSignature(SignatureScheme.JWS, b"k", bytes(MAX_BYTES + 1))
        ),
    ],
    ids=["surrogate", "count", "session", "kind", "principal", "roles", "signature"],
)
def test_what_nobody_could_read_is_not_written(event: Event) -> None:
    with pytest.raises(LimitExceeded):
        encode_event(event)


def test_what_is_no_field_at_all_is_not_written() -> None:
    with pytest.raises(TypeError):
        encode_part(object())


def test_a_refusal_is_denied_and_what_has_no_outcome_is_done() -> None:
    assert AccessDenied(AT, SESSION, None, 0, 1).outcome is Outcome.DENIED
    assert KeyRefused(AT, SESSION, 1).outcome is Outcome.DENIED
    assert SubjectDisposed(AT, SESSION, bytes(16)).outcome is Outcome.DONE
    assert UnlockFailed(AT, SESSION).outcome is Outcome.FAILED


def test_a_signature_shows_its_scheme_alone() -> None:
    assert repr(PersonSignature(SignatureScheme.ED25519, b"canary", b"canary")) == "<PersonSignature 1>"

"""Events of every class, each with its place in a log, made by chance or to be looked at."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec import inspect as types
from vaultfs_format.events.base import Event, UnknownEvent
from vaultfs_format.events.codec import CLASSES, encode_part
from vaultfs_format.events.session import CareSetting, PersonSignature, SessionOpened, SignatureScheme

from tests.vaultfs_format.test_events import EVENTS, values
from vaultfs.audit.exporting.logged import Logged

ORIGIN = "vaultfs/" + "0123456789abcdef" * 2
AT, SESSION = 1_700_000_000_123_456, b"s" * 16

OPENED = SessionOpened(
    AT,
    SESSION,
    "dr-who",
    ("auditor", "physician"),
    "TREAT",
    True,
    CareSetting.AMB,
    b"e" * 16,
    None,
    PersonSignature(SignatureScheme.JWS, b"key", b"signature"),
)


def some(kind: types.Type, number: int) -> Any:
    """Return an allowed value of a field; another number gives another one, as far as there are others."""
    match kind:
        case types.UnionType():
            return some(next(one for one in kind.types if not isinstance(one, types.NoneType)), number)
        case types.BytesType(min_length=least):
            return bytes([number]) * (least or 1)
        case types.EnumType():
            return next(iter(kind.cls))
        case types.BoolType():
            return True
        case types.IntType():
            return number
    raise AssertionError(kind)


def example(found: type[Event]) -> Event:
    """Return an event of a class in which every field is filled."""
    if found is SessionOpened:
        return OPENED
    described = types.type_info(found)
    assert isinstance(described, types.StructType)
    return found(AT, SESSION, *(some(field.type, 2 + at) for at, field in enumerate(described.fields[2:])))


EXAMPLES = {kind: example(found) for kind, found in CLASSES.items()}
LATER = UnknownEvent(AT, SESSION, 60_000, encode_part([60_000, AT, SESSION, 7]))


def logged(event: Event, session: SessionOpened | None = OPENED, *, index: int = 7, origin: str = ORIGIN) -> Logged:
    """Return an event in its place."""
    return Logged(origin, index, bytes(range(32)), event, session)


SESSIONS = st.one_of(st.none(), values(types.type_info(SessionOpened)))
LATER_EVENTS = st.builds(
    UnknownEvent, st.integers(0, (1 << 64) - 1), st.binary(min_size=16, max_size=16), st.integers(100, 65535),
    st.binary(min_size=1, max_size=99),
)  # fmt: skip
LOGGED = st.builds(
    Logged,
    st.sampled_from([ORIGIN, "vaultfs/short", "example.com/log\u00e9"]),
    st.integers(0, (1 << 63) - 1),
    st.binary(min_size=32, max_size=32),
    st.one_of(EVENTS, LATER_EVENTS),
    SESSIONS,
)
"""Anything that may be exported."""

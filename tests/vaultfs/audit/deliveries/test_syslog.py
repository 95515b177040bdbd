"""Messages of RFC 5424: they follow its grammar, say all of an event, and are read back as what they were made of."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import inspect as types
from vaultfs_format.events.base import Event, EventType, Outcome, UnknownEvent
from vaultfs_format.events.codec import CLASSES
from vaultfs_format.events.records import AccessDenied, RecordRead
from vaultfs_format.events.session import PersonSignature, SessionOpened, SignatureScheme
from vaultfs_format.events.vault import SegmentRepaired, VaultOpened
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.note import Note, NoteSignature

from tests.vaultfs.audit.deliveries.grammar import follows
from tests.vaultfs_format.test_events import EVENTS
from vaultfs.audit.exporting.errors import MessageInvalid
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.exporting.rfc5424 import MAX_MESSAGE, Message
from vaultfs.audit.exporting.shown import ShownCheckpoint, ShownLeaf
from vaultfs.audit.exporting.syslog import LEAST, MOST, Facility, Syslog, decode, shown_text
from vaultfs.errors import ArgumentInvalid

ORIGIN = "vaultfs/" + "0" * 32
LEAF, AT, ID = b"l" * 32, 1_700_000_000_123_456, b"s" * 16
SESSION = SessionOpened(AT, ID, "dr-who", ("nurse", "physician"), "TREAT", encounter=b"e" * 16)
SIGNED = SessionOpened(
    AT, ID, "dr-who", ("physician",), "TREAT", signature=PersonSignature(SignatureScheme.CMS, b"key", b"x" * 4000)
)
READ = RecordRead(AT, ID, b"p" * 16, 5, b"r" * 16, 3, Outcome.DONE)
WHOLE = Syslog(limit=MOST)
NOTE = Note(
    Checkpoint(ORIGIN, 9, b"r" * 32).encode(),
    (NoteSignature(ORIGIN, b"1234", bytes(64)), NoteSignature(ORIGIN, b"5678", bytes(2428))),
)


def encoded(event: Event, session: SessionOpened | None = None, encoder: Syslog = WHOLE) -> bytes:
    return encoder.event(Logged(ORIGIN, 7, LEAF, event, session))


def params(message: Message, element: int = 0) -> dict[str, list[str]]:
    """Return the values of an element by their names, as they were before they were hidden."""
    told: dict[str, list[str]] = {}
    for name, value in message.elements[element][1]:
        told.setdefault(name, []).append(shown_text(value))
    return told


def rebuilt(message: Message) -> Event:
    """Return the event that a message tells of, by its header and its first element alone."""
    told = params(message)
    if message.timestamp != "-":
        since = datetime.fromisoformat(message.timestamp) - datetime.fromisoformat("1970-01-01T00:00Z")
        told["at"] = [str((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)]
    found = CLASSES[EventType[message.type]]
    return found(**_fields(found, "", told))


def _fields(found: type, prefix: str, told: dict[str, list[str]]) -> dict[str, Any]:
    described = types.type_info(found)
    assert isinstance(described, types.StructType)
    return {field.name: _value(field.type, prefix + field.name, told) for field in described.fields}


def _value(kind: types.Type, name: str, told: dict[str, list[str]]) -> Any:
    match kind:
        case types.UnionType(types=kinds):
            (one,) = (one for one in kinds if not isinstance(one, types.NoneType))
            some = name in told or any(key.startswith(f"{name}.") for key in told)
            return _value(one, name, told) if some else None
        case types.StructType(cls=found):
            return found(**_fields(found, f"{name}.", told))
        case types.VarTupleType():
            return tuple(told.get(name, ()))
    (given,) = told[name]
    return _plain(kind, given)


def _plain(kind: types.Type, given: str) -> Any:
    match kind:
        case types.BytesType():
            return bytes.fromhex(given)
        case types.EnumType(cls=found):
            return found[given.upper()]
        case types.BoolType():
            return {"true": True, "false": False}[given]
        case types.IntType():
            return int(given)
    return given


class TestEvents:
    @settings(max_examples=60)
    @given(EVENTS)
    def test_a_message_follows_the_grammar_and_says_all_of_the_event(self, event: Event) -> None:
        data = encoded(event, SESSION)
        assert follows(data)
        assert len(data.decode().splitlines()) == 1
        message = Message.decode(data)
        assert message.encode() == data
        assert decode(data) == decode(data + b"\n") == ShownLeaf(ORIGIN, 7, LEAF)
        assume("left_out" not in params(message))
        assert rebuilt(message) == event

    @settings(max_examples=40)
    @given(EVENTS, st.sampled_from([LEAST, 2048, 8192]))
    def test_a_message_is_as_large_as_it_may_be_and_keeps_its_place_in_the_tree(self, event: Event, limit: int) -> None:
        data = encoded(event, SESSION, Syslog(limit=limit))
        assert len(data) <= limit
        assert follows(data)
        assert decode(data) == ShownLeaf(ORIGIN, 7, LEAF)
        whole, told = params(Message.decode(encoded(event, SESSION))), params(Message.decode(data))
        left_out = told.pop("left_out", [""])[0].split()
        assert set(whole) - {"left_out"} <= set(told) | set(left_out)
        assert {name: whole[name] for name in told} == told

    def test_what_is_left_out_is_the_largest(self) -> None:
        told = params(Message.decode(encoded(SIGNED, None, Syslog(limit=2048))))
        assert told["left_out"] == ["signature.signature"]
        assert told["signature.key_id"] == [b"key".hex()]
        assert told["principal"] == ["dr-who"]

    def test_the_header_is_that_of_the_log(self) -> None:
        message = Message.decode(encoded(READ, encoder=Syslog(host="archive.example", enterprise=5, limit=MOST)))
        assert (message.pri, message.timestamp) == (110, "2023-11-14T22:13:20.123456Z")
        assert (message.host, message.app, message.process, message.type) == (
            "archive.example", "vaultfs", "-", "RECORD_READ",
        )  # fmt: skip
        assert [name for name, _ in message.elements] == ["vaultfs@5"]
        assert message.text == b""

    @pytest.mark.parametrize(
        ("event", "pri"),
        [
            (VaultOpened(AT, ID), 13 * 8 + 6),
            (AccessDenied(AT, ID, None, 0, 1), 13 * 8 + 4),
            (SegmentRepaired(AT, ID, ID, 1, 1, Outcome.FAILED), 13 * 8 + 3),
            (UnknownEvent(AT, ID, 60_000, b"raw"), 13 * 8 + 5),
        ],
        ids=["done", "denied", "failed", "unknown"],
    )
    def test_severity_is_by_outcome(self, event: Event, pri: int) -> None:
        assert Message.decode(encoded(event)).pri == pri
        assert Message.decode(encoded(event, encoder=Syslog(facility=Facility.AUTHPRIV))).pri == pri - 24

    def test_who_acted_stands_in_an_element_of_its_own(self) -> None:
        message = Message.decode(encoded(READ, SESSION))
        assert [name for name, _ in message.elements] == ["vaultfs@32473", "vaultfs-session@32473"]
        assert params(message, 1) == {
            "principal": ["dr-who"],
            "roles": ["nurse", "physician"],
            "purpose": ["TREAT"],
            "strict": ["false"],
            "care_setting": ["unstated"],
            "encounter": [(b"e" * 16).hex()],
        }

    def test_the_opening_of_a_session_says_it_once(self) -> None:
        assert len(Message.decode(encoded(SESSION, SESSION)).elements) == 1

    def test_text_cannot_break_out(self) -> None:
        evil = 'a"] [x@1 y="\\\n<1>1 \u2028%41\x7f\x85é'
        session = SessionOpened(AT, ID, evil, (), "TREAT")
        data = encoded(READ, session)
        assert data.isascii() is False
        assert not any(byte < 0x20 or byte == 0x7F for byte in data)
        assert params(Message.decode(data), 1)["principal"] == [evil]
        assert len(Message.decode(data).elements) == 2

    def test_an_event_of_a_later_version_is_sent_as_its_bytes(self) -> None:
        message = Message.decode(encoded(UnknownEvent(AT, ID, 60_000, b"raw")))
        assert message.type == "TYPE_60000"
        assert params(message)["raw"] == [b"raw".hex()]
        assert params(message)["outcome"] == ["unknown"]

    def test_a_time_that_rfc_3339_cannot_write_is_a_number(self) -> None:
        last = 253_402_300_799_999_999
        assert Message.decode(encoded(VaultOpened(last, ID))).timestamp == "9999-12-31T23:59:59.999999Z"
        message = Message.decode(encoded(VaultOpened(last + 1, ID)))
        assert message.timestamp == "-"
        assert params(message)["at"] == [str(last + 1)]

    def test_a_message_that_cannot_be_made_small_enough_is_refused(self) -> None:
        with pytest.raises(ArgumentInvalid):
            Syslog(limit=LEAST).event(Logged("o" * 1000, 7, LEAF, READ, None))

    @pytest.mark.parametrize(
        "wrong",
        [{"host": ""}, {"host": "a b"}, {"host": "h" * 256}, {"enterprise": 0}, {"limit": 1023}, {"limit": 65_537}],
        ids=str,
    )
    def test_what_no_message_can_have_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ArgumentInvalid):
            Syslog(**wrong)


class TestCheckpoints:
    def test_a_checkpoint_is_read_back_with_its_signatures(self) -> None:
        data = Syslog().checkpoint(ORIGIN, 9, NOTE)
        assert follows(data)
        assert len(data) <= 8192
        assert decode(data) == ShownCheckpoint(ORIGIN, 9, NOTE)
        message = Message.decode(data)
        assert (message.pri, message.timestamp, message.type) == (110, "-", "CHECKPOINT")

    def test_where_they_do_not_fit_the_first_is_kept(self) -> None:
        data = Syslog(limit=LEAST).checkpoint(ORIGIN, 9, NOTE)
        assert len(data) <= LEAST
        assert decode(data) == ShownCheckpoint(ORIGIN, 9, Note(NOTE.text, NOTE.signatures[:1]))

    def test_one_that_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ArgumentInvalid):
            Syslog(limit=LEAST).checkpoint(ORIGIN, 9, Note("x\n" * 500, NOTE.signatures))

    @pytest.mark.parametrize(
        "changed",
        [
            {"size": "10"},
            {"size": "09"},
            {"origin": "other"},
            {"note": "!"},
            {"note": base64.b64encode(b"no note").decode()},
            {"note": base64.b64encode(Note("no checkpoint\n", NOTE.signatures).encode()).decode()},
        ],
        ids=str,
    )
    def test_one_that_does_not_say_what_its_note_says_is_refused(self, changed: dict[str, str]) -> None:
        message = Message.decode(Syslog().checkpoint(ORIGIN, 9, NOTE))
        ((name, told),) = message.elements
        other = Message(
            message.pri, "-", "-", "vaultfs", "-", "CHECKPOINT", ((name, tuple((dict(told) | changed).items())),)
        )
        with pytest.raises(MessageInvalid):
            decode(other.encode())


HEAD = b"<110>1 - - vaultfs - RECORD_READ "
TOLD = f'origin="{ORIGIN}" index="7" leaf="{LEAF.hex()}"'.encode()


class TestReading:
    def test_what_the_others_of_rfc_5424_write_is_read(self) -> None:
        whole = b'<0>1 2003-10-11T22:14:15.003-07:00 h a p m [x@1][y z="\\]\\"\\\\\\a" z=""] \xef\xbb\xbfhello'
        message = Message.decode(whole)
        assert message.elements == (("x@1", ()), ("y", (("z", ']"\\\\a'), ("z", ""))))
        assert message.text == b"\xef\xbb\xbfhello"
        assert Message.decode(b"<191>1 - - - - - -").elements == ()

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<110>",
            b"<192>1 - - - - - -",
            b"<01>1 - - - - - -",
            b"<110>2 - - - - - -",
            b"<110>1 - - - - - ",
            b"<110>1 - - - - - -x",
            b"<110>1 - - - - - x",
            b"<110>1 2003-13-11T22:14:15Z - - - - -",
            b"<110>1 2003-10-11T24:14:15Z - - - - -",
            b"<110>1 2003-10-11T22:14:15.1234567Z - - - - -",
            b"<110>1 2003-10-11T22:14:15 - - - - -",
            b"<110>1 - " + b"h" * 256 + b" - - - -",
            b"<110>1 - - - - " + b"m" * 33 + b" -",
            HEAD + b"[",
            HEAD + b"[]",
            HEAD + b"[x",
            HEAD + b"[x ]",
            HEAD + b'[x y="]',
            HEAD + b'[x y="\xff"]',
            HEAD + b'[x y="z"z="y"]',
            HEAD + b"[" + b"n" * 33 + b"]",
            HEAD + b"-" + b" " * MAX_MESSAGE,
        ],
    )
    def test_what_does_not_follow_the_grammar_is_refused(self, data: bytes) -> None:
        with pytest.raises(MessageInvalid) as told:
            Message.decode(data)
        assert told.value.__context__ is None or told.value.__suppress_context__

    @pytest.mark.parametrize(
        "element",
        [
            b"-",
            b"[other " + TOLD + b"]",
            b"[vaultfs@1 " + TOLD + b"][vaultfs@2 " + TOLD + b"]",
            b"[vaultfs@1 " + TOLD + b' index="7"]',
            b"[vaultfs@1 " + TOLD.replace(b'"7"', b'"07"') + b"]",
            b"[vaultfs@1 " + TOLD.replace(b'"7"', b'"-7"') + b"]",
            b"[vaultfs@1 " + TOLD.replace(b'"7"', b'"9223372036854775808"') + b"]",
            b"[vaultfs@1 " + TOLD.replace(b"6c6c", b"6C6C") + b"]",
            b"[vaultfs@1 " + TOLD.replace(b"6c6c", b"6c") + b"]",
            b"[vaultfs@1 " + TOLD.replace(b"origin", b"orig") + b"]",
        ],
        ids=lambda element: element[:12].decode() + str(len(element)),
    )
    def test_what_does_not_show_one_leaf_is_refused(self, element: bytes) -> None:
        assert decode(HEAD + b"[vaultfs@1 " + TOLD + b"]") == ShownLeaf(ORIGIN, 7, LEAF)
        with pytest.raises(MessageInvalid):
            decode(HEAD + element)

    @given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda data: HEAD + b"[vaultfs@1 " + data)))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        try:
            found = decode(data)
        except MessageInvalid:
            return
        assert isinstance(found, ShownLeaf | ShownCheckpoint)

"""JSON lines: whole, valid by their schema, the same every time, and read back by who compares them with the log."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import log_schema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from vaultfs_format.events.base import EventType, Outcome
from vaultfs_format.events.keys import SubjectDisposed
from vaultfs_format.events.records import RecordPut
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.limits import MAX_PRINCIPAL, MAX_ROLES
from vaultfs_format.merkle import AUDIT_EMPTY
from vaultfs_format.registry import builtin_kinds
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.note import Note, NoteSignature

from tests.vaultfs.audit.exporting.events import EXAMPLES, LATER, LOGGED, OPENED, ORIGIN, logged
from vaultfs.audit.exporting.errors import LineInvalid
from vaultfs.audit.exporting.facts import plain
from vaultfs.audit.exporting.jsonlines import JsonLines, decode
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.exporting.shown import MAX_LINE, ShownCheckpoint, ShownLeaf
from vaultfs.errors import ArgumentInvalid

LINES = JsonLines()
SCHEMA = log_schema.schema()
VALIDATOR = Draft202012Validator(SCHEMA)
NOTE = Note(Checkpoint(ORIGIN, 15, bytes(32)).encode(), (NoteSignature(ORIGIN, b"abcd", b"\x01" * 64),))
FULL = json.loads(LINES.event(logged(EXAMPLES[EventType.RECORD_READ])))


def test_the_schema_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert log_schema.main(["--check"]) == 0
    monkeypatch.setattr(log_schema, "SCHEMA", tmp_path / "schemas" / "x.json")
    assert log_schema.main(["--check"]) == 1
    assert log_schema.main([]) == 0
    assert log_schema.main(["--check"]) == 0


def test_the_schema_has_no_shape_for_what_no_event_holds() -> None:
    with pytest.raises(ValueError, match="Float"):
        log_schema.shape(msgspec.inspect.FloatType())
    with pytest.raises(TypeError):
        plain(1.5)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.name)
def test_every_class_is_written_whole(kind: EventType) -> None:
    event = EXAMPLES[kind]
    line = json.loads(LINES.event(logged(event)))
    VALIDATOR.validate(line)
    assert (line["record"], line["origin"], line["index"]) == ("event", ORIGIN, 7)
    assert line["leaf"] == bytes(range(32)).hex()
    assert (line["type"], line["number"], line["time"]) == (kind.name, kind.value, "2023-11-14T22:13:20.123456Z")
    assert line["outcome"] == event.outcome.name  # type: ignore[union-attr] # a known class has one
    assert {"at", "session", "outcome", *line["fields"]} >= set(event.__struct_fields__)
    for name in set(line["fields"]) & set(event.__struct_fields__):
        told = getattr(event, name)
        if isinstance(told, bytes | bool | str) or type(told) is int:
            assert line["fields"][name] == (told.hex() if isinstance(told, bytes) else told)


@given(LOGGED)
@settings(max_examples=60)
def test_any_event_is_one_valid_line_of_ascii_the_same_every_time(one: Logged) -> None:
    line = LINES.event(one)
    assert line.isascii()
    assert b"\n" not in line
    assert b"\r" not in line
    assert len(line) <= MAX_LINE
    assert JsonLines().event(one) == line
    VALIDATOR.validate(json.loads(line))
    assert decode(line) == decode(line + b"\n") == ShownLeaf(one.origin, one.index, one.leaf)


@pytest.mark.long
@given(LOGGED)
@settings(max_examples=3000)
def test_any_event_is_valid_by_the_schema(one: Logged) -> None:
    VALIDATOR.validate(json.loads(LINES.event(one)))


def test_who_acts_and_why_stand_with_every_event_whose_session_is_known() -> None:
    event = EXAMPLES[EventType.SUBJECT_DISPOSED]
    assert FULL["session"] == {
        "id": (b"s" * 16).hex(), "principal": "dr-who", "roles": ["auditor", "physician"], "purpose": "TREAT",
        "strict": True, "care_setting": "AMB", "encounter": (b"e" * 16).hex(), "order": None,
    }  # fmt: skip
    assert json.loads(LINES.event(logged(event, None)))["session"] == {"id": (b"s" * 16).hex()}
    own = SubjectDisposed(1, bytes(16), b"p" * 16)
    assert json.loads(LINES.event(logged(own, None)))["session"] is None


def test_what_stands_by_its_number_is_named_where_the_name_is_known() -> None:
    for number, name in ((builtin_kinds()["Observation"], "Observation"), (40_000, None), (0, None)):
        event = msgspec.structs.replace(EXAMPLES[EventType.RECORD_PUT], kind=number)
        found = json.loads(LINES.event(logged(event)))["fields"]
        assert (found["kind"], found["kind_name"]) == (number, name)
    denied = json.loads(LINES.event(logged(EXAMPLES[EventType.ACCESS_DENIED])))["fields"]
    assert (denied["action"], denied["action_name"]) == (4, "DELETE")
    opened = json.loads(LINES.event(logged(OPENED)))["fields"]
    assert opened["signature"] == {"scheme": "JWS", "key_id": b"key".hex(), "signature": b"signature".hex()}


def test_an_event_of_a_later_version_is_kept_as_it_is() -> None:
    line = json.loads(LINES.event(logged(LATER)))
    VALIDATOR.validate(line)
    assert (line["type"], line["number"], line["outcome"]) == (None, 60_000, None)
    assert line["fields"] == {"raw": LATER.raw.hex()}


def test_a_time_that_no_date_can_state_is_left_out() -> None:
    for at, text in ((253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"), (253_402_300_800_000_000, None)):
        line = json.loads(LINES.event(logged(SubjectDisposed(at, bytes(16), b"p" * 16))))
        VALIDATOR.validate(line)
        assert line["time"] == text


def test_no_text_breaks_a_line_and_none_is_lost() -> None:
    odd = 'a\n\r\u0085\u2028\u2029\u00e9\U0001f600\x00\x7f"\\'
    session = msgspec.structs.replace(OPENED, principal=odd, roles=(odd,), purpose=odd)
    line = LINES.event(logged(EXAMPLES[EventType.RECORD_READ], session))
    assert len(line.decode().splitlines()) == 1
    told = json.loads(line)["session"]
    assert (told["principal"], told["roles"], told["purpose"]) == (odd, [odd], odd)


def test_the_longest_names_fit_a_line() -> None:
    long = "\U0001f600" * MAX_PRINCIPAL
    session = SessionOpened(1, b"s" * 16, long, (long,) * MAX_ROLES, "x")
    line = LINES.event(logged(session, session))
    assert len(line) > MAX_LINE // 4
    assert decode(line) == ShownLeaf(ORIGIN, 7, bytes(range(32)))


def test_half_a_surrogate_pair_is_refused_and_not_quoted() -> None:
    session = msgspec.structs.replace(OPENED, principal="\ud800")
    with pytest.raises(ArgumentInvalid) as told:
        LINES.event(logged(EXAMPLES[EventType.RECORD_READ], session))
    assert told.value.__context__ is None


CHANGES: list[tuple[str, Any]] = [
    ("leaf", "00"),
    ("leaf", "AB" * 32),
    ("index", -1),
    ("index", 1.5),
    ("type", "RECORD_EATEN"),
    ("type", "RECORD_PUT"),
    ("type", None),
    ("number", 24),
    ("time", "2023-11-14 22:13:20Z"),
    ("outcome", "MAYBE"),
    ("session", {"id": "00"}),
    ("session", {"id": "00" * 16, "principal": "x"}),
    ("fields", {}),
    ("fields", {**FULL["fields"], "name": "x"}),
    ("fields", {**FULL["fields"], "kind": 1 << 16}),
    ("fields", {**FULL["fields"], "record": "zz" * 16}),
    ("record", "else"),
]


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_the_schema_refuses_a_line_that_was_changed(name: str, value: object) -> None:
    VALIDATOR.validate(FULL)
    assert not VALIDATOR.is_valid({**FULL, name: value})


def test_the_schema_refuses_a_line_with_a_member_too_few_or_too_many() -> None:
    for name in FULL:
        assert not VALIDATOR.is_valid({key: value for key, value in FULL.items() if key != name}), name
    assert not VALIDATOR.is_valid({**FULL, "more": 1})


def test_a_checkpoint_is_a_line_and_comes_back() -> None:
    line = LINES.checkpoint(ORIGIN, 15, NOTE)
    VALIDATOR.validate(json.loads(line))
    assert line.isascii()
    assert decode(line) == ShownCheckpoint(ORIGIN, 15, NOTE)
    assert repr(decode(line)) == "<ShownCheckpoint 15>"
    assert repr(decode(LINES.event(logged(LATER)))) == "<ShownLeaf 7>"


def test_a_checkpoint_that_says_two_things_is_refused() -> None:
    line = json.loads(LINES.checkpoint(ORIGIN, 15, NOTE))
    empty = Note(Checkpoint(ORIGIN, 0, AUDIT_EMPTY).encode(), NOTE.signatures)
    assert decode(LINES.checkpoint(ORIGIN, 0, empty)) == ShownCheckpoint(ORIGIN, 0, empty)
    for name, value in (("origin", "other"), ("size", 14), ("note", "x"), ("note", f"x\n\n{NOTE.encode().decode()}")):
        with pytest.raises(LineInvalid):
            decode(json.dumps({**line, name: value}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"leaf": "00"}, {"leaf": "AB" * 32}, {"leaf": "00" * 32 + "\n"}, {"leaf": None}, {"index": -1},
        {"index": 1 << 63}, {"index": "7"}, {"index": 7.5}, {"origin": ""}, {"record": "else"},
        {"more": 1}, {"fields": []}, {"number": 0},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_that_is_no_event_is_refused_and_not_quoted(change: dict[str, object]) -> None:
    line = {**copy.deepcopy(FULL), **change}
    with pytest.raises(LineInvalid) as told:
        decode(json.dumps(line).encode())
    assert told.value.__context__ is None


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b"{" * 9, b" " * (MAX_LINE + 1)],
    ids=["empty", "object", "array", "null", "no UTF-8", "deep", "open", "long"],
)
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(LineInvalid) as told:
        decode(line)
    assert told.value.facts == {"size": len(line)}


@given(st.data())
@settings(max_examples=50)
def test_a_line_that_was_cut_is_refused(data: st.DataObject) -> None:
    whole = LINES.event(logged(EXAMPLES[EventType.RECORD_READ]))
    with pytest.raises(LineInvalid):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_what_an_event_does_not_know_is_null() -> None:
    event = RecordPut(0, bytes(16), None, 0, None, 0, Outcome.FAILED)
    fields = json.loads(LINES.event(logged(event, None)))["fields"]
    assert fields == {"subject": None, "kind": 0, "kind_name": None, "record": None, "version": 0}

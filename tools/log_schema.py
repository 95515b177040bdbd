"""Write the JSON Schema of exported lines from the events: `python tools/log_schema.py [--check]` in a checkout.

It is docs/schemas/audit-line.schema.json. With ``--check`` nothing is written, and the program fails where it and the
code differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import inspect as types
from spec_tables import parameters
from vaultfs_format import limits
from vaultfs_format.events.base import Event, Outcome
from vaultfs_format.events.codec import CLASSES
from vaultfs_format.events.session import SessionOpened

from vaultfs.audit.exporting.facts import fields_of, is_code
from vaultfs.audit.exporting.jsonlines import CHECKPOINT, EVENT

SCHEMA = Path(__file__).resolve().parents[1] / "docs" / "schemas" / "audit-line.schema.json"

Json = dict[str, object]

ID: Json = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"
UNKNOWN = "a type that a later version has added"


def _digits(least: int | None, most: int | None) -> Json:
    """Return what bytes of so many are as hexadecimal digits."""
    return {"type": "string", "pattern": f"^([0-9a-f]{{2}}){{{least or 0},{most}}}$"}


def shape(kind: types.Type) -> Json:
    """Return what a field of an event is in JSON."""
    match kind:
        case types.UnionType():
            return {"anyOf": [shape(one) for one in kind.types]}
        case types.EnumType():
            return {"enum": [one.name for one in kind.cls]}
        case types.VarTupleType(item_type=item, max_length=most):
            return {"type": "array", "items": shape(item), "maxItems": most}
        case types.StructType():
            return closed({field.name: shape(field.type) for field in kind.fields})
    return _scalar(kind)


def _scalar(kind: types.Type) -> Json:
    match kind:
        case types.NoneType():
            return {"type": "null"}
        case types.BoolType():
            return {"type": "boolean"}
        case types.BytesType(min_length=least, max_length=most):
            return _digits(least, most)
        case types.StrType(min_length=least, max_length=most):
            return {"type": "string", "minLength": least, "maxLength": most}
        case types.IntType(le=most):
            return {"type": "integer", "minimum": 0} | ({} if most is None else {"maximum": most})
    raise ValueError(kind)


def closed(members: dict[str, Json], **more: object) -> Json:
    """Return an object that has these members, all of them, and no others."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False, **more}


def fields_schema(found: type[Event]) -> Json:
    """Return what the fields of a class of events are."""
    told = parameters(found)
    members: dict[str, Json] = {}
    for field in fields_of(found):
        members[field.name] = shape(field.type) | {"description": told[field.name]}
        if is_code(field.type):
            members[f"{field.name}_name"] = {
                "type": ["string", "null"],
                "description": "its name; null where the number has none, or one of the vault's own",
            }
    return closed(members, description=(found.__doc__ or "").partition("\n")[0])


def session_schema() -> Json:
    """Return what a session is: its id, and who acts and why where its opening is known."""
    told = parameters(SessionOpened)
    opened = {
        field.name: shape(field.type) | {"description": told[field.name]}
        for field in fields_of(SessionOpened)
        if field.name != "signature"
    }
    return {
        "anyOf": [
            {"type": "null", "description": "an act of the vault itself"},
            closed({"id": ID}, description="a session whose opening is not known"),
            closed({"id": ID, **opened}),
        ]
    }


def event_schema() -> Json:
    """Return what the line of an event is."""
    names = [kind.name for kind in CLASSES]
    number: Json = {"type": "integer", "minimum": 1, "maximum": (1 << 16) - 1}
    members: dict[str, Json] = {
        "record": {"const": EVENT},
        "origin": {"type": "string", "minLength": 1, "description": "name of the log"},
        "index": {"type": "integer", "minimum": 0, "maximum": limits.MAX_NUMBER},
        "leaf": _digits(32, 32) | {"description": "RFC 9162 hash of the leaf at the index"},
        "type": {"enum": [*names, None], "description": f"null for {UNKNOWN}"},
        "number": number | {"description": "number of the type"},
        "time": {"type": ["string", "null"], "pattern": TIME, "description": "RFC 3339, UTC; null after year 9999"},
        "outcome": {"enum": [*(one.name for one in Outcome), None]},
        "session": {"$ref": "#/$defs/session"},
        "fields": {"type": "object"},
    }
    cases = [
        {
            "if": {"properties": {"type": {"const": kind.name}}},
            "then": {"properties": {"number": {"const": int(kind)}, "fields": {"$ref": f"#/$defs/{kind.name}"}}},
        }
        for kind in CLASSES
    ]
    unknown = {
        "number": {"not": {"enum": [int(kind) for kind in CLASSES]}},
        "outcome": {"const": None},
        "fields": {"$ref": "#/$defs/unknown"},
    }
    return closed(
        members, allOf=[*cases, {"if": {"properties": {"type": {"const": None}}}, "then": {"properties": unknown}}]
    )


def schema() -> Json:
    """Return the whole schema."""
    checkpoint = closed(
        {
            "record": {"const": CHECKPOINT},
            "origin": {"type": "string", "minLength": 1, "description": "name of the log"},
            "size": {"type": "integer", "minimum": 0, "maximum": limits.MAX_NUMBER},
            "note": {"type": "string", "description": "signed note (c2sp.org/tlog-checkpoint)"},
        }
    )
    raw: Json = {"type": "string", "pattern": "^([0-9a-f]{2})+$", "description": "all bytes of the event"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of the audit log of VaultFS",
        "description": "Made by tools/log_schema.py from the classes of the events.",
        "type": "object",
        "properties": {"record": {"enum": [EVENT, CHECKPOINT]}},
        "required": ["record"],
        "if": {"properties": {"record": {"const": EVENT}}},
        "then": {"$ref": "#/$defs/event"},
        "else": {"$ref": "#/$defs/checkpoint"},
        "$defs": {
            "event": event_schema(),
            "checkpoint": checkpoint,
            "session": session_schema(),
            **{kind.name: fields_schema(found) for kind, found in CLASSES.items()},
            "unknown": closed({"raw": raw}, description=f"An event of {UNKNOWN}."),
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the file differs")
    check = parser.parse_args(arguments).check
    text = json.dumps(schema(), indent=1) + "\n"
    if not check:
        SCHEMA.parent.mkdir(exist_ok=True)
        SCHEMA.write_text(text, encoding="utf-8")
    elif not SCHEMA.exists() or SCHEMA.read_text(encoding="utf-8") != text:
        print("docs/schemas/audit-line.schema.json differs from the classes: run tools/log_schema.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""JSON as exports write it: compact or indented, UTF-8, decimals exactly as stated (72.50 stays 72.50).

The standard encoder has no way to write a `Decimal` as a number, and its layout is its own business; this one is
thirty lines and cannot change under the shipped sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

Json = dict[str, "Json"] | list["Json"] | str | int | Decimal | bool | None

_quote = json.encoder.encode_basestring


def dumps(value: Json, indent: int | None = None) -> bytes:
    """Return `value` as UTF-8 JSON: compact, or on lines indented by `indent` spaces a level."""
    return "".join(_compact(value) if indent is None else _indented(value, "\n", " " * indent)).encode()


def _compact(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        lead = "{"
        for key, item in value.items():
            yield f"{lead}{_quote(key)}:"
            yield from _compact(item)
            lead = ","
        yield "}" if value else "{}"
    elif isinstance(value, list):
        lead = "["
        for item in value:
            yield lead
            yield from _compact(item)
            lead = ","
        yield "]" if value else "[]"
    else:
        yield _scalar(value)


def _indented(value: Json, line: str, step: str) -> Iterator[str]:
    deeper = line + step
    if isinstance(value, dict) and value:
        lead = "{"
        for key, item in value.items():
            yield f"{lead}{deeper}{_quote(key)}: "
            yield from _indented(item, deeper, step)
            lead = ","
        yield line + "}"
    elif isinstance(value, list) and value:
        lead = "["
        for item in value:
            yield lead + deeper
            yield from _indented(item, deeper, step)
            lead = ","
        yield line + "]"
    else:
        yield from _compact(value)


def _scalar(value: str | int | Decimal | bool | None) -> str:
    if isinstance(value, str):
        return _quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)

"""Runs the vectors of `formats/vectors`: what stands in a file becomes the arguments of an operation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from vectors.case import outcome
from vectors.catalogue import operations
from vectors.operations.registry import Directory, parameters

ROOT = Path(__file__).resolve().parents[2] / "formats" / "vectors"
EXPECTED = frozenset({"comment", "holds", "breaks", "operation", "given", "expect"})


def names() -> list[str]:
    """Return the names of all vectors, without the suffix."""
    return sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.glob("*/*.json"))


@cache
def load(name: str) -> dict[str, Any]:
    """Return a vector as it stands in its file."""
    found: dict[str, Any] = json.loads((ROOT / f"{name}.json").read_text(encoding="ascii"))
    return found


def run(vector: dict[str, Any]) -> dict[str, Any]:
    """Return what its operation comes to, in the form of ``expect``."""
    types = parameters(vector["operation"])
    given = {name: typed(value, types[name]) for name, value in vector["given"].items()}
    return outcome(lambda: operations()[vector["operation"]](**given))


def typed(value: Any, hint: Any) -> Any:
    """Return a value out of a file as the type that an operation takes."""
    if isinstance(hint, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    if hint is bytes:
        return data_of(value)
    if hint is Directory:
        return directory_of(value)
    if hint is int:
        return int(value)
    if get_origin(hint) is list:
        return [typed(one, get_args(hint)[0]) for one in value]
    if get_origin(hint) is dict:
        return {key: typed(one, get_args(hint)[1]) for key, one in value.items()}
    return value


def data_of(value: str | dict[str, Any]) -> bytes:
    """Return bytes that are written as digits, or as a file with edits."""
    if isinstance(value, str):
        return bytes.fromhex(value)
    data = (ROOT / value["file"]).read_bytes()
    length = value.get("length", len(data))
    changed = bytearray(data[:length].ljust(length, b"\0"))
    for offset, digits in value.get("edits", ()):
        new = bytes.fromhex(digits)
        changed[offset : offset + len(new)] = new
    assert len(changed) == length
    return bytes(changed)


def directory_of(value: dict[str, Any]) -> Directory:
    """Return the files of a stored directory, some of them replaced, added or left out."""
    root = ROOT / value["directory"]
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for name, one in value.get("with", {}).items():
        if one is None:
            del files[name]
        else:
            files[name] = data_of(one)
    return Directory(files)

"""Fixed layouts: little-endian fields with names, checked when read, printed as the tables of SPEC.md."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

from vaultfs_format.errors import (
    BadMagic,
    FieldInvalid,
    Structure,
    Truncated,
    UnsupportedFeature,
    UnsupportedSuite,
    UnsupportedVersion,
)

Buffer = bytes | bytearray | memoryview

RESERVED = "reserved"
VERSION = 0
"""The format version: 0 is the draft."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, its `struct` code, and what it means. Fields named ``reserved`` are zero and checked."""

    name: str
    code: str
    meaning: str = "zero"


class Layout:
    """A sequence of fields without gaps."""

    def __init__(self, structure: Structure, title: str, *fields: Field) -> None:
        self.structure = structure
        self.title = title
        self.fields = fields
        self.struct = Struct("<" + "".join(field.code for field in fields))
        self.size = self.struct.size
        self._reserved = tuple(i for i, field in enumerate(fields) if field.name == RESERVED)

    def pack(self, *values: Any) -> bytes:
        """Return the bytes of `values`, reserved fields left out."""
        filled = list(values)
        for position in self._reserved:
            filled.insert(position, _zero(self.fields[position].code))
        return self.struct.pack(*filled)

    def unpack(self, data: Buffer, offset: int = 0) -> tuple[Any, ...]:
        """Return the values at `offset`, reserved fields checked and left out.

        Raises
        ------
        Truncated, FieldInvalid
        """
        if offset < 0 or len(data) - offset < self.size:
            raise Truncated(structure=self.structure, expected=self.size, got=max(0, len(data) - offset))
        values = list(self.struct.unpack_from(data, offset))
        for position in reversed(self._reserved):
            if values.pop(position) != _zero(self.fields[position].code):
                raise FieldInvalid(structure=self.structure, field=position)
        return tuple(values)

    def table(self) -> str:
        """Return the layout as a Markdown table: offset, size, field, meaning."""
        rows = ["| offset | size | field | meaning |", "|---|---|---|---|"]
        offset = 0
        for field in self.fields:
            size = Struct("<" + field.code).size
            rows.append(f"| {offset} | {size} | {field.name} | {field.meaning} |")
            offset += size
        rows.append(f"| {offset} | | | end |")
        return "\n".join(rows)


def _zero(code: str) -> bytes | int:
    return bytes(int(code[:-1] or 1)) if code.endswith("s") else 0


def file_magic(kind: str) -> bytes:
    """Return the eight bytes that begin a file of the one-letter `kind`.

    As in PNG, a byte with the high bit, a line end of both kinds and a Control-Z show transfers that alter bytes.
    """
    return b"\x89VFS\r\n\x1a" + kind.encode("ascii")


MAGIC_FIELDS = (
    Field("magic", "8s", "89 56 46 53 0D 0A 1A and the kind of file"),
    Field("version", "B", "0 while the format is a draft"),
    Field("suite", "B", "cryptographic suite"),
    Field("features", "H", "mandatory features; 0: none are defined yet"),
    Field(RESERVED, "4s"),
)


def check_magic(structure: Structure, expected: bytes, magic: bytes, version: int, suite: int, features: int) -> None:
    """Refuse another kind of file, and versions, suites and features that are not known (which is not damage)."""
    if magic != expected:
        raise BadMagic(structure=structure)
    if version != VERSION:
        raise UnsupportedVersion(structure=structure, version=version)
    if suite not in KNOWN_SUITES:
        raise UnsupportedSuite(structure=structure, suite=suite)
    if features != 0:
        raise UnsupportedFeature(structure=structure, features=features)


KNOWN_SUITES = frozenset({1})
"""Suites that this code reads: 1 is ``default``. 2 is kept for ``fips``."""


def require(condition: bool, structure: Structure, field: int = -1) -> None:
    """Raise `FieldInvalid` for `structure` unless `condition` holds; `field` numbers the rule in SPEC.md."""
    if not condition:
        raise FieldInvalid(structure=structure, field=field)

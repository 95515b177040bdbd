"""Fixed layouts: little-endian fields with names, checked when read, printed as the tables of SPEC.md."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

from vaultfs_format.errors import FieldInvalid, Structure, TrailingBytes, Truncated

Buffer = bytes | bytearray | memoryview

RESERVED = "reserved"


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
        reserved = [(i, _zero(field.code)) for i, field in enumerate(fields) if field.name == RESERVED]
        self._reserved = tuple(reversed(reserved))
        self.pack = Struct("<" + "".join(_padded(field) for field in fields)).pack
        """Returns the bytes of the values of all fields but the reserved ones."""

    def unpack(self, data: Buffer, offset: int = 0) -> tuple[Any, ...]:
        """Return the values at `offset`, reserved fields checked and left out.

        Raises
        ------
        Truncated, FieldInvalid
        """
        if offset < 0 or len(data) - offset < self.size:
            raise Truncated(structure=self.structure, expected=self.size, got=max(0, len(data) - offset))
        found = self.struct.unpack_from(data, offset)
        if not self._reserved:
            return found
        values = list(found)
        for position, zero in self._reserved:
            if values.pop(position) != zero:
                raise FieldInvalid(structure=self.structure, field=position)
        return tuple(values)

    def offset_of(self, name: str) -> int:
        """Return the offset of the first field with this name."""
        position = next(i for i, field in enumerate(self.fields) if field.name == name)
        return Struct("<" + "".join(field.code for field in self.fields[:position])).size

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


def _padded(field: Field) -> str:
    """Return the code of a field with which `struct` writes a reserved one as zero bytes, and asks no value for it."""
    return f"{Struct('<' + field.code).size}x" if field.name == RESERVED else field.code


def _zero(code: str) -> bytes | int:
    return bytes(int(code[:-1] or 1)) if code.endswith("s") else 0


def require(condition: bool, structure: Structure, rule: int) -> None:
    """Raise `FieldInvalid` for `structure` unless `condition` holds; `rule` is the number in SPEC.md (HED-3: 3)."""
    if not condition:
        raise FieldInvalid(structure=structure, rule=rule)


def require_size(data: Buffer, expected: int, structure: Structure) -> None:
    """Refuse data that is shorter or longer than `expected` bytes.

    Raises
    ------
    Truncated, TrailingBytes
    """
    if len(data) != expected:
        error = Truncated if len(data) < expected else TrailingBytes
        raise error(structure=structure, expected=expected, got=len(data))


def all_zero(data: Buffer) -> bool:
    """Return whether `data`, which is short, is nothing but zero bytes."""
    return bytes(data) == bytes(len(data))

"""DICOM files made by hand: any element, in any of the encodings, right or wrong."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from typing import Any

from vaultfs.interop.dicom import DicomAdapter
from vaultfs.interop.pieces import Facts

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
CT = "1.2.840.10008.5.1.4.1.1.2"
INSTANCE = "1.2.3.4.5.6"
UNDEFINED = 0xFFFFFFFF

TEXTS: list[tuple[int, str]] = [
    *((tag, "LO") for tag in (0x00080005, 0x00080070, 0x0008103E, 0x00100020, 0x00100021, 0x00101000, 0x00204000)),
    *((tag, "DA") for tag in (0x00080020, 0x00080022, 0x00100030)),
    *((tag, "TM") for tag in (0x00080030, 0x00080032)),
    *((tag, "PN") for tag in (0x00080090, 0x00100010)),
    *((tag, "SH") for tag in (0x00080050, 0x00080201)),
    *((tag, "UI") for tag in (0x0020000D, 0x0020000E)),
    *((tag, "LT") for tag in (0x00104000, 0x00324000)),
]
"""Elements of text that a file may have."""

Element = tuple[int, str, Any]
"""Tag, value representation, and the value: text, bytes, a number, or a list of items, which are lists of elements."""


class Writer:
    """Writes elements in one encoding.

    Parameters
    ----------
    undefined
        Sequences and items have an undefined length.
    """

    def __init__(self, syntax: str = EXPLICIT, *, undefined: bool = False) -> None:
        self.explicit = syntax != IMPLICIT
        self.order = ">" if syntax == BIG else "<"
        self.undefined = undefined

    def elements(self, elements: Iterable[Element]) -> bytes:
        return b"".join(self.element(*one) for one in elements)

    def element(self, tag: int, vr: str, value: Any) -> bytes:
        if isinstance(value, list):
            content = b"".join(self.item(self.elements(one)) for one in value)
            if self.undefined:
                return self.head(tag, vr, UNDEFINED) + content + self.mark(0xFFFEE0DD)
        elif isinstance(value, int):
            content = struct.pack(self.order + ("I" if vr == "UL" else "H"), value)
        else:
            content = value if isinstance(value, bytes) else value.encode()
            content += (b"\0" if vr in ("UI", "OB") else b" ") * (len(content) % 2)
        return self.head(tag, vr, len(content)) + content

    def head(self, tag: int, vr: str, length: int) -> bytes:
        number = struct.pack(self.order + "HH", tag >> 16, tag & 0xFFFF)
        if not self.explicit:
            return number + struct.pack(self.order + "I", length)
        if vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT"):
            return number + vr.encode() + struct.pack(self.order + "HI", 0, length)
        return number + vr.encode() + struct.pack(self.order + "H", length)

    def item(self, content: bytes) -> bytes:
        if self.undefined:
            return self.mark(0xFFFEE000, UNDEFINED) + content + self.mark(0xFFFEE00D)
        return self.mark(0xFFFEE000, len(content)) + content

    def mark(self, tag: int, length: int = 0) -> bytes:
        return struct.pack(self.order + "HHI", tag >> 16, tag & 0xFFFF, length)


def meta(syntax: str = EXPLICIT, *more: Element) -> bytes:
    """Return the file meta information."""
    listed = [(0x00020002, "UI", CT), (0x00020003, "UI", INSTANCE), (0x00020010, "UI", syntax), *more]
    content = Writer().elements(listed)
    return Writer().element(0x00020000, "UL", len(content)) + content


def file(data_set: bytes, syntax: str = EXPLICIT) -> bytes:
    """Return a file of PS3.10 around an encoded data set."""
    if syntax == DEFLATED:
        packer = zlib.compressobj(wbits=-15)
        data_set = packer.compress(data_set) + packer.flush()
    return bytes(128) + b"DICM" + meta(syntax) + data_set


def dicom(*elements: Element, syntax: str = EXPLICIT, undefined: bool = False, sop_class: str = CT) -> bytes:
    """Return a file with these elements, in order of their tags, and a SOP class and instance."""
    own: list[Element] = [(0x00080016, "UI", sop_class), (0x00080018, "UI", INSTANCE)]
    listed = sorted([*own, *elements], key=lambda one: one[0])
    return file(Writer(syntax, undefined=undefined).elements(listed), syntax)


def describe(data: bytes) -> Facts:
    """Return the facts of a file."""
    return DicomAdapter().describe(io.BytesIO(data), len(data))


def patient(value: str | bytes, issuer: str = "") -> list[Element]:
    """Return a Patient ID."""
    return [(0x00100020, "LO", value), *([(0x00100021, "LO", issuer)] if issuer else [])]


def image(rows: int = 4, columns: int = 6, bits: int = 16, samples: int = 1, **more: Any) -> list[Element]:
    """Return the description of pixels, and pixels that agree with it unless `pixels` gives others."""
    frames = more.pop("frames", "1")
    content = more.pop("pixels", None)
    planar = more.pop("planar", None)
    found: list[Element] = [
        (0x00280002, "US", samples),
        (0x00280008, "IS", frames),
        (0x00280010, "US", rows),
        (0x00280011, "US", columns),
        (0x00280100, "US", bits),
    ]
    if planar is not None:
        found.append((0x00280006, "US", planar))
    size = rows * columns * samples * bits // 8 * int(frames or 1)
    return [*found, (0x7FE00010, "OB" if bits == 8 else "OW", bytes(size) if content is None else content)]

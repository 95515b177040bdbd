"""The first sixteen bytes of every file: its kind, format version, suite and features, with a check of their own.

The check lets a reader tell a file of a newer version, which it must not call damaged, from a damaged one: it stands at
the same place and is computed in the same way in every version. It proves nothing; the digest of the file does.
"""

from __future__ import annotations

from zlib import crc32

from vaultfs_format.errors import (
    BadMagic,
    DigestMismatch,
    Structure,
    Truncated,
    UnsupportedFeature,
    UnsupportedVersion,
)
from vaultfs_format.layout import Buffer, Field, Layout
from vaultfs_format.suite import Suite, suite_of

VERSION = 0
"""The format version: 0 is the draft."""

PREFIX = Layout(
    Structure.PREFIX,
    "file prefix",
    Field("magic", "8s", "89 56 46 53 0D 0A 1A and the letter of the kind of file"),
    Field("version", "B", "format version: 0, the draft"),
    Field("suite", "B", "cryptographic suite"),
    Field("features", "H", "mandatory features; 0: none are defined"),
    Field("check", "I", "CRC-32 of the 12 bytes before"),
)
PREFIX_FIELD = Field("prefix", f"{PREFIX.size}s", "file prefix")
_CHECKED = PREFIX.size - 4


def file_magic(kind: str) -> bytes:
    """Return the eight bytes that begin a file of the one-letter `kind`.

    As in PNG, a byte with the high bit, a line end of both kinds and a Control-Z show transfers that alter bytes.
    """
    return b"\x89VFS\r\n\x1a" + kind.encode("ascii")


def prefix(magic: bytes, suite: Suite) -> bytes:
    """Return the prefix of a file."""
    start = PREFIX.pack(magic, VERSION, suite.id, 0, 0)[:_CHECKED]
    return start + crc32(start).to_bytes(4, "little")


def check_prefix(structure: Structure, expected: bytes, data: Buffer) -> Suite:
    """Return the suite of a file that begins with `data`, once its kind is `expected` and all of it is known here.

    Raises
    ------
    Truncated, BadMagic, DigestMismatch
        The bytes are not what a writer of any version has written.
    UnsupportedVersion, UnsupportedSuite, UnsupportedFeature
        They are, and this program does not know what they ask for.
    """
    if len(data) < PREFIX.size:
        raise Truncated(structure=structure, expected=PREFIX.size, got=len(data))
    magic, version, suite, features, check = PREFIX.struct.unpack_from(data)
    if magic != expected:
        raise BadMagic(structure=structure)
    if crc32(data[:_CHECKED]) != check:
        raise DigestMismatch(structure=structure)
    if version != VERSION:
        raise UnsupportedVersion(structure=structure, version=version)
    found = suite_of(suite, structure)
    if features != 0:
        raise UnsupportedFeature(structure=structure, features=features)
    return found

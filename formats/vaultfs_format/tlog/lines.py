"""Strict text: what all formats of this room share. A number, a hash and a blob have one spelling each."""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable, Sequence

from vaultfs_format.errors import FieldInvalid, LimitExceeded, Structure, Truncated
from vaultfs_format.layout import Buffer
from vaultfs_format.limits import MAX_NUMBER, MAX_TREE_PROOF
from vaultfs_format.sealing import DIGEST

_CONTROL = re.compile("[\0-\x09\x0b-\x1f]")
_DIGITS = len(str(MAX_NUMBER))


def bounded(data: Buffer, most: int, structure: Structure) -> None:
    """Refuse what is too large, before it is looked at.

    Raises
    ------
    LimitExceeded
    """
    if len(data) > most:
        raise LimitExceeded(structure=structure, expected=most, got=len(data))


def text_of(data: Buffer, structure: Structure, rule: int) -> str:
    """Return UTF-8 text that has no control characters below U+0020 but newlines."""
    try:
        text = str(data, "utf-8")
    except UnicodeDecodeError:
        text = "\0"  # the error behind would hold the data
    if is_controlled(text):
        raise FieldInvalid(structure=structure, rule=rule)
    return text


def is_controlled(text: str) -> bool:
    """Return whether text has control characters below U+0020 other than newlines."""
    return _CONTROL.search(text) is not None


def number_of(text: str, structure: Structure, rule: int) -> int:
    """Return the number that is written in decimal digits, without zeros before them."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise FieldInvalid(structure=structure, rule=rule)
    number = int(text)
    if str(number) != text or number > MAX_NUMBER:
        raise FieldInvalid(structure=structure, rule=rule)
    return number


def base64_text(data: bytes) -> str:
    """Return bytes in Base64 (RFC 4648 section 4)."""
    return b64encode(data).decode("ascii")


def bytes_of(text: str, structure: Structure, rule: int) -> bytes:
    """Return the bytes that are written in Base64: padded, and with no bit set that stands for nothing."""
    try:
        data = a2b_base64(text, strict_mode=True)
    except ValueError:
        data = b""
    if not data or base64_text(data) != text:
        raise FieldInvalid(structure=structure, rule=rule)
    return data


def hash_of(text: str, structure: Structure, rule: int) -> bytes:
    """Return the 32 bytes that are written in Base64."""
    data = bytes_of(text, structure, rule)
    if len(data) != DIGEST:
        raise FieldInvalid(structure=structure, rule=rule)
    return data


def hashes_of(lines: Sequence[str], structure: Structure, rule: int) -> tuple[bytes, ...]:
    """Return the hashes of a proof, each on a line of its own.

    Raises
    ------
    FieldInvalid, LimitExceeded
    """
    bounded_count(len(lines), MAX_TREE_PROOF, structure)
    return tuple(hash_of(line, structure, rule) for line in lines)


def bounded_count(count: int, most: int, structure: Structure) -> None:
    """Refuse too many of something.

    Raises
    ------
    LimitExceeded
    """
    if count > most:
        raise LimitExceeded(structure=structure, expected=most, got=count)


def hash_lines(hashes: Iterable[bytes]) -> str:
    """Return the hashes of a proof, each on a line of its own."""
    return "".join(f"{base64_text(one)}\n" for one in hashes)


def parted(data: Buffer, structure: Structure) -> tuple[bytes, bytes]:
    """Return what stands before the first empty line, with its newline, and what stands behind it.

    Raises
    ------
    Truncated
        There is no empty line.
    """
    before, empty, behind = bytes(data).partition(b"\n\n")
    if not empty:
        raise Truncated(structure=structure)
    return before + b"\n", behind

"""What is read back of messages, to compare it with the log: places and hashes of leaves, and checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from vaultfs_format.layout import Buffer
from vaultfs_format.limits import MAX_NUMBER, MIB
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.note import Note

from vaultfs.audit.exporting.errors import LineInvalid
from vaultfs.errors import FormatError

T = TypeVar("T")

MAX_LINE = 4 * MIB
"""Largest line that is read: a note in escapes, or the longest names and roles."""

_NUMBER = re.compile("0|[1-9][0-9]{0,18}")
_LEAF = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, repr=False)
class ShownLeaf:
    """What a message shows of the tree: the hash of the leaf of an event, and its place."""

    origin: str
    index: int
    leaf: bytes

    def __repr__(self) -> str:
        return f"<ShownLeaf {self.index}>"


@dataclass(frozen=True, slots=True, repr=False)
class ShownCheckpoint:
    """A checkpoint that a message shows. Nothing here says who has signed it: that is `open_checkpoint`'s to say."""

    origin: str
    size: int
    note: Note

    def __repr__(self) -> str:
        return f"<ShownCheckpoint {self.size}>"


Shown = ShownLeaf | ShownCheckpoint
"""What a message shows of a log."""


def shown_in_json(line: Buffer, decoder: msgspec.json.Decoder[T], read: Callable[[T], Shown | None]) -> Shown:
    """Return what a line of JSON shows, as `read` finds it in what the decoder makes of it.

    Raises
    ------
    LineInvalid
        It is longer than `MAX_LINE`, not what the decoder knows, or `read` finds nothing in it.
    """
    size = memoryview(line).nbytes
    found = None
    if size <= MAX_LINE:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = read(decoder.decode(line))
    if found is None:
        raise LineInvalid(size=size)  # here, where no error that holds data is its context
    return found


def leaf_in(origin: str, index: str, leaf: str) -> ShownLeaf | None:
    """Return the leaf that three texts state; None where one of them is not as it is written."""
    number = number_in(index)
    if number is None or not _LEAF.fullmatch(leaf):
        return None
    return ShownLeaf(origin, number, bytes.fromhex(leaf))


def checkpoint_in(origin: str, size: int | None, note: bytes) -> ShownCheckpoint | None:
    """Return the checkpoint of a note; None where it is none, or not one of this log at this size."""
    with suppress(FormatError):
        signed = Note.decode(note)
        head = Checkpoint.decode(signed.text)
        if (head.origin, head.size) == (origin, size):
            return ShownCheckpoint(head.origin, head.size, signed)
    return None


def number_in(text: str) -> int | None:
    """Return the number that a text is in decimal digits; None where it is none, or one that no tree has."""
    found = int(text) if _NUMBER.fullmatch(text) else -1
    return found if 0 <= found <= MAX_NUMBER else None

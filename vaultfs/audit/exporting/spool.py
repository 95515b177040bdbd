"""Messages in files, a line each: what a SIEM picks up, or a spool that a process without a key drains.

Files are numbered; the newest is written to until it is large enough. A line counts once it is synced. What a crash has
left of a last line is cut off when the directory is written to again. A directory has an id, which it is given anew
when it is begun with its first file: who drains it knows by that whether it is the one that was drained.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from vaultfs_format.limits import KIB, MAX_NUMBER, MIB

from vaultfs.audit.exporting.cursors import LOCK, alone, check_name
from vaultfs.audit.exporting.errors import CursorDamaged, SpoolMissing
from vaultfs.audit.exporting.sinks import Sink
from vaultfs.errors import ArgumentInvalid, VaultMissing
from vaultfs.vfs import File, Vfs, absolute

FORMAT = "vaultfs-spool-cursor@v1"
SUFFIX = ".drained"
MAX_FILE = 64 * MIB
"""Size at which another file is begun."""

ID = "spool.id"
"""The file with the id of a directory."""

_WINDOW = 8 * MIB
"""Bytes of a file that are looked at together: more than the longest line."""

_FILE = re.compile(r"([0-9]{10})\.log")
_MAX_CURSOR = 4 * KIB
_ID_SIZE = 16


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:010}.log"


def _numbers(vfs: Vfs, directory: Path) -> list[int]:
    return [int(found[1]) for name in vfs.names(directory) if (found := _FILE.fullmatch(name))]


class FileSink:
    """A directory of files of lines, readable by their owner alone.

    Parameters
    ----------
    directory
        Made where it is missing.
    largest
        Bytes at which another file is begun; one batch may go beyond it.
    """

    def __init__(self, directory: Path | str, *, largest: int = MAX_FILE, vfs: Vfs | None = None) -> None:
        self._directory = absolute(directory)
        self._largest = largest
        self._vfs = vfs or Vfs()
        self._broken = False

    def send(self, messages: Sequence[bytes]) -> None:
        """Return once all messages are durable, each on a line.

        Raises
        ------
        ArgumentInvalid
            A message has a line break in it, or is longer than any reader takes.
        DeliveryBusy
            Somebody else writes to this directory.
        StorageFull, StorageFailed, StorageReadOnly
        """
        if any(b"\n" in message or len(message) >= _WINDOW for message in messages):
            raise ArgumentInvalid
        lines = b"".join(message + b"\n" for message in messages)
        with alone(self._vfs, self._directory / LOCK):
            file, end = self._taken_up()
            try:
                file.append([lines], end)
                file.sync()
                self._broken = False
            except BaseException:
                self._broken = True
                raise
            finally:
                file.close()

    def _taken_up(self) -> tuple[File, int]:
        """Return the file that is written to, and where its whole lines end."""
        numbers = _numbers(self._vfs, self._directory)
        if numbers:
            file = self._vfs.open(_path(self._directory, numbers[-1]), writable=True)
            try:
                end = _mended(file)
                if not end or (end < self._largest and not self._broken):
                    return file, end
            except BaseException:
                file.close()
                raise
            file.close()
        else:
            self._vfs.replace(self._directory / ID, os.urandom(_ID_SIZE).hex().encode())
        begun = self._vfs.create(_path(self._directory, numbers[-1] + 1 if numbers else 1))
        try:
            self._vfs.sync_directory(self._directory)
        except BaseException:
            begun.close()
            raise
        return begun, 0


def _mended(file: File) -> int:
    """Cut off what follows the last whole line; return where that ends."""
    size = end = file.size()
    while end:
        start = max(0, end - _WINDOW)
        found = file.read(start, end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        file.truncate(end)
    return end


# Draining. ---------------------------------------------------------------------------------------------------------


class _Drained(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to where a spool was drained: its id, the number of a file, and an offset in it."""

    format: Annotated[str, Meta(pattern=f"^{FORMAT}$")]
    spool: Annotated[str, Meta(max_length=2 * _ID_SIZE + 1)]
    file: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
    offset: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


_decode, _encode = msgspec.json.Decoder(_Drained).decode, msgspec.json.encode


def drain(
    spool: Path | str,
    name: str,
    sink: Sink,
    cursors: Path | str,
    *,
    batch: int = 1000,
    remove: bool = False,
    vfs: Vfs | None = None,
) -> int:
    """Send what is in a directory that a `FileSink` writes, from where this was left; return how many lines were sent.

    It needs no key and no vault, and runs beside who writes. Each line is sent at least once.

    Parameters
    ----------
    name
        Of this draining, among others of the same directory of cursors.
    batch
        Lines that are sent at once.
    remove
        Whether files go once they are drained and another one was begun. Only for a directory with one draining: what
        another has not sent goes, too, and it is told so.

    Raises
    ------
    CursorDamaged
        The cursor cannot be read, or is of another directory, or files that were to be sent are gone.
    SpoolMissing
    ReceiverFailed, DeliveryBusy, ArgumentInvalid
    StorageFull, StorageFailed, StorageReadOnly
    """
    check_name(name)
    if batch < 1:
        raise ArgumentInvalid
    files, place, kept = vfs or Vfs(), absolute(spool), absolute(cursors)
    path, sent = kept / f"{name}{SUFFIX}", 0
    with alone(files, kept / f"{name}{SUFFIX}{LOCK}"):
        numbers, cursor = _numbers(files, place), _drained(files, path)
        if not numbers and not place.is_dir():
            raise SpoolMissing
        identity = _identity(files, place)
        if cursor is not None:
            _check_there(cursor, identity, numbers)
        last, offset = (0, 0) if cursor is None else (cursor.file, cursor.offset)
        for at, number in enumerate(numbers):
            if number >= last:
                for lines, end in _batches(files, _path(place, number), offset if number == last else 0, batch):
                    sink.send(lines)
                    files.replace(path, _encode(_Drained(FORMAT, identity, number, end)))
                    sent += len(lines)
            if remove and number < numbers[-1]:
                if number >= last:  # the cursor goes on before what it names goes
                    files.replace(path, _encode(_Drained(FORMAT, identity, numbers[at + 1], 0)))
                files.unlink(_path(place, number))
    return sent


def _drained(vfs: Vfs, path: Path) -> _Drained | None:
    try:
        data = vfs.read(path, _MAX_CURSOR)
    except VaultMissing:
        return None
    try:
        found = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = None
    if found is None:
        raise CursorDamaged
    return found


def _identity(vfs: Vfs, directory: Path) -> str:
    """Return the id of a directory; nothing where it has none."""
    try:
        return vfs.read(directory / ID, 2 * _ID_SIZE).decode("latin-1")
    except VaultMissing:
        return ""


def _check_there(cursor: _Drained, identity: str, numbers: Sequence[int]) -> None:
    """Check that all files from a cursor on are there, in the directory that was drained."""
    left = [number for number in numbers if number >= cursor.file]
    if cursor.spool != identity or left != list(range(cursor.file, cursor.file + len(left))) or not left:
        raise CursorDamaged


def _batches(vfs: Vfs, path: Path, offset: int, batch: int) -> Iterator[tuple[list[bytes], int]]:
    """Yield whole lines of a file, and where they end. They are made durable first: none is ever written anew."""
    file = vfs.open(path)
    try:
        if offset > file.size():
            raise CursorDamaged
        while lines := file.read(offset, _WINDOW).split(b"\n")[:-1]:
            file.sync()
            for at in range(0, len(lines), batch):
                taken = lines[at : at + batch]
                offset += sum(map(len, taken)) + len(taken)
                yield taken, offset
    finally:
        file.close()

"""A share between the host of a vault and that of a witness: requests in one directory, answers in another.

The host of the vault writes into the outbox alone, and may only read the inbox: what lies in the outbox is anybody's.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

from vaultfs_format.errors import FormatError
from vaultfs_format.limits import KIB, MAX_NOTE
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.refusals import RequestMalformed

from vaultfs_tools.keyless.durable import replacing, write_all
from vaultfs_tools.witnessing.keeper import Keeper

MAX_REQUEST = MAX_NOTE + 8 * KIB
MAX_REQUESTS = 1000
"""Most requests that one pass answers."""

_REQUEST = re.compile(r"[0-9a-f]{64}\.request")
_RESPONSE = ".response"
_CHECKPOINT = ".checkpoint"
_READABLE = 0o644


def answer(keeper: Keeper, request: Path, response: Path) -> bytes:
    """Answer one request; return what was written.

    Raises
    ------
    WitnessDamaged, AlgorithmMissing
    """
    return _answer(keeper, read_bounded(request, MAX_REQUEST), response)


def _answer(keeper: Keeper, data: bytes | None, response: Path) -> bytes:
    answered = RequestMalformed().answer() if data is None else keeper.answer(data)
    publish(response, answered)
    return answered


def answer_all(keeper: Keeper, outbox: Path, inbox: Path) -> Iterator[bytes]:
    """Answer the requests in a directory that have no answer yet, once; yield the answers.

    Answers to requests that are gone are removed, and the last checkpoint of each log is put beside them: an inbox is
    of one outbox alone. What cannot be read is passed over.

    Raises
    ------
    WitnessDamaged, AlgorithmMissing
    """
    names = sorted(filter(_REQUEST.fullmatch, os.listdir(outbox)))
    stems = {name.partition(".")[0] for name in names}
    for path in inbox.glob(f"*{_RESPONSE}"):
        if path.stem not in stems:
            path.unlink(missing_ok=True)
    yield from islice(_answers(keeper, outbox, inbox, names), MAX_REQUESTS)
    for log in keeper.logs():
        _show(keeper, log.origin, inbox)


def _answers(keeper: Keeper, outbox: Path, inbox: Path, names: Iterable[str]) -> Iterator[bytes]:
    for name in names:
        response = (inbox / name).with_suffix(_RESPONSE)
        if not response.exists():
            try:
                data = read_bounded(outbox / name, MAX_REQUEST)
            except OSError:  # withdrawn meanwhile, or never there: who waits for the others waits on
                continue
            yield _answer(keeper, data, response)


def _show(keeper: Keeper, origin: str, inbox: Path) -> None:
    """Put the last checkpoint of a log into the inbox, unless it is there."""
    path = inbox / (sha256(origin.encode()).hexdigest() + _CHECKPOINT)
    if keeper.log(origin).head != _shown(path):
        note = keeper.checkpoint(origin)
        if note is not None:
            publish(path, note.encode())


def _shown(path: Path) -> Checkpoint | None:
    try:
        data = read_bounded(path, MAX_NOTE)
        return Checkpoint.decode(Note.decode(data).text) if data is not None else None
    except (FileNotFoundError, FormatError):
        return None


def read_bounded(path: Path, most: int) -> bytes | None:
    """Return what is in a regular file that somebody else may have made; None where it is none, or larger."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > most:
            return None
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)


def publish(path: Path, data: bytes) -> None:
    """Write a file that everybody may read, durably."""
    with replacing(path) as descriptor:
        write_all(descriptor, data, 0)
        os.fchmod(descriptor, _READABLE)

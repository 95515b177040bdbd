"""What a receiver has kept, line by line: messages that tell of leaves and checkpoints, among lines of anybody.

Messages of syslog, lines of JSON, and FHIR AuditEvents are read: a repository gives these out in lines, as NDJSON (Bulk
Data Access).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

from vaultfs.audit.exporting import auditevent, jsonlines, syslog
from vaultfs.audit.exporting.shown import MAX_LINE, Shown
from vaultfs.errors import VaultError

DECODERS: Mapping[bytes, Sequence[Callable[[bytes], Shown]]] = {
    b"<": (syslog.decode,),
    b"{": (jsonlines.decode, auditevent.decode),
}
"""What may parse a line, by its first byte."""


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file without their newlines; of one that is too long, its beginning."""
    while line := file.readline(MAX_LINE + 1):
        while len(line) > MAX_LINE and not line.endswith(b"\n") and (more := file.readline(MAX_LINE)):
            if more.endswith(b"\n"):
                break
        yield line.removesuffix(b"\n")


def shown_in(lines: Iterable[bytes]) -> Iterator[Shown | None]:
    """Yield what lines show of the log; None for each that shows nothing of it, or cannot be read."""
    for line in lines:
        yield _shown(line) if len(line) <= MAX_LINE else None


def _shown(line: bytes) -> Shown | None:
    for decode in DECODERS.get(line[:1], ()):
        with suppress(VaultError):
            return decode(line)
    return None

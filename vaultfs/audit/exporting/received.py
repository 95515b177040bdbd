"""What a receiver has kept, line by line: messages that tell of leaves and checkpoints, among lines of anybody.

Messages of syslog and lines of JSON are read. FHIR AuditEvents are not: a repository does not keep lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO

from vaultfs.audit.exporting import jsonlines, syslog
from vaultfs.audit.exporting.jsonlines import MAX_LINE
from vaultfs.audit.exporting.logged import Shown
from vaultfs.errors import VaultError

DECODERS: Mapping[bytes, Callable[[bytes], Shown]] = {b"<": syslog.decode, b"{": jsonlines.decode}
"""What parses a line, by its first byte."""


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
        found = None
        decode = DECODERS.get(line[:1])
        if decode is not None and len(line) <= MAX_LINE:
            with suppress(VaultError):
                found = decode(line)
        yield found

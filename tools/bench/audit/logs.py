"""Audit logs, each told of the same accesses, and durable when it has answered.

What they do differs. A vault seals each event, commits to it in a Merkle tree and keeps it in parity-protected files.
bh-audit-logger writes JSON without a chain or a signature as it is set up by default; auditchain chains and seals with
an HMAC; aics-tlog writes the tiles of a Merkle tree, in clear. The first two do not sync their files: that is done here
after each call, as else nothing would be durable.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from vaultfs_format.events.base import Outcome
from vaultfs_format.events.records import RecordRead

import vaultfs
from bench.figures import QUICK
from bench.peers.peer import Missing


class Access(NamedTuple):
    """That a record of a patient was read, as ids of 16 bytes."""

    session: bytes
    subject: bytes
    record: bytes


class Log(ABC):
    """A log in a directory of its own that does not exist yet. Safe to call from any thread.

    Making it is not measured. It raises `Missing` where it cannot be run.
    """

    name: str

    def __init__(self, place: Path) -> None:
        self.place = place

    @abstractmethod
    def version(self) -> str:
        """Return the version that is measured."""

    @abstractmethod
    def record(self, accesses: Sequence[Access]) -> None:
        """Write events; they are durable when this returns."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""


class Own(Log):
    """A vault."""

    name = "VaultFS"

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.vault = vaultfs.create(place, recipients=[QUICK], policy=vaultfs.PermitAll())

    def version(self) -> str:
        return version("vaultfs")

    def record(self, accesses: Sequence[Access]) -> None:
        clock = self.vault.engine.options.clock
        events = [RecordRead(clock(), *one[:2], 1, one.record, 1, Outcome.DONE) for one in accesses]
        self.vault.record(events, durable=True)

    def close(self) -> None:
        self.vault.close()


class _Synced:
    """A file that something else appends to, made durable."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class BhAuditLogger(Log):
    """bh-audit-logger: a file of JSON lines, by its own sink, which is safe for threads."""

    name = "bh-audit-logger"

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        library = _module("bh_audit_logger", self.name)
        place.mkdir()
        path = place / "events.jsonl"
        self._sink = import_module("bh_audit_logger.sinks.jsonl").JsonlFileSink(path)
        config = library.AuditLoggerConfig(service_name="bench", emit_failure_mode="raise")
        self._logger = library.AuditLogger(config=config, sink=self._sink)
        self._file = _Synced(path)

    def version(self) -> str:
        return version(self.name)

    def record(self, accesses: Sequence[Access]) -> None:
        for session, subject, record in accesses:
            self._logger.audit(
                "READ",
                actor={"subject_id": session.hex(), "subject_type": "service"},
                resource={"type": "Observation", "id": record.hex(), "patient_id": subject.hex()},
                outcome={"status": "SUCCESS"},
            )
        self._file.sync()

    def close(self) -> None:
        self._sink.close()
        self._file.close()


class Auditchain(Log):
    """auditchain: a file of JSON lines, chained by hashes and sealed with an HMAC; one writer at a time."""

    name = "auditchain"

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        library = _module("auditchain", self.name)
        backend = import_module("auditchain.backends.jsonl").JsonlBackend(place / "events.jsonl")
        self._log = library.AuditLog(backend, seal_key=os.urandom(32))
        self._loop = asyncio.new_event_loop()
        self._turn = threading.Lock()
        self._loop.run_until_complete(self._log.init())
        self._file = _Synced(place / "events.jsonl")

    def version(self) -> str:
        return version(self.name)

    def record(self, accesses: Sequence[Access]) -> None:
        entries = [(one.session.hex(), "read", one.record.hex(), {"patient": one.subject.hex()}) for one in accesses]
        with self._turn:
            self._loop.run_until_complete(self._log.append_many(entries))
            self._file.sync()

    def close(self) -> None:
        self._loop.run_until_complete(self._log.close())
        self._loop.close()
        self._file.close()


class AicsTlog(Log):
    """aics-tlog: tiles and bundles, which it syncs; one writer at a time."""

    name = "aics-tlog"

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        library = _module("aics_tlog", self.name)
        place.mkdir()
        self._writer = library.IncrementalTileWriter(library.DirectoryTileStore(place))
        self._turn = threading.Lock()

    def version(self) -> str:
        return version(self.name)

    def record(self, accesses: Sequence[Access]) -> None:
        entries = [msgspec.json.encode([part.hex() for part in one]) for one in accesses]
        with self._turn:
            self._writer.append(entries)

    def close(self) -> None:
        pass


LOGS: tuple[type[Log], ...] = (Own, BhAuditLogger, Auditchain, AicsTlog)
"""VaultFS comes first: the others' speeds are told as ratios to its."""


def _module(name: str, package: str) -> Any:
    """Return a module of a package."""
    try:
        return import_module(name)
    except ImportError:
        raise Missing(f"package {package}") from None

"""Vaults that have lived for years, for tests of the retention of the log."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_tools.keyless import Severity, VaultFiles
from vaultfs_tools.keyless import check as check_without_keys

import vaultfs
from tests.vaultfs.support import create, get, lost, put, reopen, session
from vaultfs.audit.log import read_leaves
from vaultfs.audit.verifying import verify
from vaultfs.engine.engine import Options
from vaultfs.engine.log.pruning import Pruned
from vaultfs.engine.reading.compare import index_differences
from vaultfs.engine.settling import compaction
from vaultfs.testing.vfs import FaultyVfs

PATIENTS = [vaultfs.Identifier("urn:example:mrn", f"patient {number}") for number in range(5)]
YEAR = 365 * 86_400 * 10**6
BEGUN = 1_400_000_000_000_000
YEARS = 8
"""What the vault of the fixture `site` has lived."""


class Time:
    """A clock that is put on by hand."""

    def __init__(self, years: int) -> None:
        self.now = BEGUN + years * YEAR

    def __call__(self) -> int:
        return self.now

    def years_ago(self, years: float) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.now - int(years * YEAR))


class Site:
    """A vault that has lived for some years, each of them settled at its end."""

    def __init__(self, path: Path, years: int = 0) -> None:
        """Open the vault at a path, which has lived for so many years, or create it."""
        self.time = Time(years)
        self.vfs = FaultyVfs(durable=False)
        make = reopen if path.exists() else create
        self.vault = make(path, options=Options(clock=self.time), vfs=self.vfs)

    def year(self, seed: int, puts: int = 3) -> None:
        chance = random.Random(seed)
        for _ in range(puts):
            record = put(self.vault, b"%d" % seed, subject=chance.choice(PATIENTS))
            if chance.random() < 0.3:
                get(self.vault, record)
        self.vault.settle()
        self.time.now += YEAR

    def prune(self, years: float = 6.5, **more: Any) -> Pruned:
        return self.vault.maintenance.prune_log(self.time.years_ago(years), **more)

    def reopened(self) -> None:
        self.vault.close()
        self.vault = reopen(self.vault.path, options=self.vault.engine.options, vfs=self.vfs)

    def check(self) -> None:
        """Check the log with keys and without them, and the index against the files."""
        verify(self.vault)
        assert index_differences(self.vault.engine, self.vault.path / "index") == {}
        check_files(self.vault.path)


def check_files(path: Path, *codes: int) -> None:
    found = check_without_keys(VaultFiles(path)).findings
    assert sorted({one.error.code for one in found if one.severity is not Severity.RECOVERY}) == sorted(codes)


def ruin(path: Path) -> None:
    """Damage a segment beyond repair."""
    footer = SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])
    lost(path, *range(footer.geometry.slices))


def audit_rows(vault: vaultfs.Vault) -> list[SegmentRow]:
    return [row for row in vault.engine.head.segments if row.frame_class is FrameClass.AUDIT]


@contextmanager
def kept_apart(fan: int = 1000) -> Iterator[None]:
    """Keep segments from being merged, but for so many."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compaction, "FAN", fan)
        yield


def vaultfs_events(vault: vaultfs.Vault) -> list[tuple[int, vaultfs.Event]]:
    return [(leaf.index, leaf.event) for leaf in read_leaves(vault) if leaf.event is not None]


def surrogate(vault: vaultfs.Vault, patient: vaultfs.Identifier) -> vaultfs.SubjectId:
    with session(vault) as s:
        return s.subjects(patient)[0]

"""Healing: writing a good copy over a bad one. Old or new content is there at any time, never a mixture."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from vaultfs_format.errors import VaultError
from vaultfs_format.suite import DEFAULT

from vaultfs_tools.keyless.files import VaultFiles
from vaultfs_tools.keyless.findings import Finding, Remedy, Report, Severity


def heal(files: VaultFiles, report: Report) -> None:
    """Write every bad copy anew for which the report knows a good one; what cannot be written stays an error.

    The caller keeps writers away from the vault.
    """
    for number, finding in enumerate(report.findings):
        if finding.severity is Severity.ERROR and finding.remedy is not None:
            report.findings[number] = _healed(files, finding, finding.remedy)


def _healed(files: VaultFiles, finding: Finding, remedy: Remedy) -> Finding:
    try:
        data = files.read(remedy.source)
    except VaultError:
        return finding
    if DEFAULT.digest(data) != remedy.digest:
        return finding
    try:
        write(files.root / remedy.target, data)
    except OSError:
        return finding
    return replace(finding, severity=Severity.CORRECTED)


def write(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, durably: written under another name, synced, renamed, its directory synced."""
    _make_directory(path.parent)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _make_directory(path: Path) -> None:
    if not path.is_dir():
        _make_directory(path.parent)
        path.mkdir(mode=0o700)
        _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

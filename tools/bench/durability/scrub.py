"""Scrubbing: every byte of an archive against its checksums, by the programs that its users run for that.

`vaultfs-fsck` needs no key; `restic check --read-data` decrypts and hashes everything; `borg check` compares CRC-32 and
opens the lists of files; par2 compares MD5 of blocks and files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vaultfs_tools.keyless import VaultFiles, check

from bench.durability.material import batches
from bench.durability.recovery import Par2
from bench.figures import Figure, LeftOut, Outcome, Setting, Spent, scratch
from bench.peers.files import write_files
from bench.peers.peer import Missing
from bench.peers.programs import Borg, Program, Restic
from bench.peers.vault import Vault

Checking = Callable[[], object]

_BLOCKS, _RECOVERY = 2_000, 250
"""Blocks of par2 (its default), and an eighth of them, as much as a large segment has parity."""

_TEN_TERABYTES = 10e12


def cached(setting: Setting) -> list[Outcome]:
    """Return how fast data that the system holds in memory is checked."""
    return compared(setting.megabytes * 1_000_000, "from the page cache", cold=False)


def disk(setting: Setting) -> list[Outcome]:
    """Return how fast data that the system does not hold in memory is checked."""
    if not setting.disk:
        return [LeftOut("check, from the disk", "asked for with --disk GB")]
    return compared(setting.disk * 1_000_000_000, "from the disk", cold=True)


def compared(size: int, label: str, *, cold: bool) -> list[Outcome]:
    """Return how fast every archive of `size` bytes that is installed is checked, each made and removed in turn.

    Parameters
    ----------
    cold
        Whether the system is made to forget the files before.
    """
    found: list[Outcome] = []
    own: Spent | None = None
    for name, made in _ARCHIVES.items():
        with scratch() as place:
            try:
                checking = made(place, size)
            except Missing as missing:
                found.append(LeftOut(f"{name}: check, {label}", f"{missing} is not installed"))
                continue
            if cold:
                _forget(place)
            spent = Spent.by_programs(checking)
            if own is None and not cold:
                found.append(_in_process(place, label))
        found += spent.speeds(f"{name}: check, source, {label}", size)
        if own is None:
            own = spent
            hours = spent.wall * _TEN_TERABYTES / size / 3600
            found.append(Figure(f"{name}: check of 10 TB at that rate, {label}", hours, "h", "≤ 24 (required)"))
        else:
            found.append(Figure(f"{name}: check, {label}", spent.wall / own.wall, "times VaultFS's"))
            found.append(
                Figure(f"{name}: check, {label}", spent.processor / own.processor, "times VaultFS's processor time")
            )
    return found


def _in_process(place: Path, label: str) -> Outcome:
    """Return what one core checks a second: all bytes of the files, the start of a program apart."""
    vault = place / "archive" / "vault"
    spent = Spent.on(lambda: check(VaultFiles(vault)))
    return Figure(f"VaultFS: check, {label}", VaultFiles(vault).total() / 1e9 / spent.processor, "GB/s a core", "≥ 1.5")


def _vault(place: Path, size: int) -> Checking:
    (place / "archive").mkdir()
    vault = Vault(place / "archive", batches(size))
    try:
        vault.store()
    finally:
        vault.close()
    command = [Path(sys.executable).with_name("vaultfs-fsck"), "--check-only", place / "archive" / "vault"]
    return partial(subprocess.run, command, check=True, capture_output=True)


def _program(kind: type[Program], place: Path, size: int) -> Checking:
    program = kind(place / "archive", batches(size))
    program.store()
    shutil.rmtree(program.source)
    return program.check


def _par2(place: Path, size: int) -> Checking:
    write_files(place, batches(size), durable=False)
    recovery = Par2(place, [str(path.relative_to(place)) for path in sorted(place.rglob("*.json"))])
    recovery.create(f"-b{_BLOCKS}", f"-c{_RECOVERY}")
    return recovery.verify


_ARCHIVES: dict[str, Callable[[Path, int], Checking]] = {
    "VaultFS": _vault,
    "restic": partial(_program, Restic),
    "borg": partial(_program, Borg),
    "par2": _par2,
}
"""Each makes an archive of so many bytes in a place and returns what checks it. VaultFS comes first."""


def _forget(place: Path) -> None:
    """Let the system forget the content of all files below `place`: the next to read them waits for the disk."""
    for where, _, names in os.walk(place):
        for name in names:
            handle = os.open(os.path.join(where, name), os.O_RDONLY)
            try:
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)

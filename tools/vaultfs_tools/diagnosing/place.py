"""The place of a vault: its suite, whether this machine can open it, and where it lies beside its epoch store."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from vaultfs_format.errors import VaultError
from vaultfs_format.stanza import StanzaType
from vaultfs_format.superblock import Superblock

from vaultfs_tools.copying.small import head_in, superblock_of
from vaultfs_tools.diagnosing.answers import Answers
from vaultfs_tools.diagnosing.facts import Fact, State
from vaultfs_tools.keyless.files import HEAD, VaultFiles

_NETWORK = frozenset({"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "nfs", "nfs4", "smb3"})
"""File systems on which an index must not lie: LMDB needs shared memory of one machine."""

_EXTRA_OF = {StanzaType.TOKEN: "hsm", StanzaType.ESCROW: "escrow"}
_AHEAD = 300.0
"""Seconds that a file may be newer than the clock says."""


def facts(vault: Path, store: Path, answers: dict[int, Answers]) -> Iterator[Fact]:
    """Yield what can be known without a key.

    Parameters
    ----------
    store
        Its epoch store.
    answers
        What the self-tests of the suites gave, by number of suite.
    """
    yield from _opens(vault, answers)
    kind = file_system(vault)
    network = kind in _NETWORK
    said = f"{kind}: keep the index elsewhere, on a disk of this machine" if network else kind
    yield Fact("file system", State.CONCERN if network else State.NOTE, said)
    yield from _permissions("vault permissions", vault, stat.S_IWGRP | stat.S_IWOTH, "others can write to it")
    if not store.is_dir():
        yield Fact("epoch store", State.CONCERN, "not there; --epoch-store names another")
        return
    yield from _permissions("store permissions", store, stat.S_IRWXG | stat.S_IRWXO, "others can come at it")
    one_device = vault.stat().st_dev == store.stat().st_dev
    said = "on the device of the vault: whoever gets one gets both" if one_device else "on another device"
    yield Fact("epoch store", State.CONCERN if one_device else State.GOOD, said)


def _opens(vault: Path, answers: dict[int, Answers]) -> Iterator[Fact]:
    files = VaultFiles(vault)
    try:
        head = head_in(files).head
        superblock = superblock_of([files], head)
    except VaultError as error:
        yield Fact("vault", State.WRONG, f"cannot be looked at: {error.message()}")
        return
    suite, found = head.suite, answers[head.suite.id]
    yield Fact("vault suite", State.NOTE, suite.name)
    lattice = any(signer.lattice_key for signer in superblock.signers())
    if not found.usable:
        yield Fact("vault", State.WRONG, f"cannot be opened here: suite {suite.name} cannot be used")
    elif lattice and not found.lattice:
        yield Fact("vault", State.WRONG, "cannot be opened here: its heads are signed by ML-DSA-44, which is missing")
    else:
        yield Fact("vault", State.GOOD, f"can be opened here, by one of: {', '.join(_ways(superblock))}")
    ahead = (vault / HEAD).stat().st_mtime - time.time() if (vault / HEAD).exists() else 0
    if ahead > _AHEAD:
        yield Fact("vault clock", State.WRONG, f"the head was written {ahead:.0f} s from now: a clock is wrong")


def _ways(superblock: Superblock) -> Iterator[str]:
    """Yield the types of the recipients, each once, with the extra that it takes."""
    for kind in sorted({stanza.kind for stanza in superblock.stanzas}):
        known = StanzaType(kind) if kind in set(StanzaType) else None
        name = known.name.lower().replace("_", " ") if known else f"type {kind}, which is not known"
        yield f"{name} (vaultfs[{_EXTRA_OF[known]}])" if known in _EXTRA_OF else name


def _permissions(name: str, path: Path, forbidden: int, danger: str) -> Iterator[Fact]:
    about = path.stat()
    mode = stat.S_IMODE(about.st_mode)
    mine = about.st_uid == os.getuid()
    shown = f"{mode:04o}, owned by {'this account' if mine else 'another account'}"
    if mode & forbidden:
        yield Fact(name, State.CONCERN, f"{shown}: {danger}")
    else:
        yield Fact(name, State.GOOD, shown)


def file_system(path: Path) -> str:
    """Return the type of the file system that a directory lies on, as the kernel calls it."""
    number = path.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    # Source: Linux, proc_pid_mountinfo(5): the third field is the device, the type follows a lone hyphen.
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return "not known"
    found = re.search(rf"^\S+ \S+ {device} .*? - (\S+)", mounts, re.MULTILINE)
    return found[1] if found else "not known"

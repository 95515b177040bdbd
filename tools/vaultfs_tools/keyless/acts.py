"""Saying what was done to a vault without keys: the next writer takes it into the audit log."""

from __future__ import annotations

import os
import time

from vaultfs_format.act import Act, ActKind
from vaultfs_format.suite import Suite

from vaultfs_tools.keyless.durable import write
from vaultfs_tools.keyless.files import ACTS, VaultFiles

NOTHING = bytes(16)


def microseconds() -> int:
    """Return the time now, in microseconds since 1970."""
    return time.time_ns() // 1000


def note(
    files: VaultFiles,
    suite: Suite,
    vault_id: bytes,
    kind: ActKind,
    about: bytes = NOTHING,
    count: int = 1,
    at: int | None = None,
) -> None:
    """Leave an act in a vault, durably.

    Parameters
    ----------
    about, count
        As in `vaultfs_format.act`.
    at
        When it was; by default now.

    Raises
    ------
    OSError
        Nothing was left.
    """
    act = Act(suite, kind, microseconds() if at is None else at, vault_id, os.urandom(16), about, count)
    write(files.root / ACTS / f"{act.act_id.hex()}.vact", act.encode())

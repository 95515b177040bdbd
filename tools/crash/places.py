"""Directories for vaults that live for a moment."""

from __future__ import annotations

import os
from pathlib import Path


def memory() -> Path | None:
    """Return a directory in memory where the system has one that can be written to."""
    found = Path("/dev/shm")  # noqa: S108 - directories of random names are made in it
    return found if found.is_dir() and os.access(found, os.W_OK) else None

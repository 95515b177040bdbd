"""What the numbers were measured on: said with every table, without the machine's name."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path


def description() -> str:
    """Return processor, memory, load by others, file system, and versions, in one line."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("cryptography", "blake3", "zstandard", "lmdb"))
    python = ".".join(map(str, sys.version_info[:3]))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB, "
        f"load average {os.getloadavg()[0]:.1f} at the beginning, {platform.system()} {platform.release()}, "
        f"{_filesystem(Path.cwd())}; Python {python}, {libraries}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _filesystem(path: Path) -> str:
    """Return the type of the file system that holds `path`."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown file system"
    held = [mount for mount in mounts if path.is_relative_to(mount[1])]
    return max(held, key=lambda mount: len(mount[1]))[2] if held else "unknown file system"

"""Closing an inherited LMDB environment without harm to the process that it was inherited from.

A forked child shares the map of `lock.mdb`, in which LMDB keeps a slot for every reader. Closing the environment there,
or letting it be collected, gives up the slots of the parent, whose pages are then used again under its reads; keeping
it open keeps LMDB from opening the same index in the child. So the child first gets a copy of that map for itself.
"""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_MAP_FIXED = 0x10
"""Linux, mmap(2): put the map at this address, in the place of what is there."""

_FAILED = ctypes.c_void_p(-1).value


def unshare_maps(name: str) -> bool:
    """Replace every shared map of a file called `name` by a private copy; return whether that was possible."""
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    # Source: Linux, proc_pid_maps(5): addresses, permissions, offset, device, inode, path and "(deleted)".
    shared = [line.split(maxsplit=5) for line in lines]
    return all(
        _copied(*(int(one, 16) for one in fields[0].split("-")))
        for fields in shared
        if len(fields) == 6 and fields[1].endswith("s") and fields[5].removesuffix(" (deleted)").endswith(f"/{name}")
    )


def _copied(start: int, end: int) -> bool:
    content = ctypes.string_at(start, end - start)
    call = ctypes.CDLL(None).mmap
    call.restype = ctypes.c_void_p
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
    placed = call(start, end - start, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    if placed in (None, _FAILED):
        return False
    ctypes.memmove(start, content, len(content))
    return True


def never_collect(value: object) -> None:
    """Keep an object from being collected, even at the end of the process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))

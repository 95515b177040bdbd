"""Keeping the memory of this process, with its keys, from core files and debuggers.

Not a part of the format. It stands here because what runs without an engine needs it, too.
"""

from __future__ import annotations

import sys

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
"""Linux, prctl(2): numbers of ``linux/prctl.h``."""


def undumpable() -> bool:
    """Keep this process from leaving core files, and other processes of its user from reading its memory.

    It holds until the process ends or executes another program. A library does not do it unasked: debuggers and
    profilers cannot attach any more, and for other accounts than root parts of ``/proc/self`` are closed. The
    superuser can read the memory all the same, and swap is not affected.

    Returns
    -------
    bool
        Whether the system says that it is so: False on others than Linux, where nothing is done.
    """
    if sys.platform != "linux":
        return False
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)  # a core that is piped to a program is made whatever the limit
    return is_undumpable()


def is_undumpable() -> bool:
    """Return whether `undumpable` holds for this process."""
    return sys.platform == "linux" and _prctl(_PR_GET_DUMPABLE) == 0


def _prctl(option: int, value: int = 0) -> int:
    import ctypes  # on demand: it takes longer to load than all else here

    call = ctypes.CDLL(None).prctl
    call.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    return int(call(option, value, 0, 0, 0))

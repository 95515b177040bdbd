"""How much memory a piece of code takes at most."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def peak_of(limit: int) -> Iterator[None]:
    """Fail where the code inside has more than `limit` new bytes in use at any time."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak <= limit, f"{peak} bytes"

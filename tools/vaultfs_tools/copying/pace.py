"""Counting bytes, and keeping to a rate."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Counts the bytes that are read; whoever is ahead of the rate sleeps.

    Parameters
    ----------
    rate
        Bytes a second that are not exceeded; None: as fast as it goes.
    advance
        Is told the bytes as well.
    """

    def __init__(
        self,
        rate: float | None = None,
        advance: Callable[[int], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._advance = advance
        self._sleep = sleep
        self._clock = clock
        self._began = clock()
        self._read = 0

    def __call__(self, count: int) -> None:
        """Take note of bytes that were read."""
        self._read += count
        self._advance(count)
        if self._rate is not None:
            ahead = self._read / self._rate - (self._clock() - self._began)
            if ahead > 0:
                self._sleep(ahead)

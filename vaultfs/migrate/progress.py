"""How far an import is, told now and then."""

from __future__ import annotations

from collections.abc import Callable

_STEP = 1024 * 1024


class Progress:
    """How much of all sources has been read.

    Parameters
    ----------
    total
        Bytes of all sources.
    tell
        Called with bytes done and in all, after each source and each MiB.
    """

    def __init__(self, total: int, tell: Callable[[int, int], None] | None) -> None:
        self._total = total
        self._tell = tell
        self._told = 0
        self._before = 0
        self._within = 0

    def advance(self, count: int) -> None:
        """Count bytes of the source that is being read."""
        self._within += count
        if self._within - self._told >= _STEP:
            self._told = self._within
            self._show()

    def done(self, size: int) -> None:
        """Count a source as a whole."""
        self._before += size
        self._within = self._told = 0
        self._show()

    def _show(self) -> None:
        if self._tell:
            self._tell(min(self._before + self._within, self._total), self._total)

"""Where messages go: anything that takes them, and returns when they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Sink(Protocol):
    """Takes messages. A host may bring its own."""

    def send(self, messages: Sequence[bytes]) -> None:
        """Return once the receiver has taken all of them, as far as that can be told.

        What was sent before an error counts as not taken, and is sent again: doubles are told by origin, index and
        leaf.

        Raises
        ------
        ReceiverFailed, StorageFailed, StorageFull, StorageReadOnly, or an error of the host
            Some or none may have been taken.
        """

"""Secrets in memory: in buffers that can be overwritten, which `bytes` cannot, and that no repr shows."""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import NoReturn

from vaultfs_format.layout import Buffer


class Secret(bytearray):
    """A key, or what leads to one: overwritten by `wipe`, or else when nothing refers to it any more.

    What it was made of, and slices of it, are copies, which it does not overwrite: `memoryview` makes none.
    """

    __slots__ = ()

    def wipe(self) -> None:
        """Overwrite it with zeros, and leave it empty: no key that anything would be sealed or signed with."""
        self[:] = bytes(len(self))
        with suppress(BufferError):  # somebody looks at it: then the zeros stay
            self.clear()

    def __del__(self) -> None:
        self.wipe()

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        return isinstance(other, Buffer) and hmac.compare_digest(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other  # else bytearray would compare, and not in constant time

    __hash__ = None

    def __repr__(self) -> str:
        return f"<Secret of {len(self)} bytes>"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not serialized")


def joined(*pieces: Buffer) -> Secret:
    """Return pieces one behind the other, of which no other copy is made."""
    whole = Secret(sum(map(len, pieces)))
    room = memoryview(whole)
    for piece in pieces:
        room[: len(piece)] = piece
        room = room[len(piece) :]
    return whole

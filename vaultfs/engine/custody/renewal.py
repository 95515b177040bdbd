"""What is kept of re-encryptions: how far one has come, and how keys follow from those before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vaultfs_format.frame import renewed_key
from vaultfs_format.layout import require
from vaultfs_format.suite import KEY, Suite

from vaultfs.errors import Structure

_GENERATION = 8
_EPOCH = 4


@dataclass(frozen=True, slots=True)
class Renewal:
    """A re-encryption, and those before of which keys may still lie in tables that were put away.

    Parameters
    ----------
    before
        Generation before which segments are due; 0 where everything is done.
    secrets
        Of each a random secret, the newest last, from which with the key of a frame the next one follows: so that the
        keys of what is disposed of are found in tables that were put away before.
    epoch
        The one that was in force when it was begun: once everything is done nothing is under the keys of those before.
        0 where that was not kept.
    """

    before: int = 0
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    epoch: int = 0

    def encode(self) -> bytes:
        """Return the value of the control state that keeps it."""
        before, epoch = self.before.to_bytes(_GENERATION, "little"), self.epoch.to_bytes(_EPOCH, "little")
        return b"".join([before, epoch, *self.secrets])

    @classmethod
    def decode(cls, value: bytes) -> Renewal:
        """Parse what `encode` returned, or the same without the epoch.

        Raises
        ------
        FieldInvalid
        """
        start = _GENERATION + (_EPOCH if len(value) % KEY == _GENERATION + _EPOCH else 0)
        secrets = value[start:]
        require(len(value) >= start and len(secrets) % KEY == 0, Structure.ENTRIES, 15)
        parted = tuple(secrets[at : at + KEY] for at in range(0, len(secrets), KEY))
        before, epoch = value[:_GENERATION], value[_GENERATION:start]
        return cls(int.from_bytes(before, "little"), parted, int.from_bytes(epoch, "little"))

    def may_be(self, suite: Suite, key: bytes) -> Iterator[bytes]:
        """Yield a key of a frame, and all that may have followed from it."""
        yield key
        for first in range(len(self.secrets)):
            found = key
            for secret in self.secrets[first:]:
                found = renewed_key(suite, secret, found)
                yield found

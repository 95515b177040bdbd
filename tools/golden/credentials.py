"""What opens a golden vault. It stands in the manifest: these keys are public, and never to be used for anything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
from typing import Any

from vaultfs_format.errors import DecryptionFailed, Structure
from vaultfs_format.suite import DEFAULT

from golden.site import PASSPHRASE, UNLOCK
from vaultfs.keys import Escrow, HostKey, Passphrase, PrivateKey, Recipient, Shares, Unlocker

SERVICE = "golden/1"
GROUPS = ((2, 3), (1, 1))
"""Of each group of shares how many are needed, and how many there are; both groups are."""


@dataclass(frozen=True, slots=True)
class Service:
    """A key service of the host: it wraps by AES-256-GCM, with what is bound authenticated."""

    key: bytes

    def wrap(self, secret: bytes, bound: bytes) -> bytes:
        """Return a wrapped secret: the one that this key ever wraps."""
        return DEFAULT.seal(self.key, secret, bound)

    def unwrap(self, blob: bytes, bound: bytes) -> bytes:
        """Return the secret again, or nothing that has its size."""
        try:
            return DEFAULT.open(self.key, blob, bound, Structure.STANZA)
        except DecryptionFailed:
            return b""


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that opens a vault, each by itself."""

    private: bytes | bytearray = b""
    escrow: Escrow | None = None
    service: bytes = b""

    def recipients(self) -> list[Recipient]:
        """Return whom the vault is sealed for."""
        if self.escrow is None:
            return [UNLOCK]
        key = PrivateKey(self.private).public_key
        return [UNLOCK, key, self.escrow, HostKey(SERVICE, Service(self.service))]

    def manifest(self) -> dict[str, Any]:
        """Return what stands in the manifest."""
        found: dict[str, Any] = {"passphrase": PASSPHRASE.decode()}
        if self.escrow is not None:
            found["private_key"] = self.private.hex()
            found["shares"] = self.escrow.groups
            found["service"] = {"name": SERVICE, "key": self.service.hex()}
        return found


PASSPHRASE_ONLY = Credentials()


def drawn(suite: str) -> Credentials:
    """Return fresh credentials of every type."""
    escrow = Escrow.draw(GROUPS, 2, iteration_exponent=0)
    return Credentials(PrivateKey.generate(suite).secret, escrow, os.urandom(32))


def unlockers(stated: dict[str, Any]) -> dict[str, Unlocker]:
    """Return each thing that opens a vault by what a manifest states; of shares no more than it takes."""
    found: dict[str, Unlocker] = {"passphrase": Passphrase(stated["passphrase"].encode())}
    if "private_key" in stated:
        found["private key"] = PrivateKey(bytes.fromhex(stated["private_key"]))
        needed = (group[-threshold:] for group, (threshold, _) in zip(stated["shares"], GROUPS, strict=True))
        found["shares"] = Shares(list(chain.from_iterable(needed)))
        service = stated["service"]
        found["key service"] = HostKey(service["name"], Service(bytes.fromhex(service["key"])))
    return found

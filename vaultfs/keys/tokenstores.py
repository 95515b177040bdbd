"""Epoch stores in tokens: a secret that lies in no file of the host, and ends with an object of the token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vaultfs_format.epoch import EpochSecret
from vaultfs_format.witness import Witnessed

from vaultfs.keys import cryptoki, dataobjects
from vaultfs.keys.cryptoki import Pin
from vaultfs.keys.stores import epochs_in, head_in, secret_in

if TYPE_CHECKING:
    from pkcs11 import Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenStore:
    """Epoch secrets, and the newest heads of vaults, as private data objects of a token (SPEC 5.1).

    Who has the token and its PIN can read a secret: it has to leave the token where a vault is opened. Destroying the
    object is as final as the token makes it; see where its backups are, and what it is made of.

    Every call logs in and out again, so that a store serves after a fork, and after the token was taken out and put
    back. Each raises `ExtraMissing`, `TokenMissing`, `PinWrong`, `PinLocked` or `TokenFailed` where the token cannot be
    used.

    Parameters
    ----------
    module, label
        As of `Token`.
    pin
        As of `Token`. A function is called for every use, and an open vault uses the store with every head.
    """

    module: Path | str
    label: str
    pin: Pin = field(repr=False)

    def put(self, secret: EpochSecret) -> None:
        """Keep `secret`, durably."""
        name, value = _secret(secret.vault_id, secret.epoch), secret.encode()
        self._used(lambda session: dataobjects.keep(session, name, value), writes=True)

    def get(self, vault_id: bytes, epoch: int) -> EpochSecret:
        """Return the secret of an epoch.

        Raises
        ------
        EpochSecretMissing
        """
        value = self._used(lambda session: dataobjects.value_of(session, _secret(vault_id, epoch)))
        return secret_in(value or b"", vault_id, epoch)

    def epochs(self, vault_id: bytes) -> list[int]:
        """Return the epochs whose secrets are kept, in order."""
        return epochs_in(self._used(dataobjects.names), _secret(vault_id, ""))

    def destroy(self, vault_id: bytes, epoch: int) -> None:
        """Destroy the object of a secret; do nothing where there is none."""
        self._used(lambda session: dataobjects.destroy(session, _secret(vault_id, epoch)), writes=True)

    def last(self, vault_id: bytes) -> Witnessed | None:
        """Return the newest head that was seen."""
        return head_in(self._used(lambda session: dataobjects.value_of(session, _seen(vault_id))) or b"", vault_id)

    def see(self, witnessed: Witnessed) -> None:
        """Keep a head, durably."""
        value = witnessed.encode()
        self._used(lambda session: dataobjects.keep(session, _seen(witnessed.vault_id), value), writes=True)

    def _used(self, act: Callable[[Session], T], *, writes: bool = False) -> T:
        return cryptoki.used(str(self.module), self.label, self.pin, act, writes=writes)


def _secret(vault_id: bytes, epoch: int | str) -> str:
    return f"{vault_id.hex()}.secret.{epoch}"


def _seen(vault_id: bytes) -> str:
    return f"{vault_id.hex()}.seen"

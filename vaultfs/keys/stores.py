"""Epoch stores: where the secret of the current epoch lives, outside the vault and erasable."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vaultfs_format.epoch import FILE, EpochSecret

from vaultfs.errors import EpochSecretMissing, FormatError, VaultMissing
from vaultfs.vfs import Vfs, absolute


class EpochStore(Protocol):
    """A place for epoch secrets, found by vault id."""

    def put(self, secret: EpochSecret) -> None:
        """Keep `secret`, durably."""
        ...

    def get(self, vault_id: bytes, epoch: int) -> EpochSecret:
        """Return the secret of an epoch.

        Raises
        ------
        EpochSecretMissing
        """
        ...


class DirectoryStore:
    """Epoch secrets as files in a directory, which belongs on another medium than the vault and its backups.

    Deleting a file from an SSD, or from a file system with snapshots, does not by itself destroy its bytes.
    """

    def __init__(self, path: Path | str, vfs: Vfs | None = None) -> None:
        self.path = absolute(path)
        self._vfs = vfs or Vfs()

    def _file(self, vault_id: bytes, epoch: int) -> Path:
        return self.path / vault_id.hex() / f"secret.{epoch}"

    def put(self, secret: EpochSecret) -> None:
        """Keep `secret`, durably."""
        file = self._file(secret.vault_id, secret.epoch)
        self._vfs.make_directory(file.parent)
        self._vfs.replace(file, secret.encode())

    def get(self, vault_id: bytes, epoch: int) -> EpochSecret:
        """Return the secret of an epoch."""
        try:
            secret = EpochSecret.decode(self._vfs.read(self._file(vault_id, epoch), FILE.size))
        except (VaultMissing, FormatError):
            raise EpochSecretMissing(epoch=epoch) from None
        if (secret.vault_id, secret.epoch) != (vault_id, epoch):
            raise EpochSecretMissing(epoch=epoch)
        return secret

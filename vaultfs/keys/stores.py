"""Epoch stores: where the secret of the current epoch lives, outside the vault and erasable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from vaultfs_format.epoch import FILE, EpochSecret
from vaultfs_format.witness import FILE as WITNESS
from vaultfs_format.witness import Witnessed

from vaultfs.errors import EpochSecretMissing, FormatError, VaultMissing
from vaultfs.vfs import Vfs, absolute

_FILE = "secret."


class Anchor(Protocol):
    """A place outside of the vault that keeps the newest head it has seen, so that an older one is not taken for it.

    One that raises anything counts as one that cannot be reached, and keeps nobody from anything.
    """

    def last(self, vault_id: bytes) -> Witnessed | None:
        """Return the newest head that was seen, None where there is none, or nothing that can be read."""
        ...

    def see(self, witnessed: Witnessed) -> None:
        """Keep a head, durably, in the place of the one before."""
        ...


class EpochStore(Anchor, Protocol):
    """A place for epoch secrets, found by vault id; it is an anchor, too.

    When a vault is opened the others are asked where one does not have the secret, or raises anything else.
    """

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

    def epochs(self, vault_id: bytes) -> Sequence[int]:
        """Return the epochs whose secrets are kept."""
        ...

    def destroy(self, vault_id: bytes, epoch: int) -> None:
        """Destroy the secret of an epoch, for good, as far as the store can; do nothing where there is none."""
        ...


class DirectoryAnchor:
    """The newest heads of vaults as files in a directory, which belongs on another disk, or with somebody else.

    Whoever can write to it can remove what it holds, and put an older one there; nobody can forge a newer one.
    """

    def __init__(self, path: Path | str, vfs: Vfs | None = None) -> None:
        self.path = absolute(path)
        self._vfs = vfs or Vfs()

    def last(self, vault_id: bytes) -> Witnessed | None:
        """Return the newest head that was seen."""
        try:
            found = Witnessed.decode(self._vfs.read(self._seen(vault_id), WITNESS.size))
        except (VaultMissing, FormatError):
            return None
        return found if found.vault_id == vault_id else None

    def see(self, witnessed: Witnessed) -> None:
        """Keep a head, durably."""
        file = self._seen(witnessed.vault_id)
        self._vfs.make_directory(file.parent)
        self._vfs.replace(file, witnessed.encode())

    def _seen(self, vault_id: bytes) -> Path:
        return self.path / vault_id.hex() / "seen"


class DirectoryStore(DirectoryAnchor):
    """Epoch secrets as files in a directory, which belongs on another medium than the vault and its backups.

    Deleting a file from an SSD, or from a file system with snapshots, does not by itself destroy its bytes.
    """

    def _file(self, vault_id: bytes, epoch: int) -> Path:
        return self.path / vault_id.hex() / f"{_FILE}{epoch}"

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

    def epochs(self, vault_id: bytes) -> list[int]:
        """Return the epochs whose secrets are kept, in order."""
        names = self._vfs.names(self.path / vault_id.hex())
        return sorted(int(number) for name in names if (number := name.removeprefix(_FILE)).isdecimal())

    def destroy(self, vault_id: bytes, epoch: int) -> None:
        """Write zeros over the file of a secret, and remove it, durably."""
        file = self._file(vault_id, epoch)
        try:
            opened = self._vfs.open(file, writable=True)
        except VaultMissing:
            return
        try:
            opened.append([bytes(FILE.size)], 0)
            opened.sync()
        finally:
            opened.close()
        self._vfs.unlink(file)
        self._vfs.sync_directory(file.parent)

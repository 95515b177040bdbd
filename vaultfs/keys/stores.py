"""Epoch stores: where the secret of the current epoch lives, outside the vault and erasable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from vaultfs_format.epoch import FILE, EpochSecret
from vaultfs_format.suite import same
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.witness import FILE as WITNESS
from vaultfs_format.witness import Witnessed

from vaultfs.errors import EpochSecretMissing, FormatError, StorageFailed, VaultError, VaultMissing
from vaultfs.vfs import Vfs, absolute

T = TypeVar("T")

_FILE = "secret."
_UNFINISHED = ".tmp"
"""What the name of a file ends with that is being written."""

_DIGITS = 10
"""Most digits of an epoch."""


class Anchor(Protocol):
    """A place outside of the vault that keeps the newest head it has seen, so that an older one is not taken for it.

    One that raises anything counts as one that cannot be reached, and keeps nobody from anything.
    """

    def last(self, vault_id: bytes) -> Witnessed | Checkpoint | None:
        """Return the newest head that was seen, None where there is none, or nothing that can be read.

        Of a head that others have witnessed it may be the checkpoint alone, if the anchor has checked who has.
        """
        ...

    def see(self, witnessed: Witnessed) -> None:
        """Keep a head, durably, in the place of the one before."""
        ...


class Required:
    """An anchor without whose word the vault is not opened: by custom one that cannot be reached is passed over."""

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor

    def last(self, vault_id: bytes) -> Witnessed | Checkpoint | None:
        """Return what the anchor has seen."""
        return self._anchor.last(vault_id)

    def see(self, witnessed: Witnessed) -> None:
        """Show a head to the anchor."""
        self._anchor.see(witnessed)


class EpochStore(Anchor, Protocol):
    """A place for epoch secrets, found by vault id; it is an anchor, too.

    When a vault is opened the others are asked where one does not have the secret, or raises anything else.
    """

    def put(self, secret: EpochSecret) -> None:
        """Keep `secret`, durably, in the place of one of its epoch that is there."""
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


def secret_in(data: bytes, vault_id: bytes, epoch: int) -> EpochSecret:
    """Return the secret of an epoch out of what a store has kept for it.

    Raises
    ------
    EpochSecretMissing
        It is damaged, or of something else.
    """
    with suppress(FormatError):
        secret = EpochSecret.decode(data)
        if (secret.vault_id, secret.epoch) == (vault_id, epoch):
            return secret
    raise EpochSecretMissing(epoch=epoch)


def head_in(data: bytes, vault_id: bytes) -> Witnessed | None:
    """Return the witnessed head out of what an anchor has kept; None where it is damaged, or of something else."""
    with suppress(FormatError):
        found = Witnessed.decode(data)
        return found if found.vault_id == vault_id else None
    return None


def epochs_in(names: Iterable[str], before: str) -> list[int]:
    """Return the epochs that names state behind `before`, in order."""
    stated = (name.removeprefix(before) for name in names if name.startswith(before))
    return sorted(int(number) for number in stated if number.isdecimal() and len(number) <= _DIGITS)


def put_in_all(stores: Iterable[EpochStore], secret: EpochSecret) -> None:
    """Put a secret into every store, and read it back.

    Raises
    ------
    EpochSecretMissing
        A store does not give back what was put into it.
    StorageFailed
        A store of a host failed in its own way: what it says may hold anything, and is withheld.
    """
    for store in stores:
        found = asked(partial(_put, store, secret))
        if not same(found.secret, secret.secret):
            raise EpochSecretMissing(epoch=secret.epoch)


def put_new(stores: Sequence[EpochStore], secret: EpochSecret) -> None:
    """Put the secret of an epoch that is to begin into every store; where one fails, none is left with it.

    Raises
    ------
    EpochSecretMissing, StorageFailed
        As of `put_in_all`.
    """
    try:
        put_in_all(stores, secret)
    except BaseException:
        for store in stores:
            with suppress(Exception):  # then it stays, and opens nothing
                store.destroy(secret.vault_id, secret.epoch)
        raise


def _put(store: EpochStore, secret: EpochSecret) -> EpochSecret:
    store.put(secret)
    return store.get(secret.vault_id, secret.epoch)


def asked(act: Callable[[], T]) -> T:
    """Return what a store returns; what a host's own store raises beside our errors is withheld.

    Raises
    ------
    StorageFailed
    """
    failure: VaultError
    try:
        return act()
    except VaultError as error:
        failure = error
    except Exception:  # noqa: BLE001 - it is not even the context of ours
        failure = StorageFailed()
    raise failure


class DirectoryAnchor:
    """The newest heads of vaults as files in a directory, which belongs on another disk, or with somebody else.

    Whoever can write to it can remove what it holds, and put an older one there. Nobody can forge a newer one of a
    signer that the vault knows; one that is said to be of a later signer cannot be checked, and lets the vault be
    opened with `accept_older` alone, whose head then replaces it.
    """

    def __init__(self, path: Path | str, vfs: Vfs | None = None) -> None:
        self.path = absolute(path)
        self._vfs = vfs or Vfs()

    def last(self, vault_id: bytes) -> Witnessed | None:
        """Return the newest head that was seen."""
        with suppress(VaultMissing):
            return head_in(self._vfs.read(self._seen(vault_id), WITNESS.size), vault_id)
        return None

    def see(self, witnessed: Witnessed) -> None:
        """Keep a head, durably."""
        file = self._seen(witnessed.vault_id)
        self._vfs.make_directory(file.parent)
        self._vfs.replace(file, witnessed.encode())

    def _seen(self, vault_id: bytes) -> Path:
        return self.path / vault_id.hex() / "seen"


def _unfinished(file: Path) -> Path:
    return file.with_name(file.name + _UNFINISHED)


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
        self._wipe(_unfinished(file))
        self._vfs.replace(file, secret.encode())

    def get(self, vault_id: bytes, epoch: int) -> EpochSecret:
        """Return the secret of an epoch."""
        try:
            data = self._vfs.read(self._file(vault_id, epoch), FILE.size)
        except VaultMissing:
            raise EpochSecretMissing(epoch=epoch) from None
        return secret_in(data, vault_id, epoch)

    def epochs(self, vault_id: bytes) -> list[int]:
        """Return the epochs whose secrets are kept, in order, those included of which a file was never finished."""
        names = self._vfs.names(self.path / vault_id.hex())
        return epochs_in({name.removesuffix(_UNFINISHED) for name in names}, _FILE)

    def destroy(self, vault_id: bytes, epoch: int) -> None:
        """Write zeros over the file of a secret, and over one that was never finished; remove them, durably."""
        file = self._file(vault_id, epoch)
        self._wipe(_unfinished(file))
        self._wipe(file)

    def _wipe(self, file: Path) -> None:
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

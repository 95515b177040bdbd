"""Unlocking: from the files of a vault, a recipient's secret and the epoch stores to an authentic head and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vaultfs_format.epoch import epoch_root
from vaultfs_format.head import Head
from vaultfs_format.keyring import Keyring
from vaultfs_format.superblock import Superblock

from vaultfs.engine.heads import read_heads, read_keyring, read_superblock
from vaultfs.engine.paths import Layout
from vaultfs.errors import EpochSecretMissing, NotAuthentic, VaultDamaged, VaultError, VaultMissing
from vaultfs.keys.chain import KeyChain
from vaultfs.keys.recipients import Passphrase
from vaultfs.keys.stores import DirectoryStore, EpochStore
from vaultfs.vfs import Vfs


def default_store(path: Path) -> Path:
    """Return where the epoch store of a vault lies unless the host says otherwise: beside it."""
    return path.with_name(path.name + ".epoch")


class Unlocked(NamedTuple):
    """The newest authentic head, its bytes, and what it was opened with."""

    head: Head
    data: bytes
    superblock: Superblock
    epoch_root: bytes

    def __repr__(self) -> str:
        return "Unlocked()"


class Opener:
    """What a vault is opened with, kept so that it can be opened again when its keys have changed."""

    def __init__(self, vfs: Vfs, layout: Layout, unlock: Passphrase, stores: Sequence[EpochStore]) -> None:
        self.vfs = vfs
        self.layout = layout
        self._unlock = unlock
        self._stores = stores or [DirectoryStore(default_store(layout.root), vfs)]

    def unlock(self) -> Unlocked:
        """Return the newest head that was written with the vault's keys.

        Raises
        ------
        VaultMissing, NoRecipientMatches, EpochSecretMissing, VaultDamaged, NotAuthentic, Unsupported
        """
        failures: list[VaultError] = []
        for head, data in read_heads(self.vfs, self.layout):
            try:
                superblock, superblock_data = read_superblock(self.vfs, self.layout, head)
                root_key = self._unlock.unlock(superblock)
                superblock.verify(superblock_data, root_key)
                top = epoch_root(head.suite, root_key, self._secret(head), head.vault_id, head.epoch)
                head.verify(data, top)
                head.verify_signatures(superblock.signer(head.signer))
            except (NotAuthentic, VaultDamaged, VaultMissing) as error:
                failures.append(error)
            else:
                return Unlocked(head, data, superblock, top)
        raise failures[0]

    def keys(self, unlocked: Unlocked) -> tuple[KeyChain, Keyring]:
        """Return the key chain of an unlocked vault, and its keyring."""
        keyring = read_keyring(self.vfs, self.layout, unlocked.head)
        return KeyChain(unlocked.head.suite, unlocked.head.epoch, unlocked.epoch_root, keyring), keyring

    def stores_with(self, head: Head) -> int:
        """Return how many of the epoch stores hold the vault's secret: with one, losing it loses everything."""
        found = 0
        for store in self._stores:
            with suppress(VaultError):
                store.get(head.vault_id, head.epoch)
                found += 1
        return found

    def _secret(self, head: Head) -> bytes:
        for store in self._stores:
            try:
                return store.get(head.vault_id, head.epoch).secret
            except EpochSecretMissing:
                continue
        raise EpochSecretMissing(epoch=head.epoch)

"""Unlocking: from the files of a vault, a recipient's secret and the epoch stores to an authentic head and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vaultfs_format.epoch import epoch_root
from vaultfs_format.head import Head
from vaultfs_format.keyring import Keyring
from vaultfs_format.signing import SigningKeys
from vaultfs_format.superblock import Superblock
from vaultfs_format.witness import Witnessed

from vaultfs.engine.heads import read_heads, read_keyring, read_superblock
from vaultfs.engine.paths import Layout
from vaultfs.errors import EpochSecretMissing, NotAuthentic, RolledBack, VaultDamaged, VaultError, VaultMissing
from vaultfs.keys.chain import KeyChain, open_inbox, open_signing
from vaultfs.keys.recipients import Passphrase
from vaultfs.keys.stores import Anchor, DirectoryStore, EpochStore
from vaultfs.vfs import Vfs


def default_store(path: Path) -> Path:
    """Return where the epoch store of a vault lies unless the host says otherwise: beside it."""
    return path.with_name(path.name + ".epoch")


class Unlocked(NamedTuple):
    """The newest authentic head, its bytes, and what it was opened with.

    Parameters
    ----------
    seen
        Generation of the newest head that an anchor has seen, 0 where none has.
    older
        Whether that is newer than this head, or another one.
    """

    head: Head
    data: bytes
    superblock: Superblock
    epoch_root: bytes
    seen: int
    older: bool

    def __repr__(self) -> str:
        return "Unlocked()"


class Held(NamedTuple):
    """What a process holds that writes a vault: the head and the keys, and who is shown every new head.

    Parameters
    ----------
    inbox
        The private key that opens access journals.
    stores, anchors
        The epoch stores; these and all others that remember the newest head.
    seen, older
        As in `Unlocked`.
    """

    head: Head
    chain: KeyChain
    inbox: bytes
    signing: SigningKeys
    stores: Sequence[EpochStore]
    anchors: Sequence[Anchor]
    seen: int
    older: bool

    def __repr__(self) -> str:
        return "Held()"


class Opener:
    """What a vault is opened with, kept so that it can be opened again when its keys have changed."""

    def __init__(
        self,
        vfs: Vfs,
        layout: Layout,
        unlock: Passphrase,
        stores: Sequence[EpochStore],
        anchors: Sequence[Anchor] = (),
    ) -> None:
        self.vfs = vfs
        self.layout = layout
        self._unlock = unlock
        self._stores = stores or [DirectoryStore(default_store(layout.root), vfs)]
        self.anchors: list[Anchor] = [*self._stores, *anchors]

    def unlock(self, *, accept_older: bool = False) -> Unlocked:
        """Return the newest head that was written with the vault's keys.

        Raises
        ------
        VaultMissing, NoRecipientMatches, EpochSecretMissing, VaultDamaged, NotAuthentic, Unsupported
        RolledBack
            A newer one, or another of the same generation, was seen, and `accept_older` is not set.
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
                seen = self._newest_seen(superblock)
                generation = seen.generation if seen else 0
                older = seen is not None and _rolled_back(head, seen)
                if older and not accept_older:
                    raise RolledBack(generation=head.generation, seen=generation)
                return Unlocked(head, data, superblock, top, generation, older)
        raise failures[0]

    def _newest_seen(self, superblock: Superblock) -> Witnessed | None:
        """Return the newest head that any anchor has seen and the vault's signer has signed."""
        newest: Witnessed | None = None
        for anchor in self.anchors:
            with suppress(VaultError):
                found = anchor.last(superblock.vault_id)
                if found is not None and (newest is None or found.generation > newest.generation):
                    found.verify(superblock.signer(found.signer))
                    newest = found
        return newest

    def keys(self, unlocked: Unlocked) -> tuple[KeyChain, Keyring]:
        """Return the key chain of an unlocked vault, and its keyring."""
        keyring = read_keyring(self.vfs, self.layout, unlocked.head)
        return KeyChain(unlocked.head.suite, unlocked.head.epoch, unlocked.epoch_root, keyring), keyring

    def held(self, unlocked: Unlocked) -> Held:
        """Return what a process needs to write the vault: more than one that reads is given."""
        chain, keyring = self.keys(unlocked)
        inbox, signing = open_inbox(keyring, unlocked.epoch_root), open_signing(keyring, unlocked.epoch_root)
        return Held(unlocked.head, chain, inbox, signing, self._stores, self.anchors, unlocked.seen, unlocked.older)

    def _secret(self, head: Head) -> bytes:
        for store in self._stores:
            try:
                return store.get(head.vault_id, head.epoch).secret
            except EpochSecretMissing:
                continue
        raise EpochSecretMissing(epoch=head.epoch)


def _rolled_back(head: Head, seen: Witnessed) -> bool:
    same = head.generation == seen.generation and head.statement() == seen.statement()
    return head.generation <= seen.generation and not same


def holders(stores: Sequence[EpochStore], head: Head) -> int:
    """Return how many of the epoch stores hold the vault's secret: with one, losing it loses everything."""
    found = 0
    for store in stores:
        with suppress(VaultError):
            store.get(head.vault_id, head.epoch)
            found += 1
    return found

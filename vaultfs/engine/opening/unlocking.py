"""Unlocking: from the files of a vault, a recipient's secret and the epoch stores to an authentic head and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vaultfs_format.epoch import epoch_root
from vaultfs_format.head import Head
from vaultfs_format.keyring import Keyring
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.signing import SigningKeys
from vaultfs_format.superblock import Superblock
from vaultfs_format.witness import Witnessed

from vaultfs.engine.files.heads import read_heads, read_keyring, read_superblock
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.seen import rolled_back, seen_by
from vaultfs.errors import (
    EpochSecretMissing,
    FormatError,
    NoRecipientMatches,
    NotAuthentic,
    NotEnoughMemory,
    RolledBack,
    StorageFailed,
    VaultDamaged,
    VaultError,
    VaultMissing,
)
from vaultfs.keys.chain import KeyChain, open_inbox, open_signing
from vaultfs.keys.errors import ShareInvalid, SharesMissing, TokenKeyMissing
from vaultfs.keys.recipients import Unlocker
from vaultfs.keys.stores import Anchor, DirectoryStore, EpochStore
from vaultfs.metrics import Metrics, NoMetrics
from vaultfs.vfs import Vfs


def default_store(path: Path) -> Path:
    """Return where the epoch store of a vault lies unless the host says otherwise: beside it."""
    return path.with_name(path.name + ".epoch")


class Unlocked(NamedTuple):
    """The newest authentic head, its bytes, and what it was opened with.

    Parameters
    ----------
    seen
        Generation of the newest head that an anchor has seen, 0 where none has. Where the log has not grown from a
        checkpoint that was seen, no less than the generation of the head that had this checkpoint.
    older
        Whether any of them has seen a newer head than this one, or another of its generation, or another log.
    """

    head: Head
    data: bytes
    superblock: Superblock
    epoch_root: Secret
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
    inbox: Secret
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
        unlock: Unlocker,
        stores: Sequence[EpochStore],
        anchors: Sequence[Anchor] = (),
        metrics: Metrics | None = None,
    ) -> None:
        self.vfs = vfs
        self.layout = layout
        self._unlock = unlock
        self._stores = stores or [DirectoryStore(default_store(layout.root), vfs)]
        self.anchors: list[Anchor] = [*self._stores, *anchors]
        self._metrics = metrics or NoMetrics()

    def unlock(self, *, accept_older: bool = False) -> Unlocked:
        """Return the newest head that was written with the vault's keys.

        Raises
        ------
        VaultMissing, NoRecipientMatches, EpochSecretMissing, VaultDamaged, NotAuthentic, Unsupported
        StorageFailed
            No epoch store gave the secret, and one could not be asked.
        RolledBack
            A newer one, another of the same generation, or another log was seen, and `accept_older` is not set.
        WitnessSilent
            An anchor that is required has seen nothing, or cannot be reached.
        """
        failures: list[VaultError] = []
        heads = read_heads(self.vfs, self.layout)
        for head, data in heads:
            try:
                superblock, top = self._authenticate(head, data)
            except _NOT_THIS_ONE as error:
                failures.append(error)
                continue
            try:
                seen = seen_by(self.anchors, self.vfs, self.layout, head, superblock, self._metrics)
            except VaultDamaged:
                if read_heads(self.vfs, self.layout) != heads:  # a writer has merged what was looked for
                    return self.unlock(accept_older=accept_older)
                raise
            if seen.older and not accept_older:
                if read_heads(self.vfs, self.layout) != heads:  # a writer has gone on, and shown its head, meanwhile
                    return self.unlock()
                raise RolledBack(generation=head.generation, seen=seen.generation, **seen.facts)
            return Unlocked(head, data, superblock, top, seen.generation, seen.older)
        if read_heads(self.vfs, self.layout) != heads:  # a writer has replaced VAULT meanwhile, and removed the old one
            return self.unlock(accept_older=accept_older)
        raise failures[0]

    def follow(self, last: Unlocked) -> Unlocked:
        """Return the newest authentic head, which must not be older than the last one that was found.

        Raises
        ------
        VaultMissing
            Another vault is there.
        RolledBack
            The head is older than the last one, or another of its generation.
        NoRecipientMatches, EpochSecretMissing, VaultDamaged, NotAuthentic, Unsupported, StorageFailed
        """
        head, data = read_heads(self.vfs, self.layout)[0]
        if data == last.data:
            return last
        if head.vault_id != last.head.vault_id:
            raise VaultMissing
        try:
            found = self._followed(last, head, data)
        except NotAuthentic:
            found = self.unlock()
        if rolled_back(found.head, Witnessed.of(last.head)):
            raise RolledBack(generation=found.head.generation, seen=last.head.generation)
        return found

    def _followed(self, last: Unlocked, head: Head, data: bytes) -> Unlocked:
        """Return a newer head by the keys and signers that were proved before: whose stanzas VAULT has is all the same.

        Raises
        ------
        NotAuthentic
            There may be other keys, or signers.
        """
        if (head.epoch, head.keyring_digest) != (last.head.epoch, last.head.keyring_digest):
            raise NotAuthentic
        head.verify(data, last.epoch_root)
        superblock = last.superblock
        if head.superblock_digest != last.head.superblock_digest:
            with suppress(VaultDamaged):  # then it was replaced once more
                superblock, _ = read_superblock(self.vfs, self.layout, head)
            if superblock is last.superblock or superblock.public_keys != last.superblock.public_keys:
                raise NotAuthentic
        head.verify_signatures(superblock.in_force(head.signer, head.tree_size))
        return last._replace(head=head, data=data, superblock=superblock)

    def _authenticate(self, head: Head, data: bytes) -> tuple[Superblock, Secret]:
        """Return the superblock and the epoch root of a head, if it was written with the vault's keys."""
        superblock, superblock_data = read_superblock(self.vfs, self.layout, head)
        root_key = self._unlock.unlock(superblock)
        superblock.verify(superblock_data, root_key)
        superblock.check_line()
        top = self._epoch_root(head, data, root_key)
        head.verify_signatures(superblock.in_force(head.signer, head.tree_size))
        return superblock, top

    def _epoch_root(self, head: Head, data: bytes, root_key: Buffer) -> Secret:
        """Return the epoch root by the first store whose secret is that of the head: no other store keeps it back."""
        wrong: VaultError | None = None
        failure: VaultError = EpochSecretMissing(epoch=head.epoch)
        for store in self._stores:
            try:
                found = store.get(head.vault_id, head.epoch)
                if found.suite is not head.suite:
                    raise EpochSecretMissing
                top = epoch_root(head.suite, root_key, found.secret, head.vault_id, head.epoch)
                head.verify(data, top)
            except EpochSecretMissing:
                continue
            except NotAuthentic as error:
                wrong = error
            except VaultError as error:
                failure = error
            except Exception:  # noqa: BLE001 - of a host's own store, whose text may hold anything
                failure = StorageFailed()
            else:
                return top
        raise wrong or failure

    def keys(self, unlocked: Unlocked) -> tuple[KeyChain, Keyring]:
        """Return the key chain of an unlocked vault, and its keyring."""
        keyring = read_keyring(self.vfs, self.layout, unlocked.head)
        return KeyChain(unlocked.head.suite, unlocked.head.epoch, unlocked.epoch_root, keyring), keyring

    def held(self, unlocked: Unlocked) -> Held:
        """Return what a process needs to write the vault: more than one that reads is given."""
        chain, keyring = self.keys(unlocked)
        inbox, signing = open_inbox(keyring, unlocked.epoch_root), open_signing(keyring, unlocked.epoch_root)
        return Held(unlocked.head, chain, inbox, signing, self._stores, self.anchors, unlocked.seen, unlocked.older)


_NOT_THIS_ONE = (
    EpochSecretMissing,
    FormatError,
    NoRecipientMatches,
    NotAuthentic,
    NotEnoughMemory,
    ShareInvalid,
    SharesMissing,
    TokenKeyMissing,
    VaultDamaged,
    VaultMissing,
)
"""What opening by a forged head can end in: whoever writes one copy must not keep the vault from opening by the other.

Not an error of a device or a key service: were it passing, an older head would be taken for the newest. Nor a wrong
PIN: it is not tried twice.
"""

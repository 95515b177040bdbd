"""Creating a vault: everything is built beside its place and appears there by one rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vaultfs_format import limits, merkle
from vaultfs_format.epoch import EpochSecret, epoch_root
from vaultfs_format.head import Head
from vaultfs_format.secret import Secret
from vaultfs_format.signing import SigningKeys, draw_seeds
from vaultfs_format.suite import KEY, Suite, check_provided
from vaultfs_format.superblock import INBOX, SIGNER, PublicKey, Superblock

from vaultfs.engine.committing.reserve import RESERVE
from vaultfs.engine.files.essentials import write_essentials
from vaultfs.engine.files.heads import write_head
from vaultfs.engine.files.pairs import write_pair
from vaultfs.engine.files.paths import Layout
from vaultfs.errors import ArgumentInvalid, Structure, VaultExists
from vaultfs.keys.chain import new_keyring
from vaultfs.keys.recipients import Recipient, sealed_for
from vaultfs.keys.stores import EpochStore, put_new
from vaultfs.kinds import encode_names
from vaultfs.vfs import Vfs, converted

FIRST_EPOCH = FIRST_SIGNER = 1


def create_files(
    vfs: Vfs,
    path: Path,
    recipients: Sequence[Recipient],
    epoch_stores: Sequence[EpochStore],
    kinds: Sequence[str],
    media_types: Sequence[str],
    suite: Suite,
    copies: Path | None = None,
) -> Secret:
    """Write a new, empty vault to `path`; the epoch secret is in every store before the vault appears.

    Parameters
    ----------
    copies
        Where the second copies lie, best on another disk; a directory that is empty or does not exist yet. By default
        in the vault.

    Returns
    -------
    Secret
        The root key.

    Raises
    ------
    VaultExists, ArgumentInvalid, AlgorithmMissing, StorageFull, StorageReadOnly, StorageFailed
    EpochSecretMissing
        A store does not give back what was put into it.
    """
    if not 0 < len(recipients) <= limits.MAX_STANZAS or not epoch_stores:
        raise ArgumentInvalid(recipients=len(recipients), stores=len(epoch_stores))
    with converted():
        if path.exists() or path.is_symlink() or (copies is not None and copies.exists() and any(copies.iterdir())):
            raise VaultExists
    registry = encode_names(kinds, media_types)
    check_provided(suite, Structure.SUPERBLOCK)
    vault_id = os.urandom(16)
    secret = EpochSecret(suite, vault_id, FIRST_EPOCH, Secret(os.urandom(KEY)))
    put_new(epoch_stores, secret)
    root_key = Secret(os.urandom(KEY))
    stanzas = [sealed_for(one, suite, vault_id, root_key) for one in recipients]
    inbox = Secret(suite.draw_private_key(os.urandom))
    seeds = draw_seeds(suite, os.urandom)
    signing = SigningKeys(suite, FIRST_SIGNER, seeds)
    public_keys = [PublicKey(INBOX, suite.public_key(inbox)), PublicKey(SIGNER, signing.signer.encode())]
    superblock = Superblock(suite, vault_id, 1, stanzas, public_keys).encode(root_key)
    top = epoch_root(suite, root_key, secret.secret, vault_id, FIRST_EPOCH)
    keyring = new_keyring(suite, vault_id, FIRST_EPOCH, top, registry, inbox, FIRST_SIGNER, seeds).encode()
    head = first_head(suite, vault_id, suite.digest(superblock), suite.digest(keyring))
    building = path.with_name(f".{path.name}.{vault_id.hex()[:8]}")
    layout = Layout(building)
    try:
        vfs.make_directory(building)
        if copies is not None:
            vfs.make_directory(copies)
            vfs.link(copies, layout.copy_of(layout.root))
        for directory in (layout.journals, layout.segments):
            vfs.make_directory(directory)
        write_essentials(vfs, building, suite)
        write_pair(vfs, layout, layout.superblock(1), superblock)
        write_pair(vfs, layout, layout.keyring(FIRST_EPOCH), keyring)
        vfs.preallocate(layout.reserve, RESERVE)
        vfs.sync_directory(layout.journals)
        write_head(vfs, layout, head, top, signing)
        with converted():
            if path.exists():
                raise VaultExists
        vfs.rename(building, path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        if copies is not None:
            shutil.rmtree(copies, ignore_errors=True)
        raise
    return root_key


def first_head(suite: Suite, vault_id: bytes, superblock_digest: bytes, keyring_digest: bytes) -> Head:
    """Return the head of an empty vault: the audit tree has one leaf, its live set."""
    head = Head(
        suite, vault_id, 1, FIRST_EPOCH, 0, 1, superblock_digest, keyring_digest, 0, 1, (), (), 1, (bytes(32),),
        FIRST_SIGNER,
    )  # fmt: skip
    tree = merkle.CompactRange(merkle.audit_nodes(suite))
    tree.append(merkle.audit_leaf(suite, head.live_set().encode()))
    return replace(head, peaks=tuple(tree.peaks))

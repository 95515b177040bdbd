"""Reading and writing the head and the files that it names, in two copies each."""

from __future__ import annotations

from vaultfs_format.head import Head
from vaultfs_format.keyring import Keyring
from vaultfs_format.superblock import Superblock

from vaultfs.engine.pairs import MAX_FILE, read_pair, write_pair
from vaultfs.engine.paths import Layout
from vaultfs.errors import FormatError, VaultDamaged, VaultMissing
from vaultfs.vfs import Vfs


def read_head(vfs: Vfs, layout: Layout) -> tuple[Head, bytes]:
    """Return the newest good head and its bytes.

    Raises
    ------
    VaultMissing, VaultDamaged, Unsupported
    """
    found: list[tuple[Head, bytes]] = []
    damaged = False
    for path in (layout.head, layout.copy_of(layout.head)):
        try:
            data = vfs.read(path, MAX_FILE)
            found.append((Head.decode(data), data))
        except VaultMissing:
            continue
        except FormatError:
            damaged = True
    if not found:
        raise VaultDamaged() if damaged else VaultMissing()
    return max(found, key=lambda pair: pair[0].generation)


def write_head(vfs: Vfs, layout: Layout, head: Head, epoch_root: bytes) -> None:
    """Write the head, durably: first the copy, then the head itself."""
    write_pair(vfs, layout, layout.head, head.encode(epoch_root))


def read_superblock(vfs: Vfs, layout: Layout, head: Head) -> tuple[Superblock, bytes]:
    """Return the superblock that the head names, and its bytes.

    Raises
    ------
    VaultMissing, VaultDamaged
    """

    def parse(data: bytes) -> tuple[Superblock, bytes]:
        superblock = Superblock.decode(data)
        if head.suite.digest(data) != head.superblock_digest or superblock.vault_id != head.vault_id:
            raise VaultDamaged
        return superblock, data

    return read_pair(vfs, layout, layout.superblock(head.superblock_generation), parse)


def read_keyring(vfs: Vfs, layout: Layout, head: Head) -> Keyring:
    """Return the keyring that the head names.

    Raises
    ------
    VaultMissing, VaultDamaged
    """

    def parse(data: bytes) -> Keyring:
        keyring = Keyring.decode(data)
        if head.suite.digest(data) != head.keyring_digest or keyring.vault_id != head.vault_id:
            raise VaultDamaged
        return keyring

    return read_pair(vfs, layout, layout.keyring(head.epoch), parse)

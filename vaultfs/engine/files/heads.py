"""Reading and writing the head and the files that it names, in two copies each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vaultfs_format.combining import combine
from vaultfs_format.head import Head
from vaultfs_format.keyring import Keyring
from vaultfs_format.layout import Buffer
from vaultfs_format.signing import SigningKeys
from vaultfs_format.superblock import Superblock
from vaultfs_format.witness import Witnessed

from vaultfs.engine.files.pairs import MAX_FILE, heal_pair, read_pair, spare
from vaultfs.engine.files.paths import Layout
from vaultfs.errors import FormatError, StorageFailed, StorageReadOnly, VaultDamaged, VaultError, VaultMissing
from vaultfs.keys.stores import Anchor
from vaultfs.metrics import Counter, Metrics
from vaultfs.vfs import Vfs


def read_heads(vfs: Vfs, layout: Layout) -> list[tuple[Head, bytes]]:
    """Return the good heads and their bytes, the newest first: one, unless a copy lags or is not authentic.

    Where both copies are damaged, at different places, it is the head that they give together.

    Raises
    ------
    VaultMissing, VaultDamaged, StorageFailed
    Unsupported
        A copy is of a newer format: whatever the other is, this program must not go on from it.
    """
    found: list[tuple[Head, bytes]] = []
    copies: list[bytes] = []
    failure: VaultError = VaultMissing()
    if vfs.names(layout.journals) or vfs.names(layout.segments):
        failure = VaultDamaged()
    for path in (layout.head, layout.copy_of(layout.head)):
        try:
            copies.append(vfs.read(path, MAX_FILE))
            found.append((Head.decode(copies[-1]), copies[-1]))
        except VaultMissing:
            continue
        except FormatError:
            failure = VaultDamaged()
        except (StorageFailed, StorageReadOnly) as error:
            failure = error
    if not found:
        combined = combine(copies, Head.decode)
        if combined is None:
            raise failure
        return [combined[::-1]]
    newest_first = sorted(found, key=lambda pair: -pair[0].generation)
    return newest_first if newest_first[0][1] != newest_first[-1][1] else newest_first[:1]


def heal_head(vfs: Vfs, layout: Layout, data: bytes, metrics: Metrics) -> None:
    """Make both copies of the head hold `data`, the newest good one; the second one where its place is there.

    A lagging copy is more than lost redundancy: were it the last one left, it would bring the old live set back.
    """
    for path in (layout.copy_of(layout.head), layout.head):
        try:
            same = vfs.read(path, MAX_FILE) == data
        except (VaultMissing, StorageFailed, StorageReadOnly):
            same = False
        if not same:
            with spare(vfs, layout, metrics if path != layout.head else None):
                vfs.make_directory(path.parent)
                vfs.replace(path, data)


class StagedHead(NamedTuple):
    """A signed head that is on the disk twice, under names that do not count.

    Parameters
    ----------
    names
        The temporary name and the name of the copy, where it could be written, and those of the head.
    """

    head: Head
    names: Sequence[tuple[Path, Path]]

    def publish(self, vfs: Vfs, layout: Layout, metrics: Metrics | None = None) -> Head:
        """Put the head in force: first the copy, then the head itself. Return it."""
        *copies, own = self.names
        for temporary, name in copies:
            with spare(vfs, layout, metrics):
                vfs.rename(temporary, name)
        vfs.rename(*own)
        return self.head


def stage_head(
    vfs: Vfs, layout: Layout, head: Head, epoch_root: Buffer, signing: SigningKeys, metrics: Metrics | None = None
) -> StagedHead:
    """Sign a head and write it beside those in force: what needs space is done when this returns.

    Parameters
    ----------
    metrics
        Counts a copy whose place fails (`spare`); without it that is an error.

    Raises
    ------
    StorageFull, StorageReadOnly, StorageFailed
        Nothing of it is left.
    """
    signed = replace(head, signatures=signing.sign_head(head.statement()))
    data = signed.encode(epoch_root)
    staged: list[tuple[Path, Path]] = []
    try:
        for name in (layout.copy_of(layout.head), layout.head):
            with spare(vfs, layout, metrics if name != layout.head else None):
                vfs.make_directory(name.parent)
                staged.append((vfs.stage(name, data), name))
    except BaseException:
        for temporary, _ in staged:
            vfs.unlink(temporary)
        raise
    return StagedHead(signed, staged)


def write_head(vfs: Vfs, layout: Layout, head: Head, epoch_root: Buffer, signing: SigningKeys) -> Head:
    """Write a head, signed, durably. Return it as it was signed."""
    return stage_head(vfs, layout, head, epoch_root, signing).publish(vfs, layout)


def witness(anchors: Iterable[Anchor], head: Head, metrics: Metrics) -> None:
    """Show the head that is in force to all anchors; one that cannot be reached sees the next one. Never raises."""
    for anchor in anchors:
        try:
            anchor.see(Witnessed.of(head))
        except Exception:  # noqa: BLE001 - a host's own anchor fails in its own ways, and the head is in force
            metrics.add(Counter.ANCHORS_MISSED)


def read_superblock(vfs: Vfs, layout: Layout, head: Head) -> tuple[Superblock, bytes]:
    """Return the superblock that the head names, and its bytes.

    Raises
    ------
    VaultMissing, VaultDamaged
    """
    return read_pair(vfs, layout, layout.superblock(head.superblock_generation), partial(_superblock, head))


def _superblock(head: Head, data: bytes) -> tuple[Superblock, bytes]:
    superblock = Superblock.decode(data)
    stated = (superblock.suite, superblock.vault_id, superblock.generation)
    named = (head.suite, head.vault_id, head.superblock_generation)
    if head.suite.digest(data) != head.superblock_digest or stated != named:
        raise VaultDamaged
    return superblock, data


def read_keyring(vfs: Vfs, layout: Layout, head: Head) -> Keyring:
    """Return the keyring that the head names.

    Raises
    ------
    VaultMissing, VaultDamaged
    """
    return read_pair(vfs, layout, layout.keyring(head.epoch), partial(_keyring, head))


def _keyring(head: Head, data: bytes) -> Keyring:
    keyring = Keyring.decode(data)
    stated = (keyring.suite, keyring.vault_id, keyring.epoch)
    named = (head.suite, head.vault_id, head.epoch)
    if head.suite.digest(data) != head.keyring_digest or stated != named:
        raise VaultDamaged
    return keyring


def _same_head(head: Head, data: bytes) -> None:
    found = Head.decode(data)
    if (found.statement(), found.signatures) != (head.statement(), head.signatures):
        raise VaultDamaged


def heal_metadata(vfs: Vfs, layout: Layout, head: Head) -> int:
    """Make both copies of the head in force, and of the superblock and keyring that it names, good.

    Returns
    -------
    int
        How many copies were not. Errors are those of `heal_pair`; what comes before the file they tell of is healed.
    """
    healed = heal_pair(vfs, layout, layout.head, partial(_same_head, head))
    healed += heal_pair(vfs, layout, layout.superblock(head.superblock_generation), partial(_superblock, head))
    return healed + heal_pair(vfs, layout, layout.keyring(head.epoch), partial(_keyring, head))


def unpaired(vfs: Vfs, layout: Layout, head: Head) -> list[Path]:
    """Return those of the head, and of the small files that it names, that are not there in two like copies.

    Key tables are held against each other by their size alone: scrubbing looks into them.
    """
    whole = [layout.head, layout.superblock(head.superblock_generation), layout.keyring(head.epoch)]
    found = [path for path in whole if not _alike(path, layout.copy_of(path), lambda one: vfs.read(one, MAX_FILE))]
    tables = [layout.key_table(row) for row in head.segments]
    return found + [path for path in tables if not _alike(path, layout.copy_of(path), vfs.size)]


def _alike(path: Path, copy: Path, look: Callable[[Path], object]) -> bool:
    with suppress(VaultError):
        return look(path) == look(copy)
    return False

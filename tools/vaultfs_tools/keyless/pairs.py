"""Small files in two places: which of the two are good, and what is good in them.

The head is judged by itself, the newer one counting; every other small file by the digest that the head has of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vaultfs_format import limits
from vaultfs_format.errors import DigestMismatch, Structure, Unsupported, VaultError
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.keyring import Keyring
from vaultfs_format.keytable import KeyTable
from vaultfs_format.suite import DEFAULT, DIGEST
from vaultfs_format.superblock import Superblock

from vaultfs_tools.keyless.files import HEAD, VaultFiles, copy_name, keyring_name, superblock_name, table_name
from vaultfs_tools.keyless.findings import (
    CopyStale,
    Disagreement,
    FileMissing,
    HeadsDisagree,
    Property,
    Remedy,
    Report,
)

T = TypeVar("T")
MAX_SUPERBLOCK = limits.MIB


def check_head(files: VaultFiles, report: Report) -> Head | None:
    """Return the head that is in force; None where none is good or a newer program has written one."""
    good: dict[str, tuple[Head, bytes]] = {}
    bad: dict[str, VaultError] = {}
    for name in (HEAD, copy_name(HEAD)):
        try:
            data = files.read(name)
            report.checked += len(data)
            good[name] = Head.decode(data), data
        except VaultError as failure:
            bad[name] = failure
    unsupported = any(isinstance(error, Unsupported) for error in bad.values())
    if unsupported or not good:
        for name, error in bad.items():
            report.add(error, name)
        return None
    newest = max(good, key=lambda name: good[name][0].generation)
    head, data = good[newest]
    for name, error in bad.items():
        report.add(error, name, remedy=_remedy(name, newest, data))
    for name, (other, other_data) in good.items():
        if other.vault_id != head.vault_id:
            report.add(Disagreement(structure=Structure.HEAD, property=Property.VAULT_ID), name)
        elif other.generation < head.generation:
            behind = CopyStale(structure=Structure.HEAD, generation=other.generation, newest=head.generation)
            report.add(behind, name, remedy=_remedy(name, newest, data))
        elif other_data != data:
            report.add(HeadsDisagree(structure=Structure.HEAD, generation=head.generation), name)
    return head


def _remedy(target: str, source: str, data: bytes) -> Remedy:
    return Remedy(target, source, DEFAULT.digest(data))


def check_pair(files: VaultFiles, report: Report, name: str, limit: int, judge: Callable[[bytes], T]) -> T | None:
    """Return what `judge` makes of a file or of its copy; None where neither is good.

    Parameters
    ----------
    judge
        Parses the bytes, or raises `VaultError`.
    """
    good: list[tuple[str, bytes, T]] = []
    bad: dict[str, VaultError] = {}
    for place in (name, copy_name(name)):
        try:
            data = files.read(place, limit)
            report.checked += len(data)
            good.append((place, data, judge(data)))
        except VaultError as failure:
            bad[place] = failure
    for place, error in bad.items():
        report.add(error, place, remedy=_remedy(place, good[0][0], good[0][1]) if good else None)
    return good[0][2] if good else None


def check_superblock(files: VaultFiles, report: Report, head: Head) -> Superblock | None:
    """Return the VAULT file that the head names, if it or its copy is good."""

    def judge(data: bytes) -> Superblock:
        found = Superblock.decode(data)
        if head.suite.digest(data) != head.superblock_digest:
            raise DigestMismatch(structure=Structure.SUPERBLOCK)
        _agree(Structure.SUPERBLOCK, Property.VAULT_ID, found.vault_id, head.vault_id)
        _agree(Structure.SUPERBLOCK, Property.GENERATION, found.generation, head.superblock_generation)
        return found

    return check_pair(files, report, superblock_name(head.superblock_generation), MAX_SUPERBLOCK, judge)


def check_keyring(files: VaultFiles, report: Report, head: Head) -> Keyring | None:
    """Return the keyring that the head names, if it or its copy is good."""

    def judge(data: bytes) -> Keyring:
        found = Keyring.decode(data)
        if head.suite.digest(data) != head.keyring_digest:
            raise DigestMismatch(structure=Structure.KEYRING)
        _agree(Structure.KEYRING, Property.VAULT_ID, found.vault_id, head.vault_id)
        _agree(Structure.KEYRING, Property.EPOCH, found.epoch, head.epoch)
        return found

    return check_pair(files, report, keyring_name(head.epoch), limits.GIB, judge)


def check_table(files: VaultFiles, report: Report, head: Head, row: SegmentRow) -> KeyTable | None:
    """Return the key table of a segment, if it or its copy is good."""

    def judge(data: bytes) -> KeyTable:
        found = KeyTable.decode(data)
        if data[-DIGEST:] != row.table_digest:
            raise DigestMismatch(structure=Structure.KEY_TABLE)
        _agree(Structure.KEY_TABLE, Property.VAULT_ID, found.vault_id, head.vault_id)
        _agree(Structure.KEY_TABLE, Property.FILE_ID, found.segment_id, row.segment_id)
        _agree(Structure.KEY_TABLE, Property.EPOCH, found.epoch, row.table_epoch)
        _agree(Structure.KEY_TABLE, Property.FRAMES, found.key_count, row.frames)
        return found

    return check_pair(files, report, table_name(row), limits.GIB, judge)


def _agree(structure: Structure, stated: Property, found: object, expected: object) -> None:
    if found != expected:
        raise Disagreement(structure=structure, property=stated)


def missing_everywhere(files: VaultFiles) -> bool:
    """Return whether nothing at this place tells of a vault."""
    for name in (HEAD, copy_name(HEAD)):
        try:
            with files.open(name):
                return False
        except FileMissing:
            continue
        except VaultError:
            return False
    return not any(name.startswith(("VAULT.", "keyring.")) or "/" in name for name in files.walk())

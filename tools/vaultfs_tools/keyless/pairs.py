"""Small files in two places: which of the two are good, what is good in them, and what they give together.

The head is judged by itself, every other small file by the digest that the head has of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vaultfs_format import limits, sha2
from vaultfs_format.combining import combine
from vaultfs_format.errors import DigestMismatch, Structure, Unsupported, VaultError
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.keyring import Keyring
from vaultfs_format.keytable import KeyTable
from vaultfs_format.suite import DIGEST
from vaultfs_format.superblock import Superblock

from vaultfs_tools.keyless.errors import Disagreement, FileMissing, MirrorBehind, Property
from vaultfs_tools.keyless.files import (
    COPIES,
    HEAD,
    RETIRED,
    VaultFiles,
    copy_name,
    keyring_name,
    superblock_name,
    table_name,
)
from vaultfs_tools.keyless.findings import Combined, Remedy, Report
from vaultfs_tools.keyless.naming import id_in, is_known

T = TypeVar("T")
MAX_SUPERBLOCK = limits.MIB


@dataclass(slots=True)
class Copies(Generic[T]):
    """A file in its two places.

    Parameters
    ----------
    good
        The bytes of each good copy, and what was made of them.
    combined
        The same of what two damaged copies give together.
    """

    good: dict[str, tuple[bytes, T]] = field(default_factory=dict)
    bad: dict[str, VaultError] = field(default_factory=dict)
    combined: tuple[bytes, T] | None = None

    @property
    def unsupported(self) -> bool:
        """Whether a newer program may have written either."""
        return any(isinstance(error, Unsupported) for error in self.bad.values())

    def report(self, report: Report, source: str = "") -> None:
        """Report the bad copies; the good one at `source` is what is to be written over them."""
        for place, error in self.bad.items():
            remedy = self.remedy(place, source) if source else None
            report.add(error, place, remedy=Combined(place, self.combined[0]) if self.combined else remedy)

    def remedy(self, target: str, source: str) -> Remedy:
        """Return the good copy at `source` as the one to write over another."""
        return Remedy(target, source, sha2.digest(self.good[source][0]))


def read_copies(files: VaultFiles, report: Report, name: str, limit: int, judge: Callable[[bytes], T]) -> Copies[T]:
    """Read a file and its copy; `judge` parses the bytes of either, or raises `VaultError`."""
    copies, found = Copies[T](), []
    for place in (name, copy_name(name)):
        try:
            data = files.read(place, limit)
            report.checked += len(data)
            found.append(data)
            copies.good[place] = data, judge(data)
        except VaultError as error:
            copies.bad[place] = error
    if not copies.good and not copies.unsupported:
        copies.combined = combine(found, judge)
    return copies


def check_pair(files: VaultFiles, report: Report, name: str, limit: int, judge: Callable[[bytes], T]) -> T | None:
    """Return what `judge` makes of a file, of its copy, or of both together; None where nothing good comes of them.

    Parameters
    ----------
    judge
        Parses the bytes, or raises `VaultError`.
    """
    copies = read_copies(files, report, name, limit, judge)
    copies.report(report, next(iter(copies.good), ""))
    found = next(iter(copies.good.values()), copies.combined)
    return found[1] if found else None


def check_superblock(files: VaultFiles, report: Report, head: Head) -> Superblock | None:
    """Return the VAULT file that the head names, if it or its copy is good."""

    def judge(data: bytes) -> Superblock:
        found = Superblock.decode(data)
        if head.suite.digest(data) != head.superblock_digest:
            raise DigestMismatch(structure=Structure.SUPERBLOCK)
        _agree(Structure.SUPERBLOCK, Property.SUITE, found.suite, head.suite)
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
        _agree(Structure.KEYRING, Property.SUITE, found.suite, head.suite)
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
        _agree(Structure.KEY_TABLE, Property.SUITE, found.suite, head.suite)
        _agree(Structure.KEY_TABLE, Property.VAULT_ID, found.vault_id, head.vault_id)
        _agree(Structure.KEY_TABLE, Property.FILE_ID, found.segment_id, row.segment_id)
        _agree(Structure.KEY_TABLE, Property.EPOCH, found.epoch, row.table_epoch)
        _agree(Structure.KEY_TABLE, Property.FRAMES, found.key_count, row.frames)
        return found

    return check_pair(files, report, table_name(row), limits.GIB, judge)


def check_retired(files: VaultFiles, report: Report, head: Head) -> None:
    """Check the key tables that were put away; the head has no digests of them."""
    found = {name.removeprefix(f"{COPIES}/") for place in (RETIRED, copy_name(RETIRED)) for name in files.names(place)}
    for name in sorted(filter(is_known, found)):

        def judge(data: bytes, name: str = name) -> KeyTable:
            table = KeyTable.decode(data)
            _agree(Structure.KEY_TABLE, Property.VAULT_ID, table.vault_id, head.vault_id)
            _agree(Structure.KEY_TABLE, Property.FILE_ID, table.segment_id, id_in(name))
            return table

        copies = read_copies(files, report, name, limits.GIB, judge)
        for place, error in copies.bad.items():
            if isinstance(error, FileMissing) and copies.good:  # it was being put away
                copies.bad[place] = MirrorBehind(structure=Structure.KEY_TABLE)
        copies.report(report, next(iter(copies.good), ""))


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

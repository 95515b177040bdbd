"""The small files that a head names, each from whichever place is good."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from vaultfs_format.combining import combine
from vaultfs_format.errors import DigestMismatch, Structure, Unsupported, VaultError
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.keytable import KeyTable
from vaultfs_format.suite import DIGEST
from vaultfs_format.superblock import Superblock

from vaultfs_tools.keyless.errors import FileMissing
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
from vaultfs_tools.keyless.naming import is_known


class InForce(NamedTuple):
    """A head and its bytes."""

    head: Head
    data: bytes


class Small(NamedTuple):
    """A small file: its name, what it is, and how to tell that its bytes are those that the head names."""

    name: str
    structure: Structure
    right: Callable[[bytes], bool]


def head_in(files: VaultFiles) -> InForce:
    """Return the newest of the two heads of a directory, or what two damaged ones give together.

    Raises
    ------
    Unsupported
        One of them is of a newer program, whatever the other is.
    FileMissing, FormatError, FileUnreadable
        Neither is good.
    """
    found: list[InForce] = []
    read: list[bytes] = []
    failure: VaultError = FileMissing(structure=Structure.HEAD)
    for name in (HEAD, copy_name(HEAD)):
        try:
            data = files.read(name)
            read.append(data)
            found.append(InForce(Head.decode(data), data))
        except Unsupported:
            raise
        except FileMissing:
            continue
        except VaultError as error:
            failure = error
    if found:
        return max(found, key=lambda one: one.head.generation)
    combined = combine(read, Head.decode)
    if combined is None:
        raise failure
    return InForce(combined[1], combined[0])


def superblock_file(head: Head) -> Small:
    """Return the VAULT file that a head names."""
    return Small(
        superblock_name(head.superblock_generation),
        Structure.SUPERBLOCK,
        lambda data: head.suite.digest(data) == head.superblock_digest,
    )


def keyring_file(head: Head) -> Small:
    """Return the keyring that a head names."""
    return Small(
        keyring_name(head.epoch), Structure.KEYRING, lambda data: head.suite.digest(data) == head.keyring_digest
    )


def table_file(head: Head, row: SegmentRow) -> Small:
    """Return the key table of a segment."""

    def right(data: bytes) -> bool:
        return data[-DIGEST:] == row.table_digest == head.suite.digest(data[:-DIGEST])

    return Small(table_name(row), Structure.KEY_TABLE, right)


def retired_files(files: VaultFiles, head: Head) -> list[Small]:
    """Return the key tables that were put away: their own digests alone tell that they are good."""

    def right(data: bytes) -> bool:
        try:
            return KeyTable.decode(data).vault_id == head.vault_id
        except VaultError:
            return False

    found = {name.removeprefix(f"{COPIES}/") for place in (RETIRED, copy_name(RETIRED)) for name in files.names(place)}
    return [Small(name, Structure.KEY_TABLE, right) for name in sorted(filter(is_known, found))]


def read_small(places: Sequence[VaultFiles], small: Small) -> tuple[bytes, VaultError | None]:
    """Return the bytes of a small file from the first place that has them as the head names them.

    Returns
    -------
    tuple
        The bytes; and what was wrong with the first file that was looked at, None if it was good.

    Raises
    ------
    FileMissing, DigestMismatch, FileUnreadable, NotRegular
        None is good: what is wrong with the first.
    """
    failures: list[VaultError] = []
    for files in places:
        for name in (small.name, copy_name(small.name)):
            try:
                data = files.read(name)
            except VaultError as error:
                failures.append(error)
                continue
            if small.right(data):
                return data, failures[0] if failures else None
            failures.append(DigestMismatch(structure=small.structure))
    raise failures[0]


def first_readable(places: Iterable[VaultFiles], name: str) -> bytes | None:
    """Return a file from the first place where it can be read, whatever is in it."""
    for files in places:
        with suppress(VaultError):
            return files.read(name)
    return None


def superblock_of(places: Sequence[VaultFiles], head: Head) -> Superblock:
    """Return the VAULT that a head names. Raises as `read_small` does."""
    return Superblock.decode(read_small(places, superblock_file(head))[0])

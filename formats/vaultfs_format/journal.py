"""The journal: the write-ahead log of a vault. A file is a header and a sequence of groups (`vaultfs_format.group`).

There are two kinds of it: those of the process that writes the vault, and the access journals of processes that read
it, which hold nothing but the audit events of their reads (`vaultfs_format.access`).

A header names the file before it and how much of that file counts; bytes beyond are void.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from vaultfs_format import labels, limits
from vaultfs_format.errors import (
    DigestMismatch,
    LimitExceeded,
    MacMismatch,
    Structure,
    Truncated,
)
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, all_zero, require
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.suite import DIGEST, KEY, Suite, same

MAGIC = file_magic("J")
HEADER_SIZE = 4096
NO_JOURNAL = bytes(16)


class JournalRole(IntEnum):
    """Who writes the journal."""

    WRITER = 1
    READER = 2


HEADER = Layout(
    Structure.JOURNAL_HEADER,
    "journal header",
    PREFIX_FIELD,
    Field("role", "B", "1 writer, 2 reader"),
    Field(RESERVED, "3s"),
    Field("epoch", "I", "epoch of the table key"),
    Field("vault_id", "16s", "the vault"),
    Field("journal_id", "16s", "random"),
    Field("salt", "32s", "random"),
    Field("predecessor", "16s", "id of the journal before this one; zero: none that lives"),
    Field("predecessor_group", "Q", "its last good group; 0: none"),
    Field("predecessor_end", "Q", "its good bytes; all beyond are void"),
    Field("predecessor_chain", "32s", "the chain value of its last good group"),
    Field("generation", "Q", "generation of the head when the journal began"),
    Field("incarnation", "I", "high part of the record numbers of this file"),
    Field(RESERVED, "4s"),
    Field("first_number", "Q", "first record number that is reserved for this file"),
    Field("last_number", "Q", "last record number that is reserved for this file"),
    Field("first_leaf", "Q", "index in the audit tree of the first audit entry of this file"),
    Field("sealed_key_length", "I", "reader: bytes of the sealed journal key; writer: 0"),
    Field(RESERVED, "4s"),
)
_SEALED_KEY_AT = HEADER.size
_DIGEST_AT = HEADER_SIZE - 2 * DIGEST
"""The header is zero from its fields (and the reader's sealed key) up to the digest, and ends in digest and MAC."""


class JournalKeys(NamedTuple):
    """The keys of one journal file."""

    table: bytes
    mac: bytes

    def __repr__(self) -> str:
        return "JournalKeys()"


def journal_keys(suite: Suite, secret: Buffer, journal_id: bytes, epoch: int, salt: bytes) -> JournalKeys:
    """Return the keys of a journal from the fields of its header; `secret` as in `JournalHeader.keys`."""
    derived = suite.derive(secret, labels.JOURNAL, journal_id + epoch.to_bytes(4, "little") + salt, 2 * KEY)
    return JournalKeys(derived[:KEY], derived[KEY:])


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """The first 4,096 bytes of a journal. Fields as in the table `HEADER`."""

    suite: Suite
    role: JournalRole
    epoch: int
    vault_id: bytes
    journal_id: bytes
    salt: bytes
    predecessor: bytes
    predecessor_group: int
    predecessor_end: int
    predecessor_chain: bytes
    generation: int
    incarnation: int
    first_number: int
    last_number: int
    first_leaf: int
    sealed_key: bytes = b""

    def keys(self, secret: Buffer) -> JournalKeys:
        """Return the keys of the journal.

        Parameters
        ----------
        secret
            The epoch root; for an access journal its secret (`vaultfs_format.access`).
        """
        return journal_keys(self.suite, secret, self.journal_id, self.epoch, self.salt)

    def encode(self, keys: JournalKeys) -> bytes:
        """Return the header's bytes, with digest and MAC."""
        fields = HEADER.pack(
            prefix(MAGIC, self.suite),
            self.role,
            self.epoch,
            self.vault_id,
            self.journal_id,
            self.salt,
            self.predecessor,
            self.predecessor_group,
            self.predecessor_end,
            self.predecessor_chain,
            self.generation,
            self.incarnation,
            self.first_number,
            self.last_number,
            self.first_leaf,
            len(self.sealed_key),
        )
        content = (fields + self.sealed_key).ljust(_DIGEST_AT, b"\0")
        return content + self.suite.digest(content) + self.suite.mac(keys.mac, labels.JOURNAL_HEADER_MAC, content)

    @classmethod
    def decode(cls, data: Buffer) -> JournalHeader:
        """Parse a header and check its digest; `verify` checks the MAC.

        Raises
        ------
        FormatError, Unsupported
        """
        suite = check_prefix(Structure.JOURNAL_HEADER, MAGIC, data)
        if len(data) < HEADER_SIZE:
            raise Truncated(structure=Structure.JOURNAL_HEADER, expected=HEADER_SIZE, got=len(data))
        content = bytes(data[:_DIGEST_AT])
        if suite.digest(content) != bytes(data[_DIGEST_AT : _DIGEST_AT + DIGEST]):
            raise DigestMismatch(structure=Structure.JOURNAL_HEADER)
        _, role, *fields, sealed_length = HEADER.unpack(data)
        require(role in _ROLES, Structure.JOURNAL_HEADER, 1)
        if sealed_length > limits.MAX_SEALED_KEY:
            raise LimitExceeded(structure=Structure.JOURNAL_HEADER, size=sealed_length)
        require((sealed_length > 0) == (role == JournalRole.READER), Structure.JOURNAL_HEADER, 2)
        end = _SEALED_KEY_AT + sealed_length
        require(all_zero(content[end:]), Structure.JOURNAL_HEADER, 3)
        header = cls(suite, JournalRole(role), *(*fields, content[_SEALED_KEY_AT:end]))
        header._check()
        return header

    def _check(self) -> None:
        require(self.epoch > 0 and self.generation > 0, Structure.JOURNAL_HEADER, 5)
        if self.role == JournalRole.READER:
            none = self.first_number == self.last_number == self.first_leaf == 0
            require(none, Structure.JOURNAL_HEADER, 8)
        else:
            require(0 < self.first_number <= self.last_number, Structure.JOURNAL_HEADER, 4)
        if self.predecessor == NO_JOURNAL:
            first = not (self.predecessor_group or self.predecessor_end) and all_zero(self.predecessor_chain)
            require(first, Structure.JOURNAL_HEADER, 6)
        else:
            empty = self.predecessor_group == 0
            end = self.predecessor_end
            require(end == HEADER_SIZE if empty else end > HEADER_SIZE, Structure.JOURNAL_HEADER, 7)

    def verify(self, data: Buffer, keys: JournalKeys) -> None:
        """Check that the header was written with the keys of this vault.

        Raises
        ------
        MacMismatch
        """
        code = self.suite.mac(keys.mac, labels.JOURNAL_HEADER_MAC, bytes(data[:_DIGEST_AT]))
        if not same(code, data[HEADER_SIZE - DIGEST : HEADER_SIZE]):
            raise MacMismatch(structure=Structure.JOURNAL_HEADER)

    def chain(self, data: Buffer) -> bytes:
        """Return the value that the first group's chain begins with: the digest of the whole header."""
        return self.suite.digest(bytes(data[:HEADER_SIZE]))


_ROLES = frozenset(JournalRole)

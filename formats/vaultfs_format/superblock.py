"""VAULT: the superblock of the vault. Ids, suite, public keys and recipients, all under a MAC by the root key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vaultfs_format import labels, limits
from vaultfs_format.errors import (
    DigestMismatch,
    LimitExceeded,
    MacMismatch,
    SignatureInvalid,
    Structure,
    Truncated,
)
from vaultfs_format.handover import Handover, check_line
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.signing import Signer
from vaultfs_format.stanza import Stanza, permitted
from vaultfs_format.suite import DIGEST, Suite, same

MAGIC = file_magic("V")
HEADER = Layout(
    Structure.SUPERBLOCK,
    "VAULT header",
    PREFIX_FIELD,
    Field("vault_id", "16s", "random"),
    Field("generation", "Q", "1 at creation; one more whenever this file is replaced"),
    Field("stanzas", "H", "number of recipient stanzas"),
    Field("public_keys", "H", "number of public keys"),
    Field("body_length", "I", "bytes of the items that follow"),
)
ITEM = Layout(
    Structure.SUPERBLOCK,
    "VAULT item",
    Field(
        "type",
        "H",
        "stanza: 1, 2 passphrase, 3 public key, 4 token, 5 escrow, 6 host; public key: 1 inbox, 2 signer; 3 handover",
    ),
    Field(RESERVED, "2s"),
    Field("length", "I", "bytes that follow"),
)
_MAX_BODY = limits.MAX_STANZAS * (limits.MAX_STANZA + 8) + limits.MAX_PUBLIC_KEYS * (limits.MAX_PUBLIC_KEY + 8)


INBOX = 1
"""Purpose of the public key that the journals of readers are sealed to."""

SIGNER = 2
"""Purpose of a public key that signatures are checked with."""

HANDOVER = 3
"""Purpose of what a signer has signed of the one that follows."""


class PublicKey(NamedTuple):
    """A public key of the vault, and its purpose: `INBOX`, `SIGNER`, or `HANDOVER` of one signer to the next."""

    purpose: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Superblock:
    """The content of VAULT."""

    suite: Suite
    vault_id: bytes
    generation: int
    stanzas: Sequence[Stanza]
    public_keys: Sequence[PublicKey]

    def inbox(self) -> bytes:
        """Return the public key that the journals of readers are sealed to.

        Raises
        ------
        FieldInvalid
            There is none, or more than one, or it has another length.
        """
        found = [key.value for key in self.public_keys if key.purpose == INBOX]
        require([len(key) for key in found] == [self.suite.public_key_size], Structure.SUPERBLOCK, 4)
        return found[0]

    def signers(self) -> list[Signer]:
        """Return the signers of the vault, the oldest first.

        Raises
        ------
        Truncated, TrailingBytes, FieldInvalid
            There is none, or they do not ascend.
        """
        found = [Signer.decode(self.suite, key.value) for key in self.public_keys if key.purpose == SIGNER]
        numbers = [signer.number for signer in found]
        require(bool(found) and numbers == sorted(set(numbers)), Structure.SUPERBLOCK, 5)
        return found

    def handovers(self) -> list[Handover]:
        """Return what each signer has signed of the one that follows, the oldest first.

        Raises
        ------
        FieldInvalid
        """
        return [Handover.decode(key.value) for key in self.public_keys if key.purpose == HANDOVER]

    def check_line(self) -> None:
        """Check that each signer but the first was named by the one before.

        Raises
        ------
        SignatureInvalid, AlgorithmMissing, FormatError
        """
        check_line(self.vault_id, self.signers(), self.handovers())

    def in_force(self, number: int, tree_size: int) -> Signer:
        """Return the signer of the head in force, by its number and leaves of the audit tree.

        It must be the newest one, since those before sign nothing any more, and the tree beyond what they have signed.

        Raises
        ------
        SignatureInvalid, FormatError
        """
        newest = self.signers()[-1]
        if newest.number != number or any(tree_size <= one.tree_size for one in self.handovers()):
            raise SignatureInvalid(structure=Structure.SUPERBLOCK)
        return newest

    def signer(self, number: int) -> Signer:
        """Return the signer with this number.

        Raises
        ------
        SignatureInvalid
            There is none.
        """
        for signer in self.signers():
            if signer.number == number:
                return signer
        raise SignatureInvalid(structure=Structure.SUPERBLOCK)

    def _content(self) -> bytes:
        items = [_item(s.kind, s.body) for s in self.stanzas] + [_item(k.purpose, k.value) for k in self.public_keys]
        body = b"".join(items)
        header = HEADER.pack(
            prefix(MAGIC, self.suite),
            self.vault_id,
            self.generation,
            len(self.stanzas),
            len(self.public_keys),
            len(body),
        )
        return header + body

    def encode(self, root_key: Buffer) -> bytes:
        """Return the bytes of the file, with its MAC and digest."""
        content = self._content()
        content += self.suite.mac(root_key, labels.SUPERBLOCK_MAC, content)
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> Superblock:
        """Parse a whole file and check its digest; `verify` checks the MAC."""
        suite = check_prefix(Structure.SUPERBLOCK, MAGIC, data)
        _, vault_id, generation, stanzas, keys, length = HEADER.unpack(data)
        if stanzas > limits.MAX_STANZAS or keys > limits.MAX_PUBLIC_KEYS or length > _MAX_BODY:
            raise LimitExceeded(structure=Structure.SUPERBLOCK, stanzas=stanzas, keys=keys, size=length)
        require_size(data, HEADER.size + length + 2 * DIGEST, Structure.SUPERBLOCK)
        if suite.digest(data[:-DIGEST]) != bytes(data[-DIGEST:]):
            raise DigestMismatch(structure=Structure.SUPERBLOCK)
        require(generation > 0 and stanzas > 0, Structure.SUPERBLOCK, 1)
        items, at = [], HEADER.size
        for number in range(stanzas + keys):
            limit = limits.MAX_STANZA if number < stanzas else limits.MAX_PUBLIC_KEY
            kind, value, at = _parse_item(data, at, limit)
            items.append((kind, value))
        require(at == HEADER.size + length, Structure.SUPERBLOCK, 2)
        require(all(purpose in (INBOX, SIGNER, HANDOVER) for purpose, _ in items[stanzas:]), Structure.SUPERBLOCK, 3)
        require(all(permitted(suite, kind) for kind, _ in items[:stanzas]), Structure.SUPERBLOCK, 6)
        return cls(
            suite,
            vault_id,
            generation,
            [Stanza(*item) for item in items[:stanzas]],
            [PublicKey(*item) for item in items[stanzas:]],
        )

    def verify(self, data: Buffer, root_key: Buffer) -> None:
        """Check that the file was written by a holder of the root key.

        Raises
        ------
        MacMismatch
        """
        end = len(data) - 2 * DIGEST
        if not same(self.suite.mac(root_key, labels.SUPERBLOCK_MAC, data[:end]), data[end : end + DIGEST]):
            raise MacMismatch(structure=Structure.SUPERBLOCK)


def _item(kind: int, value: bytes) -> bytes:
    return ITEM.pack(kind, len(value)) + value


def _parse_item(data: Buffer, at: int, limit: int) -> tuple[int, bytes, int]:
    kind, length = ITEM.unpack(data, at)
    if length > limit:
        raise LimitExceeded(structure=Structure.SUPERBLOCK, size=length, limit=limit)
    end = at + ITEM.size + length
    if end > len(data) - 2 * DIGEST:
        raise Truncated(structure=Structure.SUPERBLOCK, expected=end, got=len(data))
    return kind, bytes(data[at + ITEM.size : end]), end

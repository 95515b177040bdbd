"""The keyring of an epoch: secrets of the vault that outlive an epoch, in compartments sealed apart.

A process opens the compartments that it needs: one that only reads never opens those with signing keys and inbox key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from operator import lt
from typing import NamedTuple

from vaultfs_format import labels, limits
from vaultfs_format.errors import CommitmentMismatch, DigestMismatch, LimitExceeded, NotAuthentic, Structure, Truncated
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.secret import Secret, joined
from vaultfs_format.signing import are_seeds
from vaultfs_format.suite import DIGEST, KEY, TAG, Suite, same

MAGIC = file_magic("K")
HEADER = Layout(
    Structure.KEYRING,
    "keyring header",
    PREFIX_FIELD,
    Field("vault_id", "16s", "the vault"),
    Field("epoch", "I", "the epoch"),
    Field("compartments", "H", "number of compartments"),
    Field(RESERVED, "2s"),
    Field("salt", "32s", "random"),
    Field("commitment", "32s", "commitment to the keyring key"),
)
COMPARTMENT = Layout(
    Structure.KEYRING,
    "keyring compartment",
    Field("compartment", "H", "1 data, 2 signing, 3 inbox"),
    Field(RESERVED, "2s"),
    Field("length", "I", "bytes of the sealed compartment"),
)
ITEM = Layout(
    Structure.KEYRING,
    "keyring item",
    Field("tag", "H", "what the value is; ascending"),
    Field(RESERVED, "2s"),
    Field("length", "I", "bytes of the value"),
)


class Compartment(IntEnum):
    """Who needs what."""

    DATA = 1
    SIGNING = 2
    INBOX = 3


class Tag(IntEnum):
    """Values of the data compartment."""

    RECORD_ID_KEY = 1
    IDENTIFIER_KEY = 2
    REGISTRY = 3
    ACCESS_KEY = 4
    TABLE_KEYS = 5
    TURN = 6


TABLE_KEY = Layout(
    Structure.KEYRING,
    "table key",
    Field("segment_id", "16s", "the segment; ascending"),
    Field("key", "32s", "the key of its table, which is of an earlier epoch"),
)


TURN = Layout(
    Structure.KEYRING,
    "turn",
    Field("time", "Q", "when the epoch began, in microseconds since 1970-01-01T00:00Z"),
    Field("disposed", "Q", "frames of the segments of the head that were disposed of: tables have no key of them"),
)


class SigningTag(IntEnum):
    """Values of the signing compartment."""

    NUMBER = 1
    SEEDS = 2


class InboxTag(IntEnum):
    """Values of the inbox compartment."""

    PRIVATE_KEY = 1


Values = Mapping[int, bytes | bytearray]

_KEYS = (Tag.RECORD_ID_KEY, Tag.IDENTIFIER_KEY, Tag.ACCESS_KEY)
_MAX_SEALED = COMPARTMENT.size + limits.MAX_COMPARTMENT + TAG


@dataclass(frozen=True, slots=True)
class Keyring:
    """A parsed keyring, its compartments still sealed."""

    suite: Suite
    vault_id: bytes
    epoch: int
    salt: bytes
    commitment: bytes
    compartments: Mapping[int, bytes]

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        header = HEADER.pack(
            prefix(MAGIC, self.suite), self.vault_id, self.epoch, len(self.compartments), self.salt, self.commitment
        )
        sealed = [
            COMPARTMENT.pack(number, len(self.compartments[number])) + self.compartments[number]
            for number in sorted(self.compartments)
        ]
        content = b"".join([header, *sealed])
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> Keyring:
        """Parse a whole file; its digest is checked."""
        suite = check_prefix(Structure.KEYRING, MAGIC, data)
        _, vault_id, epoch, count, salt, commitment = HEADER.unpack(data)
        if count > len(Compartment) or len(data) > HEADER.size + count * _MAX_SEALED + DIGEST:
            raise LimitExceeded(structure=Structure.KEYRING, compartments=count, size=len(data))
        end = len(data) - DIGEST
        if end < HEADER.size:
            raise Truncated(structure=Structure.KEYRING, expected=HEADER.size + DIGEST, got=len(data))
        content = memoryview(data)[:end]
        if suite.digest(content) != bytes(data[end:]):
            raise DigestMismatch(structure=Structure.KEYRING)
        require(epoch > 0, Structure.KEYRING, 1)
        compartments: dict[int, bytes] = {}
        at, last = HEADER.size, 0
        for _ in range(count):
            number, length = COMPARTMENT.unpack(content, at)
            at += COMPARTMENT.size
            if length > limits.MAX_COMPARTMENT + TAG:
                raise LimitExceeded(structure=Structure.KEYRING, size=length, limit=limits.MAX_COMPARTMENT + TAG)
            require(last < number <= max(Compartment) and TAG <= length <= end - at, Structure.KEYRING, 2)
            compartments[number] = bytes(content[at : at + length])
            at, last = at + length, number
        require(at == end and Compartment.DATA in compartments, Structure.KEYRING, 3)
        return cls(suite, vault_id, epoch, salt, commitment, compartments)

    def open(self, epoch_root: Buffer, compartment: Compartment) -> Values:
        """Return the values of a compartment by tag.

        Raises
        ------
        CommitmentMismatch, DecryptionFailed, FormatError
        """
        keys = _keys(self.suite, epoch_root, self.vault_id, self.epoch, self.salt)
        if not same(keys[0], self.commitment):
            raise CommitmentMismatch(structure=Structure.KEYRING)
        sealed = self.compartments.get(compartment)
        if sealed is None:
            raise NotAuthentic(structure=Structure.KEYRING, compartment=compartment)
        key, bound = _compartment_key(self.suite, keys[1], self.salt, compartment)
        values = _decode_values(self.suite.open_secret(key, sealed, bound, Structure.KEYRING))
        if compartment is Compartment.DATA:
            keys_good = all(len(values.get(tag, b"")) == KEY for tag in _KEYS)
            require(keys_good and Tag.REGISTRY in values, Structure.KEYRING, 5)
            table_keys(values)
            turn_of(values)
            require((Tag.TURN in values) == (self.epoch > 1), Structure.KEYRING, 10)
        elif compartment is Compartment.INBOX:
            require(self.suite.is_private_key(values.get(InboxTag.PRIVATE_KEY, b"")), Structure.KEYRING, 6)
        else:
            numbered = len(values.get(SigningTag.NUMBER, b"")) == 4
            require(numbered and are_seeds(self.suite, values.get(SigningTag.SEEDS, b"")), Structure.KEYRING, 7)
        return values


def seal_keyring(
    suite: Suite, vault_id: bytes, epoch: int, epoch_root: Buffer, salt: bytes, content: Mapping[int, Values]
) -> Keyring:
    """Return a keyring that holds `content`: values by tag, by compartment. `salt`: 32 random bytes, used once."""
    commitment, ring_key = _keys(suite, epoch_root, vault_id, epoch, salt)
    compartments = {}
    for number, values in content.items():
        key, bound = _compartment_key(suite, ring_key, salt, number)
        compartments[number] = suite.seal(key, _encode_values(values), bound)
    return Keyring(suite, vault_id, epoch, salt, commitment, compartments)


def table_keys(values: Values) -> dict[bytes, bytes]:
    """Return the keys of tables of earlier epochs, which a data compartment holds, by segment id.

    Raises
    ------
    FieldInvalid
    """
    data = values.get(Tag.TABLE_KEYS, b"")
    require(len(data) % TABLE_KEY.size == 0, Structure.KEYRING, 8)
    found: list[tuple[bytes, bytes]] = list(TABLE_KEY.struct.iter_unpack(data))
    ids = [segment_id for segment_id, _ in found]
    require(all(map(lt, ids, ids[1:])), Structure.KEYRING, 8)
    return dict(found)


class Turn(NamedTuple):
    """How the epoch began. Fields as in `TURN`."""

    time: int = 0
    disposed: int = 0


def turn_of(values: Values) -> Turn:
    """Return how the epoch of a data compartment began; of the first one nothing is known.

    Raises
    ------
    Truncated, TrailingBytes
    """
    data = values.get(Tag.TURN)
    if data is None:
        return Turn()
    require_size(data, TURN.size, Structure.KEYRING)
    return Turn(*TURN.unpack(data))


def packed_table_keys(keys: Mapping[bytes, bytes]) -> bytes:
    """Return the value that `table_keys` reads."""
    return b"".join([TABLE_KEY.pack(segment_id, keys[segment_id]) for segment_id in sorted(keys)])


def _keys(suite: Suite, epoch_root: Buffer, vault_id: bytes, epoch: int, salt: bytes) -> tuple[bytes, bytes]:
    context = vault_id + epoch.to_bytes(4, "little") + salt
    derived = suite.derive(epoch_root, labels.KEYRING, context, 32 + KEY)
    return derived[:32], derived[32:]


def _compartment_key(suite: Suite, ring_key: Buffer, salt: bytes, number: int) -> tuple[bytes, bytes]:
    context = number.to_bytes(2, "little") + salt
    return suite.derive(ring_key, labels.KEYRING_COMPARTMENT, context, KEY), context


def _encode_values(values: Values) -> Secret:
    return joined(*(piece for tag in sorted(values) for piece in (ITEM.pack(tag, len(values[tag])), values[tag])))


def _decode_values(data: Buffer) -> Values:
    values: dict[int, Secret] = {}
    at, last = 0, 0
    while at < len(data):
        tag, length = ITEM.unpack(data, at)
        at += ITEM.size
        require(tag > last and length <= len(data) - at, Structure.KEYRING, 4)
        values[tag] = Secret(memoryview(data)[at : at + length])
        at, last = at + length, tag
    return values

"""The key chain of an open vault: what is derived from epoch root and keyring, and the tokens made with it."""

from __future__ import annotations

import os
import sys
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NoReturn

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from vaultfs_format import labels
from vaultfs_format.journal import JournalHeader, JournalKeys
from vaultfs_format.keyring import (
    TURN,
    Compartment,
    InboxTag,
    Keyring,
    SigningTag,
    Tag,
    Turn,
    Values,
    packed_table_keys,
    seal_keyring,
    table_keys,
    turn_of,
)
from vaultfs_format.keytable import KeyTable
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import KEY, Hasher, Suite

from vaultfs.errors import Closed, CommitmentMismatch, NotFound, Structure
from vaultfs.model import RecordId, check_text

_NUMBER_BYTES = 12
_PAD = bytes(4)
_WORD = 1 << 32

_make_big_endian: Callable[[array[int]], object] = array.byteswap if sys.byteorder == "little" else len
"""Where words have their high byte first already, looking at them is enough."""
_TOKEN = 16

_KEYS = frozenset(
    {
        *("epoch_root", "access_key", "nobody_content_key"),
        *("_identifier_key", "_id_key", "_alias_key", "_context_key", "_table_keys", "_ciphers"),
    }
)
"""Attributes of a key chain that are gone once it was wiped."""


class _Ciphers(threading.local):
    """AES contexts are kept for a thread: making one costs more than using it."""

    def __init__(self, id_key: Secret, alias_key: Secret) -> None:
        ids = Cipher(algorithms.AES(id_key), modes.ECB())  # noqa: S305 - single blocks, as a permutation
        self.to_id: CipherContext = ids.encryptor()
        self.from_id: CipherContext = ids.decryptor()
        aliases = Cipher(algorithms.AES(alias_key), modes.ECB())  # noqa: S305 - the same
        self.alias: CipherContext = aliases.encryptor()
        self.from_alias: CipherContext = aliases.decryptor()


class KeyChain:
    """Keys of an unlocked vault. Holds secrets: never shown, never stored.

    Attributes
    ----------
    turn
        How the epoch began.
    content_id
        Makes the content id of data out of the content key of a shred unit, and the data.
    """

    def __init__(self, suite: Suite, epoch: int, epoch_root: Buffer, keyring: Keyring) -> None:
        values = keyring.open(epoch_root, Compartment.DATA)
        self.suite = suite
        self.epoch = epoch
        self.epoch_root = Secret(epoch_root)
        self.registry = bytes(values[Tag.REGISTRY])
        self.access_key = Secret(values[Tag.ACCESS_KEY])
        self.turn = turn_of(values)
        self._table_keys = table_keys(values)
        self._identifier_key = Secret(values[Tag.IDENTIFIER_KEY])
        self._id_key = Secret(values[Tag.RECORD_ID_KEY])
        self._alias_key = Secret(suite.derive(epoch_root, labels.ALIAS_EPOCH, keyring.vault_id, KEY))
        self._context_key = Secret(suite.derive(epoch_root, labels.CONTEXT_KEY, keyring.vault_id, KEY))
        self._ciphers = _Ciphers(self._id_key, self._alias_key)
        self.content_id = suite.short_mac(labels.CONTENT)
        self.nobody_content_key = suite.derive(self._identifier_key, labels.NOBODY, b"", KEY)

    def wipe(self) -> None:
        """Overwrite the keys, and let go of those that cannot be, and of the AES contexts of all threads."""
        for secret in (
            *(self.epoch_root, self.access_key, self._identifier_key),
            *(self._id_key, self._alias_key, self._context_key),
        ):
            secret.wipe()
        for name in _KEYS:
            delattr(self, name)

    if not TYPE_CHECKING:  # else any attribute would be taken for one that a chain has

        def __getattr__(self, name: str) -> NoReturn:
            """Say that the vault is closed, to a thread that was reading when the keys were wiped."""
            raise Closed if name in _KEYS else AttributeError(name)

    def record_ids(self, incarnation: int, first: int, count: int) -> list[RecordId]:
        """Return the ids of `count` record numbers from `first` on."""
        carry = _WORD - first % _WORD
        if count > carry:
            return [
                *self.record_ids(incarnation, first, carry),
                *self.record_ids(incarnation, first + carry, count - carry),
            ]
        # A block is incarnation, number and pad, big-endian: two words, of which the first is the same in all.
        low = first % _WORD
        blocks = array("Q", [incarnation * _WORD + first // _WORD, 0]) * count
        blocks[1::2] = array("Q", range(low * _WORD, (low + count) * _WORD, _WORD))
        _make_big_endian(blocks)
        ids = self._ciphers.to_id.update(blocks.tobytes())
        return [bytes.__new__(RecordId, ids[at : at + 16]) for at in range(0, len(ids), 16)]

    def record_id(self, incarnation: int, number: int) -> RecordId:
        """Return the id of a record number."""
        return RecordId(self._ciphers.to_id.update(incarnation.to_bytes(4, "big") + number.to_bytes(8, "big") + _PAD))

    def number_of(self, record_id: bytes) -> bytes:
        """Return incarnation and number of a record id, twelve bytes, big-endian.

        Raises
        ------
        NotFound
            The id was not given out by this vault.
        """
        if len(record_id) != 16:  # a part of a block would stay in the cipher and shift all that comes after
            raise NotFound
        plain = self._ciphers.from_id.update(record_id)
        if plain[_NUMBER_BYTES:] != _PAD:
            raise NotFound
        return plain[:_NUMBER_BYTES]

    def identifier_token(self, identifier: bytes) -> bytes:
        """Return the token of an identifier that is encoded as entries keep it."""
        return self.suite.mac(self._identifier_key, labels.ALIAS, identifier)[:_TOKEN]

    def alias_keys(self, tokens: Iterable[bytes]) -> list[bytes]:
        """Return the index keys of identifier tokens, in their order: they change with the epoch."""
        keys = self._ciphers.alias.update(b"".join(tokens))
        return [keys[at : at + _TOKEN] for at in range(0, len(keys), _TOKEN)]

    def alias_tokens(self, keys: bytes) -> bytes:
        """Return the identifier tokens of index keys that lie side by side."""
        return self._ciphers.from_alias.update(keys)

    def state_token(self, namespace: str, key: bytes) -> bytes:
        """Return the token of a control-state key.

        Raises
        ------
        ArgumentInvalid
            The namespace is empty, or holds half of a surrogate pair.
        """
        return self.suite.mac(self._identifier_key, labels.STATE, _state_name(namespace, key))[:_TOKEN]

    def context_token(self, field: str, value: bytes) -> bytes:
        """Return the token of what an audit event names: of this epoch alone, whose end nobody can make it after.

        Parameters
        ----------
        field
            What the value is, such as ``encounter``.
        """
        name = field.encode()
        return self.suite.mac(self._context_key, labels.CONTEXT, len(name).to_bytes(4, "little") + name + value)[
            :_TOKEN
        ]

    def event_state_token(self, namespace: str, key: bytes) -> bytes:
        """Return the token that a control-state key has in audit events. Raises as `state_token` does."""
        return self.context_token("state", _state_name(namespace, key))

    def source_token(self, root: str, path: str) -> bytes:
        """Return the token of a source file: a keyed id of its root and relative path."""
        name = root.encode(errors="surrogateescape")
        text = len(name).to_bytes(4, "little") + name + path.encode(errors="surrogateescape")
        return self.suite.mac(self._identifier_key, labels.SOURCE, text)[:16]

    def table_key(self, table: KeyTable) -> bytes:
        """Return the key of a key table: of this epoch it is derived, of an earlier one the keyring holds it.

        Raises
        ------
        CommitmentMismatch
            This is not the table that is in force: its key was destroyed.
        """
        if table.epoch == self.epoch:
            return table.table_key(self.epoch_root)
        key = self._table_keys.get(table.segment_id)
        if key is None:
            raise CommitmentMismatch(structure=Structure.KEY_TABLE, epoch=table.epoch)
        return key

    def journal_keys(self, header: JournalHeader) -> JournalKeys:
        """Return the keys of a journal of the process that writes."""
        return header.keys(self.epoch_root)

    def content_hasher(self, content_key: bytes) -> Hasher:
        """Return a hasher whose digest begins with the content id of what it takes in."""
        return self.suite.mac_hasher(content_key, labels.CONTENT)


def _state_name(namespace: str, key: bytes) -> bytes:
    check_text(namespace, len(namespace))
    name = namespace.encode()
    return len(name).to_bytes(4, "little") + name + key


def open_inbox(keyring: Keyring, epoch_root: Buffer) -> Secret:
    """Return the private key that opens access journals: for the process that writes, never for one that reads."""
    return Secret(keyring.open(epoch_root, Compartment.INBOX)[InboxTag.PRIVATE_KEY])


def open_signing(keyring: Keyring, epoch_root: Buffer) -> SigningKeys:
    """Return the private keys of the signer: for the process that writes, never for one that reads."""
    values = keyring.open(epoch_root, Compartment.SIGNING)
    return SigningKeys(keyring.suite, int.from_bytes(values[SigningTag.NUMBER], "little"), values[SigningTag.SEEDS])


def new_keyring(
    suite: Suite,
    vault_id: bytes,
    epoch: int,
    epoch_root: Buffer,
    registry: bytes,
    inbox: bytes | bytearray,
    signer: int,
    seeds: bytes | bytearray,
) -> Keyring:
    """Return a keyring with fresh secrets.

    Parameters
    ----------
    inbox
        The private inbox key, whose public half is in VAULT.
    signer, seeds
        Number and private keys of the signer, whose public keys are in VAULT.
    """
    data: Values = {
        Tag.RECORD_ID_KEY: os.urandom(KEY),
        Tag.IDENTIFIER_KEY: os.urandom(KEY),
        Tag.REGISTRY: registry,
        Tag.ACCESS_KEY: os.urandom(KEY),
    }
    compartments: dict[int, Values] = {
        Compartment.DATA: data,
        Compartment.SIGNING: _signing(signer, seeds),
        Compartment.INBOX: {InboxTag.PRIVATE_KEY: inbox},
    }
    return seal_keyring(suite, vault_id, epoch, epoch_root, os.urandom(32), compartments)


def _signing(number: int, seeds: bytes | bytearray) -> dict[int, bytes | bytearray]:
    return {SigningTag.NUMBER: number.to_bytes(4, "little"), SigningTag.SEEDS: seeds}


def turned_keyring(
    keyring: Keyring,
    epoch_root: Buffer,
    epoch: int,
    new_root: Buffer,
    tables: Mapping[bytes, bytes],
    turn: Turn,
    signer: tuple[int, bytes | bytearray] | None = None,
) -> Keyring:
    """Return the keyring of another epoch, with all that one of the epoch before holds.

    Parameters
    ----------
    tables
        The keys of the key tables that are not of the new epoch, by segment id.
    signer
        Number and private keys of another signer, if there is to be one.
    """
    content = {number: dict(keyring.open(epoch_root, Compartment(number))) for number in keyring.compartments}
    content[Compartment.DATA] |= {Tag.TABLE_KEYS: packed_table_keys(tables), Tag.TURN: TURN.pack(*turn)}
    if signer is not None:
        content[Compartment.SIGNING] |= _signing(*signer)
    return seal_keyring(keyring.suite, keyring.vault_id, epoch, new_root, os.urandom(32), content)

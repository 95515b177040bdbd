"""Section 7: tokens and ids."""

from __future__ import annotations

from vaultfs_format.keyring import Compartment, Tag, seal_keyring
from vaultfs_format.suite import DEFAULT

from vaultfs.engine.reading.state import decode_state
from vaultfs.engine.reading.subjects import decode_identifier, encode_identifier
from vaultfs.errors import NotFound
from vaultfs.keys.chain import KeyChain
from vaultfs.model import Identifier
from vectors.operations.registry import Facts, operation

_NOTHING = bytes(32)


def _chain(
    *,
    record_id_key: bytes = _NOTHING,
    identifier_key: bytes = _NOTHING,
    root: bytes = _NOTHING,
    vault_id: bytes = bytes(16),
) -> KeyChain:
    values: dict[int, bytes] = {
        Tag.RECORD_ID_KEY: record_id_key,
        Tag.IDENTIFIER_KEY: identifier_key,
        Tag.REGISTRY: b"\n",
        Tag.ACCESS_KEY: _NOTHING,
    }
    keyring = seal_keyring(DEFAULT, vault_id, 1, root, _NOTHING, {Compartment.DATA: values})
    return KeyChain(DEFAULT, 1, root, keyring)


@operation
def record_id(record_id_key: bytes, incarnation: int, number: int) -> Facts:
    """The id of a record."""
    return {"record_id": bytes(_chain(record_id_key=record_id_key).record_id(incarnation, number))}


@operation
def record_number(record_id_key: bytes, record_id: bytes) -> Facts:
    """Incarnation and number of an id, if it was ever given out."""
    try:
        packed = _chain(record_id_key=record_id_key).number_of(record_id)
    except NotFound:
        return {"given_out": False}
    return {
        "given_out": True,
        "incarnation": int.from_bytes(packed[:4], "big"),
        "number": int.from_bytes(packed[4:], "big"),
    }


@operation
def identifier_token(identifier_key: bytes, system: str, value: str) -> Facts:
    """The token of an identifier."""
    encoded = encode_identifier(Identifier(system, value))
    return {"token": _chain(identifier_key=identifier_key).identifier_token(encoded)}


@operation
def state_token(identifier_key: bytes, namespace: str, key: bytes) -> Facts:
    """The token of a control state."""
    return {"token": _chain(identifier_key=identifier_key).state_token(namespace, key)}


@operation
def source_token(identifier_key: bytes, root: str, path: str) -> Facts:
    """The token of a source file."""
    return {"token": _chain(identifier_key=identifier_key).source_token(root, path)}


@operation
def stored_identifier(data: bytes) -> Facts:
    """What the bytes of an ALIAS entry say."""
    found = decode_identifier(data)
    return {"system": found.system, "value": found.value}


@operation
def stored_state(data: bytes) -> Facts:
    """What the bytes of a STATE entry say."""
    namespace, key, value = decode_state(data)
    return {"namespace": namespace, "key": key, "value": value}


@operation
def content_id(content_key: bytes, data: bytes) -> Facts:
    """The content id of a record or part."""
    return {"content_id": _chain().content_id(content_key, data)}


@operation
def nobodys_content_key(identifier_key: bytes) -> Facts:
    """The content key of what has no subject."""
    return {"content_key": _chain(identifier_key=identifier_key).nobody_content_key}


@operation
def index_key(epoch_root: bytes, vault_id: bytes, token: bytes) -> Facts:
    """The key under which an index has an identifier."""
    (key,) = _chain(root=epoch_root, vault_id=vault_id).alias_keys([token])
    return {"index_key": key}

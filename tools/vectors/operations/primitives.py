"""Section 2: digests, derivation, sealing, HPKE; passphrases, compression."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from vaultfs_format import epoch, labels, limits, p256, sha2
from vaultfs_format.compression import Codec, check_dictionary
from vaultfs_format.compression import expand as expand_zstd
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.pixels import SAMPLE_OF, Rows, restore
from vaultfs_format.suite import DEFAULT, KEY

from vectors.operations.registry import Facts, operation, suite_numbered


@contextmanager
def _of_no_structure() -> Iterator[None]:
    """Let errors name no structure: the bytes are part of none."""
    try:
        yield
    except VaultError as error:
        raise type(error) from None


@operation
def digest(data: bytes, suite: int | None = None) -> Facts:
    """H."""
    return {"digest": suite_numbered(suite).digest(data)}


@operation
def derive(key: bytes, label: str, context: bytes, length: int, suite: int | None = None) -> Facts:
    """D."""
    return {"bytes": suite_numbered(suite).derive(key, label.encode(), context, length)}


@operation
def mac(key: bytes, label: str, data: bytes, suite: int | None = None) -> Facts:
    """M."""
    return {"mac": suite_numbered(suite).mac(key, label.encode(), data)}


@operation
def derive_labels(key: bytes, names: list[str], suite: int | None = None) -> Facts:
    """D under every label that is named, with an empty context."""
    return {name: suite_numbered(suite).derive(key, getattr(labels, name), b"", KEY) for name in names}


@operation
def unseal(key: bytes, sealed: bytes, bound: bytes) -> Facts:
    """The opposite of Seal."""
    with _of_no_structure():
        return {"plain": DEFAULT.open(key, sealed, bound, Structure.FRAME)}


@operation
def permute(key: bytes, block: bytes) -> Facts:
    """P."""
    return {"block": DEFAULT.encrypt_blocks(key, block)}


@operation
def unpermute(key: bytes, block: bytes) -> Facts:
    """The opposite of P."""
    return {"block": DEFAULT.decrypt_blocks(key, block)}


@operation
def hpke_public_key(private: bytes, suite: int | None = None) -> Facts:
    """The public half of a private key."""
    chosen = suite_numbered(suite)
    return {"public_digest": chosen.digest(chosen.public_key(private))}


@operation
def hpke_open(private: bytes, sealed: bytes, info: bytes, suite: int | None = None) -> Facts:
    """The opposite of SealTo."""
    with _of_no_structure():
        return {"plain": suite_numbered(suite).open_from(private, sealed, info, Structure.JOURNAL_HEADER)}


@operation
def argon2id(passphrase: bytes, salt: bytes, memory_kib: int, passes: int, lanes: int) -> Facts:
    """Argon2id as section 4.1 uses it."""
    function = Argon2id(salt=salt, length=KEY, iterations=passes, lanes=lanes, memory_cost=memory_kib)
    return {"hashed": function.derive(passphrase)}


@operation
def pbkdf2(passphrase: bytes, salt: bytes, iterations: int) -> Facts:
    """PBKDF2 as section 4.1 uses it."""
    return {"hashed": sha2.stretch(passphrase, salt, iterations, KEY)}


@operation
def scalar(random: bytes) -> Facts:
    """The private key of suite 2 that 40 random bytes give."""
    return {"scalar": p256.draw_scalar(lambda count: random[:count])}


@operation
def epoch_root(
    root_key: bytes, vault_id: bytes, epoch_number: int, epoch_secret: bytes, suite: int | None = None
) -> Facts:
    """The epoch root of section 2.4."""
    return {"epoch_root": epoch.epoch_root(suite_numbered(suite), root_key, epoch_secret, vault_id, epoch_number)}


@operation
def expand(codec: int, parameter: int, size: int, stored: bytes) -> Facts:
    """The plaintext of a packed body of `size` bytes."""
    chosen = Codec(codec)
    sample = SAMPLE_OF.get(chosen)
    with _of_no_structure():
        if sample is None:
            check_dictionary(parameter)
            data = bytes(expand_zstd(chosen, stored, size, limits.MAX_BODY, parameter))
        else:
            data = restore(expand_zstd(Codec.ZSTD, stored, size, limits.MAX_BODY), Rows(parameter, sample))
    return {"length": len(data), "digest": DEFAULT.digest(data)}

"""The keys of a damaged vault: from what opens it and copies of VAULT, epoch secrets, keyrings.

Everything is believed for its seal alone: which of several files was in force does not matter, since each key opens
what it has sealed and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vaultfs_format import registry
from vaultfs_format.epoch import EpochSecret, epoch_root
from vaultfs_format.errors import CommitmentMismatch, MacMismatch, NoRecipientMatches, VaultError
from vaultfs_format.keyring import COMPARTMENT, HEADER, Compartment, Keyring, Tag, Values, table_keys
from vaultfs_format.layout import Buffer
from vaultfs_format.sealing import encrypt_blocks
from vaultfs_format.signing import Signer
from vaultfs_format.suite import Suite
from vaultfs_format.superblock import Superblock

from vaultfs_tools.rescuing.errors import SecretLost, SuperblockLost, VaultsMixed
from vaultfs_tools.rescuing.merging import good_ones
from vaultfs_tools.unlocking import Opener

_PAD = bytes(4)


@dataclass(frozen=True, slots=True, repr=False)
class Names:
    """What the data compartment of the keyring gives: record ids, and the names of the vault's own kinds.

    Parameters
    ----------
    record_id_key
        Empty where the keyring is lost: then records are named by their numbers.
    """

    record_id_key: bytes
    kinds: Mapping[int, str]
    media_types: Mapping[int, str]

    def record_id(self, incarnation: int, number: int) -> bytes:
        """Return the id of a record; empty where it cannot be told."""
        if not self.record_id_key:
            return b""
        block = incarnation.to_bytes(4, "big") + number.to_bytes(8, "big") + _PAD
        return encrypt_blocks(self.record_id_key, block)


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What opens a vault.

    Parameters
    ----------
    signers
        Of every VAULT that is authentic, by their numbers.
    roots
        Epoch roots by epoch: more than one where the root key was changed, and it is not known which goes with it.
    tables
        Keys of tables of earlier epochs, by segment id, as the keyrings have them.
    """

    suite: Suite
    vault_id: bytes
    signers: Mapping[int, Signer]
    roots: Mapping[int, Sequence[bytes]]
    tables: Mapping[bytes, bytes] = field(default_factory=dict)

    def roots_for(self, epoch: int) -> Sequence[bytes]:
        """Return the epoch roots that may be those of an epoch; all where a damaged field states none that is known."""
        return self.roots.get(epoch) or [root for roots in self.roots.values() for root in roots]


def open_keys(superblocks: Iterable[bytes], secrets: Iterable[bytes], opener: Opener) -> Keys:
    """Return the keys that can be opened.

    Parameters
    ----------
    superblocks, secrets
        The bytes of all copies of VAULT and of epoch secrets that were found, damaged ones included.

    Raises
    ------
    SuperblockLost, VaultsMixed, SecretLost
    VaultError
        What keeps `opener` from opening any VAULT.
    """
    good = good_ones(superblocks, lambda data: (Superblock.decode(data), data))
    if not good:
        raise SuperblockLost
    unlocked = _unlocked(good, opener)
    vault_id = unlocked[0][0].vault_id
    if any(one.vault_id != vault_id for one, _, _ in unlocked):
        raise VaultsMixed
    signers = {signer.number: signer for one, data, root in unlocked for signer in _signers(one, data, root)}
    own = [one for one in _secrets(secrets) if one.vault_id == vault_id]
    if not own:
        raise SecretLost
    roots: dict[int, list[bytes]] = {}
    for secret in own:
        for key in dict.fromkeys(root for _, _, root in unlocked):
            root = epoch_root(secret.suite, key, secret.secret, vault_id, secret.epoch)
            roots.setdefault(secret.epoch, []).append(bytes(root))
    return Keys(unlocked[0][0].suite, vault_id, signers, roots)


def _unlocked(superblocks: Iterable[tuple[Superblock, bytes]], opener: Opener) -> list[tuple[Superblock, bytes, bytes]]:
    """Return those that open, with their root keys; which of them was in force is not known."""
    unlocked = []
    failures: list[VaultError] = []
    for one, data in superblocks:
        try:
            unlocked.append((one, data, bytes(opener(one))))
        except PermissionError:  # a wrong PIN, which a token does not forgive often
            raise
        except VaultError as error:
            failures.append(error)
    if not unlocked:  # one of them may have a recipient of the kind, and tell more than that nobody matches
        raise max(failures, key=lambda error: not isinstance(error, NoRecipientMatches))
    return unlocked


def _signers(superblock: Superblock, data: bytes, root_key: bytes) -> list[Signer]:
    """Return the signers of a VAULT, none where it is not authentic: its digest anybody can make."""
    try:
        superblock.verify(data, root_key)
        return superblock.signers()
    except VaultError:
        return []


def _secrets(copies: Iterable[bytes]) -> list[EpochSecret]:
    found: list[EpochSecret] = []
    for secret in good_ones(copies, EpochSecret.decode):
        if secret not in found:
            found.append(secret)
    return found


def open_keyrings(keyrings: Iterable[bytes], keys: Keys) -> tuple[Keys, Names | None]:
    """Return the keys with those that keyrings add, and the names that any of them gives; None where none opens.

    Of each keyring, the data compartment alone is needed.
    """
    names: Names | None = None
    tables: dict[bytes, bytes] = {}
    for values in good_ones(keyrings, lambda data: _values(data, keys)):
        tables |= table_keys(values)
        if names is None:
            kinds, media_types = registry.own_names(bytes(values[Tag.REGISTRY]))
            names = Names(
                bytes(values[Tag.RECORD_ID_KEY]),
                registry.named(registry.builtin_kinds(), kinds),
                registry.named(registry.builtin_media_types(), media_types),
            )
    return replace(keys, tables=tables), names


def _values(data: Buffer, keys: Keys) -> Values:
    """Return the data compartment of a keyring, whose seal alone is asked, not the digest of the file.

    Raises
    ------
    FormatError, NotAuthentic
    """
    _, vault_id, epoch, _, salt, commitment = HEADER.unpack(data)
    number, length = COMPARTMENT.unpack(data, HEADER.size)
    start = HEADER.size + COMPARTMENT.size
    sealed = {number: bytes(data[start : start + length])}
    keyring = Keyring(keys.suite, vault_id, epoch, salt, commitment, sealed)
    if vault_id != keys.vault_id:
        raise MacMismatch
    for root in keys.roots_for(epoch):
        try:
            return keyring.open(root, Compartment.DATA)
        except CommitmentMismatch:
            continue
    raise CommitmentMismatch


def builtin_names() -> Names:
    """Return what is known of kinds where every keyring is lost."""
    return Names(b"", registry.named(registry.builtin_kinds(), []), registry.named(registry.builtin_media_types(), []))

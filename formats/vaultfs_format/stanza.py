"""Recipient stanzas: ways to the root key. One type today, a passphrase; others take further type numbers.

A stanza holds the root key sealed under a key of its own, with a commitment to that key which is checked first. The
cost parameters of a passphrase are bounded before they run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from vaultfs_format import labels, limits
from vaultfs_format.errors import CommitmentMismatch, LimitExceeded, NotEnoughMemory, Structure, UnsupportedFeature
from vaultfs_format.layout import Buffer, Field, Layout, require, require_size
from vaultfs_format.suite import KEY, TAG, Suite, same


class StanzaType(IntEnum):
    """How a stanza is opened."""

    PASSPHRASE = 1


PASSPHRASE = Layout(
    Structure.STANZA,
    "passphrase stanza",
    Field("memory_kib", "I", "Argon2id memory in KiB"),
    Field("passes", "I", "Argon2id passes"),
    Field("lanes", "I", "Argon2id lanes"),
    Field("salt", "32s", "random"),
    Field("commitment", "32s", "commitment to the key that seals the root key"),
    Field("sealed_root", f"{KEY + TAG}s", "the root key, sealed; the vault id is bound"),
)


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """Cost of Argon2id (RFC 9106). The default takes about 0.2 s on one core.

    Parameters
    ----------
    memory_kib
        Memory in KiB; at least 8 a lane.
    passes
        Iterations.
    lanes
        Degree of parallelism.
    """

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 4

    def check(self) -> None:
        """Refuse costs outside the limits before anything is computed.

        Raises
        ------
        LimitExceeded, FieldInvalid
        """
        within = (
            self.memory_kib <= limits.MAX_ARGON_MEMORY
            and self.passes <= limits.MAX_ARGON_PASSES
            and self.lanes <= limits.MAX_ARGON_LANES
            and self.memory_kib * self.passes <= limits.MAX_ARGON_WORK
        )
        if not within:
            raise LimitExceeded(structure=Structure.STANZA, memory=self.memory_kib, passes=self.passes)
        require(self.passes > 0 and self.lanes > 0, Structure.STANZA, 1)
        require(self.memory_kib >= 8 * self.lanes, Structure.STANZA, 2)


@dataclass(frozen=True, slots=True)
class PassphraseStanza:
    """The root key under a passphrase."""

    cost: Argon2Cost
    salt: bytes
    commitment: bytes
    sealed_root: bytes

    def encode(self) -> bytes:
        """Return the body of the stanza."""
        cost = self.cost
        return PASSPHRASE.pack(cost.memory_kib, cost.passes, cost.lanes, self.salt, self.commitment, self.sealed_root)

    @classmethod
    def decode(cls, body: Buffer) -> PassphraseStanza:
        """Parse the body of a stanza; the costs are bounded here, before they run."""
        require_size(body, PASSPHRASE.size, Structure.STANZA)
        memory, passes, lanes, salt, commitment, sealed = PASSPHRASE.unpack(body)
        cost = Argon2Cost(memory, passes, lanes)
        cost.check()
        return cls(cost, salt, commitment, sealed)

    def open(self, suite: Suite, vault_id: bytes, passphrase: bytes) -> bytes:
        """Return the root key.

        Raises
        ------
        CommitmentMismatch
            The passphrase is another one.
        DecryptionFailed
        """
        key, commitment = _keys(suite, self.cost, self.salt, passphrase)
        if not same(commitment, self.commitment):
            raise CommitmentMismatch(structure=Structure.STANZA)
        return suite.open(key, self.sealed_root, vault_id, Structure.STANZA)


def seal_passphrase(
    suite: Suite, vault_id: bytes, root_key: bytes, passphrase: bytes, salt: bytes, cost: Argon2Cost
) -> PassphraseStanza:
    """Return `root_key` sealed for `passphrase`. `salt`: 32 random bytes, used once."""
    cost.check()
    key, commitment = _keys(suite, cost, salt, passphrase)
    return PassphraseStanza(cost, salt, commitment, suite.seal(key, root_key, vault_id))


def _keys(suite: Suite, cost: Argon2Cost, salt: bytes, passphrase: bytes) -> tuple[bytes, bytes]:
    function = Argon2id(salt=salt, length=KEY, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib)
    try:
        hashed = function.derive(passphrase)
    except MemoryError:
        raise NotEnoughMemory(structure=Structure.STANZA, memory=cost.memory_kib, passes=cost.passes) from None
    derived = suite.derive(hashed, labels.STANZA_KEK, salt, KEY + 32)
    return derived[:KEY], derived[KEY:]


@dataclass(frozen=True, slots=True)
class Stanza:
    """A stanza of any type, its body unparsed."""

    kind: int
    body: bytes

    def passphrase(self) -> PassphraseStanza:
        """Return the stanza as a passphrase stanza.

        Raises
        ------
        UnsupportedFeature
            It is of another type.
        """
        if self.kind != StanzaType.PASSPHRASE:
            raise UnsupportedFeature(structure=Structure.STANZA, kind=self.kind)
        return PassphraseStanza.decode(self.body)

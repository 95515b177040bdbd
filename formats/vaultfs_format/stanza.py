"""Recipient stanzas: ways to the root key, by type.

Every type leads to a secret of 32 bytes of its own, by which the same seal is opened: the root key under a key derived
from the secret, with a commitment to that key which is checked first. What it costs to come to the secret is bounded
before it runs.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from vaultfs_format import labels, limits, sha2
from vaultfs_format.errors import CommitmentMismatch, LimitExceeded, NotEnoughMemory, Structure, UnsupportedFeature
from vaultfs_format.layout import Buffer, Field, Layout, require, require_size
from vaultfs_format.sealing import provided
from vaultfs_format.secret import Secret
from vaultfs_format.suite import DEFAULT, FIPS, KEY, TAG, Suite, same


class StanzaType(IntEnum):
    """How a stanza is opened."""

    PASSPHRASE = 1
    PBKDF2 = 2
    PUBLIC_KEY = 3
    TOKEN = 4
    ESCROW = 5
    HOST = 6


_SUITE_OF = {StanzaType.PASSPHRASE: DEFAULT, StanzaType.PBKDF2: FIPS}
"""The suite of stanza types that are of one suite alone."""


def permitted(suite: Suite, kind: int) -> bool:
    """Return whether VAULT may have a stanza of this type: a type that is not known may be in any suite."""
    return not any(kind == known and suite is not owner for known, owner in _SUITE_OF.items())


SEAL = (
    Field("salt", "32s", "random"),
    Field("commitment", "32s", "commitment to the key that seals the root key"),
    Field("sealed_root", f"{KEY + TAG}s", "the root key, sealed; the vault id is bound"),
)
"""The last fields of a stanza of every type."""

PASSPHRASE = Layout(
    Structure.STANZA,
    "passphrase stanza",
    Field("memory_kib", "I", "Argon2id memory in KiB"),
    Field("passes", "I", "Argon2id passes"),
    Field("lanes", "I", "Argon2id lanes"),
    *SEAL,
)
PBKDF2 = Layout(
    Structure.STANZA,
    "passphrase stanza of suite 2",
    Field("iterations", "I", "PBKDF2 iterations"),
    *SEAL,
)


@dataclass(frozen=True, slots=True)
class RootSeal:
    """The root key under a secret."""

    salt: bytes
    commitment: bytes
    sealed_root: bytes

    def fields(self) -> tuple[bytes, bytes, bytes]:
        """Return the values of `SEAL`."""
        return self.salt, self.commitment, self.sealed_root

    def open(self, suite: Suite, vault_id: bytes, secret: Buffer) -> Secret:
        """Return the root key. `secret`: 32 bytes.

        Raises
        ------
        CommitmentMismatch
            The secret is another one.
        DecryptionFailed
        """
        key, commitment = _keys(suite, secret, self.salt)
        if not same(commitment, self.commitment):
            raise CommitmentMismatch(structure=Structure.STANZA)
        return suite.open_secret(key, self.sealed_root, vault_id, Structure.STANZA)


def place_of(kind: StanzaType, vault_id: bytes, salt: bytes) -> bytes:
    """Return which stanza of which vault it is: bound into what leads to its secret, so that it serves no other."""
    label = bytes([len(labels.STANZA)]) + labels.STANZA
    return label + kind.to_bytes(2, "little") + vault_id + salt


def seal_root(suite: Suite, vault_id: bytes, root_key: Buffer, secret: Buffer, salt: bytes) -> RootSeal:
    """Return `root_key` sealed under `secret`. `salt`: 32 random bytes, used once."""
    key, commitment = _keys(suite, secret, salt)
    return RootSeal(salt, commitment, suite.seal(key, root_key, vault_id))


def _keys(suite: Suite, secret: Buffer, salt: bytes) -> tuple[bytes, bytes]:
    derived = suite.derive(secret, labels.STANZA_KEK, salt, KEY + 32)
    return derived[:KEY], derived[KEY:]


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

    kind: ClassVar[StanzaType] = StanzaType.PASSPHRASE
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

    def hash(self, passphrase: Buffer, salt: bytes) -> bytes:
        """Return the secret of 32 bytes that a passphrase leads to.

        Raises
        ------
        NotEnoughMemory, AlgorithmMissing
        """
        with provided(Structure.STANZA):
            function = Argon2id(
                salt=salt, length=KEY, iterations=self.passes, lanes=self.lanes, memory_cost=self.memory_kib
            )
        try:
            return function.derive(passphrase)  # type: ignore[arg-type] # any buffer will do
        except MemoryError:
            raise NotEnoughMemory(structure=Structure.STANZA, memory=self.memory_kib, passes=self.passes) from None


@dataclass(frozen=True, slots=True)
class Pbkdf2Cost:
    """Cost of PBKDF2 with HMAC-SHA-256 (SP 800-132). The default takes about 0.1 s on one core.

    Parameters
    ----------
    iterations
        At least 600,000.
    """

    kind: ClassVar[StanzaType] = StanzaType.PBKDF2
    iterations: int = limits.MIN_PBKDF2_ITERATIONS

    def check(self) -> None:
        """Refuse costs outside the limits before anything is computed.

        Raises
        ------
        LimitExceeded, FieldInvalid
        """
        if self.iterations > limits.MAX_PBKDF2_ITERATIONS:
            raise LimitExceeded(structure=Structure.STANZA, iterations=self.iterations)
        require(self.iterations >= limits.MIN_PBKDF2_ITERATIONS, Structure.STANZA, 3)

    def hash(self, passphrase: Buffer, salt: bytes) -> bytes:
        """Return the secret of 32 bytes that a passphrase leads to."""
        return sha2.stretch(passphrase, salt, self.iterations, KEY)


_PASSPHRASES: dict[int, tuple[Layout, type[Argon2Cost | Pbkdf2Cost]]] = {
    StanzaType.PASSPHRASE: (PASSPHRASE, Argon2Cost),
    StanzaType.PBKDF2: (PBKDF2, Pbkdf2Cost),
}


@dataclass(frozen=True, slots=True)
class PassphraseStanza:
    """The root key under a passphrase."""

    cost: Argon2Cost | Pbkdf2Cost
    seal: RootSeal

    def encode(self) -> bytes:
        """Return the body of the stanza."""
        layout, _ = _PASSPHRASES[self.cost.kind]
        return layout.pack(*astuple(self.cost), self.seal.salt, self.seal.commitment, self.seal.sealed_root)

    @classmethod
    def decode(cls, body: Buffer, kind: StanzaType = StanzaType.PASSPHRASE) -> PassphraseStanza:
        """Parse the body of a stanza of one of the two types; the costs are bounded here, before they run."""
        layout, of_costs = _PASSPHRASES[kind]
        require_size(body, layout.size, Structure.STANZA)
        *costs, salt, commitment, sealed_root = layout.unpack(body)
        cost = of_costs(*costs)
        cost.check()
        return cls(cost, RootSeal(salt, commitment, sealed_root))

    def open(self, suite: Suite, vault_id: bytes, passphrase: Buffer) -> Secret:
        """Return the root key.

        Raises
        ------
        CommitmentMismatch
            The passphrase is another one.
        DecryptionFailed
        """
        return self.seal.open(suite, vault_id, self.cost.hash(passphrase, self.seal.salt))


def seal_passphrase(
    suite: Suite, vault_id: bytes, root_key: Buffer, passphrase: Buffer, salt: bytes, cost: Argon2Cost | Pbkdf2Cost
) -> PassphraseStanza:
    """Return `root_key` sealed for `passphrase`. `salt`: 32 random bytes, used once."""
    cost.check()
    return PassphraseStanza(cost, seal_root(suite, vault_id, root_key, cost.hash(passphrase, salt), salt))


@dataclass(frozen=True, slots=True)
class Stanza:
    """A stanza of any type, its body unparsed."""

    kind: int
    body: bytes

    @property
    def takes_passphrase(self) -> bool:
        """Whether a passphrase opens it, if it is the right one."""
        return self.kind in _PASSPHRASES

    def passphrase(self) -> PassphraseStanza:
        """Return the stanza as a passphrase stanza.

        Raises
        ------
        UnsupportedFeature
            It is of another type.
        """
        if not self.takes_passphrase:
            raise UnsupportedFeature(structure=Structure.STANZA, kind=self.kind)
        return PassphraseStanza.decode(self.body, StanzaType(self.kind))

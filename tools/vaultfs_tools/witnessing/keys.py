"""The keys of a witness: one for each type of cosignature, private ones in a file that the witness alone may read.

A line of the file is `PRIVATE+KEY+name+id+Base64(type || seed)`, as programs for signed notes keep theirs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vaultfs_format.errors import FormatError, Structure
from vaultfs_format.layout import require
from vaultfs_format.limits import KIB
from vaultfs_format.schemes import ED25519, ML_DSA_44, Scheme, is_provided
from vaultfs_format.sealing import KEY
from vaultfs_format.secret import Secret
from vaultfs_format.tlog.keys import KeyType, NoteSigner, VerifierKey
from vaultfs_format.tlog.lines import base64_text, bytes_of
from vaultfs_format.tlog.policy import Policy, PolicyGroup, PolicyWitness

from vaultfs_tools.witnessing.errors import Part, WitnessDamaged

_PREFIX = "PRIVATE+KEY+"
_SCHEMES: dict[KeyType, Scheme] = {KeyType.COSIGNATURE: ED25519, KeyType.LATTICE_COSIGNATURE: ML_DSA_44}
_MAX_FILE = 4 * KIB
_NAMES = {KeyType.COSIGNATURE: "ed25519", KeyType.LATTICE_COSIGNATURE: "ml-dsa-44"}


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A key of a witness."""

    public: VerifierKey
    seed: Secret = field(repr=False)

    @property
    def signer(self) -> NoteSigner:
        """What cosigns by it."""
        return NoteSigner(self.public, partial(_SCHEMES[self.public.type].sign, self.seed))

    def encode(self) -> str:
        """Return the line of the file."""
        public = self.public
        return f"{_PREFIX}{public.name}+{public.key_id.hex()}+{base64_text(bytes([public.type]) + self.seed)}\n"

    @classmethod
    def decode(cls, line: str) -> WitnessKey:
        """Parse a line.

        Raises
        ------
        FieldInvalid
        """
        require(line.startswith(_PREFIX), Structure.NOTE, 5)
        name, _, rest = line.removeprefix(_PREFIX).partition("+")
        data = bytes_of(rest.partition("+")[2], Structure.NOTE, 5)
        require(data[0] in _SCHEMES and len(data) == 1 + KEY, Structure.NOTE, 5)
        found = cls._of(name, KeyType(data[0]), Secret(data[1:]))
        require(found.encode() == f"{line}\n", Structure.NOTE, 6)
        return found

    @classmethod
    def _of(cls, name: str, type_: KeyType, seed: Secret) -> WitnessKey:
        return cls(VerifierKey(name, type_, _SCHEMES[type_].public(seed)), seed)

    @classmethod
    def draw(cls, name: str, type_: KeyType) -> WitnessKey:
        """Return a new key.

        Raises
        ------
        FieldInvalid
            No key can have the name.
        """
        return cls._of(name, type_, Secret(_SCHEMES[type_].draw(os.urandom)))


def draw_keys(name: str) -> tuple[WitnessKey, ...]:
    """Return new keys of a witness: one for Ed25519 and, where this machine has ML-DSA-44, one for that.

    Raises
    ------
    FieldInvalid
        No key can have the name.
    """
    return tuple(WitnessKey.draw(name, type_) for type_, scheme in _SCHEMES.items() if is_provided(scheme))


def read_keys(path: Path) -> tuple[WitnessKey, ...]:
    """Return the keys in a file.

    Raises
    ------
    WitnessDamaged
        There is none, it is damaged, or others may read it.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077:
                raise WitnessDamaged(part=Part.KEY)
            data = file.read(_MAX_FILE)
        keys = tuple(WitnessKey.decode(line) for line in data.decode().splitlines())
    except (FormatError, FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        raise WitnessDamaged(part=Part.KEY) from None
    if len({key.public.name for key in keys}) != 1:
        raise WitnessDamaged(part=Part.KEY)
    return keys


def policy_of(keys: Sequence[VerifierKey]) -> Policy:
    """Return a policy whose quorum is this witness, by all of its keys. It has no logs: who relies on it adds his."""
    name = keys[0].name
    if len(keys) == 1:
        return Policy((), (PolicyWitness(name.encode(), keys[0]),), (), name.encode())
    witnesses = tuple(PolicyWitness(f"{name}#{_NAMES[key.type]}".encode(), key) for key in keys)
    group = PolicyGroup(name.encode(), len(keys), tuple(one.name for one in witnesses))
    return Policy((), witnesses, (group,), name.encode())

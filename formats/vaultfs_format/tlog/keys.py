"""Who signs notes: verifier keys (c2sp.org/signed-note) and cosignatures (c2sp.org/tlog-cosignature).

A key is known by its name and an id of four bytes, in which name, type of signature and public key are hashed. Ed25519
keys of type 1 sign the text of the note. Cosignatures, of type 4 by Ed25519 and of type 6 by ML-DSA-44, state a time,
and sign a checkpoint only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from vaultfs_format import sha2
from vaultfs_format.errors import NotSigned, SignatureInvalid, Structure, UnsupportedFeature
from vaultfs_format.layout import require
from vaultfs_format.limits import MAX_KEY_NAME, MAX_NUMBER, MAX_VERIFIER_KEY
from vaultfs_format.schemes import ED25519, ML_DSA_44, Scheme
from vaultfs_format.sealing import provided
from vaultfs_format.signing import Signer, SigningKeys
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.lines import base64_text, bounded, bytes_of
from vaultfs_format.tlog.note import KEY_ID, Note, NoteSignature, is_key_name

_TIME = 8
_ID_TEXT = re.compile("[0-9a-f]{8}")
_LATTICE_LABEL = b"subtree/v1\n\0"


class KeyType(IntEnum):
    """The types of signatures that are understood; the numbers are those of c2sp.org/signed-note."""

    ED25519 = 1
    COSIGNATURE = 4
    LATTICE_COSIGNATURE = 6


COSIGNERS = frozenset({KeyType.COSIGNATURE, KeyType.LATTICE_COSIGNATURE})
"""Types of keys that a witness may have."""

LOG_KEYS = frozenset({KeyType.ED25519, KeyType.LATTICE_COSIGNATURE})
"""Types of keys that a log may have."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key that verifies notes.

    Parameters
    ----------
    name
        As a URL without a scheme; that of a log is its origin.
    type
        What it signs, and how.
    public
        The public key itself.
    """

    name: str
    type: KeyType
    public: bytes = field(repr=False)

    def __post_init__(self) -> None:
        require(is_key_name(self.name) and len(self.name.encode()) <= MAX_KEY_NAME, Structure.NOTE, 4)
        require(len(self.public) == self.scheme.public_size, Structure.NOTE, 5)

    @property
    def scheme(self) -> Scheme:
        return ML_DSA_44 if self.type == KeyType.LATTICE_COSIGNATURE else ED25519

    @property
    def key_id(self) -> bytes:
        return sha2.digest(self.name.encode() + b"\n" + bytes([self.type]) + self.public)[:KEY_ID]

    def encode(self) -> str:
        """Return the key as text: name, id, and type with public key, with plus signs between them."""
        return f"{self.name}+{self.key_id.hex()}+{base64_text(bytes([self.type]) + self.public)}"

    @classmethod
    def decode(cls, text: str) -> VerifierKey:
        """Parse a verifier key.

        Raises
        ------
        FieldInvalid, LimitExceeded
        UnsupportedFeature
            Its type is another.
        """
        bounded(text.encode("utf-8", "surrogatepass"), MAX_VERIFIER_KEY, Structure.NOTE)
        name, _, rest = text.partition("+")
        key_id, _, blob = rest.partition("+")
        require(_ID_TEXT.fullmatch(key_id) is not None, Structure.NOTE, 5)
        data = bytes_of(blob, Structure.NOTE, 5)
        if data[0] not in frozenset(KeyType):
            raise UnsupportedFeature(structure=Structure.NOTE, type=data[0])
        found = cls(name, KeyType(data[0]), data[1:])
        require(found.key_id.hex() == key_id, Structure.NOTE, 6)
        return found

    def message(self, text: str, time: int) -> bytes:
        """Return what a signature of this key signs. The time is in seconds since 1970; type 1 states none.

        Raises
        ------
        FieldInvalid
            The key is one of a cosigner, and the text no checkpoint that it can sign.
        """
        if self.type == KeyType.ED25519:
            return text.encode()
        head = Checkpoint.decode(text)
        if self.type == KeyType.COSIGNATURE:
            return f"cosignature/v1\ntime {time}\n{text}".encode()
        names = [one.encode() for one in (self.name, head.origin)]
        require(len(names[1]) <= MAX_KEY_NAME, Structure.CHECKPOINT, 5)
        cosigner, origin = (bytes([len(name)]) + name for name in names)
        range_ = bytes(8) + head.size.to_bytes(8, "big")
        return _LATTICE_LABEL + cosigner + time.to_bytes(_TIME, "big") + origin + range_ + head.root

    def verify(self, text: str, blob: bytes) -> int | None:
        """Check a signature; return the time that it states.

        Raises
        ------
        SignatureInvalid, AlgorithmMissing, FieldInvalid
        """
        time, signature = (None, blob) if self.type == KeyType.ED25519 else (_time(blob), blob[_TIME:])
        if (time or 0) > MAX_NUMBER or len(signature) != self.scheme.signature_size:
            raise SignatureInvalid(structure=Structure.NOTE)
        message = self.message(text, time or 0)
        with provided(Structure.NOTE):
            right = self.scheme.verify(self.public, message, signature)
        if not right:
            raise SignatureInvalid(structure=Structure.NOTE)
        return time


def _time(blob: bytes) -> int:
    return int.from_bytes(blob[:_TIME], "big")


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A key that signs notes.

    Parameters
    ----------
    key
        What verifies its signatures.
    sign
        Returns the signature of a message: that of a key in memory, in a token, or at a service.
    """

    key: VerifierKey
    sign: Callable[[bytes], bytes] = field(repr=False)

    def signature(self, text: str, time: int) -> NoteSignature:
        """Sign a text. The time, in seconds since 1970, is stated by cosignatures only.

        Raises
        ------
        FieldInvalid
            The key is one of a cosigner, and the text no checkpoint.
        SignatureInvalid
            What signs has another key.
        """
        key = self.key
        require(0 <= time <= MAX_NUMBER, Structure.NOTE, 7)
        stated = b"" if key.type == KeyType.ED25519 else time.to_bytes(_TIME, "big")
        blob = stated + self.sign(key.message(text, time))
        key.verify(text, blob)
        return NoteSignature(key.name, key.key_id, blob)


def sign_checkpoint(head: Checkpoint, signers: Sequence[NoteSigner], time: int) -> Note:
    """Return a checkpoint that the log signs with each of its keys, whose name is the origin.

    Raises
    ------
    FieldInvalid
        The origin is not the name of each key, or there are extension lines.
    SignatureInvalid
        What signs has another key.
    """
    require(bool(signers) and all(one.key.name == head.origin for one in signers), Structure.CHECKPOINT, 6)
    require(not head.extensions, Structure.CHECKPOINT, 7)
    text = Checkpoint.decode(head.encode()).encode()
    return Note(text, tuple(one.signature(text, time) for one in signers))


@dataclass(frozen=True, slots=True)
class Signed:
    """Who has signed a note, and when, where the signature states it."""

    key: VerifierKey
    time: int | None


def signed_by(note: Note, known: Iterable[VerifierKey]) -> tuple[Signed, ...]:
    """Return who of `known` has signed a note, each key once. Signatures of other keys are passed over.

    Raises
    ------
    SignatureInvalid
        A signature of a known key is wrong: then nothing of the note is believed.
    FieldInvalid
        Two keys have the same name and id, or a cosigner has signed what is no checkpoint.
    AlgorithmMissing
    """
    keys: dict[tuple[str, bytes], VerifierKey] = {}
    for key in known:
        require(keys.setdefault((key.name, key.key_id), key) == key, Structure.NOTE, 8)
    found: dict[VerifierKey, Signed] = {}
    for one in note.signatures:
        signer = keys.get((one.name, one.key_id))
        if signer is not None:
            time = signer.verify(note.text, one.blob)
            found.setdefault(signer, Signed(signer, time))
    return tuple(found.values())


def require_signed(
    note: Note, known: Iterable[VerifierKey], required: Iterable[VerifierKey] = ()
) -> tuple[Signed, ...]:
    """Return who has signed a note: of the known keys at least one, and each that is required.

    Raises
    ------
    NotSigned
    SignatureInvalid, FieldInvalid, AlgorithmMissing
    """
    wanted = frozenset(required)
    found = signed_by(note, [*known, *wanted])
    if not found or wanted - {one.key for one in found}:
        raise NotSigned(structure=Structure.NOTE)
    return found


def open_checkpoint(note: Note, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint of a log that has signed it with each of its keys, whose name is the origin.

    Raises
    ------
    NotSigned
    SignatureInvalid, FieldInvalid, AlgorithmMissing
    """
    require_signed(note, (), keys)
    head = Checkpoint.decode(note.text)
    if any(key.name != head.origin for key in keys):
        raise NotSigned(structure=Structure.CHECKPOINT)
    return head


def verifier_keys(signer: Signer, name: str) -> tuple[VerifierKey, ...]:
    """Return the keys for heads of a signer of a vault, under the name of its log: the second where it has one."""
    first = VerifierKey(name, KeyType.ED25519, signer.head_key)
    if not signer.lattice_key:
        return (first,)
    return first, VerifierKey(name, KeyType.LATTICE_COSIGNATURE, signer.lattice_key)


def note_signers(keys: SigningKeys, name: str) -> tuple[NoteSigner, ...]:
    """Return what signs notes by the keys of a signer of a vault, in the order of `verifier_keys`."""
    ways = (keys.sign_note, keys.sign_note_by_lattice)
    return tuple(NoteSigner(key, sign) for key, sign in zip(verifier_keys(keys.signer, name), ways, strict=False))

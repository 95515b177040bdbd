"""Every error of VaultFS, one tree, one registry of stable codes.

A class is an error; its docstring's first line is the message; ``code`` never changes once released, and is never given
to another error. Instances carry *facts*: integers, booleans and enum members, which cannot hold data of a patient.
Text never enters an error. A class with subclasses is a group: it is there to be caught. All this makes docs/errors.md.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class FileId(int):
    """The id of a segment or journal, as a fact. It is shown in the digits that the name of the file has."""

    @classmethod
    def of(cls, file_id: bytes) -> FileId:
        """Return the id of which these are the bytes."""
        return cls.from_bytes(file_id, "big")

    def __str__(self) -> str:
        return f"{self:032x}"


Fact = int | bool | Enum | None

_REGISTRY: dict[int, type[VaultError]] = {}


class VaultError(Exception):
    """VaultFS could not do what was asked.

    Parameters
    ----------
    **facts
        Sizes, offsets, counts, code numbers and enum members that describe the failure. Never text from the input.

    Attributes
    ----------
    code
        Stable number of the error.
    retryable
        Whether the same call may succeed when it is simply made again, at once or later, with nothing else done.
    advice
        What an operator or the host's developer does about it.
    """

    code: ClassVar[int] = 1000
    retryable: ClassVar[bool] = False
    advice: ClassVar[str] = "Look up the code of the error itself in docs/errors.md."

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        _register(cls)

    def __init__(self, **facts: Fact) -> None:
        for name, value in facts.items():
            if value is not None and not isinstance(value, (int, Enum)):
                raise TypeError(f"fact {name!r} must be an integer or an enum member")
        self.facts = facts
        super().__init__(self.message())
        number = facts.get("errno")
        if isinstance(self, OSError) and isinstance(number, int):
            _state_errno(self, number)

    def __reduce__(self) -> tuple[object, ...]:
        return _revived, (type(self), self.facts)

    def message(self) -> str:
        """Return ``VFS-<code>: <text> (<facts>)``, free of data."""
        text = (type(self).__doc__ or "").partition("\n")[0]
        facts = ", ".join(f"{name}={_show(value)}" for name, value in self.facts.items())
        return f"VFS-{self.code}: {text}" + (f" ({facts})" if facts else "")


def _state_errno(error: OSError, number: int) -> None:
    error.errno = number  # whoever catches OSError looks there


def _revived(cls: type[VaultError], facts: dict[str, Fact]) -> VaultError:
    """Make an error again that comes from another process."""
    return cls(**facts)


def _show(value: Fact) -> str:
    return value.name.lower() if isinstance(value, Enum) else str(value)


def _register(cls: type[VaultError]) -> None:
    holder = _REGISTRY.setdefault(cls.code, cls)
    if holder is not cls and holder.__qualname__ != cls.__qualname__:
        raise TypeError(f"error code {cls.code} is taken by {holder.__name__}")


_register(VaultError)


def registry() -> dict[int, type[VaultError]]:
    """Return every error class that has been defined, by its code."""
    return dict(sorted(_REGISTRY.items()))


class Structure(Enum):
    """The structures of the format, named in the facts of an error."""

    SUPERBLOCK = 1
    STANZA = 2
    KEYRING = 3
    HEAD = 4
    FRAME = 5
    ENTRIES = 6
    JOURNAL_HEADER = 7
    JOURNAL_GROUP = 8
    SEGMENT = 9
    KEY_TABLE = 10
    DICTIONARY = 11
    AUDIT_ENTRY = 12
    EPOCH_SECRET = 13
    DIRECTORY = 14
    PREFIX = 15
    SIGNER = 16
    WITNESS = 17
    ACT = 18
    COPY = 19
    REPORT = 20
    NOTE = 21
    CHECKPOINT = 22
    TILE = 23
    LOG_PROOF = 24
    LOG_POLICY = 25
    LOG_WITNESS = 26
    SUBJECT_PROOF = 27
    DISCLOSURE = 28
    LOG_BASE = 29


# 1100-1199: bytes that are not what the format says. ---------------------------------------------------------------


class FormatError(VaultError):
    """A structure of the vault does not follow the format."""

    code = 1100
    advice = "Run vaultfs-fsck: it heals what has a good copy. Restore the rest from a backup."


class BadMagic(FormatError):
    """The file or structure does not begin as its kind must."""

    code = 1101
    advice = "Check that the file is what its name says; then run vaultfs-fsck, and restore what it cannot heal."


class Truncated(FormatError):
    """The structure ends before its last byte."""

    code = 1102
    advice = (
        "The file was cut short, as by a copy that was not finished. Run vaultfs-fsck; restore what it cannot heal."
    )


class TrailingBytes(FormatError):
    """Bytes follow the end of the structure."""

    code = 1103
    advice = "Something was appended to the file or written over it. Run vaultfs-fsck; restore what it cannot heal."


class FieldInvalid(FormatError):
    """A field holds a value that the format does not allow."""

    code = 1104


class LimitExceeded(FormatError):
    """A length or count is larger than the format allows."""

    code = 1105


class DigestMismatch(FormatError):
    """The bytes do not have the digest that is recorded for them."""

    code = 1106


class ChainBroken(FormatError):
    """A journal group does not continue the group before it."""

    code = 1107
    advice = "Bytes of the journal were changed. Take a copy of the vault, run vaultfs-fsck, and restore from a backup."


class SlicesLost(FormatError):
    """So many slices of the segment are damaged that its parity does not give them back."""

    code = 1108
    advice = "Run vaultfs-fsck: it says which slices are lost. Restore the file from a backup or a mirror."


class Unsupported(VaultError):
    """The vault needs a feature, version or suite that this program does not know."""

    code = 1110
    advice = "Use a newer VaultFS. The vault is not damaged."


class UnsupportedVersion(Unsupported):
    """The structure has a version that this program does not know."""

    code = 1111
    advice = "Use the VaultFS that wrote the vault, or a newer one. The vault is not damaged."


class UnsupportedSuite(Unsupported):
    """The vault uses a cryptographic suite that this program does not know."""

    code = 1112
    advice = "Use the VaultFS that wrote the vault, or a newer one. The vault is not damaged."


class UnsupportedFeature(Unsupported):
    """The vault uses a feature that this program does not know."""

    code = 1113
    advice = "Use the VaultFS that wrote the vault, or a newer one. The vault is not damaged."


class AlgorithmMissing(Unsupported):
    """The cryptographic library of this machine, or the provider that it runs on, lacks an algorithm that is needed."""

    code = 1114
    advice = (
        "Use the machine, or the provider of OpenSSL, that the vault was used with. Under a FIPS provider only vaults "
        "of suite fips can be used. The vault is not damaged."
    )


# 1200-1299: bytes that are well formed and not authentic. ----------------------------------------------------------


class NotAuthentic(VaultError):
    """A structure is well formed but was not written with the keys of this vault."""

    code = 1200
    advice = "Treat the vault as tampered with until vaultfs-fsck has named the damage."


class MacMismatch(NotAuthentic):
    """The message authentication code does not match."""

    code = 1201
    advice = (
        "The file is whole, but was not written by this vault. Check that the epoch store and the files "
        "belong to it; otherwise treat it as tampered with."
    )


class CommitmentMismatch(NotAuthentic):
    """The key is not the one that the structure commits to."""

    code = 1202
    advice = (
        "Check that the epoch store is that of this vault and not of a copy; otherwise treat the vault as "
        "tampered with."
    )


class DecryptionFailed(NotAuthentic):
    """The ciphertext cannot be opened with its key."""

    code = 1203
    advice = (
        "Run vaultfs-fsck, without keys and then with them, to learn which file it is; restore that file from a backup."
    )


class DecompressionFailed(NotAuthentic):
    """The decrypted bytes do not expand to the size that is recorded for them."""

    code = 1204
    advice = (
        "What was sealed is not what its header says, which damage cannot cause: keep a copy of the file, "
        "and report it."
    )


class SignatureInvalid(NotAuthentic):
    """The signature is not one of the signer."""

    code = 1205
    advice = "The file was not written by the signer that VAULT names. Treat the vault as tampered with."


class NotSigned(NotAuthentic):
    """The note has no signature of a key that is required."""

    code = 1206
    advice = "Check that the verifier keys, or the policy, are those of the log; otherwise do not believe the note."


class QuorumMissing(NotAuthentic):
    """The witnesses that have cosigned the checkpoint are no quorum of the policy."""

    code = 1207
    advice = "Ask the log for a checkpoint with the cosignatures that the policy wants. The log may well be right."


class ProofInvalid(NotAuthentic):
    """The hashes of the proof do not lead to the root of the tree."""

    code = 1208
    advice = "Check that the entry is the one that was proved, byte for byte; otherwise do not believe the proof."


class NoRecipientMatches(VaultError):
    """None of the vault's recipients can be opened with what was given."""

    code = 1210
    advice = "Check the passphrase; another recipient of the vault may still open it."


class NotEnoughMemory(VaultError, MemoryError):
    """There is not enough memory to derive a key from the passphrase at the cost that is stated."""

    code = 1211
    advice = "Give the process as much memory as the facts say, in KiB; vault and passphrase may well be right."


def forget_paths(error: BaseException) -> None:
    """Take paths out of an error of Python, and those behind it, that is about to become the context of a coded one.

    ``raise ... from None`` hides it from a traceback; a debugger or a log handler of the host finds it all the same.
    """
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, OSError):
            behind.filename = behind.filename2 = None
        behind = behind.__context__

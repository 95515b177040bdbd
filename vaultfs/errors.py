"""The engine's errors, in the same tree and registry as the format's (`vaultfs_format.errors`)."""

from __future__ import annotations

from vaultfs_format.errors import (
    BadMagic,
    ChainBroken,
    CommitmentMismatch,
    DecompressionFailed,
    DecryptionFailed,
    DigestMismatch,
    FieldInvalid,
    FormatError,
    LimitExceeded,
    MacMismatch,
    NoRecipientMatches,
    NotAuthentic,
    Structure,
    TrailingBytes,
    Truncated,
    Unsupported,
    UnsupportedFeature,
    UnsupportedSuite,
    UnsupportedVersion,
    VaultError,
    registry,
)

__all__ = [
    "BadMagic",
    "ChainBroken",
    "CommitmentMismatch",
    "DecompressionFailed",
    "DecryptionFailed",
    "DigestMismatch",
    "FieldInvalid",
    "FormatError",
    "LimitExceeded",
    "MacMismatch",
    "NoRecipientMatches",
    "NotAuthentic",
    "Structure",
    "TrailingBytes",
    "Truncated",
    "Unsupported",
    "UnsupportedFeature",
    "UnsupportedSuite",
    "UnsupportedVersion",
    "VaultError",
    "registry",
]

# 2000-2099: the call itself. ---------------------------------------------------------------------------------------


class ArgumentInvalid(VaultError, ValueError):
    """An argument is not allowed."""

    code = 2001


class KindUnknown(VaultError, LookupError):
    """The kind or media type is not in the vault's registry."""

    code = 2002
    advice = "Name the kind or media type when the vault is created."


class Closed(VaultError, ValueError):
    """The vault, session, transaction or file is closed."""

    code = 2003


class TransactionEnded(VaultError):
    """The transaction was committed or rolled back already."""

    code = 2004


class TooLarge(VaultError):
    """The record, value or transaction is larger than the format allows."""

    code = 2005


# 2100-2199: what is asked for. -------------------------------------------------------------------------------------


class NotFound(VaultError, LookupError):
    """No such record, version or subject is visible."""

    code = 2101


class Deleted(VaultError, LookupError):
    """The record is deleted; its bytes stay until disposal."""

    code = 2102


class SubjectAmbiguous(VaultError, LookupError):
    """The identifier is asserted for more than one subject that are not linked."""

    code = 2103
    advice = "List the subjects of the identifier and name one, or link them."


class AccessDenied(VaultError, PermissionError):
    """The policy does not permit this access; the denial is audited."""

    code = 2104


class TransactionConflict(VaultError):
    """Something that the transaction relied on was changed by another one."""

    code = 2105
    retryable = True
    advice = "Run the transaction again."


# 2200-2299: the vault as a place. ----------------------------------------------------------------------------------


class VaultExists(VaultError, FileExistsError):
    """There is something at the place where the vault should be created."""

    code = 2201


class VaultMissing(VaultError, FileNotFoundError):
    """There is no vault at this place."""

    code = 2202


class WriterBusy(VaultError):
    """Another process or handle writes to the vault."""

    code = 2203
    retryable = True
    advice = "Close the other writer, or wait longer."


class EpochSecretMissing(VaultError):
    """No epoch store that was given holds this vault's current epoch secret."""

    code = 2204
    advice = "Name the epoch store; after a rename of the vault it lies where it was created."


class StorageFull(VaultError, OSError):
    """There is no space left for what must be written."""

    code = 2205
    advice = "Free space, then open the vault again. Acknowledged data is intact."


class StorageReadOnly(VaultError, OSError):
    """The place of the vault cannot be written to."""

    code = 2206


class StorageFailed(VaultError, OSError):
    """The operating system reported an error for a file of the vault."""

    code = 2207
    advice = "Check the device, then open the vault again. Acknowledged data is intact."


class WriterPoisoned(VaultError):
    """An earlier write failed; this writer accepts nothing more."""

    code = 2208
    advice = "Close the vault and open it again; recovery keeps everything acknowledged."


class CommitUnknown(VaultError):
    """The commit failed after its bytes may have reached the disk: it may or may not be there after reopening."""

    code = 2209
    advice = "Open the vault again and look before repeating."


class Forked(VaultError):
    """The vault was opened before a fork; only the process that opened it may use it."""

    code = 2210
    advice = "Open the vault in the child process."


class ReadOnly(VaultError):
    """The vault was opened for reading only."""

    code = 2211
    advice = "Open the vault for writing, or hand the change to the process that has."


class ReadersBusy(VaultError):
    """A reader is beginning its access journal, and does not finish."""

    code = 2212
    retryable = True


class AccessLogMissing(VaultError):
    """Reads cannot be recorded: the vault's place cannot be written to, and no other directory was named."""

    code = 2213
    advice = "Name a directory for the access log."


class IndexMissing(VaultError):
    """The vault has no index that this process can read by."""

    code = 2214
    retryable = True
    advice = "Open the vault for writing once, or name a directory for an index of this reader's own."


# 2300-2399: damage that the engine met. ----------------------------------------------------------------------------


class VaultDamaged(VaultError):
    """A file of the vault is missing or damaged, and no copy of it is good."""

    code = 2301
    advice = "Run vaultfs-fsck; restore from a backup."


class IndexDamaged(VaultError):
    """The index does not agree with the files."""

    code = 2302
    advice = "Run vaultfs-fsck --rebuild-index. The records are not affected."


class RolledBack(VaultError):
    """The vault is older than one that was seen before."""

    code = 2303


class RecipeInvalid(VaultError):
    """The state or recipe of an import does not follow its form."""

    code = 2304
    advice = "The records are not affected; import the source again."


# 5000-5099: source files that cannot be understood; reasons of quarantine. -----------------------------------------


class SourceError(VaultError):
    """A source cannot be understood; its bytes are kept in quarantine."""

    code = 5000


class FormatUnknown(SourceError):
    """The source is in no format that an adapter reads."""

    code = 5001


class JsonMalformed(SourceError):
    """The JSON text is not well formed."""

    code = 5002


class JsonTooDeep(SourceError):
    """The JSON text is nested deeper than the adapter reads."""

    code = 5003


class PieceTooLarge(SourceError):
    """A single record of the source is larger than the adapter reads into memory."""

    code = 5004


class NotAResource(SourceError):
    """The JSON object does not state a FHIR resource type that is known."""

    code = 5005


class FieldMalformed(SourceError):
    """A field that decides where the record belongs has a type that the standard does not allow."""

    code = 5006


class Hl7Malformed(SourceError):
    """The text does not follow the HL7v2 encoding rules."""

    code = 5007


class Hl7NoHeader(SourceError):
    """A segment stands where no message header has come before it."""

    code = 5008


class EncodingUnknown(SourceError):
    """The bytes are not in the character set that the source states."""

    code = 5009


class SourceChanged(VaultError):
    """The source file changed while it was read; nothing of this reading is kept."""

    code = 5010
    retryable = True


class SourceUnreadable(VaultError, OSError):
    """The source file cannot be read."""

    code = 5011

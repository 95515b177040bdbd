"""The engine's errors, in the same tree and registry as the format's (`vaultfs_format.errors`)."""

from __future__ import annotations

from vaultfs_format.errors import (
    AlgorithmMissing,
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
    NotEnoughMemory,
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
    "AlgorithmMissing",
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
    "NotEnoughMemory",
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
    advice = (
        "Correct the call: the facts say how long or large the argument was, and its documentation what is allowed."
    )


class KindUnknown(VaultError, LookupError):
    """The kind or media type is not in the vault's registry."""

    code = 2002
    advice = "Correct the name, or create the vault with it in kinds or media_types: they are fixed from then on."


class Closed(VaultError, ValueError):
    """The vault, session, transaction or file is closed."""

    code = 2003
    advice = "Open it again; correct the program, which uses it after closing it."


class TransactionEnded(VaultError):
    """The transaction was committed or rolled back already."""

    code = 2004
    advice = "Begin another transaction; correct the program, which uses one after its commit or rollback."


class TooLarge(VaultError):
    """The record, value or transaction is larger than the format allows."""

    code = 2005
    advice = "Put less into one transaction; what belongs together in more than one is tied by a control state."


# 2100-2199: what is asked for. -------------------------------------------------------------------------------------


class NotFound(VaultError, LookupError):
    """No such record, version or subject is visible."""

    code = 2101
    advice = "Check the id, and that it is of this vault; a search by identifier needs the system to the letter."


class Deleted(VaultError, LookupError):
    """The record is deleted; its bytes stay until disposal."""

    code = 2102
    advice = "Undelete the record if it should be seen; until then its versions can be listed and not read."


class SubjectAmbiguous(VaultError, LookupError):
    """The identifier is asserted for more than one subject that are not linked."""

    code = 2103
    advice = "List the subjects of the identifier and name one, or link them if they are one person."


class AccessDenied(VaultError, PermissionError):
    """The policy does not permit this access; the denial is audited."""

    code = 2104
    advice = "Ask whoever keeps the policy. A vault that was opened without a policy permits nothing."


class TransactionConflict(VaultError):
    """Something that the transaction relied on was changed by another one."""

    code = 2105
    retryable = True
    advice = (
        "Run the whole transaction again, from its first read; after many failures look for two jobs that do the same."
    )


class AttestationFailed(VaultError, PermissionError):
    """The acting person did not sign the statement of the session; this is recorded."""

    code = 2106
    advice = "Look at what signs for the person: it raised, or gave no signature that the format can keep."


# 2200-2299: the vault as a place. ----------------------------------------------------------------------------------


class VaultExists(VaultError, FileExistsError):
    """There is something at the place where the vault should be created."""

    code = 2201
    advice = "Choose another place, or open the vault that is there."


class VaultMissing(VaultError, FileNotFoundError):
    """There is no vault at this place."""

    code = 2202
    advice = "Check the path, and that the medium is mounted. Do not create a vault there before both are certain."


class WriterBusy(VaultError):
    """Another process or handle writes to the vault."""

    code = 2203
    retryable = True
    advice = (
        "Let the other process finish, or wait longer. A lock never outlives its process: there is nothing to delete."
    )


class EpochSecretMissing(VaultError):
    """No epoch store that was given holds this vault's current epoch secret."""

    code = 2204
    advice = "Name the epoch store; after a rename of the vault it lies where it was created."


class StorageFull(VaultError, OSError):
    """There is no space left for what must be written."""

    code = 2205
    advice = "Free space and repeat what was refused. Acknowledged data is intact, and reading goes on."


class StorageReadOnly(VaultError, OSError):
    """The place of the vault is read-only, or this account may not use it."""

    code = 2206
    advice = "Check that it is mounted for writing, and that all files in it are this account's; then open it again."


class StorageFailed(VaultError, OSError):
    """The operating system reported an error for a file of the vault."""

    code = 2207
    advice = "Check the device and the system's log, then open the vault again. Acknowledged data is intact."


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
    advice = "Open the vault in the child process, after the parent has closed it."


class ReadOnly(VaultError):
    """The vault was opened for reading only."""

    code = 2211
    advice = "Open the vault for writing, or hand the change to the process that has."


class AccessLogBusy(VaultError):
    """Another process holds the directory of the access journals, and does not let go."""

    code = 2212
    retryable = True
    advice = "Try again; if it lasts, a process that writes to this vault hangs: let it go on, or end it."


class AccessLogMissing(VaultError):
    """Reads cannot be recorded: the vault's place cannot be written to, and no other directory was named."""

    code = 2213
    advice = "Name a directory for the access log."


class IndexMissing(VaultError):
    """The vault has no index that this process can read by."""

    code = 2214
    advice = "Open the vault for writing once, or name a directory for an index of this reader's own."


class RolledBack(VaultError):
    """The vault is older than it was when it was last seen, or is not the same: newer records are missing."""

    code = 2215
    advice = (
        "Find the newer vault: what was stored in it since then is not in this one. If this is all that is left, open"
        " it with accept_older=True, which is recorded."
    )


class LogDiverged(VaultError):
    """The audit log is not the one of which somebody has kept a checkpoint, or is shorter than it was."""

    code = 2216
    advice = (
        "Keep both: the vault, and what was exported. Unless the vault was restored from an older copy, somebody has"
        " changed its log."
    )


# 2676: witnesses of the log. ----------------------------------------------------------------------------------------


class WitnessSilent(VaultError):
    """A witness, or an anchor that is required, gave no answer, or none that can be understood."""

    code = 2676
    advice = (
        "Check that the other host can be reached, and answers. Until it does nothing shows that the vault is newest."
    )


# 2300-2399: damage that the engine met. ----------------------------------------------------------------------------


class VaultDamaged(VaultError):
    """A file of the vault is missing or damaged, and no copy of it is good."""

    code = 2301
    advice = "Run vaultfs-fsck; restore from a backup what it cannot heal."


class IndexDamaged(VaultError):
    """The index does not agree with the files."""

    code = 2302
    advice = "Run vaultfs-fsck --rebuild-index. The records are not affected."


class RecipeInvalid(VaultError):
    """The state or recipe of an import does not follow its form."""

    code = 2304
    advice = (
        "The records are not affected. Undelete what was deleted of kind vaultfs.recipe; then import the source again."
    )


# 2500-2599: the life of keys. --------------------------------------------------------------------------------------


class LifecycleError(VaultError):
    """The state of a key does not permit what is asked."""

    code = 2500
    advice = "Look at the states of the keys; turn the epoch, or change the state of the key if that is right."


class KeyExpired(LifecycleError):
    """The period is over in which the key may be used so."""

    code = 2501
    advice = "Turn the epoch, which begins a new period; what was committed before is there, and the job can go on."


class KeyNotUsable(LifecycleError):
    """The key is in a state in which it is not used so."""

    code = 2502


class TransitionInvalid(LifecycleError, ValueError):
    """A key in this state does not get into that one, or its dates are not in order."""

    code = 2503
    advice = "Correct the call: SP 800-57 Part 1 section 7 has the transitions; dates ascend."


# 5000-5099: source files that cannot be understood; reasons of quarantine. -----------------------------------------


class SourceError(VaultError):
    """A source cannot be understood; its bytes are kept in quarantine."""

    code = 5000
    advice = (
        "Nothing is lost: the bytes are in quarantine, and the export gives them back. Correct the source "
        "and import it again."
    )


class FormatUnknown(SourceError):
    """The source is in no format that an adapter reads."""

    code = 5001
    advice = "Check what the file is. If a later version reads it, vaultfs-import --redrive takes it out of quarantine."


class JsonMalformed(SourceError):
    """The JSON text is not well formed."""

    code = 5002
    advice = (
        "Export it from its system again, in UTF-8 and complete, and import that: it replaces what is in quarantine."
    )


class JsonTooDeep(SourceError):
    """The JSON text is nested deeper than the adapter reads."""

    code = 5003
    advice = "No FHIR resource is nested as deep: check what made the file."


class PieceTooLarge(SourceError):
    """A single record of the source is larger than the adapter reads into memory."""

    code = 5004
    advice = "Let its system export it in smaller pieces, as NDJSON; the bytes are kept in quarantine as they are."


class NotAResource(SourceError):
    """The JSON object does not state a FHIR resource type that is known."""

    code = 5005
    advice = "Check resourceType. Resources of another FHIR release than R4 stay in quarantine."


class FieldMalformed(SourceError):
    """A field that decides where the record belongs has a type that the standard does not allow."""

    code = 5006
    advice = "Correct the field at the source: filing it by a guess could put it under the wrong patient."


class Hl7Malformed(SourceError):
    """The text does not follow the HL7v2 encoding rules."""

    code = 5007
    advice = (
        "Check that the file holds HL7v2 and begins with MSH and usable delimiters; correct it and import it again."
    )


class Hl7NoHeader(SourceError):
    """A segment stands where no message header has come before it."""

    code = 5008
    advice = "Check whether the file was cut at its beginning; correct it and import it again."


class EncodingUnknown(SourceError):
    """The bytes are not in the character set that the source states."""

    code = 5009
    advice = "Find out the character set that was really used, state it in the source, and import it again."


class SourceChanged(VaultError):
    """The source file changed while it was read; nothing of this reading is kept."""

    code = 5010
    retryable = True
    advice = "Import it again when nobody writes to it."


class SourceUnreadable(VaultError, OSError):
    """The source file cannot be read."""

    code = 5011
    advice = (
        "Check that it exists, is a regular file and may be read; links inside a source are not followed. "
        "Import it again."
    )


class DicomMalformed(SourceError):
    """The file does not follow the encoding rules of DICOM."""

    code = 5020
    advice = "Export the object again from its archive, and import that; the bytes are kept in quarantine until then."


class DicomTruncated(SourceError):
    """The DICOM file ends before a length that it states."""

    code = 5021
    advice = "Fetch the file again from where it came: it was cut. Import the whole one."


class XmlMalformed(SourceError):
    """The XML text is not well formed."""

    code = 5022
    advice = "Check whether the document was cut or edited by hand; correct it and import it again."


class XmlForbidden(SourceError):
    """The XML text declares a document type or entities, which the adapter does not read."""

    code = 5023
    advice = "Remove the document type declaration at the source: clinical documents do not have one."


class XmlTooDeep(SourceError):
    """The XML text is nested deeper, or has a larger tag, than the adapter reads."""

    code = 5024
    advice = (
        "Check what made the document: clinical documents are not nested like this. Correct it and import it again."
    )


# 5100-5199: where an export is written to. -------------------------------------------------------------------------


class DestinationNotEmpty(VaultError, FileExistsError):
    """There is something in the directory that should be written to."""

    code = 5101
    advice = "Name a new or an empty directory; what is there was not touched."


class DestinationFailed(VaultError, OSError):
    """The directory that should be written to cannot be used, or is full."""

    code = 5102
    advice = (
        "Check its path, permissions and free space. Remove what was written, which is not whole, and export again."
    )

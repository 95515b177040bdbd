"""What a check of the whole vault finds: errors 9100 to 9199, which only such a check can see."""

from __future__ import annotations

from enum import Enum

from vaultfs_format.errors import VaultError


class Property(Enum):
    """What two structures may state differently."""

    VAULT_ID = 1
    FILE_ID = 2
    FRAME_CLASS = 3
    DISPOSITION = 4
    YEARS = 5
    EPOCH = 6
    GENERATION = 7
    LENGTH = 8
    FRAMES = 9
    ENTRIES = 10
    ROOT = 11
    SUPERBLOCK_COPY = 12
    PLACE = 13
    INCARNATION = 14
    RECORD_NUMBERS = 15
    COMMIT_NUMBERS = 16
    FIRST_LEAF = 17
    LIVE_SET = 18
    PART_LENGTH = 19
    ROLE = 20
    SUITE = 21
    SIGNER = 22
    LEAF = 23


class CheckError(VaultError):
    """The files of the vault do not fit together."""

    code = 9100
    advice = "Take a copy of the vault before anything else; restore from a backup what is named."


class FileMissing(CheckError):
    """A file that the vault needs is missing."""

    code = 9101
    advice = "Restore the file from a backup."


class FileUnreadable(CheckError):
    """The device reports an error where the file is read."""

    code = 9102
    advice = "Copy what can be read to another device, then check the copy."


class NotRegular(CheckError):
    """The file is not a regular file."""

    code = 9103
    advice = "Something took the place of the file: look who did, move it away, and restore the file from a backup."


class Disagreement(CheckError):
    """The structure states something else than the one that names it."""

    code = 9104
    advice = "A file of another vault or of another time lies here: restore the file that is named from a backup."


class HeadsDisagree(CheckError):
    """The two heads differ, and nothing proves that the one follows the other."""

    code = 9105
    advice = "Somebody wrote two heads: take a copy of the vault, and find out who else wrote to it before opening it."


class CopyStale(CheckError):
    """One of the two heads is older than the other."""

    code = 9106
    advice = "Run vaultfs-fsck without --check-only: it writes the newer head over the older one."


class SlicesDamaged(CheckError):
    """Bytes of the segment do not have the hashes that are recorded for them."""

    code = 9107
    advice = "Run vaultfs-fsck without --check-only: it rebuilds them from the parity."


class LeavesDamaged(CheckError):
    """A copy of the leaf hashes of the segment is damaged."""

    code = 9108
    advice = "Run vaultfs-fsck without --check-only: it writes the copy anew."


class TreeMismatch(CheckError):
    """The audit entries do not give the tree that the head states."""

    code = 9109
    advice = (
        "Restore head and audit segments from one backup. If they were never damaged, treat the log as tampered with."
    )


class LeavesMissing(CheckError):
    """Audit entries are missing, or there are too many, before this file."""

    code = 9110
    advice = "Restore the audit segments that are missing from a backup; until then the log is not whole."


class JournalsFork(CheckError):
    """Two journals follow the same one."""

    code = 9111
    advice = "Two copies of the vault were written to and then mixed: take a copy, and restore the one that is right."


class PredecessorMissing(CheckError):
    """The journal that this one follows is missing, or does not end where this one says."""

    code = 9112
    advice = "Restore the journal from a backup taken after it was written; without it the groups in it are lost."


class DurableLost(CheckError):
    """Groups that were durable are damaged or missing."""

    code = 9113
    advice = "Acknowledged commits are missing: take a copy of the vault, and restore from the newest backup."


class HeadOlder(CheckError):
    """The file was written under a later head than the vault has: the head was put back."""

    code = 9114
    advice = "Somebody restored the head alone: restore all of the vault from one backup, or put the newer head back."


class NotNamed(CheckError):
    """The head does not name the file, and no journal holds what is in it."""

    code = 9115
    advice = "Take a copy of the file before it is removed: it may be from a later state of the vault than the head."


class ParityDamaged(CheckError):
    """Parity of the segment is damaged; what it protects is good."""

    code = 9116
    advice = "Run vaultfs-fsck without --check-only: it makes the parity anew."


class FooterDamaged(CheckError):
    """One of the two footers of the segment is damaged."""

    code = 9117
    advice = "Run vaultfs-fsck without --check-only: it writes the good one over it."


class FooterLost(CheckError):
    """Both footers of the segment are damaged, or the file is something else."""

    code = 9118
    advice = "Restore the file from a backup or a mirror. vaultfs-rescue may find records in it."


class SignerUnknown(CheckError):
    """The vault names another signer than the one that was given."""

    code = 9119
    advice = (
        "Compare the fingerprint with the one that was noted when the vault was made. If that was right, somebody has"
        " put other keys into the vault: treat it as tampered with."
    )


class GroupsDamaged(CheckError):
    """Groups of the journal are damaged; its mirror has them."""

    code = 9120
    advice = "Run vaultfs-fsck without --check-only: it writes them over what is damaged."


class Recovery(CheckError):
    """Opening the vault will finish or discard what was interrupted."""

    code = 9150
    advice = "Open the vault for writing, as any command with a passphrase does; nothing that was acknowledged is lost."


class TornTail(Recovery):
    """The journal ends in a group that was never finished; opening the vault discards it."""

    code = 9151
    advice = "Open the vault for writing; what is discarded was never acknowledged."


class JournalOpen(Recovery):
    """The journal was not closed; opening the vault secures its last groups."""

    code = 9152
    advice = "Open the vault for writing; everything that was acknowledged is kept."


class JournalEmpty(Recovery):
    """The journal was begun and never used."""

    code = 9153
    advice = "Open the vault for writing; nothing was in it."


class SettlingUnfinished(Recovery):
    """A settling was interrupted; the journals still hold what the file holds."""

    code = 9154
    advice = "Open the vault for writing; the settling is done again and the file removed."


class CopyingUnfinished(Recovery):
    """Bringing this copy up to date was interrupted: the file is of the state before or of the one to come."""

    code = 9155
    advice = "Run vaultfs-backup copy again: it finishes the copy, and removes what is not needed."


class Remark(CheckError):
    """The vault holds something that it does not need."""

    code = 9160
    advice = "Nothing needs to be done."


class Superseded(Remark):
    """The head names a newer file than this one."""

    code = 9161
    advice = "Nothing needs to be done: it takes space and nothing else."


class Leftover(Remark):
    """An interrupted write left an unfinished file."""

    code = 9162
    advice = "Nothing needs to be done: opening the vault for writing removes it, or the next write of that file does."


class Foreign(Remark):
    """Files in this directory are not the vault's; their names are withheld, because they may hold data."""

    code = 9163
    advice = "Look at the files in that directory, and move them: a vault's directory is no place for others."


class LeftOut(Remark):
    """Damage was found, so the checks that need keys were left out: opening a damaged vault would write to it."""

    code = 9164
    advice = "Heal or restore what is damaged, then check again with the passphrase."


class PartHeadTorn(Remark):
    """The superblock of an open blob segment is damaged. Nothing relies on it, and settling writes it anew."""

    code = 9165
    advice = "Nothing needs to be done: the next settling writes it anew."


class MirrorBehind(Remark):
    """The mirror of the file does not have all that the file has."""

    code = 9166
    advice = "Run vaultfs-fsck without --check-only: it completes the mirror. So does settling, which needs neither."


class CopiesDiffer(Remark):
    """A group of the journal and of its mirror differ in what only the keys can judge."""

    code = 9167
    advice = "Open the vault for writing: with the keys, the one that is right is taken."

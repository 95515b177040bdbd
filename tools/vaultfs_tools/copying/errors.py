"""What keeps a vault from being copied, or a copy from being restored."""

from __future__ import annotations

from vaultfs_format.errors import FormatError, VaultError

# 9300-9399: backup. ------------------------------------------------------------------------------------------------


class BackupError(VaultError):
    """The vault cannot be copied, or the copy not be restored."""

    code = 9300
    advice = "Nothing good was written over: see the code of the error itself."


class PlacesOverlap(BackupError):
    """One of the two directories lies in the other."""

    code = 9301
    advice = "Name a directory elsewhere, best on another disk: a backup in the vault is lost with it."


class OtherCopy(BackupError):
    """What lies in the directory is no copy of this vault, or one of another kind."""

    code = 9302
    advice = "Name the directory of this vault's copy, or one that does not exist or is empty."


class SourceOlder(BackupError):
    """The vault is older than its copy, or was put back since the copy was made."""

    code = 9303
    advice = (
        "The copy may be all that is left of what was stored since: keep it, and copy to another directory. Use"
        " --allow-older only if you are sure that nothing in the copy is needed."
    )


class CopyBusy(BackupError):
    """Another process is writing to the copy."""

    code = 9304
    advice = "Wait for it to end, and run the command again."
    retryable = True


class SourceChanging(BackupError):
    """The vault was settled so often that no state of it could be copied as a whole."""

    code = 9305
    advice = "Run the command again, with a higher --rate, or at a quieter time: it goes on from what it has copied."
    retryable = True


class PlaceTaken(BackupError):
    """There is something already where the command should make a new directory."""

    code = 9306
    advice = "Name a directory that does not exist."


class BundleUnfit(BackupError):
    """The key bundle is of another vault, or older than the copy."""

    code = 9307
    advice = "Name the newest key bundle of the vault, or restore the copy without one."


class ReportInvalid(BackupError, FormatError):
    """The report of the drill is not in the form in which a drill writes it."""

    code = 9308
    advice = "Take the report from where the drill has written it; what was edited proves nothing."


class CopyUnreadable(BackupError):
    """There is a head in the copy, and none that this program can read: damaged, or of a newer version."""

    code = 9309
    advice = (
        "What the copy holds may be newer than the vault: keep it, check it with the newest vaultfs-fsck, and copy to"
        " another directory. Use --allow-older only if you are sure that nothing in the copy is needed."
    )


class SourceUnproved(BackupError):
    """VAULT is damaged or missing, so that nothing shows who has signed the head."""

    code = 9310
    advice = (
        "The copy stays as it is. Heal the vault with vaultfs-fsck, or put VAULT in its place from another copy. A new"
        " copy, in another directory, can be made of it as it is."
    )


class DirectoryLinked(BackupError):
    """A directory of the copy is a link to another one."""

    code = 9311
    advice = (
        "Look who made the link, and remove it: what is written to a copy stays in its directory. Only a vault may have"
        " its directory `copies` elsewhere."
    )

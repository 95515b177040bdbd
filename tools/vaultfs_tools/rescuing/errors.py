"""What keeps a rescue from its work, and why something that is known to have existed is not given back."""

from __future__ import annotations

from vaultfs_format.errors import VaultError

# 9200-9299: rescue. ------------------------------------------------------------------------------------------------


class RescueError(VaultError):
    """The vault, or a part of it, cannot be rescued."""

    code = 9200
    advice = "Look for further copies of the vault's files, put them below the same directory, and rescue again."


class SuperblockLost(RescueError):
    """No file VAULT is good, and no two damaged ones give a good one together."""

    code = 9201
    advice = "Look for a copy of the file VAULT, in a backup or a mirror: without it nothing of the vault opens."


class SecretLost(RescueError):
    """No epoch secret of the vault is among the files that were given."""

    code = 9202
    advice = "Name the epoch store with --epoch-store, or a file with the secret with --epoch-secret."


class VaultsMixed(RescueError):
    """Files of more than one vault lie here, and what was given opens them."""

    code = 9203
    advice = "Take the files VAULT of all vaults but one away, rescue, and do the same for the others."


class OutputNotEmpty(RescueError):
    """There is something in the directory to write to, or it is not a directory."""

    code = 9204
    advice = "Name a directory that does not exist or is empty."


class OutputInside(RescueError):
    """The directory to write to lies in the vault."""

    code = 9205
    advice = "Name a directory elsewhere, best on another disk: nothing is written to what is rescued from."


class Loss(RescueError):
    """Something is known to have existed and is not given back."""

    code = 9210
    advice = "Restore it from a backup or a mirror, or look for further copies of the files and rescue again."


class KeyLost(Loss):
    """The key of the frame is in no key table or journal group that is left."""

    code = 9211


class PartLost(Loss):
    """A part of the record is in no file that is left."""

    code = 9212


class VersionLost(Loss):
    """A later version of the record is left, and this one is not."""

    code = 9213


class StretchUnreadable(Loss):
    """The bytes are no rows of frames or journal groups any more; records may have lain there."""

    code = 9214


class BytesUnnamed(Loss):
    """No journal group that is left names these bytes of an open blob segment."""

    code = 9215
    advice = (
        "Nothing needs to be done where a transaction was given up. Else the end of a journal is missing: look for"
        " another copy of it."
    )


class JournalLost(Loss):
    """A journal that a later one continues is missing, or what opens its groups."""

    code = 9216

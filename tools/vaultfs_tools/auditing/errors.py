"""What a check of an exported log finds: errors 2680 and 2681."""

from __future__ import annotations

from vaultfs_format.errors import NotAuthentic, VaultError


class ExportDiffers(NotAuthentic):
    """A file of the exported log does not hold what the entries of the log, or their hashes, give."""

    code = 2680
    advice = (
        "Keep what was exported, and compare it with another export: it is damaged, or somebody has changed it or the"
        " log. Of a vault that can be read, verify the log."
    )


class ExportMissing(VaultError):
    """A file of the exported log is missing, or cannot be read."""

    code = 2681
    advice = "Fetch the file again from where it was exported to, or export the log once more into the same directory."

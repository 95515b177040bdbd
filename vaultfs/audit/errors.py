"""Errors of the log as a whole, 2660 to 2669, in the same tree and registry as all others."""

from __future__ import annotations

from vaultfs_format.errors import VaultError


class LogTooYoung(VaultError):
    """The log must be kept for longer than that."""

    code = 2660
    advice = (
        "Name an earlier time. Six years are the least that HIPAA asks for; whoever has another rule states it as the "
        "minimum age."
    )


class LogStillNeeded(VaultError):
    """Somebody still needs a part of the log that would be removed."""

    code = 2661
    advice = "Let the delivery, hold or witness that needs it catch up or end, or name an earlier time."


class LogPrunedBefore(VaultError):
    """What somebody has of the log ends before the first leaf that is kept: it cannot be told whether it is of it."""

    code = 2662
    advice = (
        "Keep it: it may be the only witness of what was pruned. Export into a new directory; open the vault without "
        "that anchor, and let another witness begin. Prune from now on only as far as all of them have come."
    )


class SubjectsUncounted(VaultError):
    """Events about subjects were settled, and no heads of subjects count them: no accounting of them can be proved."""

    code = 2663
    advice = (
        "Settle the vault, as vaultfs-maintain does, and verify again: what could not be read when it was settled is "
        "counted then. If it is said again of a log that can be read, do not trust the program that writes the vault."
    )

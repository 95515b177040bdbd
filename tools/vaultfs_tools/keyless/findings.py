"""What a check finds, as values: errors with stable codes, where they are, and how they can be healed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from vaultfs_format.errors import Structure, Unsupported, VaultError
from vaultfs_format.segment import SegmentFooter
from vaultfs_format.suite import DEFAULT, Suite

from vaultfs_tools.keyless.errors import Recovery, Remark
from vaultfs_tools.keyless.naming import shown


class Severity(Enum):
    """How bad a finding is."""

    REMARK = "remark"
    RECOVERY = "recovery needed"
    CORRECTED = "corrected"
    UNSUPPORTED = "unsupported"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Remedy:
    """A bad copy and the good one to write over it. Names are relative to the vault.

    Parameters
    ----------
    digest
        Digest of all bytes of the good file when it was checked.
    """

    target: str
    source: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Combined:
    """A bad copy, and the good file that both copies give together.

    Parameters
    ----------
    data
        All bytes of the file.
    """

    target: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parity:
    """A segment, or the mirror of one, that is made whole from its parity and the other.

    Parameters
    ----------
    footer
        The right one, which says what every byte must be.
    """

    target: str
    footer: SegmentFooter


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A file that is made whole from its mirror, and the mirror from it."""

    target: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in a file.

    Parameters
    ----------
    error
        What it is, with its code and its facts.
    file
        The name relative to the vault, made of ids, classes, years and numbers.
    offset
        Where in the file, in bytes, if that is known.
    remedy
        How to heal it, if that is known.
    """

    severity: Severity
    error: VaultError
    file: str
    offset: int | None = None
    remedy: Remedy | Combined | Parity | Mirrored | None = None

    @property
    def structure(self) -> Structure | None:
        """The structure that is affected, if the error names one."""
        named = self.error.facts.get("structure")
        return named if isinstance(named, Structure) else None


@dataclass(slots=True)
class Report:
    """Everything that a check found, and how much it looked at.

    Parameters
    ----------
    suite, vault_id, generation, epoch
        Of the head; where no head is good suite 1, empty and 0.
    audit_leaves
        Leaves of the audit tree, those of live journals included.
    checked
        Bytes that were read.
    opened
        Whether every frame was opened with its key, and the index compared with the files.
    signer
        Fingerprint of the signer of the head; empty where it is not known.
    pinned
        Whether that was given to the check, and not taken from the vault.
    """

    findings: list[Finding] = field(default_factory=list)
    suite: Suite = DEFAULT
    vault_id: bytes = b""
    generation: int = 0
    epoch: int = 0
    segments: int = 0
    journals: int = 0
    access_journals: int = 0
    groups: int = 0
    frames: int = 0
    entries: int = 0
    audit_leaves: int = 0
    checked: int = 0
    opened: bool = False
    signer: bytes = b""
    pinned: bool = False

    def add(
        self,
        error: VaultError,
        file: str,
        offset: int | None = None,
        remedy: Remedy | Combined | Parity | Mirrored | None = None,
    ) -> None:
        """Note a finding; its severity follows from the error. A name that may hold data is not kept."""
        self.findings.append(Finding(severity_of(error), error, shown(file), offset, remedy))

    def withhold(self) -> None:
        """Forget every remedy: what would be written is not known to be the vault's."""
        self.findings = [replace(finding, remedy=None) for finding in self.findings]

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity is severity for finding in self.findings)


def severity_of(error: VaultError) -> Severity:
    """Return how bad an error is that has not been corrected."""
    if isinstance(error, Unsupported):
        return Severity.UNSUPPORTED
    if isinstance(error, Recovery):
        return Severity.RECOVERY
    return Severity.REMARK if isinstance(error, Remark) else Severity.ERROR

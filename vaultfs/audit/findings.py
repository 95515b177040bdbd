"""What a check of the log finds, as values: what is wrong, from which leaf on, and where in which file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vaultfs_format.errors import FileId, VaultError


class Part(Enum):
    """What of the log is wrong.

    FILE: entries are missing, or cannot be read. EVENT: an event is missing, cannot be read, or is not the one that its
    entry commits to. ENTRY: an entry does not follow the format, or states what is not so. TREE: the entries do not
    give the root that a signer has signed. SIGNER: a part was signed by another than it should. SUBJECTS: the log
    states other heads of subjects than its events give, or none.
    """

    FILE = "file"
    EVENT = "event"
    ENTRY = "entry"
    TREE = "tree"
    SIGNER = "signer"
    SUBJECTS = "subjects"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with the log, at the first leaf of a file at which it is.

    Parameters
    ----------
    error
        What it is, with its code; its facts say which leaf, file and offset.
    """

    part: Part
    error: VaultError

    @property
    def index(self) -> int | None:
        """Index of the first leaf that is wrong; of TREE, the first that may be. None where it is about none."""
        return _number(self.error.facts.get("leaf"))

    @property
    def file(self) -> FileId | None:
        """Id of the segment or journal in which it lies, where it lies in one."""
        found = self.error.facts.get("file")
        return found if isinstance(found, FileId) else None

    @property
    def offset(self) -> int | None:
        """Where in the file, in bytes, where that is known."""
        return _number(self.error.facts.get("offset"))


def _number(fact: object) -> int | None:
    return fact if isinstance(fact, int) else None


@dataclass(frozen=True, slots=True)
class Healed:
    """A file of the log that is damaged, and of which nothing is lost: parity or mirror give it back.

    Parameters
    ----------
    file
        Id of the segment or journal.
    slices
        Damaged slices of a segment; 0 where it is the hashes or footers beside them, or a journal.
    """

    file: FileId
    slices: int


@dataclass(slots=True)
class Verified:
    """What was checked, and what was found.

    Parameters
    ----------
    leaves, events
        Of the tree; those that are not settled yet included.
    subjects
        Subjects with a head.
    signers
        Signers that have signed a part of the log.
    first
        Index of the first leaf: those before were pruned.
    findings
        What is wrong, the first of each file; none of a log that is good.
    healed
        What is damaged, and was read all the same.
    """

    leaves: int = 0
    events: int = 0
    subjects: int = 0
    signers: int = 0
    first: int = 0
    findings: tuple[Finding, ...] = ()
    healed: tuple[Healed, ...] = ()

    @property
    def worst(self) -> Finding | None:
        """The finding with the first leaf that is wrong; None where nothing is."""
        return min(self.findings, key=_order, default=None)


def _order(finding: Finding) -> int:
    return -1 if finding.index is None else finding.index

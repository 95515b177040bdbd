"""The head in its two places: which one is in force, and who has signed it.

Whoever can write to one of the places can put a head there that decodes. So a head that its signer has signed goes
before one that nobody can judge, because its VAULT is not there, and that one before a head whose signatures do not
hold; only then the higher generation counts. Nothing but a signed head is ever written over the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.head import Head
from vaultfs_format.superblock import Superblock

from vaultfs_tools.keyless.errors import CopyStale, Disagreement, HeadsDisagree, Property, SignerUnknown
from vaultfs_tools.keyless.files import HEAD, MAX_SMALL, VaultFiles, superblock_name
from vaultfs_tools.keyless.findings import Report
from vaultfs_tools.keyless.pairs import check_superblock, read_copies


class Standing(IntEnum):
    """What the signatures of a head say of it."""

    WRONG = 0
    """They do not hold, or are of another signer than the one that was given."""
    UNKNOWN = 1
    """The VAULT that it names is not there; or another head is there, and nothing proves which is the vault's."""
    SIGNED = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """A head, and what its signatures say of it.

    Parameters
    ----------
    signer
        Fingerprint of who has signed it; empty where nobody is known to have.
    error
        What is wrong with the signatures.
    """

    head: Head
    standing: Standing
    signer: bytes = b""
    error: VaultError | None = None

    @property
    def rank(self) -> tuple[Standing, int]:
        """What decides which of two heads is in force."""
        return self.standing, self.head.generation


def check_head(files: VaultFiles, report: Report, given: bytes | None = None) -> Judged | None:
    """Return the head that is in force; None where none is good or a newer program has written one.

    Parameters
    ----------
    given
        Fingerprint of the signer that the vault must have; None to take the one that VAULT names.
    """
    copies = read_copies(files, report, HEAD, MAX_SMALL, Head.decode)
    if copies.unsupported or not copies.good:
        copies.report(report)
        return None if copies.combined is None else _judged(files, copies.combined[1], given)
    found = {name: _judged(files, head, given) for name, (_, head) in copies.good.items()}
    place = max(found, key=lambda name: found[name].rank)
    chosen = found[place]
    copies.report(report, place if chosen.standing is Standing.SIGNED else "")
    for name, other in found.items():
        if copies.good[name][0] != copies.good[place][0]:
            error = _difference(chosen, other)
            sure = chosen.standing is Standing.SIGNED and _follows(chosen, other, given)
            report.add(error, name, remedy=copies.remedy(name, place) if sure else None)
            if not sure:
                chosen = replace(chosen, standing=min(chosen.standing, Standing.UNKNOWN))
    return chosen


def _judged(files: VaultFiles, head: Head, given: bytes | None) -> Judged:
    superblock = check_superblock(files, Report(), head)
    if superblock is None:
        return Judged(head, Standing.UNKNOWN)
    try:
        signer = _signer_of(head, superblock)
    except VaultError as error:
        return Judged(head, Standing.WRONG, error=error)
    if given is not None and not _leads_to(superblock, given):
        return Judged(head, Standing.WRONG, signer, SignerUnknown(structure=Structure.SIGNER))
    return Judged(head, Standing.SIGNED, signer)


def _signer_of(head: Head, superblock: Superblock) -> bytes:
    """Return the fingerprint of who has signed a head.

    Raises
    ------
    SignatureInvalid, FormatError
    """
    signer = superblock.in_force(head.signer, head.tree_size)
    head.verify_signatures(signer)
    return signer.fingerprint


def _leads_to(superblock: Superblock, given: bytes) -> bool:
    """Return whether a fingerprint is that of the signer, or of one before: each has named the one that follows."""
    try:
        superblock.check_line()
        return any(signer.fingerprint == given for signer in superblock.signers())
    except VaultError:
        return False


def _difference(chosen: Judged, other: Judged) -> VaultError:
    """Return what is wrong with a head beside the one in force."""
    if other.error is not None:
        return other.error
    if other.head.vault_id != chosen.head.vault_id:
        return Disagreement(structure=Structure.HEAD, property=Property.VAULT_ID)
    newest, generation = chosen.head.generation, other.head.generation
    if generation < newest and other.signer in {b"", chosen.signer}:
        return CopyStale(structure=Structure.HEAD, generation=generation, newest=newest)
    return HeadsDisagree(structure=Structure.HEAD, generation=generation)


def _follows(chosen: Judged, other: Judged, given: bytes | None) -> bool:
    """Return whether a head that is signed may be written over another one."""
    if other.standing is Standing.WRONG:
        return True
    newer = other.head.vault_id == chosen.head.vault_id and other.head.generation < chosen.head.generation
    return newer and (given is not None or other.signer == chosen.signer)


def check_signer(report: Report, head: Head, superblock: Superblock, given: bytes | None) -> None:
    """Check who has signed the head, and whether it is who was given."""
    try:
        report.signer = _signer_of(head, superblock)
    except VaultError as error:
        report.add(error, HEAD)
        return
    try:
        superblock.check_line()
    except VaultError as error:
        report.add(error, superblock_name(head.superblock_generation))
    report.pinned = given is not None and _leads_to(superblock, given)
    if given is not None and not report.pinned:
        report.add(SignerUnknown(structure=Structure.SIGNER), HEAD)

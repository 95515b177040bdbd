"""Whether a directory may take a copy of a vault: nothing else is written over, nor anything newer."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from vaultfs_format.copymark import CopyKind, CopyMark
from vaultfs_format.errors import SignatureInvalid, VaultError
from vaultfs_format.head import Head
from vaultfs_format.superblock import Superblock

from vaultfs_tools.copying.errors import CopyUnreadable, OtherCopy, PlacesOverlap, SourceOlder, SourceUnproved
from vaultfs_tools.copying.journals import Live, durable_groups
from vaultfs_tools.copying.small import InForce, head_in
from vaultfs_tools.copying.target import Target
from vaultfs_tools.keyless.errors import FileMissing, SignerUnknown
from vaultfs_tools.keyless.files import MARK, copy_name
from vaultfs_tools.keyless.naming import is_unfinished


def keep_apart(one: Path, other: Path) -> None:
    """Refuse two directories of which one lies in the other.

    Raises
    ------
    PlacesOverlap
    """
    first, second = one.resolve(), other.resolve()
    if first == second or first in second.parents or second in first.parents:
        raise PlacesOverlap


def mark_of(target: Target, vault_id: bytes, kind: CopyKind) -> CopyMark | None:
    """Return the mark of a copy of this vault; None where there is no file but what a first run left unfinished.

    Raises
    ------
    OtherCopy
        The directory holds anything else.
    """
    if not target.root.exists() and not target.root.is_symlink():
        return None
    if not target.root.is_dir():
        raise OtherCopy
    for name in (MARK, copy_name(MARK)):
        try:
            mark = CopyMark.decode(target.files.read(name))
        except VaultError:
            continue
        if (mark.vault_id, mark.kind) != (vault_id, kind):
            raise OtherCopy
        return mark
    if not all(is_unfinished(name) for name in target.files.walk()):
        raise OtherCopy
    return None


def head_of(target: Target, *, replaceable: bool) -> InForce | None:
    """Return the head of a copy; None where there is none yet.

    Parameters
    ----------
    replaceable
        Whether None is to be returned, too, where no head is good.

    Raises
    ------
    CopyUnreadable
        No head is good: whatever the copy holds cannot be compared with the vault.
    """
    try:
        return head_in(target.files)
    except FileMissing:
        return None
    except VaultError:
        if replaceable:
            return None
        raise CopyUnreadable from None


def refuse_older(source: InForce, present: InForce) -> None:
    """Refuse a vault that is older than its copy, is another of the same age, or was put back meanwhile.

    A vault that goes on from an older state has a higher incarnation from then on (HED-22): its copy may hold what it
    has not.

    Raises
    ------
    SourceOlder
    """
    there, here = source.head, present.head
    other = there.generation == here.generation and source.data != present.data
    if there.generation < here.generation or other or there.incarnation != here.incarnation:
        raise SourceOlder(generation=there.generation, copy=here.generation)


def refuse_shorter(source: Live, present: Live, head: Head) -> None:
    """Refuse journals of the head that lack what the copy's were known to have durably.

    Raises
    ------
    SourceOlder
    """
    there = {journal.header.journal_id: journal.scan for journal in source.journals}
    for journal_id, groups in durable_groups(present).items():
        scan = there.get(journal_id)
        if scan is None or scan.last_group < groups:
            raise SourceOlder(generation=head.generation, copy=head.generation)


def refuse_other_signer(head: Head, superblock: Superblock, present: InForce) -> None:
    """Refuse a head of a signer to whom the one that has signed the copy's has not led: VAULT may name anybody.

    The signatures of the copy's head show whose they are, whatever has become of VAULT in the copy.

    Raises
    ------
    SignerUnknown
    """
    with suppress(SignatureInvalid):
        superblock.check_line()
        present.head.verify_signatures(superblock.signer(present.head.signer))
        return
    raise SignerUnknown(number=head.signer)


def refuse_unproved(head: InForce, present: InForce | None, pin: bytes | None) -> None:
    """Refuse a head whose signer is not known, unless it replaces none, and nobody has said who it must be.

    Parameters
    ----------
    pin
        Fingerprint of the signer that the vault must have.

    Raises
    ------
    SourceUnproved
    """
    same = present is None or present.data == head.data
    if pin is not None or not same:
        raise SourceUnproved

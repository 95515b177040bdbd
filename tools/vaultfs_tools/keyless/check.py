"""The check of a whole vault, from the head down."""

from __future__ import annotations

import re
from collections.abc import Callable

from vaultfs_format import act, copymark, epoch, keyring, keytable, superblock, witness
from vaultfs_format import head as head_file
from vaultfs_format.act import Act
from vaultfs_format.copymark import CopyMark
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.errors import BadMagic, Structure, VaultError
from vaultfs_format.head import Head
from vaultfs_format.keyring import Keyring
from vaultfs_format.keytable import KeyTable
from vaultfs_format.segment import FOOTER_MAGIC, FOOTER_SIZE
from vaultfs_format.segment import MAGIC as SEGMENT
from vaultfs_format.superblock import Superblock
from vaultfs_format.witness import Witnessed

from vaultfs_tools.keyless import files as names
from vaultfs_tools.keyless.access import check_access
from vaultfs_tools.keyless.audit import check_audit
from vaultfs_tools.keyless.files import VaultFiles
from vaultfs_tools.keyless.findings import Report, Severity
from vaultfs_tools.keyless.heads import Standing, check_head, check_signer
from vaultfs_tools.keyless.journals import check_journals
from vaultfs_tools.keyless.litter import check_litter, check_parts
from vaultfs_tools.keyless.pairs import check_keyring, check_retired, check_superblock, check_table
from vaultfs_tools.keyless.segments import Audited, Scrubber


def _silent(_: int) -> None:
    """Take in progress that nobody wants to see."""


def check(files: VaultFiles, advance: Callable[[int], None] = _silent, signer: bytes | None = None) -> Report:
    """Check every file of a vault without keys; nothing is written. Only what a signed head proves can be healed.

    Parameters
    ----------
    advance
        Is told the bytes that were read from segments and journals.
    signer
        Fingerprint of the signer that the vault must have; None to take the one that VAULT names.

    Raises
    ------
    OSError
        For what the vault is not to blame: permissions, too many open files. Damage never raises.
    """
    report = Report()
    inforce = check_head(files, report, signer)
    if inforce is not None:
        head = inforce.head
        report.suite, report.vault_id = head.suite, head.vault_id
        report.generation, report.epoch = head.generation, head.epoch
        _check_under(files, report, head, advance, signer)
        if inforce.standing is not Standing.SIGNED:
            report.withhold()
    elif not report.count(Severity.UNSUPPORTED):
        _check_alone(files, report, advance)
        if signer is not None:
            report.withhold()
    return report


def _check_under(
    files: VaultFiles, report: Report, head: Head, advance: Callable[[int], None], signer: bytes | None
) -> None:
    superblock = check_superblock(files, report, head)
    if superblock is not None:
        check_signer(report, head, superblock, signer)
    check_keyring(files, report, head)
    audited = _check_segments(files, report, head, superblock, advance)
    try:
        check_retired(files, report, head)
        journals = check_journals(files, report, head, advance)
        check_access(files, report, head, advance)
        check_audit(files, report, head, superblock, audited, journals)
        parts = check_parts(files, report, head, journals)
        check_litter(files, report, head, journals, parts)
    except VaultError as error:
        report.add(error, ".")


def _check_segments(
    files: VaultFiles, report: Report, head: Head, superblock: Superblock | None, advance: Callable[[int], None]
) -> list[Audited]:
    scrubber = Scrubber(files, report, advance, superblock)
    audited = []
    mirrored = any(files.size(names.copy_name(names.segment_name(row))) for row in head.segments)
    for row in head.segments:
        check_table(files, report, head, row)
        found = scrubber.check(names.segment_name(row), head, row, mirrored=mirrored)
        if found is not None:
            audited.append(found)
    return audited


def _check_alone(files: VaultFiles, report: Report, advance: Callable[[int], None]) -> None:
    """Check every file by itself, since no head is good: what can still be used is worth knowing."""
    scrubber = Scrubber(files, report, advance)
    try:
        for name in files.walk():
            if name.endswith(".vseg"):
                scrubber.check(name, None, None)
            elif decode := _decoder(name):
                _decoded(files, report, name, decode)
        check_journals(files, report, None, advance)
        check_access(files, report, None, advance)
    except VaultError as error:
        report.add(error, ".")


def check_file(files: VaultFiles, name: str, advance: Callable[[int], None] = _silent) -> Report:
    """Check a file by itself: a segment whole, a small file by its digest.

    What it is shows in how it begins, or else in its name.

    Raises
    ------
    BadMagic
        For a file that is none of a vault's, or that cannot be checked by itself.
    OSError
        For what the file is not to blame.
    """
    with files.open(name) as file:
        magic = file.read(0, min(file.size, len(SEGMENT)))
        end = file.read(max(0, file.size - FOOTER_SIZE), min(file.size, len(SEGMENT)))
    report = Report()
    decode = _BY_MAGIC.get(magic, Head.decode if name == names.HEAD else _decoder(name))
    if magic == SEGMENT or end == FOOTER_MAGIC or name.endswith(".vseg"):
        Scrubber(files, report, advance).check(name, None, None)
    elif decode is not None:
        _decoded(files, report, name, decode)
    else:
        raise BadMagic(structure=Structure.PREFIX)
    return report


_BY_MAGIC: dict[bytes, Callable[[bytes], object]] = {
    superblock.MAGIC: Superblock.decode,
    keyring.MAGIC: Keyring.decode,
    keytable.MAGIC: KeyTable.decode,
    head_file.MAGIC: Head.decode,
    epoch.MAGIC: EpochSecret.decode,
    witness.MAGIC: Witnessed.decode,
    act.MAGIC: Act.decode,
    copymark.MAGIC: CopyMark.decode,
}


def _decoder(name: str) -> Callable[[bytes], object] | None:
    last = name.rpartition("/")[2]
    if re.fullmatch(r"VAULT\.\d+", last):
        return Superblock.decode
    if re.fullmatch(r"keyring\.\d+", last):
        return Keyring.decode
    return KeyTable.decode if re.fullmatch(r"[0-9a-f]{32}\.vkey\.\d+(\.\d+)?", last) else None


def _decoded(files: VaultFiles, report: Report, name: str, decode: Callable[[bytes], object]) -> None:
    try:
        data = files.read(name)
        report.checked += len(data)
        decode(data)
    except VaultError as error:
        report.add(error, name)

"""The report of a drill, and who has signed it: bytes and a signature beside them, to be checked without a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vaultfs_format.errors import Structure
from vaultfs_format.signing import HEAD_SIGNATURES, Signer, SigningKeys

from vaultfs_tools.copying.errors import ReportInvalid
from vaultfs_tools.copying.small import head_in, superblock_of
from vaultfs_tools.keyless.durable import write
from vaultfs_tools.keyless.files import VaultFiles
from vaultfs_tools.keyless.findings import Report
from vaultfs_tools.keyless.heads import check_signer

MAX_REPORT = 1 << 20
REPORT = "report.json"
SIGNATURE = ".sig"
"""Suffix of the file beside a report that has its signatures."""


def write_report(path: Path, report: Mapping[str, object], signing: SigningKeys | None) -> None:
    """Write a report, and its signatures where there are keys to sign with, durably."""
    data = (json.dumps(report, indent=2) + "\n").encode()
    if signing is not None:
        write(path.with_suffix(SIGNATURE), signing.sign_report(data))
    write(path, data)


def verified_report(path: Path, vault: Path, signer: bytes | None = None) -> tuple[dict[str, object], Signer]:
    """Return a report that the signer of a vault has signed, and the signer.

    Parameters
    ----------
    vault
        The vault, a copy of it, or a key bundle.
    signer
        Fingerprint of the signer that the vault must have; None to take the one that VAULT names.

    Raises
    ------
    SignatureInvalid
        Report or signatures were changed, or others have made them.
    ReportInvalid, SignerUnknown, FileMissing, FormatError
    """
    files = VaultFiles(path.absolute().parent)
    data = files.read(path.name, MAX_REPORT)
    report = _parsed(data)
    keys = VaultFiles(vault)
    head = head_in(keys).head
    if report.get("vault_id") != head.vault_id.hex():
        raise ReportInvalid(structure=Structure.REPORT)
    superblock, found = superblock_of([keys], head), Report()
    check_signer(found, head, superblock, signer)
    for finding in found.findings:
        raise finding.error
    number = report.get("signer")
    by = superblock.signer(number if isinstance(number, int) else 0)
    by.verify_report(data, files.read(path.with_suffix(SIGNATURE).name, HEAD_SIGNATURES))
    return report, by


def _parsed(data: bytes) -> dict[str, object]:
    with suppress(ValueError, RecursionError):
        found = json.loads(data)
        if isinstance(found, dict):
            return found
    raise ReportInvalid(structure=Structure.REPORT)

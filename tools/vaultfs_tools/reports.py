"""How the commands that check without keys show what they found."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta

from vaultfs_format.suite import DIGEST

from vaultfs_tools import cli
from vaultfs_tools.keyless import Finding, Report, Severity


def fingerprint(text: str) -> bytes:
    """Return the bytes of a fingerprint, in which blanks and colons mean nothing."""
    digits = text.replace(":", "").replace(" ", "")
    if not re.fullmatch(f"[0-9a-fA-F]{{{2 * DIGEST}}}", digits):
        raise ArgumentTypeError("a fingerprint has 64 hexadecimal digits")
    return bytes.fromhex(digits)


def add_signer_option(parser: cli.Parser) -> None:
    """Add the option that says who must have signed the vault: ``args.signer``."""
    parser.add_argument(
        "--signer", metavar="FINGERPRINT", type=fingerprint, help="whose signature the vault must have, 64 digits"
    )


def exit_code(report: Report) -> int:
    """Return the exit code for a report: the sum of what was found, as e2fsck does."""
    bits = {
        Severity.CORRECTED: cli.Exit.ATTENTION,
        Severity.ERROR: cli.Exit.DAMAGED,
        Severity.UNSUPPORTED: cli.Exit.FAILED,
    }
    return sum(code for severity, code in bits.items() if report.count(severity))


def as_text(finding: Finding) -> str:
    """Return a finding as a line."""
    place = "" if finding.offset is None else f" at {finding.offset}"
    healable = " [can be healed]" if finding.remedy and finding.severity is Severity.ERROR else ""
    return f"{finding.severity.value}: {finding.file}{place}: {finding.error.message()}{healable}"


def as_json(finding: Finding) -> dict[str, object]:
    """Return a finding as an object for JSON."""
    error = cli.described(finding.error)
    return {
        "severity": finding.severity.name.lower(),
        "code": error["code"],
        "name": error["name"],
        "message": error["message"],
        "structure": finding.structure.name.lower() if finding.structure else None,
        "detail": error["facts"],
        "file": finding.file,
        "offset": finding.offset,
        "healable": finding.remedy is not None,
    }


_EPOCH = datetime(1970, 1, 1)


def time_text(microseconds: int, precision: str = "seconds") -> str:
    """Return a time as RFC 3339 has it, in UTC; one after the year 9999, which it cannot write, by its number.

    Parameters
    ----------
    microseconds
        Since 1970-01-01T00:00Z.
    precision
        As ``timespec`` of `datetime.isoformat`.
    """
    try:
        time = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return str(microseconds)
    return f"{time.isoformat(timespec=precision)}Z"

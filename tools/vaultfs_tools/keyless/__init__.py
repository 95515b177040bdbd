"""Checking and healing a vault without any key. Imports the format and the standard library, nothing else.

`check` reads a vault through `VaultFiles` and returns a `Report` of findings: it never raises on damage and never
writes. `heal` then rewrites the copies that a finding tells how to get from a good one. Memory is bounded by the
largest journal group, key table and head, not by the vault.
"""

from vaultfs_tools.keyless.check import check, check_file
from vaultfs_tools.keyless.files import VaultFiles
from vaultfs_tools.keyless.findings import Finding, Report, Severity
from vaultfs_tools.keyless.heal import heal

__all__ = ["Finding", "Report", "Severity", "VaultFiles", "check", "check_file", "heal"]

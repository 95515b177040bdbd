"""Access journals without keys: headers, every group's chain, and that nothing but audit events is in them.

One that is not merged yet is as it should be: its process may be at work, or the vault not have been opened since. What
follows its last good group is a read that was never released, unless a later group says that it was durable.
"""

from __future__ import annotations

from collections.abc import Callable

from vaultfs_format.access import check_access_group
from vaultfs_format.errors import FormatError, Structure, VaultError
from vaultfs_format.head import Head
from vaultfs_format.journal import HEADER_SIZE, JournalHeader, JournalRole

from vaultfs_tools.keyless.errors import Disagreement, JournalEmpty, Property
from vaultfs_tools.keyless.files import JOURNALS, VaultFiles
from vaultfs_tools.keyless.findings import Report
from vaultfs_tools.keyless.journals import Journal, claims_durable, report_lost, scanned
from vaultfs_tools.keyless.mirrors import Pair

SUFFIX = ".vacc"


def check_access(files: VaultFiles, report: Report, head: Head | None, advance: Callable[[int], None]) -> None:
    """Check all access journals that lie in the vault."""
    for name in files.names(JOURNALS):
        if name.endswith(SUFFIX):
            try:
                _check(files, report, head, name, advance)
            except VaultError as error:
                report.add(error, name)


def _check(files: VaultFiles, report: Report, head: Head | None, name: str, advance: Callable[[int], None]) -> None:
    with files.open(name) as file:
        data = file.read(0, min(HEADER_SIZE, file.size))
        try:
            header = JournalHeader.decode(data)
        except FormatError as error:
            never_used = file.size <= HEADER_SIZE
            report.add(JournalEmpty(structure=Structure.JOURNAL_HEADER) if never_used else error, name)
            return
        report.checked += len(data)
        report.access_journals += 1
        for stated, same in (
            (Property.ROLE, header.role is JournalRole.READER),
            (Property.FILE_ID, name == f"{JOURNALS}/{header.journal_id.hex()}{SUFFIX}"),
            (Property.SUITE, head is None or header.suite is head.suite),
            (Property.VAULT_ID, head is None or header.vault_id == head.vault_id),
        ):
            if not same:
                report.add(Disagreement(structure=Structure.JOURNAL_HEADER, property=stated), name)
        journal = Journal(name, header, header.chain(data))
        scan, reason = scanned(Pair(file), report, journal, None, advance, check_access_group)
        if claims_durable(file, scan):
            report_lost(report, journal, scan, reason)

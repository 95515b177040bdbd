"""Required bounds on memory: less than 1 GiB, and no more for a vault that is larger."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SETTLE = 2 * 1024 * 1024
_LEEWAY = 64
"""MiB that 120,000 more records of 1.3 KB may add: merging of small segments, pages of the index, the allocator."""

PROGRAM = """
import sys
from itertools import islice
from pathlib import Path
import vaultfs
from tests.vaultfs.support import create, session
from vaultfs.testing.synthetic import records

subjects = int(sys.argv[2])
rows = records(12, subjects, 5)
options = vaultfs.Options(settle_bytes=int(sys.argv[3]))
with create(Path(sys.argv[1]), options=options) as vault, session(vault) as s:
    while batch := list(islice(rows, 1_000)):
        with s.transaction() as txn:
            for system, value, kind, date, data in batch:
                txn.put(data, kind=kind, subject=vaultfs.Identifier(system, value), date=date)
    vault.settle()
    vault.rebuild_index()
    assert not vault.space().journal
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024)
"""


def peak(path: Path, subjects: int) -> float:
    """Return the most memory, in MiB, that a process needs to store, settle and index five records a subject."""
    command = [sys.executable, "-c", PROGRAM, str(path), str(subjects), str(_SETTLE)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def test_memory_is_bounded_by_the_options_and_not_by_the_size_of_the_vault(tmp_path: Path) -> None:
    """Ingest with settling, and a rebuild: of 40,000 records, then of 160,000."""
    small, large = peak(tmp_path / "small", 8_000), peak(tmp_path / "large", 32_000)
    assert large < 1_024
    assert large - small <= _LEEWAY

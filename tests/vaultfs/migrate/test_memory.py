"""Memory is bounded by the windows, not by the sources."""

from __future__ import annotations

import filecmp
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vaultfs.interop.ccda.documents import document, record_target
from tests.vaultfs.interop.dicom.files import dicom, image
from tests.vaultfs.interop.dicom.files import patient as number_of
from tests.vaultfs.migrate.support import MRN, observation, patient
from tests.vaultfs.support import create

LIMIT_MIB = {60_000_000: 300, 300_000_000: 600}
"""Peak resident memory of an import by size of the source: windows of 32 MiB, and the settling of all their records."""

STREAM_MIB = 150
"""The same for a source that is one record."""

PEAK = r"""
# Not from getrusage: that counts what the process had been before it was this one.
peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024
"""

EXPORT = (
    r"""
import re, sys
from pathlib import Path
import vaultfs
from tests.vaultfs.support import reopen
from vaultfs.migrate.export import Exporter
with reopen(Path(sys.argv[1])) as vault, vault.session(vaultfs.Principal("exporter"), "HSYSADMIN") as session:
    report = Exporter(session, Path(sys.argv[2])).run()
"""
    + PEAK
    + "print(report.records, peak)"
)

RUN = (
    r"""
import re, sys
from pathlib import Path
import vaultfs
from tests.vaultfs.support import reopen
from vaultfs.migrate.importer import Importer
with reopen(Path(sys.argv[1])) as vault, vault.session(vaultfs.Principal("importer"), "HSYSADMIN") as session:
    report = Importer(vault, session).run([Path(sys.argv[2])])
assert not report.failed and not report.differing and report.verified == 1
"""
    + PEAK
    + "print(report.read, peak)"
)


def imported(vault: Path, source: Path) -> tuple[int, int]:
    """Import in a process of its own; return records and peak memory in MiB."""
    return run(RUN, vault, source)


def exported(vault: Path, directory: Path) -> tuple[int, int]:
    """Export in a process of its own; return records and peak memory in MiB."""
    return run(EXPORT, vault, directory)


def run(program: str, vault: Path, place: Path) -> tuple[int, int]:
    command = [sys.executable, "-c", program, str(vault), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[3])
    records, peak = done.stdout.split()
    return int(records), int(peak)


def write_lines(path: Path, size: int) -> int:
    """Write NDJSON of a size, 100 records a patient; return how many records."""
    count = 0
    with path.open("w") as file:
        while file.tell() < size:
            who = count // 100
            one = observation(str(count), f"Patient/{who}", f"value {count * 7919 % 104_729} " * 40)
            file.write(json.dumps(one if count % 100 else patient(str(who), (MRN, str(who)))) + "\n")
            count += 1
    return count


@pytest.mark.parametrize(
    "size",
    [60_000_000, pytest.param(300_000_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])],
)
def test_a_large_file_of_many_records(tmp_path: Path, size: int) -> None:
    count = write_lines(tmp_path / "a.ndjson", size)
    create(tmp_path / "vault").close()
    records, peak = imported(tmp_path / "vault", tmp_path / "a.ndjson")
    assert records == count
    assert peak < LIMIT_MIB[size]


def test_a_large_file_that_nobody_understands_is_quarantined_by_streaming(tmp_path: Path) -> None:
    with (tmp_path / "a.bin").open("wb") as file:
        for number in range(200):
            file.write(b"\x00" + number.to_bytes(4, "little") * 262_143 + b"abc")
    create(tmp_path / "vault").close()
    records, peak = imported(tmp_path / "vault", tmp_path / "a.bin")
    assert records == 1
    assert peak < STREAM_MIB


@pytest.mark.parametrize(
    "size",
    [200 << 20, pytest.param(2 << 30, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
def test_a_large_image_is_streamed(tmp_path: Path, size: int) -> None:
    frames = size >> 19
    header = dicom(*number_of("4711"), *image(512, 512, frames=str(frames), pixels=b""))[:-4]
    noise = os.urandom(1 << 19)
    with (tmp_path / "a.dcm").open("wb") as file:
        file.write(header + size.to_bytes(4, "little"))
        for number in range(frames):
            file.write(noise[number % 1000 :] + noise[: number % 1000])
    create(tmp_path / "vault").close()
    for step, place in ((imported, "a.dcm"), (exported, "out")):
        records, peak = step(tmp_path / "vault", tmp_path / place)
        assert records == 1
        assert peak < STREAM_MIB, step.__name__
    (copy,) = (tmp_path / "out").rglob("a.dcm")
    assert filecmp.cmp(tmp_path / "a.dcm", copy, shallow=False)


def test_a_large_document_is_streamed(tmp_path: Path) -> None:
    before, after = document(record_target(("1.2.3", "4711")), "<text>|</text>").encode().split(b"|")
    with (tmp_path / "a.xml").open("wb") as file:
        file.write(before)
        for _ in range(100):
            file.write(b"QUJD" * (1 << 18))
        file.write(after)
    create(tmp_path / "vault").close()
    records, peak = imported(tmp_path / "vault", tmp_path / "a.xml")
    assert records == 1
    assert peak < STREAM_MIB

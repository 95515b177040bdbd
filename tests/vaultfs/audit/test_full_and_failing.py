"""The log on a disk that is full, fails, or is mounted read-only by the kernel: nothing is released that it has not."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from vaultfs_format.events.records import RecordRead
from vaultfs_format.events.vault import LogReported

from tests.vaultfs.engine.test_power_cut_mounts import environment, missing, mountable
from tests.vaultfs.support import WHO, create, events_of, get, put, reopen
from vaultfs.audit.report import report
from vaultfs.audit.verifying import verify
from vaultfs.errors import CommitUnknown, StorageFailed, StorageFull, VaultError
from vaultfs.testing.quota import QuotaVfs
from vaultfs.testing.vfs import FaultyVfs, Operation

LOTS = 1 << 30
READ_ONLY = Path(__file__).with_name("read_only_mount.py")


@pytest.mark.parametrize("strict", [False, True])
def test_reads_on_a_full_disk_are_in_the_log_and_it_is_whole(tmp_path: Path, strict: bool) -> None:
    disk = QuotaVfs(LOTS)
    with create(tmp_path / "v", vfs=disk) as vault:
        record = put(vault)
        disk.left = 0
        with pytest.raises(StorageFull):
            put(vault, bytes(10_000))
        with vault.session(WHO, "TREAT", strict=strict) as session:
            assert [session.get(record).data for _ in range(5)] == [b"data"] * 5
        verify(vault)
        assert len(events_of(vault, RecordRead)) == 5
    disk.left = LOTS
    with reopen(tmp_path / "v", vfs=disk) as vault:
        assert verify(vault).findings == ()
        assert len(events_of(vault, RecordRead)) == 5


def test_a_report_that_cannot_be_recorded_is_not_given(tmp_path: Path) -> None:
    vfs = FaultyVfs(durable=False)
    with create(tmp_path / "v", vfs=vfs) as vault:
        put(vault)
        vfs.fail(Operation.APPEND, error=errno.ENOSPC, lasting=True)
        with pytest.raises(StorageFull):
            report(vault, 0, 1 << 62)
        vfs.heal()
    with reopen(tmp_path / "v") as vault:
        assert events_of(vault, LogReported) == []


@pytest.mark.parametrize("kind", [Operation.SYNC, Operation.APPEND])
def test_what_a_failing_device_has_not_recorded_is_not_released(tmp_path: Path, kind: Operation) -> None:
    vfs = FaultyVfs(durable=False)
    vault = create(tmp_path / "v", vfs=vfs)
    record = put(vault)
    held = len(events_of(vault, RecordRead))
    with vault.session(WHO, "TREAT", strict=True) as session:
        vfs.fail(kind, error=errno.EIO, lasting=True)
        with pytest.raises((StorageFailed, CommitUnknown)):
            session.get(record)
        with pytest.raises(VaultError):
            session.get(record)
    with pytest.raises(VaultError):
        vault.session(WHO, "TREAT").get(record)
    vfs.heal()
    vault.close()
    with reopen(tmp_path / "v") as vault:
        assert held <= len(events_of(vault, RecordRead)) <= held + 1  # written, perhaps, and given to nobody
        assert verify(vault).findings == ()
        assert get(vault, record) == b"data"


@pytest.mark.skipif(bool(missing()), reason="mount, mkfs.ext4 or unshare is not installed")
@pytest.mark.skipif(not mountable(), reason="file systems cannot be mounted here: it takes root and loop devices")
def test_a_file_system_that_the_kernel_made_read_only_releases_nothing(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    run = environment()
    subprocess.run(["mkfs.ext4", "-q", "-e", "remount-ro", image], env=run, check=True, capture_output=True)
    loop = subprocess.run(["losetup", "--find", "--show", image], env=run, check=True, capture_output=True, text=True)
    device = loop.stdout.strip()
    try:
        if not Path("/sys/fs/ext4").is_dir():
            pytest.skip("the kernel does not show its ext4 file systems")
        child = ["unshare", "--mount", sys.executable, str(READ_ONLY), device, str(tmp_path)]
        done = subprocess.run(child, env=run, capture_output=True, text=True, check=False)
        if done.returncode == 77:
            pytest.skip("this kernel takes no errors of ext4 on request")
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run(["losetup", "--detach", device], env=run, check=True)
    shown = json.loads(done.stdout)
    assert shown["read"] == "data"
    for refused in ("strict", "buffered", "search", "put", "report"):
        assert shown[refused] in {2205, 2206, 2207, 2208, 2209}, refused
    assert shown["strict"] == 2206
    assert shown["reads"] == 1
    assert shown["good"]

"""Killed at any moment and run again, an import ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.migrate.support import MRN, Archive, ndjson, observation, patient
from tests.vaultfs.support import create, reopen
from vaultfs.testing.synthetic import sample

WINDOW = 20_000
KILLS = 20


@contextmanager
def opened(path: Path, folder: Path) -> Iterator[Archive]:
    with reopen(path, wait=10) as vault, vault.session(vaultfs.Principal("importer"), "HSYSADMIN") as session:
        yield Archive(vault, session, folder)


def start(vault: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.vaultfs.migrate.killed_import", str(vault), str(folder), str(WINDOW)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[3])
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def kill_after(vault: Path, folder: Path, seconds: float) -> bool:
    """Run the import and kill it after some time; return whether it was still at work."""
    process = start(vault, folder)
    time.sleep(seconds)
    process.kill()
    output, _ = process.communicate()
    return "done" not in output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("killed") / "legacy"
    for name, data in sample(patients=10).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    late = [observation(str(n), f"Patient/{n % 5}", f"v{n}.") for n in range(400)]
    (place / "late.ndjson").write_text(ndjson(*late, *(patient(str(n), (MRN, f"late-{n}")) for n in range(5))))
    (place / "broken.bin").write_bytes(bytes(range(256)) * 1000)
    return place


def test_twenty_kills_neither_lose_nor_double_anything(folder: Path, tmp_path: Path) -> None:
    create(tmp_path / "calm").close()
    began = time.monotonic()
    start(tmp_path / "calm", folder).communicate()
    duration = time.monotonic() - began
    create(tmp_path / "hunted").close()
    chance = random.Random(7)
    # Mostly early, since every run starts where the one before was stopped.
    interrupted = sum(kill_after(tmp_path / "hunted", folder, chance.random() ** 2 * duration) for _ in range(KILLS))
    assert interrupted >= 3
    with opened(tmp_path / "calm", folder) as calm, opened(tmp_path / "hunted", folder) as hunted:
        hunted.take(window_bytes=WINDOW)
        assert hunted.content() == calm.content()
        files = {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
        assert hunted.exported(tmp_path / "out") == files


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.8, 0.9, 0.95])
def test_killed_once_in_a_fresh_vault(folder: Path, tmp_path: Path, share: float) -> None:
    """Reading, settling, verifying: each takes its part of the time."""
    create(tmp_path / "vault").close()
    shutil.copytree(tmp_path / "vault", tmp_path / "calm")
    shutil.copytree(tmp_path / "vault.epoch", tmp_path / "calm.epoch")
    began = time.monotonic()
    start(tmp_path / "calm", folder).communicate()
    kill_after(tmp_path / "vault", folder, share * (time.monotonic() - began))
    with opened(tmp_path / "vault", folder) as archive:
        archive.take(window_bytes=WINDOW)
        files = {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
        assert archive.exported(tmp_path / "out") == files
        found = archive.content()
    with opened(tmp_path / "calm", folder) as calm:
        assert found == calm.content()


def test_a_file_that_changes_between_kill_and_run(tmp_path: Path) -> None:
    place = tmp_path / "legacy"
    place.mkdir()
    lines = [patient("1", (MRN, "1")), *(observation(str(n), "Patient/1", f"v{n}." * 20) for n in range(4000))]
    (place / "a.ndjson").write_text(ndjson(*lines))
    create(tmp_path / "vault").close()
    assert kill_after(tmp_path / "vault", place, 0.3)
    changed = [*lines[:10], observation("more", "Patient/1"), *lines[11:]]
    (place / "a.ndjson").write_text(ndjson(*changed))
    with opened(tmp_path / "vault", place) as archive:
        archive.take(window_bytes=WINDOW)
        records = archive.records()
        expected = {ndjson(one).strip().encode() for one in (*changed, lines[10])}
        assert {one.data for one in records} <= expected
        assert {one.data for one in records} >= {ndjson(one).strip().encode() for one in changed}
        assert len(records) == len({one.data for one in records})
        assert archive.exported(tmp_path / "out") == {"a.ndjson": (place / "a.ndjson").read_bytes()}

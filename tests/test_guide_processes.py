"""The code in the guides runs, and does what the guides say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, create, events, reopen
from vaultfs import EventType

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
BLOCK = re.compile(r"```python file=(\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Write the programs of the guide on several processes to a folder."""
    found = BLOCK.findall((GUIDES / "several-processes.md").read_text(encoding="utf-8"))
    assert {name for name, _ in found} == {"writer.py", "worker.py", "shards.py"}
    for name, code in found:
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


def test_workers_write_through_the_writer_and_read_by_themselves(programs: Path) -> None:
    path, address = programs / "v", programs / "s"
    create(path).close()
    secret = programs / "secret"
    secret.write_bytes(PASSPHRASE.secret)
    secret.chmod(0o600)

    def start(*words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, words)], cwd=programs, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    with start("writer.py", path, address, secret) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        workers = [start("worker.py", path, address, secret, number) for number in range(3)]
        for worker in workers:
            assert worker.communicate(timeout=60) == ("done\n", "")
        assert writer.communicate(timeout=60)[1] == ""
    with reopen(path) as vault:
        assert sum(event.type == EventType.RECORD_READ for event in events(vault)) == 15


def test_a_patient_is_in_one_shard(programs: Path) -> None:
    scope: dict[str, object] = {}
    exec((programs / "shards.py").read_text(encoding="utf-8"), scope)
    shard_of = scope["shard_of"]
    assert callable(shard_of)
    assert shard_of(MRN, 8) == shard_of(MRN, 8)
    assert {shard_of(one, 1) for one in (MRN, OTHER)} == {0}
    assert len({shard_of(type(MRN)("urn:x", str(n)), 4) for n in range(100)}) == 4

"""Processes killed at random moments: what they had acknowledged on a pipe is there, byte for byte."""

from __future__ import annotations

import hashlib
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.support import crashed, create, files_of, reopen, session

ROOT = Path(__file__).parents[3]

WRITER = """
import sys, itertools, random
from pathlib import Path
import vaultfs
from tests.vaultfs.engine.test_kills import content
from tests.vaultfs.support import MRN, reopen, session
start, settle = int(sys.argv[2]), sys.argv[3] == "settle"
vault = reopen(Path(sys.argv[1]), options=vaultfs.Options(settle_bytes=30_000 if settle else 1 << 30))
print("opened", flush=True)
with session(vault) as s:
    for number in itertools.count(start):
        with s.transaction() as txn:
            whose = MRN if number % 2 else None
            pair = [txn.put(content(number, half), kind="Binary", subject=whose) for half in (0, 1)]
            txn.set_state("ns", b"last", b"%d" % number)
        print(number, *(record.hex() for record in pair), flush=True)
        if settle and number % 3 == 0:
            vault.settle()
"""


def content(number: int, half: int) -> bytes:
    """Return what record `half` of transaction `number` holds: now and then a large one."""
    size = (70_000 if half and number % 4 == 0 else 900) + number % 50
    return hashlib.shake_256(b"%d %d" % (number, half)).digest(size)


class Killed:
    """A vault whose writers are killed again and again."""

    def __init__(self, path: Path) -> None:
        create(path).close()
        self.path = path
        self.acknowledged: dict[int, list[vaultfs.RecordId]] = {}

    def write(self, chance: random.Random, *, settle: bool) -> None:
        """Let a process write, and kill it after a while."""
        arguments = [str(self.path), str(max(self.acknowledged, default=0) + 1_000), "settle" if settle else "commit"]
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            assert writer.stderr is not None
            assert select.select([writer.stdout], [], [], 60)[0], "the writer does not start"
            time.sleep(chance.random() ** 2 * 0.15)
            writer.send_signal(signal.SIGKILL)
            lines = writer.stdout.read().decode().splitlines(keepends=True)
            assert writer.stderr.read() == b""
        assert writer.returncode == -signal.SIGKILL
        for line in lines:
            if line.endswith("\n") and line[0].isdigit():
                number, *ids = line.split()
                self.acknowledged[int(number)] = [vaultfs.RecordId(bytes.fromhex(one)) for one in ids]

    def recover_and_be_killed(self, chance: random.Random) -> None:
        """Let a process recover the vault, and kill it while it does."""
        code = (
            "import sys, pathlib; from tests.vaultfs.support import reopen; reopen(pathlib.Path(sys.argv[1])).settle()"
        )
        with subprocess.Popen([sys.executable, "-c", code, str(self.path)], cwd=ROOT) as process:
            time.sleep(0.12 + chance.random() * 0.08)  # the interpreter and the imports take the first part
            process.kill()

    def check(self, *, all_of_it: bool = True) -> None:
        """Check that all that was acknowledged is there, and that what is there is whole."""
        with reopen(self.path) as vault:
            numbers = sorted(self.acknowledged)
            with session(vault) as s:
                for number in numbers if all_of_it else numbers[-5:]:
                    for half, record in enumerate(self.acknowledged[number]):
                        assert s.get(record).data == content(number, half)
                last = int(s.state("ns", b"last").value or b"0")
                assert last >= max(self.acknowledged, default=0)
                people = list(s.all_subjects())
                found = sorted(info.length for one in people for info in s.find(subject=one))
            whole = sorted(len(content(number, half)) for number in self.acknowledged for half in (0, 1))
            extra = len(found) - len(whole)
            assert extra >= 0
            assert extra % 2 == 0, "half of a transaction"


@pytest.fixture
def killed(tmp_path: Path) -> Killed:
    """Return a vault for killing."""
    return Killed(tmp_path / "v")


def _rounds(killed: Killed, count: int, *, settle: bool, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(count):
        killed.write(chance, settle=settle)
        if number % 4 == 3:
            killed.recover_and_be_killed(chance)
        killed.check(all_of_it=number % 5 == 4)
    killed.check()
    assert killed.acknowledged


def test_kills_while_committing_lose_nothing(killed: Killed) -> None:
    _rounds(killed, 12, settle=False, seed=1)


def test_kills_while_settling_lose_nothing_and_leave_no_litter(killed: Killed) -> None:
    _rounds(killed, 12, settle=True, seed=2)
    with reopen(killed.path) as vault:
        vault.settle()
    assert files_of(killed.path, "*.tmp") == files_of(killed.path, "*.part") == []
    named = {row.segment_id.hex() for row in vault.engine.head.segments}
    assert {file.stem for file in files_of(killed.path, "*.vseg")} == named
    assert {file.name.partition(".")[0] for file in files_of(killed.path, "*.vkey.*")} == named


def test_what_a_killed_process_left_is_the_same_with_and_without_its_index(killed: Killed, tmp_path: Path) -> None:
    chance = random.Random(3)
    for number in range(3):
        killed.write(chance, settle=True)
        for index in (True, False):
            other = Killed.__new__(Killed)
            other.path = crashed(killed.path, tmp_path / f"copy{number}{index}", index=index)
            other.acknowledged = killed.acknowledged
            other.check()


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("settle", [False, True])
def test_many_kills_lose_nothing(killed: Killed, settle: bool) -> None:
    _rounds(killed, 300, settle=settle, seed=4 + settle)

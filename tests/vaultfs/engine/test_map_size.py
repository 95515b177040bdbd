"""The map of the index grows with it, for the process that writes and for those that read."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import pytest

import vaultfs
from tests.vaultfs.support import create, get, put, reopen, session
from vaultfs.engine.indexing import environments
from vaultfs.engine.indexing.index import Index

SMALL = 1 << 19

READER = """
import sys
import vaultfs
from tests.vaultfs.support import MRN, PASSPHRASE, WHO
from vaultfs.engine.indexing import environments
environments.MAP_SIZES = (1 << 19,)
with vaultfs.open_reader(sys.argv[1], unlock=PASSPHRASE, policy=vaultfs.PermitAll()) as reader:
    with reader.session(WHO, "TREAT") as s:
        for line in sys.stdin:
            print(len(s.find(subject=MRN)), flush=True)
"""


@pytest.fixture(autouse=True)
def small_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let maps begin small."""
    monkeypatch.setattr(environments, "MAP_SIZES", (SMALL,))


def _map_size(vault: vaultfs.Vault) -> int:
    return int(vault.engine.index._environment.env.info()["map_size"])


def _many(vault: vaultfs.Vault, subjects: int, first: int) -> None:
    with session(vault) as s, s.transaction() as txn:
        txn.put_many(
            vaultfs.NewRecord(b"x", "Observation", vaultfs.Identifier("urn:many", str(number)))
            for number in range(first, first + subjects)
        )


def test_the_map_grows_while_others_look_into_it(tmp_path: Path) -> None:
    vault = create(tmp_path / "v")
    record = put(vault)
    stop, failures = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            try:
                assert get(vault, record) == b"data"
            except BaseException as error:  # noqa: BLE001 - told to the test
                failures.append(error)
                return

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(12):
        _many(vault, 400, 400 * turn)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert _map_size(vault) > SMALL
    with session(vault) as s:
        assert len(list(s.all_subjects())) == 12 * 400 + 2
    vault.close()
    again = reopen(tmp_path / "v")
    assert get(again, record) == b"data"
    again.close()


def test_a_reader_follows_a_map_that_another_process_makes_larger(tmp_path: Path) -> None:
    path = tmp_path / "v"
    vault = create(path)
    put(vault)
    command = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def found() -> int:
            assert reader.stdin is not None
            assert reader.stdout is not None
            reader.stdin.write("\n")
            reader.stdin.flush()
            return int(reader.stdout.readline())

        assert found() == 1
        for turn in range(8):
            _many(vault, 400, 400 * turn)
            put(vault)
            assert found() == turn + 2
        reader.stdin.close()
    assert reader.returncode == 0
    assert _map_size(vault) > SMALL
    vault.close()


def test_an_index_of_the_usual_size_is_opened_where_little_address_space_is_left(tmp_path: Path) -> None:
    """A process may be limited to less address space than the largest map takes."""
    create(tmp_path / "v").close()
    program = (
        "import resource, sys, vaultfs\n"
        "from tests.vaultfs.support import PASSPHRASE, reopen, put, get\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "with reopen(sys.argv[1]) as vault:\n"
        "    assert get(vault, put(vault)) == b'data'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "v")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_file_is_never_shorter_than_what_has_been_in_use(tmp_path: Path) -> None:
    """Pages that a transaction takes and gives back are not written; a file without them looks cut off to a reader."""
    random = Random(1)
    index = Index(tmp_path / "index")
    for _ in range(200):
        with index.writing() as txn:
            keys = [random.randbytes(16) for _ in range(random.randrange(400))]
            for key in keys:
                txn.put(key, bytes(100), db=index.tables.parts)
            for key in keys[random.randrange(50) :]:
                txn.delete(key, db=index.tables.parts)
        assert (tmp_path / "index" / "data.mdb").stat().st_size >= index.size()
    index.close()

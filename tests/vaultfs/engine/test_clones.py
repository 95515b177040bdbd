"""No key seals twice: not in one life, not after a fork, and not where a process goes on twice, as in a cloned machine.

IVs are fixed, so that a key that seals a second message gives both away (KEY-20).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from vaultfs_format import sealing
from vaultfs_format.errors import Structure
from vaultfs_format.suite import SUITES, Suite
from vaultfs_tools import fsck

from tests.vaultfs.engine.children import child
from tests.vaultfs.engine.sealings import Sealings
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, WHO, create, delete, put, read_only, reopen, session
from vaultfs.keys import PrivateKey
from vaultfs.keys.recipients import _AtAnyCost

FUTURE = """
def future(vault, txn):
    "What a writer does, the same wherever it goes on."
    txn.put(b"more", kind="Observation", subject=MRN)
    txn.commit()
    for number in range(3):
        put(vault, b"record %d" % number)
        put(vault, bytes(100_000))
    vault.settle()
    put(vault, b"after it")
    vault.keys.turn(PASSPHRASE)
    put(vault, b"in the next epoch")
"""

CLONED = (
    FUTURE
    + """
import hashlib, shutil, warnings
from tests.vaultfs.engine.sealings import record
from tests.vaultfs.support import OTHER, PASSPHRASE
from vaultfs import processes
warnings.simplefilter("ignore")

def kept(root):
    "Give every file a second name, so that its inode stays, and return what is in it."
    found = {}
    for number, file in enumerate(sorted(one for one in root.rglob("*") if one.is_file())):
        second = place / f"{root.name}.{number}"
        os.link(file, second)
        found[file] = second, file.read_bytes()
    return found

def put_back(root, before):
    for file in [one for one in root.rglob("*") if one.is_file()]:
        file.unlink()
    for file, (second, data) in before.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        os.link(second, file)
        with open(file, "r+b") as handle:
            handle.write(data)
            handle.truncate()

def keep(name):
    for root in roots:
        shutil.copytree(root, place / name / root.name)

used = record()
place = path.parent / "kept"
place.mkdir()
vault = create(path)
put(vault, b"before")
vault.settle()
put(vault, b"not settled")
txn = session(vault).transaction()
txn.put(b"begun", kind="Observation", subject=OTHER)
txn.put(bytes(100_000), kind="Binary", subject=OTHER)
roots = path, path.with_name("v.epoch")
before = [kept(root) for root in roots]
processes._inherited.clear()  # a clone has all that the machine had
own = os.getpid()
if os.fork() == 0:
    os.getpid = lambda: own
    future(vault, txn)
    keep("first")
    (place / "used").write_bytes(b"".join(used))
    os._exit(0)
os.wait()
for root, files in zip(roots, before):
    put_back(root, files)
past = len(used)
future(vault, txn)
keep("second")
vault.close()
first = (place / "used").read_bytes()
first = [first[at : at + 32] for at in range(0, len(first), 32)]
assert first[:past] == used[:past]
say(past, len(first) - past, len(used) - past, len({*first, *used}))
"""
)


def test_a_writer_that_is_cloned_seals_by_other_keys_in_each_of_its_two_futures(tmp_path: Path) -> None:
    """Both have the same memory and the same files, amid a journal and a transaction, and go on in the same way."""
    with child(CLONED, tmp_path / "v") as one:
        past, first, second, keys = map(int, one.hear().split())
        assert one.end() == ""
    assert min(past, first, second) > 10
    assert keys == past + first + second
    for name in ("first", "second"):
        with reopen(tmp_path / "kept" / name / "v") as vault:
            assert vault.engine.head.epoch == 2
        assert fsck.main([str(tmp_path / "kept" / name / "v"), "--check-only"]) == 0


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_no_key_seals_twice_in_a_life(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealings = Sealings()
    monkeypatch.setattr(sealing, "AESGCM", sealings)
    path, key = tmp_path / "v", PrivateKey.generate(suite=suite.name)
    with create(path, suite=suite.name, recipients=[PASSPHRASE, key]) as vault:
        for number in range(12):
            record = put(vault, b"%d" % number, subject=(MRN, OTHER, None)[number % 3])
            put(vault, os.urandom(90_000), subject=MRN)
            if number % 3 == 0:
                vault.settle()
        delete(vault, record)
        vault.keys.add(_AtAnyCost(b"another passphrase", PASSPHRASE.cost), unlock=key)
        vault.keys.turn(key)
        put(vault)
    with reopen(path, unlock=key) as vault, read_only(path, unlock=key) as reader:
        with reader.session(WHO, "TREAT") as s:
            s.find(subject=MRN)
        put(vault)
        with session(vault) as s:
            subject = next(iter(s.find(subject=OTHER))).subject
        vault.keys.turn(key, [subject])
        put(vault)
        vault.maintenance.run(30)
    assert len(sealings.keys) > 60
    assert len(set(sealings.keys)) == len(sealings.keys)


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_a_forked_process_draws_other_randomness(suite: Suite) -> None:
    """Also in what the library draws by itself, for one message to a public key."""
    public = suite.public_key(suite.draw_private_key(os.urandom))

    def drawn() -> bytes:
        sealed = suite.seal_to(public, bytes(32), b"", Structure.STANZA)
        return sealed[:64] + suite.draw_private_key(os.urandom)

    drawn()
    receive, send = os.pipe()
    if os.fork() == 0:
        os.write(send, drawn())
        os._exit(0)
    os.wait()
    here, there = drawn(), os.read(receive, 4096)
    os.close(receive)
    os.close(send)
    assert len(here) == len(there) > 64
    assert here[:64] != there[:64]
    assert here[64:] != there[64:]

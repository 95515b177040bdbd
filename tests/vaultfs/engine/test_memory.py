"""Which secrets the memory of a process holds that has a vault open, and which when it was closed."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from types import CodeType, FrameType, FunctionType, ModuleType

import pytest
from vaultfs_format.frame import FrameClass
from vaultfs_format.keyring import Compartment, InboxTag, SigningTag, Tag
from vaultfs_format.secret import Secret

import vaultfs
from tests.vaultfs.engine.children import Child, child
from tests.vaultfs.support import PASSPHRASE, Opened, create, put, read_only, reopen
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.unlocking import Opener, default_store
from vaultfs.engine.reading.store import load_table
from vaultfs.errors import Closed
from vaultfs.keys.stores import DirectoryStore
from vaultfs.vfs import Vfs

WRITES = """
import gc
vault = reopen(path)
record = put(vault, b"a record")
vault.settle()
get(vault, record)
put(vault, b"another record")
say("open")
hear()
vault.close()
gc.collect()
say("closed")
hear()
"""
READS = """
import gc
reader = read_only(path)
with session(reader) as s:
    [s.get(info.id) for subject in s.all_subjects() for info in s.find(subject=subject)]
say("open")
hear()
reader.close()
gc.collect()
say("closed")
hear()
"""

WIPED_AT_ONCE = {"root key", "epoch secret"}
"""Needed to open a vault, and for nothing after that."""

WRITERS = {"key for segments", "key for heads", "lattice key for heads", "inbox key"}
"""Of no use to who only reads."""

PASSING = {"epoch secret", "epoch root"}
"""Of these there was a copy as `bytes`, from a file or a derivation, which was freed, and can be overwritten by chance
alone."""

DERIVED = {"table key", "frame key"}
"""Kept as `bytes`, and let go of."""


def secrets_of(path: Path) -> dict[str, bytes]:
    """Return the secrets of a vault, by their names."""
    opener = Opener(Vfs(), Layout(path), PASSPHRASE, [])
    unlocked = opener.unlock()
    _, keyring = opener.keys(unlocked)
    data, signing, inbox = (keyring.open(unlocked.epoch_root, one) for one in Compartment)
    seeds = bytes(signing[SigningTag.SEEDS])
    found = {
        "root key": PASSPHRASE.unlock(unlocked.superblock),
        "epoch secret": DirectoryStore(default_store(path)).get(unlocked.head.vault_id, unlocked.head.epoch).secret,
        "epoch root": unlocked.epoch_root,
        "record id key": data[Tag.RECORD_ID_KEY],
        "identifier key": data[Tag.IDENTIFIER_KEY],
        "access key": data[Tag.ACCESS_KEY],
        "key for segments": seeds[:32],
        "key for heads": seeds[32:64],
        "lattice key for heads": seeds[64:96],
        "inbox key": inbox[InboxTag.PRIVATE_KEY],
    }
    return {name: bytes(secret) for name, secret in found.items() if secret}


def held(process: Child, secrets: dict[str, bytes]) -> Counter[str]:
    """Return how many copies of each secret are in the writable memory of a process."""
    found: Counter[str] = Counter()
    number = process.process.pid
    with Path(f"/proc/{number}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{number}/maps").read_text(encoding="ascii").splitlines():
            place, access, *_ = line.split()
            if access[:2] == "rw" and access[3] == "p":
                start, end = (int(part, 16) for part in place.split("-"))
                memory.seek(start)
                data = memory.read(end - start)
                found.update({name: data.count(secret) for name, secret in secrets.items()})
    return +found


def derived_keys_of(path: Path) -> dict[str, bytes]:
    """Return keys that are derived from secrets of a closed vault with one segment of records, by their names."""
    opener = Opener(Vfs(), Layout(path), PASSPHRASE, [])
    unlocked = opener.unlock()
    chain, _ = opener.keys(unlocked)
    (row,) = [one for one in unlocked.head.segments if one.frame_class is FrameClass.RECORD]
    table = load_table(Vfs(), Layout(path), row)
    table_key = chain.table_key(table)
    return {"table key": table_key, "frame key": table.open_block(table_key, 0)[0]}


@pytest.fixture(params=["default", "fips"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a vault of a suite, with a segment."""
    with create(tmp_path / "v", suite=request.param) as vault:
        put(vault)
        vault.settle()
    return tmp_path / "v"


@pytest.mark.parametrize(("program", "unused"), [(WRITES, WIPED_AT_ONCE), (READS, WIPED_AT_ONCE | WRITERS)])
def test_closing_wipes_all_secrets_but_what_is_derived_and_what_was_bytes_in_passing(
    path: Path, program: str, unused: set[str]
) -> None:
    secrets = secrets_of(path)
    needles = secrets | derived_keys_of(path)
    with child(program, path) as process:
        assert process.hear() == "open"
        opened = held(process, needles)
        process.say()
        assert process.hear() == "closed"
        closed = held(process, needles)
    assert set(secrets) - set(opened) - PASSING == unused - PASSING
    assert set(closed) <= PASSING | DERIVED
    assert opened["epoch root"] > closed["epoch root"]
    assert closed["epoch secret"] <= opened["epoch secret"]


def shown(vault: vaultfs.Vault | vaultfs.Reader) -> str:
    """Return what all objects show that can be reached from a vault, but modules, classes and functions."""
    known: dict[int, object] = {}
    waiting: list[object] = [vault]
    while waiting and len(known) < 100_000:
        one = waiting.pop()
        if id(one) not in known and not isinstance(one, (type, ModuleType, FunctionType, FrameType)):
            known[id(one)] = one
            waiting += gc.get_referents(one)
    assert any(isinstance(one, Secret) for one in known.values())
    return "".join(f"{one!r}{one}" for one in known.values() if not _walked(one))


def _walked(one: object) -> bool:
    """Return whether it shows what its items show, which are looked at themselves."""
    return type(one) in {dict, list, tuple, set, frozenset} or isinstance(one, (Thread, CodeType))


@pytest.mark.parametrize("opening", [reopen, read_only])
def test_no_object_of_an_open_vault_shows_a_secret(path: Path, opening: Callable[[Path], Opened]) -> None:
    secrets = secrets_of(path)
    with opening(path) as vault:
        text = shown(vault)
    for name, secret in secrets.items():
        assert not any(form in text for form in (secret.hex(), repr(secret)[2:-1], str(list(secret)))), name


def test_a_closed_vault_makes_nothing_of_a_key_that_was_wiped(path: Path) -> None:
    vault = reopen(path)
    chain, signing = vault.engine.chain, vault.engine.signing
    vault.close()
    for use in (
        lambda: chain.epoch_root,
        lambda: chain.identifier_token(b"anybody"),
        lambda: chain.record_id(1, 1),
    ):
        with pytest.raises(Closed):
            use()
    for sign in (signing.sign_segment, signing.sign_head, signing.sign_report):
        with pytest.raises(ValueError, match=r"32 bytes long|private_value"):
            sign(b"a statement")

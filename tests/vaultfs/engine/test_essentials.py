"""README.txt and the dictionary: in every vault, enough to read it without VaultFS, and nothing that a vault needs."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from vaultfs_format.essentials import README, ZDICT, essentials
from vaultfs_format.suite import SUITES, Suite
from vaultfs_tools import backup, fsck

import vaultfs
from tests.vaultfs.engine import stranger
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, WHO, crashed, create, files_of, get, put, read_only, reopen
from vaultfs.model import NewRecord, PixelData
from vaultfs.vfs import File, Vfs, converted

suites = pytest.mark.parametrize("suite", list(SUITES.values()), ids=lambda suite: suite.name)

WORDS = "correct horse battery staple"
TEXT = b'{"resourceType":"Observation","status":"final","text":"' + b"an example " * 40 + b'"}'
PROGRAM = Path(stranger.__file__)
STRANGERS = {"blake3", "cryptography", "hashlib", "hmac", "json", "pathlib", "re", "sys", "zstandard"}


def noise(size: int) -> bytes:
    """Return bytes that do not get smaller."""
    return os.urandom(size)


def fill(vault: vaultfs.Vault) -> list[tuple[vaultfs.RecordId, bytes]]:
    """Put records of every codec and size, with versions and bytes around them; return what is in force."""
    pixels = bytes(range(256)) * 1024
    data = [TEXT, b"x", b"", TEXT * 40, noise(200_000), pixels]
    with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
        ids = txn.put_many(
            [
                NewRecord(one, "Observation", MRN if number % 2 else OTHER, date(2010 + number, 1, 1),
                          before=b"before " if number == 3 else b"", after=b" after" if number == 3 else b"",
                          pixels=PixelData(0, len(pixels), 512, 2) if one is pixels else None)
                for number, one in enumerate(data)
            ]
        )  # fmt: skip
    data[0] = b"a second version"
    put(vault, data[0], subject=OTHER, replaces=ids[0])
    return list(zip(ids, data, strict=True))


def read_by_a_stranger(path: Path) -> dict[str, str]:
    """Return what a process that has README.txt alone reads of a vault: no VaultFS can be imported in it."""
    (secret,) = path.with_name(path.name + ".epoch").glob("*/secret.*")
    command = [sys.executable, "-I", str(PROGRAM), str(path), str(secret), WORDS]
    ran = subprocess.run(command, check=True, capture_output=True, cwd=path.parent)
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def in_force(records: dict[str, str]) -> list[bytes]:
    """Return the bytes of the highest version of each record, by number."""
    newest: dict[int, tuple[int, str]] = {}
    for name, data in records.items():
        number, version = map(int, name.split("."))
        newest[number] = max(newest.get(number, (0, "")), (version, data))
    return [bytes.fromhex(newest[number][1]) for number in sorted(newest)]


@suites
def test_a_fresh_vault_is_read_by_its_readme_alone(suite: Suite, tmp_path: Path) -> None:
    """By a program written from it, which takes every layout, label and number from it: journal, then segments."""
    with create(tmp_path / "v", suite=suite.name) as vault:
        stored = fill(vault)
        path = crashed(tmp_path / "v", tmp_path / "unsettled", index=False)
        assert in_force(read_by_a_stranger(path)) == [data for _, data in stored]
        vault.settle()
    assert not files_of(tmp_path / "v", "*.vjrn")[1:]
    assert in_force(read_by_a_stranger(tmp_path / "v")) == [data for _, data in stored]


@suites
def test_a_later_epoch_and_what_is_disposed_of_are_read_by_the_readme_alone(suite: Suite, tmp_path: Path) -> None:
    """Keys of tables of earlier epochs stand in the keyring; what was disposed of has no key."""
    with create(tmp_path / "v", suite=suite.name) as vault:
        stored = fill(vault)
        vault.settle()
        with vault.session(WHO, "TREAT") as session:
            (gone,) = session.subjects(OTHER)
        vault.keys.turn(PASSPHRASE, [gone])
        stored = [(one, data) for number, (one, data) in enumerate(stored) if number % 2]
        assert [get(vault, one) for one, _ in stored] == [data for _, data in stored]
    assert in_force(read_by_a_stranger(tmp_path / "v")) == [data for _, data in stored]


def test_the_strangers_program_stands_on_published_algorithms_alone() -> None:
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} == STRANGERS


@suites
def test_vaults_of_a_suite_have_the_same_readme_which_tells_of_no_site(suite: Suite, tmp_path: Path) -> None:
    pages = []
    for name in ("Hospital Doe", "another"):
        create(tmp_path / name, suite=suite.name, kinds=["local.doe"]).close()
        pages.append((tmp_path / name / README).read_bytes())
        assert (tmp_path / name / ZDICT).read_bytes() == essentials(suite)[ZDICT]
    assert pages == [essentials(suite)[README]] * 2
    text = pages[0].decode("ascii")
    assert len(text) < 13_000
    assert max(map(len, text.splitlines())) < 80
    assert "doe" not in text.lower()


def _remove(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _alter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


HARM = (_remove, _cut, _alter, _pipe, _link)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    with create(tmp_path / "v") as vault:
        put(vault, TEXT)
    yield tmp_path / "v"
    assert files_of(tmp_path / "v", "*.tmp") == []


def is_whole(path: Path) -> bool:
    """Return whether both are there as they were written."""
    made = essentials(SUITES[1])
    places = {name: path / name for name in made}
    regular = {name: place for name, place in places.items() if place.is_file() and not place.is_symlink()}
    return {name: place.read_bytes() for name, place in regular.items()} == made


@pytest.mark.parametrize("name", [README, ZDICT])
@pytest.mark.parametrize("harm", HARM)
def test_opening_writes_what_is_missing_or_other_and_a_reader_does_without(
    path: Path, harm: Callable[[Path], None], name: str
) -> None:
    harm(path / name)
    read_only(path).close()
    assert not is_whole(path)
    reopen(path).close()
    assert is_whole(path)


@pytest.mark.parametrize("name", [README, ZDICT])
@pytest.mark.parametrize("harm", HARM)
def test_maintenance_writes_what_is_missing_or_other_and_says_so(
    path: Path, harm: Callable[[Path], None], name: str
) -> None:
    with reopen(path) as vault:
        assert vault.maintenance.run(60).essentials == 0
        harm(path / name)
        assert vault.maintenance.run(60).essentials == 1
        assert is_whole(path)


def test_what_stands_in_its_place_and_cannot_be_replaced_keeps_nobody_from_the_vault(path: Path) -> None:
    (path / README).unlink()
    (path / README / "below").mkdir(parents=True)
    with reopen(path) as vault:
        assert vault.maintenance.run(60).failed == {}
    assert (path / README / "below").is_dir()


class Refusing(Vfs):
    """A disk that takes everything but this page."""

    def __init__(self, number: int) -> None:
        self._number = number

    def create(self, path: Path) -> File:
        if path.name.startswith(README):
            with converted():
                raise OSError(self._number, "no")
        return super().create(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_takes_no_readme_keeps_nobody_from_the_vault(path: Path, number: int) -> None:
    (path / README).unlink()
    with reopen(path, vfs=Refusing(number)) as vault:
        assert vault.maintenance.run(60).failed == {}
        put(vault)
    assert not (path / README).exists()


def test_fsck_says_nothing_of_it_whatever_becomes_of_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for harm in HARM:
        (path / README).unlink(missing_ok=True)
        shutil.copyfile(path / ZDICT, path / README)
        harm(path / README)
        (path / "elsewhere").unlink(missing_ok=True)
        assert fsck.main([str(path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["findings"] == []


def test_copies_bundles_and_what_is_restored_have_it_whatever_the_vault_has(path: Path, tmp_path: Path) -> None:
    (path / README).write_bytes(b"Doe, John")
    (path / ZDICT).unlink()
    for words in (["copy", "v", "copy"], ["bundle", "v", "bundle"], ["restore", "copy", "restored"]):
        assert backup.main([*words[:-2], *(str(tmp_path / word) for word in words[-2:])]) == 0
        assert is_whole(tmp_path / words[-1])


def test_what_an_interrupted_write_of_it_left_is_known_and_goes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path / README).unlink()
    for name in (README, ZDICT):
        (path / f"{name}.tmp").write_bytes(b"half")
    fsck.main([str(path), "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {one["file"] for one in found} == {f"{README}.tmp", f"{ZDICT}.tmp"}
    reopen(path).close()
    assert not (path / f"{README}.tmp").exists()
    (path / f"{ZDICT}.tmp").unlink()


def test_the_readme_names_every_kind_of_file_of_a_vault(path: Path) -> None:
    """Ids and numbers left out, what lies in a vault is told."""
    text = (path / README).read_text("ascii")
    with reopen(path) as vault:
        put(vault, noise(100_000))
        vault.settle()
        put(vault, noise(100_000))
        for one in files_of(path, "*"):
            name = one.relative_to(path).as_posix().removeprefix("copies/")
            if one.is_file() and not name.startswith("index/") and name != README:
                kind = re.sub(r"^.*[0-9a-f]{32}(\.\w+)(\.\d+)?$", r"\1", name)
                assert re.sub(r"\d+$", "<n>", kind).removeprefix("journal/") in text, name

"""Files that somebody made to stop the check, to show what is secret, or to get at what belongs to others."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format import head as heads
from vaultfs_format import keyring, keytable
from vaultfs_format.errors import LimitExceeded
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE, SegmentFooter, segment_length
from vaultfs_tools import dump, fsck
from vaultfs_tools.keyless import Severity, VaultFiles, heal
from vaultfs_tools.keyless.files import table_name

from tests.vaultfs_tools import vaults

GIB = 1 << 30


def checked_within(size: int, vault: Path) -> int:
    """Return the exit code of a check that has so many bytes of addresses."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    program = "import sys, vaultfs_tools.fsck as f; sys.exit(f.main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", program, "-n", vault], preexec_fn=limited, check=False, timeout=60)
    return done.returncode


def lengthen(path: Path, size: int, beginning: bytes = b"") -> None:
    """Make a file of so many bytes that takes no space."""
    with path.open("wb") as file:
        file.write(beginning)
        file.truncate(size)


def test_a_segment_that_says_it_is_larger_than_the_head_says_is_not_read(vault: Path) -> None:
    row = vaults.rows_of(vault)["RECORD"]
    path = next(vault.rglob(f"{row.segment_id.hex()}.vseg"))
    footer = SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])
    covered = 1 << 40
    bodies = covered - SUPERBLOCK_SIZE - footer.directory_length - footer.audit_length
    forged = replace(footer, head=replace(footer.head, covered=covered), bodies_length=bodies)
    lengthen(path, segment_length(covered))
    with path.open("r+b") as file:
        for at in (*footer.footer_offsets, *forged.footer_offsets):
            file.seek(at)
            file.write(forged.encode())
    assert checked_within(3 * GIB, vault) == 4
    lengthen(path, segment_length(covered), forged.head.encode())
    with path.open("r+b") as file:
        file.seek(forged.footer_offsets[1])
        file.write(forged.encode())
    assert checked_within(3 * GIB, vault) == 4
    path.unlink()


@pytest.mark.parametrize("name", ["head", "VAULT.1", "keyring.1", "vkey"])
def test_a_small_file_that_is_larger_than_memory_is_healed_unread(vault: Path, name: str) -> None:
    name = table_name(vaults.head_of(vault).segments[0]) if name == "vkey" else name
    before = vaults.tree(vault)
    path = vault / name
    lengthen(path, GIB, path.read_bytes())
    assert checked_within(2 * GIB, vault) == 4
    report = vaults.checked(vault)
    assert vaults.names(report.findings) == ["LimitExceeded"]
    heal(VaultFiles(vault), report)
    assert vaults.tree(vault) == before
    lengthen(path, GIB)
    assert dump.main([str(path)]) == 4
    path.unlink()


def test_large_files_are_read_as_far_as_they_say_that_they_go(vault: Path) -> None:
    """A head of 200,000 segments, a keyring and a key table of more than 16 MiB, and not a byte more of any."""
    files, table = VaultFiles(vault), table_name(vaults.head_of(vault).segments[0])
    beginnings = {
        "head": (heads.HEADER.offset_of("segments"), 200_000, heads.SEGMENT_ROW.size * 200_000),
        "keyring.1": (keyring.HEADER.size + keyring.COMPARTMENT.offset_of("length"), 40 << 20, 40 << 20),
        table: (keytable.HEADER.offset_of("key_count"), 1 << 20, 1 << 25),
    }
    for name, (at, count, least) in beginnings.items():
        data = bytearray((vault / name).read_bytes())
        data[at : at + 4] = count.to_bytes(4, "little")
        lengthen(vault / name, least + (1 << 20), bytes(data[:600]))
        assert _most(files, name) in range(least, least + (1 << 20)), name
        os.truncate(vault / name, _most(files, name))
        assert len(files.read(name)) >= least
    lengthen(vault / "head", 1 << 25, heads.MAGIC)
    assert _most(files, "head") == 16 << 20


def _most(files: VaultFiles, name: str) -> int:
    """Return how many bytes of a file are read."""
    with pytest.raises(LimitExceeded) as caught:
        files.read(name)
    return int(str(caught.value.facts["limit"]))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_something_else_in_the_place_of_the_lock_is_refused(vault: Path, make: object) -> None:
    (vault / "lock").unlink()
    assert callable(make)
    make(vault / "lock")
    vaults.flip(vault / "head", 40)
    before = vaults.tree(vault)
    assert fsck.main([str(vault)]) == 8
    assert vaults.tree(vault) == before


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "journal/SMITH JANE 1951.vjrn",
        "copies/journal/SMITH JANE 1951.vjrn",
        "journal/SMITH JANE 1951.vacc",
        "segments/main/SMITH/1951.vseg",
        "segments/main/SMITH/{id}.vseg",
        "segments/main/SMITH/{id}.vkey.1",
        "SMITH/VAULT.1",
        "SMITH/keyring.7",
    ],
)
@pytest.mark.parametrize("data", [b"", b"x" * 9000, "journal"])
def test_a_name_that_is_not_the_vaults_is_never_shown(
    vault: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes | str, *, head: bool
) -> None:
    path = vault / name.format(id="ab" * 16)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(vaults.journals_of(vault)[0].read_bytes() if isinstance(data, str) else data)
    if not head:
        for place in ("head", "copies/head"):
            (vault / place).unlink()
    for option in ("--json", "-n"):
        fsck.main([str(vault), option])
    shown = capsys.readouterr()
    assert "SMITH" not in shown.out + shown.err
    assert "1951" not in shown.out + shown.err


# Owners.


def owners(vault: Path) -> set[tuple[int, int]]:
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in [vault, *vault.rglob("*")]}


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser repairs what belongs to others")
def test_what_the_superuser_repairs_still_belongs_to_whom_the_vault_belongs(vault: Path) -> None:
    for path in [vault, *vault.rglob("*")]:
        os.chown(path, 65534, 65533)
    segment = next((vault / "segments").rglob("*.vseg"))
    vaults.flip(segment, 4200)
    vaults.flip(vaults.journals_of(vault)[0], 4200)
    vaults.flip(vault / "keyring.1", 60)
    (vault / "copies/head").unlink()
    (vault / "VAULT.1").unlink()
    shutil.rmtree(vault / "copies/segments")
    assert fsck.main([str(vault)]) == 1
    assert len(list((vault / "acts").iterdir())) > 0
    assert owners(vault) == {(65534, 65533)}


def test_what_is_repaired_keeps_its_permissions_and_what_is_new_is_private(vault: Path) -> None:
    vaults.flip(vault / "head", 40)
    (vault / "head").chmod(0o6640)
    vaults.flip(next((vault / "segments").rglob("*.vseg")), 4200)
    (vault / "VAULT.1").unlink()
    (vault / "keyring.1").unlink()
    (vault / "keyring.1").symlink_to("/dev/null")
    assert fsck.main([str(vault)]) == 1
    modes = {name: (vault / name).lstat().st_mode & 0o7777 for name in ("head", "VAULT.1", "keyring.1", "acts")}
    assert modes == {"head": 0o640, "VAULT.1": 0o600, "keyring.1": 0o600, "acts": 0o700}
    assert Severity.ERROR not in {f.severity for f in vaults.findings(vault)}

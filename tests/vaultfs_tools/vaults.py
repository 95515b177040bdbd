"""Small vaults for the commands, made by the engine, and ways to damage and to look at them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from vaultfs_format.group import group_sizes
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.journal import HEADER_SIZE, NO_JOURNAL, JournalHeader, JournalKeys
from vaultfs_format.signing import SigningKeys
from vaultfs_format.stanza import Argon2Cost
from vaultfs_tools.keyless import Finding, Report, VaultFiles, check

import vaultfs
import vaultfs.engine.files.paths
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.unlocking import Opener
from vaultfs.keys.chain import open_signing
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.vfs import Vfs

SECRET = b"correct horse battery"
WHO = vaultfs.Principal("tester")
PATIENT = vaultfs.Identifier("urn:oid:2.16.840.1.113883.19.5", "12345")


def unlocking() -> vaultfs.Passphrase:
    """Return the passphrase of every vault here, at the least cost."""
    return _AtAnyCost(SECRET, Argon2Cost(64, 1, 1))


def secret_file(path: Path, data: bytes | bytearray) -> Path:
    """Write a file that its owner alone may read; return it."""
    path.write_bytes(data + b"\n")
    path.chmod(0o600)
    return path


def opened(path: Path) -> vaultfs.Vault:
    """Open a vault for everything."""
    return vaultfs.open(path, unlock=unlocking(), policy=vaultfs.PermitAll())


def fill(vault: vaultfs.Vault, year: int, *, blob: bool = False) -> None:
    """Commit a few records, a control state, and a blob where asked for."""
    with vault.session(WHO, "TREAT") as session:
        with session.transaction() as txn:
            for number in range(4):
                data = b'{"n":%d,"text":"%s"}' % (number, b"compressible " * 20)
                txn.put(data, kind="Observation", subject=PATIENT, date=date(year, 5, 1 + number))
            txn.set_state("tests", b"year", str(year).encode())
        if blob:
            with session.transaction() as txn:
                txn.put(os.urandom(90_000), kind="Binary", subject=None)


def make(path: Path) -> Path:
    """Make a vault with two generations of segments, and a live journal of two files that names a part file."""
    with vaultfs.create(path, recipients=[unlocking()], policy=vaultfs.PermitAll()) as vault:
        fill(vault, 2010, blob=True)
        vault.settle()
        fill(vault, 2012, blob=True)
        vault.settle()
        fill(vault, 2014)
    with opened(path) as vault:
        fill(vault, 2016, blob=True)
    return path


def copied(source: Path, target: Path) -> Path:
    """Return a copy of a vault and its epoch store."""
    shutil.copytree(source, target)
    shutil.copytree(source.with_name(source.name + ".epoch"), target.with_name(target.name + ".epoch"))
    return target


def head_of(vault: Path) -> Head:
    """Return the head in force."""
    return Head.decode((vault / "head").read_bytes())


def journals_of(vault: Path) -> list[Path]:
    """Return the live journals, the first one first."""
    found = {}
    for path in (vault / "journal").glob("*.vjrn"):
        header = JournalHeader.decode(path.read_bytes()[:HEADER_SIZE])
        found[header.predecessor] = path
    ordered, before = [], NO_JOURNAL
    while before in found:
        ordered.append(found[before])
        before = bytes.fromhex(found[before].stem)
    return ordered


def groups_of(journal: Path) -> list[int]:
    """Return where each group of a journal begins, and where the last one ends."""
    data, offsets = journal.read_bytes(), [HEADER_SIZE]
    while offsets[-1] < len(data):
        offsets.append(offsets[-1] + group_sizes(data, offsets[-1]).total)
    return offsets


def mirror_of(path: Path) -> Path:
    """Return the mirror of a journal, or of an open blob segment."""
    vault = next(parent for parent in path.parents if (parent / "head").exists())
    return vault / "copies" / path.relative_to(vault)


def both(path: Path) -> tuple[Path, Path]:
    """Return a journal and its mirror."""
    return path, mirror_of(path)


def write(path: Path, data: bytes) -> None:
    """Write a journal and its mirror."""
    path.write_bytes(data)
    mirror_of(path).write_bytes(data)


def flip_both(path: Path, offset: int) -> None:
    """Change a bit of a journal, and the same one of its mirror."""
    flip(path, offset)
    flip(mirror_of(path), offset)


def make_newer(path: Path) -> None:
    """Give a file the prefix of a later version of the format."""
    data = bytearray(path.read_bytes())
    data[8] = 7
    data[12:16] = crc32(data[:12]).to_bytes(4, "little")
    path.write_bytes(data)


def rows_of(vault: Path) -> dict[str, SegmentRow]:
    """Return one row of each class of segments, by the name of the class."""
    return {row.frame_class.name: row for row in head_of(vault).segments}


def put_head(vault: Path, head: Head, *places: str, unlock: vaultfs.Passphrase | None = None) -> None:
    """Write a head, signed as the vault signs, authentic under another key, to both places or those that are named."""
    signed = replace(head, signatures=signing_of(vault, unlock).sign_head(head.statement()))
    for place in places or ("head", "copies/head"):
        (vault / place).write_bytes(signed.encode(bytes(32)))


@cache
def signing_of(vault: Path, unlock: vaultfs.Passphrase | None = None) -> SigningKeys:
    """Return the private keys with which a vault signs; asked for while it can still be opened."""
    opener = Opener(Vfs(), Layout(vault), unlock or unlocking(), [])
    unlocked = opener.unlock()
    _, keyring = opener.keys(unlocked)
    return open_signing(keyring, unlocked.epoch_root)


def put_header(journal: Path, **changes: object) -> None:
    """Give a journal another header; the chain of its groups is broken by that, its succession is not."""
    data = journal.read_bytes()
    header = JournalHeader.decode(data[:HEADER_SIZE])
    fields = {name: getattr(header, name) for name in header.__slots__} | changes
    write(journal, JournalHeader(**fields).encode(JournalKeys(bytes(32), bytes(32))) + data[HEADER_SIZE:])


def changed(head: Head, **changes: object) -> Head:
    """Return a head with other fields."""
    return Head(**{name: getattr(head, name) for name in head.__slots__} | changes)


def findings(vault: Path) -> list[Finding]:
    """Return what a keyless check finds."""
    return checked(vault).findings


def checked(vault: Path) -> Report:
    """Return the report of a keyless check."""
    return check(VaultFiles(vault))


def names(found: list[Finding]) -> list[str]:
    """Return the names of the errors that were found."""
    return [type(finding.error).__name__ for finding in found]


def flip(path: Path, offset: int, mask: int = 1) -> None:
    """Change bits of one byte of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def tree(root: Path) -> dict[str, bytes]:
    """Return every file below a directory and its content, but for the index and what was done without keys."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {"index", "acts"} & {*path.relative_to(root).parts}
    }


def small_files(vault: Path) -> Iterator[str]:
    """Yield the names of all files of which there are two copies, each place of its own."""
    head = head_of(vault)
    layout = vaultfs.engine.files.paths.Layout(vault)
    originals = [layout.head, layout.superblock(head.superblock_generation), layout.keyring(head.epoch)]
    originals += [layout.key_table(row) for row in head.segments]
    for path in originals:
        yield str(path.relative_to(vault))
        yield str(layout.copy_of(path).relative_to(vault))


Run = Callable[..., tuple[int, dict[str, Any]]]
"""Runs a command, and returns its code and what it printed."""


def keys_file(run: Run, path: Path, tmp_path: Path) -> Path:
    """Return a file with the keys of the log."""
    code, shown = run("keys", path)
    assert code == 0
    file = tmp_path / "log.keys"
    file.write_text("\n".join(shown["keys"]) + "\n")
    return file

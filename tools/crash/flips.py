"""Every bit of the smallest file of each kind, flipped: each is found, and healed to the same bytes, without a key."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vaultfs_format.combining import combine
from vaultfs_format.errors import VaultError
from vaultfs_format.head import Head
from vaultfs_format.healing import Lost, SlicedFile, examine, find_footer, heal
from vaultfs_format.keyring import Keyring
from vaultfs_format.keytable import KeyTable
from vaultfs_format.superblock import Superblock
from vaultfs_tools.keyless import VaultFiles
from vaultfs_tools.keyless.errors import CopiesDiffer
from vaultfs_tools.keyless.findings import Report
from vaultfs_tools.keyless.heal import mend_mirrored
from vaultfs_tools.keyless.journals import check_journals

from crash.host import Host, open_vault
from crash.ledger import Broken, History
from crash.model import View
from crash.oracle import BLOB, observed

PAIRS: dict[str, tuple[str, Callable[[bytes], object]]] = {
    "head": ("head", Head.decode),
    "VAULT": ("VAULT.*", Superblock.decode),
    "keyring": ("keyring.*", Keyring.decode),
    "key table": ("segments/**/*.vkey.*", KeyTable.decode),
}
"""Small files in two copies: where they lie, and what reads them."""


class Swept(NamedTuple):
    """A file whose bits were flipped one by one: all were found and healed."""

    kind: str
    bytes: int
    bits: int


def made(place: Path) -> Path:
    """Make a vault in a directory, with a file of every kind, each as small as it is made."""
    host = Host(place / "v", History())
    host.create()
    host.commit(host.put(1), host.put(BLOB, "two"), host.state("a", "1"))
    host.vault.settle()
    host.commit(host.put(1))
    host.close()
    return host.path


def sweep(vault: Path, step: int = 1, begin: int = 0) -> Iterator[Swept]:
    """Flip one of `step` bits of the smallest file of each kind, from the bit `begin` on.

    Raises
    ------
    Broken
        A flipped bit was not found, or not healed to the same bytes.
    """
    for kind, (pattern, decode) in PAIRS.items():
        yield _swept(_smallest(vault, pattern), step, begin, partial(_pair, decode), kind)
    for kind in ("record", "blob", "control", "audit"):
        yield _swept(_smallest(vault, f"segments/main/{kind}/**/*.vseg"), step, begin, _segment, f"{kind} segment")
    journal = _smallest(vault, "journal/*.vjrn")
    yield _swept(journal, step, begin, _Journal(vault, journal).healed, "journal")


def _smallest(vault: Path, pattern: str) -> Path:
    return min(vault.glob(pattern), key=lambda path: path.stat().st_size)


def _swept(path: Path, step: int, begin: int, healed: Callable[[bytes, bytes], bytes | None], kind: str) -> Swept:
    good = path.read_bytes()
    bits = range(begin, 8 * len(good), step)
    for bit in bits:
        if healed(good, _flipped(good, bit)) != good:
            raise Broken(f"{kind}: bit {bit} of {8 * len(good)} is not found or not healed")
    return Swept(kind, len(good), len(bits))


def _flipped(good: bytes, bit: int) -> bytes:
    data = bytearray(good)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def _pair(decode: Callable[[bytes], object], good: bytes, flipped: bytes) -> bytes | None:
    """Heal a small file from its two copies, of which the other one is damaged as well, half of the file away."""
    try:
        decode(flipped)
    except VaultError:
        damaged = next(at for at, byte in enumerate(good) if flipped[at] != byte)
        other = _flipped(good, 8 * ((damaged + len(good) // 2) % len(good)))
        found = combine([flipped, other], decode)
        return None if found is None else found[0]
    return None


def _segment(_: bytes, flipped: bytes) -> bytes | None:
    def read(offset: int, length: int) -> bytes:
        return flipped[offset : offset + length]

    footer = find_footer(read, len(flipped))
    if footer is None:
        return None
    file = SlicedFile(read, footer)
    damage = examine(file, len(flipped))
    if not damage:
        return None
    whole = bytearray(flipped)
    for patch in heal(file, damage):
        if isinstance(patch, Lost):
            return None
        whole[patch.offset : patch.offset + len(patch.data)] = patch.data
    return bytes(whole)


class _Journal:
    """Heals a journal from its mirror; what of a group only the keys can judge is right when the vault is opened."""

    def __init__(self, vault: Path, path: Path) -> None:
        self._vault = vault
        self._path = path
        self._files = VaultFiles(vault)
        self._head = Head.decode((vault / "head").read_bytes())
        self._held = self._read(vault)

    def healed(self, good: bytes, flipped: bytes) -> bytes | None:
        self._path.write_bytes(flipped)
        try:
            report = Report()
            check_journals(self._files, report, self._head, lambda _: None)
            if not report.findings:
                return None
            if any(isinstance(one.error, CopiesDiffer) for one in report.findings):
                return good if self._read(self._vault) == self._held else None
            return self._path.read_bytes() if mend_mirrored(self._files, f"journal/{self._path.name}") else None
        finally:
            self._path.write_bytes(good)

    def _read(self, vault: Path) -> View:
        """Return what a copy of the vault shows."""
        with tempfile.TemporaryDirectory(dir=vault.parent) as name:
            for one in (vault, vault.with_name("v.epoch")):
                shutil.copytree(one, Path(name) / one.name)
            with open_vault(Path(name) / vault.name) as opened:
                return observed(opened, ())

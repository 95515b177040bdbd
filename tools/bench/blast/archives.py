"""What is damaged: which files of each archive hold records and which lead to them, and how it is repaired and read.

Repair is what the documentation of each says for damage, in its order; no original is there any more to store again.
Caches outside of the repository are gone, and the index of the vault, as on another machine.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import vaultfs
from bench.figures import WHO, fresh_vault, reopened
from bench.ingest import put_batch
from bench.material import Item
from bench.peers.files import file_name
from bench.peers.programs import Borg, Program, Restic

Batches = Sequence[Sequence[Item]]
Back = Sequence[bytes | None]
"""Every record as it came back; None: not at all."""


class Archive(ABC):
    """Records in an archive of which copies are damaged."""

    name: str
    commands: Sequence[str]
    """By which it was made, repaired and read; a line that begins with # is done through the library."""

    root: Path
    """The directory that holds it, with all that changes when it is repaired."""

    @abstractmethod
    def __init__(self, place: Path, batches: Batches) -> None:
        """Make the archive in a place; raises `Missing` where the program for it is not installed."""

    @abstractmethod
    def version(self) -> str:
        """Return which version was measured."""

    @abstractmethod
    def files(self, *, of_index: bool) -> Iterable[Path]:
        """Return the files that lead to all others, or those that hold records."""

    @abstractmethod
    def repair(self) -> bool:
        """Repair the archive; return whether every step said that all was well."""

    @abstractmethod
    def read(self) -> tuple[Back, bool]:
        """Read every record; return them, and whether nothing was said to be amiss."""


class Vault(Archive):
    """A vault, settled."""

    name = "VaultFS"
    commands = (
        "# put all, 1,000 a transaction, and settle",
        "vaultfs-fsck VAULT",
        "# open, and get each record by its id",
    )

    def __init__(self, place: Path, batches: Batches) -> None:
        self.root = place / "archive"
        self.root.mkdir()
        self._vault = self.root / "vault"
        self._ids: list[vaultfs.RecordId] = []
        with fresh_vault(self._vault) as vault:
            with vault.session(WHO, "HSYSADMIN") as session:
                for batch in batches:
                    self._ids += put_batch(session, batch)
            vault.settle()
        shutil.rmtree(self._vault / "index")

    def version(self) -> str:
        return version("vaultfs")

    def files(self, *, of_index: bool) -> Iterable[Path]:
        return [self._vault / "head"] if of_index else (self._vault / "segments").rglob("*.vseg")

    def repair(self) -> bool:
        command = [Path(sys.executable).with_name("vaultfs-fsck"), self._vault]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def read(self) -> tuple[Back, bool]:
        back: list[bytes | None] = []
        try:
            with reopened(self._vault) as vault, vault.session(WHO, "HSYSADMIN") as session:
                back += [_read(session, one) for one in self._ids]
        except vaultfs.VaultError:
            back += [None] * (len(self._ids) - len(back))
        return back, None not in back


def _read(session: vaultfs.Session, record_id: vaultfs.RecordId) -> bytes | None:
    try:
        return session.get(record_id).data
    except vaultfs.VaultError:
        return None


class Repository(Archive):
    """The repository of a backup program, with the files of which it was made gone.

    Attributes
    ----------
    data, index
        Where the files lie that hold records, and those that lead to them, as patterns.
    repairing, restoring
        The arguments of each step of a repair, and by which all is restored into the working directory.
    """

    kind: type[Program]
    data: str
    index: str
    repairing: Sequence[Sequence[str]]
    restoring: Sequence[str]

    def __init__(self, place: Path, batches: Batches) -> None:
        self._count = sum(map(len, batches))
        self._program = self.kind(place / "archive", batches)
        self._program.store()
        shutil.rmtree(self._program.source)
        self._target = place / "restored"
        self.root = self._program.repository

    def version(self) -> str:
        return self._program.version()

    def files(self, *, of_index: bool) -> Iterable[Path]:
        return (path for path in self.root.glob(self.index if of_index else self.data) if path.is_file())

    def repair(self) -> bool:
        self._program.forget_cache()
        done = [self._program.succeeds(*step, folder=self._program.place) for step in self.repairing]
        return all(done)

    def read(self) -> tuple[Back, bool]:
        self._program.forget_cache()
        self._target.mkdir()
        try:
            well = self._program.succeeds(*self.restoring, folder=self._target)
            return [_content(self._target / file_name(number)) for number in range(self._count)], well
        finally:
            shutil.rmtree(self._target)


class OfRestic(Repository):
    """A repository of restic. Versions before 0.16 cannot repair packs and snapshots."""

    kind = Restic
    name = Restic.name
    data, index = "data/*/*", "index/*"
    repairing = (("rebuild-index",), ("check",))
    restoring = ("restore", "latest", "--target", ".")
    commands = (
        "restic init",
        "restic backup .",
        "rm -r $RESTIC_CACHE_DIR",
        *(" ".join(("restic", *step)) for step in (*repairing, restoring)),
    )


class OfBorg(Repository):
    """A repository of borg 1."""

    kind = Borg
    name = Borg.name
    data, index = "data/*/*", "index.*"
    repairing = (("check", "--repair"),)
    restoring = ("extract", "::records")
    commands = (
        "borg init --encryption repokey-blake2",
        "borg create --compression zstd,3 ::records .",
        "rm -r $BORG_BASE_DIR/.cache",
        *(" ".join(("borg", *step)) for step in (*repairing, restoring)),
    )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None

"""restic and borg: backup programs over a directory of files; every step starts the program, as its users do."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import abstractmethod
from pathlib import Path

from bench.peers.files import file_name, write_files
from bench.peers.peer import Batches, Missing, Peer, Traits, tree_size

_PASSWORD = "only for measuring"  # noqa: S105 - of an archive that is removed at once


class Program(Peer):
    """A backup program, with its repository, source, cache and configuration in one scratch directory."""

    point_reads = 3
    cache: str
    """Where the program keeps a cache, in the scratch directory."""
    version_argument = "--version"

    def __init__(self, place: Path, batches: Batches) -> None:
        found = shutil.which(self.name)
        if found is None:
            raise Missing(f"program {self.name}")
        super().__init__(place, batches)
        place.mkdir()
        self._found = found
        self.source, self._restored = place / "source", place / "restored"
        self.repository = place / "repository"
        self._environment = os.environ | self.environment()
        write_files(self.source, batches, durable=False)
        self._restored.mkdir()
        self.initialise()

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the variables that tell the program its repository, password and folders."""

    @abstractmethod
    def initialise(self) -> None:
        """Make the repository."""

    def run(self, *arguments: str, folder: Path) -> bytes:
        """Run the program in `folder` and return what it writes to its standard output."""
        command = [self._found, *arguments]
        done = subprocess.run(command, cwd=folder, env=self._environment, check=True, capture_output=True)
        return done.stdout

    def succeeds(self, *arguments: str, folder: Path) -> bool:
        """Run the program in `folder`, whatever comes of it; return whether it says that all is well."""
        try:
            self.run(*arguments, folder=folder)
        except subprocess.CalledProcessError:
            return False
        return True

    def version(self) -> str:
        """Return the version that the program states."""
        return self.run(self.version_argument, folder=self.place).split()[1].decode()

    def forget_cache(self) -> None:
        """Remove what the program keeps outside of its repository to be faster."""
        shutil.rmtree(self.place / self.cache, ignore_errors=True)

    def store(self) -> None:
        self.backup(self.source)

    @abstractmethod
    def backup(self, source: Path) -> None:
        """Back up the files of a folder."""

    def restore(self) -> int:
        self.extract(self._restored)
        return tree_size(self._restored)

    @abstractmethod
    def check(self) -> None:
        """Compare everything that is stored with its checksums."""

    @abstractmethod
    def extract(self, target: Path) -> None:
        """Restore every file into a folder."""

    def size(self) -> int:
        return tree_size(self.repository)

    def close(self) -> None:
        """Nothing is open between two runs of the program."""


class Restic(Program):
    """Restic, with its default compression."""

    name = "restic"
    cache = "cache"
    version_argument = "version"
    traits = Traits(
        encryption="AES-256-CTR with Poly1305-AES",
        keys="one a repository",
        audit="none",
        compression="zstd a file; equal chunks of all patients once",
        durability="syncs its packs; one snapshot of everything",
        point_read="starts the program, derives the key, loads the index",
        integrity="checked on every read, with the key",
    )

    def environment(self) -> dict[str, str]:
        cache = str(self.place / self.cache)
        return {"RESTIC_REPOSITORY": str(self.repository), "RESTIC_PASSWORD": _PASSWORD, "RESTIC_CACHE_DIR": cache}

    def initialise(self) -> None:
        self.run("init", "--quiet", folder=self.place)

    def backup(self, source: Path) -> None:
        self.run("backup", "--quiet", ".", folder=source)

    def read(self, number: int) -> bytes:
        return self.run("dump", "latest", f"/{file_name(number)}", folder=self.source)

    def check(self) -> None:
        self.run("check", "--read-data", folder=self.place)

    def extract(self, target: Path) -> None:
        self.run("restore", "--quiet", "latest", "--target", str(target), folder=self.source)


class Borg(Program):
    """Borg 1, with authenticated encryption by BLAKE2b and zstd."""

    name = "borg"
    cache = "base/.cache"
    traits = Traits(
        encryption="AES-256-CTR with BLAKE2b",
        keys="one a repository",
        audit="none",
        compression="zstd a file; equal chunks of all patients once",
        durability="syncs its segments; one archive of everything",
        point_read="starts the program, derives the key, walks the archive's list of files",
        integrity="checked on every read, with the key; CRC-32 without",
    )

    def environment(self) -> dict[str, str]:
        base = self.place / "base"
        return {
            "BORG_REPO": str(self.repository),
            "BORG_PASSPHRASE": _PASSWORD,
            "BORG_BASE_DIR": str(base),
            "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING": "YES",
        }

    def initialise(self) -> None:
        self.run("init", "--encryption", "repokey-blake2", folder=self.place)

    def backup(self, source: Path) -> None:
        self.run("create", "--compression", "zstd,3", "::records", ".", folder=source)

    def read(self, number: int) -> bytes:
        return self.run("extract", "--stdout", "::records", file_name(number), folder=self._restored)

    def check(self) -> None:
        self.run("check", folder=self.place)

    def extract(self, target: Path) -> None:
        self.run("extract", "::records", folder=target)

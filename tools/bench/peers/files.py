"""What needs no program at all: a directory of files, and a ZIP archive."""

from __future__ import annotations

import os
import zipfile
from functools import cached_property
from pathlib import Path

from bench.peers.peer import Batches, Peer, Traits

_FANOUT = 500


def file_name(number: int) -> str:
    """Return where the `number`-th record lies below a directory of files, which holds them by the five hundred."""
    return f"{number // _FANOUT:04d}/{number:08d}.json"


def write_files(root: Path, batches: Batches, *, durable: bool) -> None:
    """Write the records as files; where `durable`, each is synced, and its directory after every batch."""
    number = 0
    for batch in batches:
        touched = set()
        for item in batch:
            path = root / file_name(number)
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True)
                touched.add(root)
            with path.open("xb") as file:
                file.write(item.data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            touched.add(path.parent)
            number += 1
        for directory in touched if durable else ():
            handle = os.open(directory, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)


class Files(Peer):
    """A directory with a file a record, each of them synced."""

    name = "directory of files"
    traits = Traits(
        encryption="none",
        keys="none",
        audit="none",
        compression="none",
        durability="fsync a record, and its directory a batch",
        point_read="by file name",
        integrity="none",
    )

    def store(self) -> None:
        self.place.mkdir()
        write_files(self.place, self.batches, durable=True)

    def read(self, number: int) -> bytes:
        return (self.place / file_name(number)).read_bytes()

    def restore(self) -> int:
        return sum(len(path.read_bytes()) for path in sorted(self.place.rglob("*.json")))

    def size(self) -> int:
        """Return the blocks that the files take up: each begins one of its own."""
        return sum(os.lstat(os.path.join(where, name)).st_blocks * 512
                   for where, _, names in os.walk(self.place) for name in names)  # fmt: skip

    def close(self) -> None:
        """Nothing is open."""


class Zip(Peer):
    """A ZIP archive of a file a record."""

    name = "ZIP"
    traits = Traits(
        encryption="none",
        keys="none",
        audit="none",
        compression="Deflate, a record",
        durability="one fsync when all is written: until then nothing can be read",
        point_read="by name, through the directory at the end",
        integrity="CRC-32 of each record, no protection from changes",
    )

    def store(self) -> None:
        self.place.mkdir()
        with self._path.open("xb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for number, item in enumerate(item for batch in self.batches for item in batch):
                    archive.writestr(file_name(number), item.data)
            file.flush()
            os.fsync(file.fileno())

    @property
    def _path(self) -> Path:
        return self.place / "records.zip"

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self._path)

    def read(self, number: int) -> bytes:
        return self._archive.read(file_name(number))

    def restore(self) -> int:
        return sum(len(self._archive.read(name)) for name in self._archive.namelist())

    def close(self) -> None:
        self._archive.close()

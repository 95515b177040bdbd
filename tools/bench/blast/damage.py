"""Damage as media and controllers do it, at places that are drawn: the same draws for every archive."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SECTOR = 4096
_RUN = 64 * 1024
_FILES = 3


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of damage.

    Parameters
    ----------
    of_index
        Whether it is done to the file that leads to all others, instead of to those that hold the records.
    act
        Does it to some files, the longest ones first, with places from a source of chance.
    """

    name: str
    of_index: bool
    act: Callable[[Sequence[Path], random.Random], None]


def _each(change: Callable[[Path, random.Random], None]) -> Callable[[Sequence[Path], random.Random], None]:
    """Return what changes each of the three longest files; where there are fewer, the longest ones more than once."""

    def act(files: Sequence[Path], chance: random.Random) -> None:
        for number in range(_FILES):
            change(files[number % len(files)], chance)

    return act


def _longest(change: Callable[[Path, random.Random], None]) -> Callable[[Sequence[Path], random.Random], None]:
    return lambda files, chance: change(files[0], chance)


def _flip(path: Path, chance: random.Random) -> None:
    at = int(chance.random() * path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(at)
        value = file.read(1)[0] ^ 1 << chance.randrange(8)
        file.seek(at)
        file.write(bytes([value]))


def _overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data[: path.stat().st_size - at])


def _zero(path: Path, chance: random.Random) -> None:
    at = int(chance.random() * path.stat().st_size) // SECTOR * SECTOR
    _overwrite(path, at, bytes(SECTOR))


def _run(path: Path, chance: random.Random) -> None:
    at = int(chance.random() * max(0, path.stat().st_size - _RUN)) // SECTOR * SECTOR
    _overwrite(path, at, chance.randbytes(_RUN))


def _cut(path: Path, _: random.Random) -> None:
    os.truncate(path, max(0, path.stat().st_size - SECTOR))


DAMAGES = (
    Damage("none", False, lambda _, __: None),
    Damage("a bit flipped in each of three files", False, _each(_flip)),
    Damage("a sector of 4 KiB zeroed in each of three files", False, _each(_zero)),
    Damage("64 KiB in a row overwritten in one file", False, _longest(_run)),
    Damage("the last 4 KiB of one file cut off", False, _longest(_cut)),
    Damage("a bit flipped in the index or head", True, _longest(_flip)),
)

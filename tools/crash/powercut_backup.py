"""Real power cuts of a disk that a backup is written to, while the vault is on another one."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from unittest import mock

from vaultfs_format.errors import VaultError
from vaultfs_tools.copying import Copier, Options, Source, restore
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.target import Target
from vaultfs_tools.keyless import Severity, VaultFiles
from vaultfs_tools.keyless import check as check_without_keys

from crash.host import Host
from crash.ledger import Allowed, Broken, History, Report
from crash.model import Model
from crash.oracle import BLOB, check
from crash.places import memory
from crash.powercut import ROUNDS_A_LIFE, Result, cut_off, device, mounted

DONE = 0.3
"""Share of the rounds in which the power is cut just after the copy is done."""


def run(kind: str, rounds: int, seed: int, engine: str = "sound") -> Result:
    """Cut the power `rounds` times, or until a promise is broken, on a file system of one kind.

    The process must have mounts of its own (`crash.powercut.own_mounts`).

    Parameters
    ----------
    engine
        ``careless`` copies without syncs, and must lose something.
    """
    result, chance = Result(), random.Random(seed)
    while result.rounds < rounds and not result.broken:
        with device(kind) as image, tempfile.TemporaryDirectory(dir=memory()) as source:
            life = _Life(Path(source), image, chance, careless=engine == "careless")
            for _ in range(min(ROUNDS_A_LIFE, rounds - result.rounds)):
                result.rounds += 1
                try:
                    done = life.round()
                except Broken as broken:
                    result.broken = f"{kind}, round {result.rounds}, seed {seed}: {broken}"
                    break
                result.acknowledged += done
                result.unresolved += not done
    return result


class _Life:
    """A vault that grows, and a copy of it on a file system that is cut off again and again."""

    def __init__(self, source: Path, image: Path, chance: random.Random, *, careless: bool) -> None:
        self._image = image
        self._chance = chance
        self._careless = careless
        self._history = History()
        self._host = Host(source / "v", self._history)
        self._host.create()
        self._grow()
        begun = time.monotonic()
        with mounted(image) as place:
            self._copy(place)
        self._lasts = time.monotonic() - begun
        self._allowed: Allowed = self._history.allowed()

    def _grow(self) -> list[Model | None]:
        """Let the vault go on; return the states that it was in meanwhile."""
        host, chance = self._host, self._chance
        states: list[Model | None] = []
        for _ in range(chance.randrange(1, 4)):
            size = BLOB if chance.random() < 0.3 else chance.randrange(1, 2000)
            host.commit(host.put(size, chance.choice(("one", "two", "nobody"))))
            states += self._history.allowed()
            if chance.random() < 0.4:
                host.vault.settle()
        if chance.random() < 0.2:
            host.reopen()
        host.vault.committer.sync()
        return states

    def _copy(self, place: Path) -> None:
        Copier(Source.of_vault(self._host.path), Target(place / "copy"), Options(), Pace()).run()

    def round(self) -> bool:
        """Copy what is new, cut the power meanwhile, and look at what is left; return whether the copy was done.

        Raises
        ------
        Broken
        """
        states = self._grow()
        with mounted(self._image) as place:

            def copy(say: Callable[[bytes], object]) -> None:
                unsynced = mock.patch.object(os, "fsync") if self._careless else nullcontext()
                with unsynced, suppress(OSError):  # the disk is gone
                    self._copy(place)
                    Report(say).acknowledge()

            whole = self._chance.random() < DONE
            said = cut_off(place, copy, int(whole), self._lasts * self._chance.random() * (DONE if whole else 1))
        told = History(allowed=states[-1:])
        told.read(said)
        done = bool(said)
        self._allowed = states[-1:] if done else [*self._allowed, *states]
        if self._chance.random() < 0.3:
            return done  # the next copy goes on from whatever is there
        with mounted(self._image) as place:
            held = self._image.with_name("held")
            shutil.rmtree(held, ignore_errors=True)
            held.mkdir()
            report = check_without_keys(VaultFiles(place / "copy"))
            try:
                restore(place / "copy", held / "v")
            except VaultError as error:
                raise Broken(f"it cannot be restored: {error!r}") from error
            shutil.copytree(self._host.path.with_name("v.epoch"), held / "v.epoch")
        if bad := [found for found in report.findings if found.severity is Severity.ERROR and not found.remedy]:
            raise Broken(f"fsck of the copy: {[(found.file, found.error.code) for found in bad]}")
        number = check(held / "v", self._allowed, self._history, 0, older=True)
        self._allowed = self._allowed[number:]  # what the copy has not come to may be passed through by the next one
        return done

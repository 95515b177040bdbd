"""A turn of the epoch that disposes of somebody, and gives up a copy of the vault: for failing calls, and recorded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vaultfs_tools import backup

from crash.host import Host, open_vault
from crash.injecting import Outcome
from crash.ledger import Allowed, Broken, History, Report
from crash.oracle import BLOB, check
from crash.recordings import Recorder, Recording, repeatable, restore
from crash.upkeep import command
from vaultfs import Vault
from vaultfs.errors import EpochSecretMissing, VaultError
from vaultfs.keys.stores import DirectoryStore
from vaultfs.storage.copies import copies_of, give_up
from vaultfs.testing.crash import Image

SETTLINGS = 9
"""So many that segments are merged, and the key tables of those that are gone are put away for the copy."""


class Turning:
    """A closed vault with a copy that is behind, which keeps the keys of segments that have been merged since.

    Parameters
    ----------
    start
        A new directory, for the vault.
    """

    def __init__(self, start: Path) -> None:
        start.mkdir()
        self.start = start
        history = History()
        host = Host(start / "v", history)
        host.create()
        host.commit(host.put(300), host.put(400, "two"), host.put(BLOB, "two"), host.state("a", "1"))
        host.vault.settle()
        host.close()
        command(backup.main, "copy", str(start / "v"), str(start / "copy"))
        host.open()
        for number in range(SETTLINGS):
            host.commit(host.put(100 + number, "two" if number % 2 else "nobody"))
            host.vault.settle()
        if not (start / "v/retired").is_dir():
            raise ValueError("nothing was merged")
        host.commit(host.put(BLOB, "two"), host.delete(host.records[0]))
        host.close()
        self._allowed: Allowed = history.allowed()
        self._records = host.records

    def play(self, place: Path, outcome: Outcome) -> str:
        host = Host(place / "v", Report(outcome.write))
        try:
            host.open()
            host.turn("two")
            _give_up(host.vault)
            host.close()
        except VaultError as error:
            with suppress(VaultError):
                host.close()
            return f"coded {error.code}"
        return "done"

    def judge(self, place: Path, lines: Sequence[bytes]) -> None:
        """Check that the old epoch or the new one is in force, and that whoever turns next ends what was begun."""
        vault = place / "v"
        history = History(allowed=self._allowed)
        history.records = dict.fromkeys(self._records, 0)
        history.read(lines)
        check(vault, history.allowed(), history, 0)
        with open_vault(vault) as opened:
            if opened.engine.head.epoch == 1:
                Host.of(opened, History()).turn("two")
            _give_up(opened)
            opened.retire()
            epoch = opened.engine.head.epoch
            if (left := DirectoryStore(place / "v.epoch").epochs(opened.id)) != [epoch]:
                raise Broken(f"secrets of epochs {left}, and {epoch} is in force")
        if unfinished := [path.name for path in vault.rglob("*.tmp")]:
            raise Broken(f"left behind: {unfinished}")
        self._check_old(place)

    def recorded(self, root: Path) -> Recording:
        """Play the same in the empty directory `root`, and return its recording."""
        vfs = Recorder(root)
        restore(vfs, _image(self.start))
        history = History(lambda: len(vfs.log), self._allowed)
        history.records = dict.fromkeys(self._records, 0)
        recording = Recording("a turn", vfs, history, len(vfs.log))
        host = Host(root / "v", history, vfs)
        with repeatable(2):
            host.open()
            host.turn("two")
            _give_up(host.vault)
            host.close()
        vfs.look_at_index()
        return recording

    def _check_old(self, place: Path) -> None:
        """Check that what is left of the keys does not open the vault as it was."""
        old = place / "old"
        shutil.copytree(self.start / "v", old / "v")
        shutil.copytree(place / "v.epoch", old / "v.epoch")
        with suppress(EpochSecretMissing):
            open_vault(old / "v", older=True).close()
            raise Broken("an old copy opens")
        shutil.rmtree(old)


def _image(start: Path) -> Image:
    """Return the vault and its epoch store as an image; an index is made anew."""
    parts = [path for root in ("v", "v.epoch") for path in (start / root, *sorted((start / root).rglob("*")))]
    kept = [path for path in parts if "index" not in path.parts]
    return Image({str(path.relative_to(start)): path.read_bytes() if path.is_file() else None for path in kept})


def _give_up(vault: Vault) -> None:
    """Let no copy of the vault keep the old secret."""
    for copy in copies_of(vault):
        give_up(vault, copy)

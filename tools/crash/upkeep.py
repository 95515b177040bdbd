"""Programs for failing calls that look after a vault: maintenance with keys, fsck without, and a backup."""

from __future__ import annotations

import io
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from vaultfs_tools import backup, fsck
from vaultfs_tools.cli import InternalError
from vaultfs_tools.keyless import Severity, VaultFiles
from vaultfs_tools.keyless import check as check_without_keys

from crash.host import Host, open_vault
from crash.injecting import Outcome, Program
from crash.ledger import Allowed, Broken, History
from crash.oracle import BLOB, check
from vaultfs.errors import VaultError

SECONDS = 3600.0
"""Time for maintenance: it does everything that is due."""
DAMAGE = 40
"""Where bytes are changed, from the beginning of each file."""


class _Vault(ABC):
    """A closed vault with segments of every kind, of which files are damaged within what their parity heals.

    Attributes
    ----------
    good
        The files that were damaged, as they were.
    """

    def __init__(self, start: Path) -> None:
        start.mkdir()
        self.start = start
        history = History()
        host = Host(start / "v", history)
        host.create()
        host.commit(host.put(300), host.put(BLOB, "two"), host.state("a", "1"))
        host.vault.settle()
        host.commit(host.put(200, "nobody"), host.put(BLOB, "two"), host.state("a", "2"))
        host.vault.settle()
        host.close()
        self._allowed: Allowed = history.allowed()
        self._records = host.records
        self.good = {name: (host.path / name).read_bytes() for name in _damaged(host.path)}
        for name, data in self.good.items():
            (host.path / name).write_bytes(data[:DAMAGE] + bytes(byte ^ 0x55 for byte in data[DAMAGE:48]) + data[48:])

    @abstractmethod
    def mend(self, vault: Path) -> str:
        """Look after the vault; return how it ended."""

    def play(self, place: Path, _: Outcome) -> str:
        return self.mend(place / "v")

    def judge(self, place: Path, _: Sequence[bytes]) -> None:
        """Check that nothing is lost, and that who looks after the vault next makes all of it whole."""
        vault = place / "v"
        self._compare(vault, whole=False)
        self.mend(vault)
        self._compare(vault, whole=True)
        report = check_without_keys(VaultFiles(vault))
        if bad := [found for found in report.findings if found.severity is not Severity.REMARK]:
            raise Broken(f"after healing: {[(found.file, found.error.code) for found in bad]}")
        history = History(allowed=self._allowed)
        history.records = dict.fromkeys(self._records, 0)
        check(vault, self._allowed, history, 0)

    def _compare(self, vault: Path, *, whole: bool) -> None:
        """Check that files are `whole`, or else damaged as they were; those that were replaced by others may be gone.

        Raises
        ------
        Broken
        """
        for name, good in self.good.items():
            damaged = (self.start / "v" / name).read_bytes()
            try:
                found = (vault / name).read_bytes()
            except FileNotFoundError:
                continue
            if found != good and (whole or found != damaged):
                raise Broken(f"{name} is {'not healed' if found == damaged else 'something else'}")


def _damaged(vault: Path) -> Iterator[str]:
    """Yield the files to damage: the first copies of small ones, and segments. Their names are used once."""
    for pattern in ("VAULT*", "keyring*", "segments/**/*.vkey.*", "segments/**/*.vseg"):
        yield from (str(path.relative_to(vault)) for path in sorted(vault.glob(pattern)))


def command(main: Callable[[Sequence[str]], int], *words: str) -> tuple[int, str]:
    """Run a command in this process; return its exit code and the code of the error that it ended with.

    Raises
    ------
    Broken
        It met something unforeseen.
    """
    said, shown = io.StringIO(), io.StringIO()
    with redirect_stdout(shown), redirect_stderr(said):
        code = main([*words, "--json"])
    error = json.loads(said.getvalue())["error"] if said.getvalue() else {"code": ""}
    if error["code"] == InternalError.code:
        raise Broken(f"unforeseen, at {error['place']}")
    return code, error["code"]


class Healing(_Vault):
    """The check without keys of a damaged vault, which heals it."""

    def mend(self, vault: Path) -> str:
        code, error = command(fsck.main, str(vault))
        return "done" if code == 1 and not error else f"code {code} {error}".strip()


class Maintaining(_Vault):
    """Maintenance of a damaged vault: scrubbing, repair, settling."""

    def mend(self, vault: Path) -> str:
        try:
            with open_vault(vault) as opened:
                done = opened.maintenance.run(SECONDS)
        except VaultError as error:
            return f"coded {error.code}"
        return f"failed steps: {[error.code for error in done.failed.values()]}" if done.failed else "done"


class Copying:
    """A backup of a vault to which much was added since the backup before."""

    def __init__(self, start: Path) -> None:
        start.mkdir()
        self.start = start
        history = History()
        host = Host(start / "v", history)
        host.create()
        host.commit(host.put(300), host.put(BLOB, "two"), host.state("a", "1"))
        host.vault.settle()
        host.commit(host.put(200, "nobody"))
        host.vault.committer.sync()
        states = [*history.allowed()]
        command(backup.main, "copy", str(start / "v"), str(start / "copy"))
        host.commit(host.put(BLOB, "nobody"), host.state("b", "2"))
        states += history.allowed()
        host.vault.settle()
        host.commit(host.put(250), host.put(BLOB, "two"), host.delete(host.records[0]))
        host.vault.committer.sync()
        states += history.allowed()
        host.close()
        self._allowed: Allowed = states
        self._records = host.records

    def play(self, place: Path, _: Outcome) -> str:
        code, error = command(backup.main, "copy", str(place / "v"), str(place / "copy"))
        return "done" if code == 0 else f"code {code} {error}".strip()

    def judge(self, place: Path, _: Sequence[bytes]) -> None:
        """Check that the copy is a state that the vault was in since the copy before, and becomes the newest one."""
        self._check(place, self._allowed)
        code, error = command(backup.main, "copy", str(place / "v"), str(place / "copy"))
        if code:
            raise Broken(f"it cannot be brought up to date: {error}")
        self._check(place, self._allowed[-1:])
        if left := [path.name for path in (place / "copy").rglob("*.tmp")]:
            raise Broken(f"left behind: {left}")

    def _check(self, place: Path, allowed: Allowed) -> None:
        """Open a copy of the copy, which stays as it is."""
        opened = place / "opened"
        shutil.copytree(place / "copy", opened / "v")
        shutil.copytree(place / "v.epoch", opened / "v.epoch")
        history = History(allowed=allowed)
        history.records = dict.fromkeys(self._records, 0)
        check(opened / "v", allowed, history, 0, older=True)
        shutil.rmtree(opened)


PROGRAMS: dict[str, Callable[[Path], Program]] = {
    "fsck": Healing,
    "maintenance": Maintaining,
    "backup": Copying,
}
"""Programs, made in a new directory."""

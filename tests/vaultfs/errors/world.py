"""The world of a scenario: a vault with canaries in every field, a folder of sources, and the commands, all watched."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from vaultfs_format.stanza import Argon2Cost
from vaultfs_tools import audit, backup, dump, fsck, import_, keys, rescue

import vaultfs
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.migrate.importer import Importer, ImportOptions
from vaultfs.testing.canary import Canaries
from vaultfs.testing.watch import Watch

PLANTED = Canaries(1)
SECRET = _AtAnyCost(PLANTED.text("passphrase").encode(), Argon2Cost(64, 1, 1))
WHO = vaultfs.Principal(PLANTED.text("principal"), frozenset({PLANTED.text("role")}))
PATIENT = vaultfs.Identifier(PLANTED.text("system"), PLANTED.text("value"))
OTHER = vaultfs.Identifier(PLANTED.text("system2"), PLANTED.text("value"))
STRANGER = vaultfs.Identifier(PLANTED.text("system"), PLANTED.text("stranger"))
SPACE, KEY = PLANTED.text("namespace"), PLANTED.text("key").encode()

Run = Callable[["World"], Iterable[int] | None]
SCENARIOS: dict[str, Run] = {}
"""For each error, by its name, something that a host or an operator does and that ends in it."""


def reaches(*names: str) -> Callable[[Run], Run]:
    """Enter a scenario for the errors that it reaches.

    A scenario raises its error, or returns the codes that it saw in reports and output. It makes no error itself.
    """

    def enter(scenario: Run) -> Run:
        for name in names:
            assert name not in SCENARIOS, f"{name} has a scenario already"
            SCENARIOS[name] = scenario
        return scenario

    return enter


def fill(vault: vaultfs.Vault, day: int, *, blob: bool = False) -> None:
    """Commit records, a control state, and a blob where asked for, with canaries in every field."""
    with vault.session(WHO, PLANTED.text("purpose")) as session:
        with session.transaction() as txn:
            for number in range(4):
                txn.put(
                    PLANTED.data(f"data{number}", 300),
                    kind="Observation",
                    subject=PATIENT,
                    date=PLANTED.moment + timedelta(days=365 * day),
                    before=PLANTED.text("before").encode(),
                    after=PLANTED.text("after").encode(),
                )
            txn.set_state(SPACE, KEY, PLANTED.text("state").encode())
        if blob:
            with session.transaction() as txn:
                txn.put(PLANTED.data("blob", 90_000), kind="Binary", subject=None, date=PLANTED.moment)


def make(path: Path) -> Path:
    """Make a vault with two generations of segments, and a live journal of two files that names a part file."""
    with vaultfs.create(path, recipients=[SECRET], policy=vaultfs.PermitAll()) as vault:
        fill(vault, 0, blob=True)
        vault.settle()
        fill(vault, 1, blob=True)
        vault.settle()
        fill(vault, 2)
    with vaultfs.open(path, unlock=SECRET, policy=vaultfs.PermitAll()) as vault:
        fill(vault, 3, blob=True)
    return path


class World:
    """What a scenario works with. Everything below `stored` is searched in the end."""

    def __init__(self, pristine: Path, folder: Path, watch: Watch) -> None:
        self.pristine = pristine
        self.stored, self.sources, self.hidden = folder / "stored", folder / "sources", folder / "hidden"
        for directory in (self.stored, self.sources, self.hidden):
            directory.mkdir()
        self.watch = watch
        self.vaults: list[vaultfs.Vault] = []
        self.readers: list[vaultfs.Reader] = []

    @cached_property
    def path(self) -> Path:
        """A vault of this scenario's own, which it may damage."""
        return self.copy("clinic.vault")

    def copy(self, name: str) -> Path:
        """Return another vault, equal to the first."""
        target = self.stored / name
        shutil.copytree(self.pristine, target)
        shutil.copytree(self.pristine.with_name(self.pristine.name + ".epoch"), target.with_name(name + ".epoch"))
        return target

    def opened(self, path: Path | None = None, **more: Any) -> vaultfs.Vault:
        """Open a vault, by default that of the scenario; it is closed in the end."""
        vault = vaultfs.open(path or self.path, **{"unlock": SECRET, "policy": vaultfs.PermitAll(), **more})
        self.vaults.append(vault)
        return vault

    def reading(self, **more: Any) -> vaultfs.Reader:
        """Open the vault of the scenario for reading; it is closed in the end."""
        reader = vaultfs.open_reader(self.path, **{"unlock": SECRET, "policy": vaultfs.PermitAll(), **more})
        self.readers.append(reader)
        return reader

    def session(self, vault: vaultfs.Vault | None = None) -> vaultfs.Session:
        """Open a session, by default in the vault of the scenario."""
        return (vault or self.opened()).session(WHO, PLANTED.text("purpose"))

    def put(self, session: vaultfs.Session, **more: Any) -> vaultfs.RecordId:
        """Put one record in a transaction of its own."""
        with session.transaction() as txn:
            return txn.put(PLANTED.data("put", 100), **{"kind": "Observation", "subject": PATIENT, **more})

    def close(self) -> None:
        """Close what is open; a vault that was damaged or forked may refuse."""
        opened: list[vaultfs.Vault | vaultfs.Reader] = [*self.readers, *reversed(self.vaults)]
        for vault in opened:
            try:
                vault.close()
            except vaultfs.VaultError as error:
                self.watch.error(error)

    def in_a_child(self, act: Callable[[], object]) -> set[int]:
        """Do something in a forked process; return the code of the error in which it ends."""
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                act()
            except vaultfs.VaultError as error:
                os.write(writable, pickle.dumps(error))
            finally:
                os._exit(0)
        os.close(writable)
        os.waitpid(child, 0)
        with open(readable, "rb") as pipe:
            told = pickle.load(pipe)
        self.watch.error(told)
        return {told.code}

    # Files.

    def file(self, pattern: str) -> Path:
        """Return the first file of the vault that matches, and is no copy."""
        return min(path for path in self.path.rglob(pattern) if "copies" not in path.parts)

    # Commands and imports.

    def passphrase(self, text: bytes | bytearray = SECRET.secret) -> tuple[str, str]:
        """Return the option that gives a command a passphrase."""
        path = self.hidden / "passphrase"
        path.touch(0o600)
        path.write_bytes(text)
        return "--passphrase-file", str(path)

    def fsck(self, *options: object, keys: bool = False) -> set[int]:
        """Check the vault; return the codes of all findings."""
        return self._codes(fsck.main, self.path, *options, *(self.passphrase() if keys else ()))

    def dump(self, place: Path) -> set[int]:
        """Describe a file; return the codes of what is wrong with it."""
        return self._codes(dump.main, place)

    def rescue(self, *options: object, out: Path | None = None) -> set[int]:
        """Rescue the vault into a folder that is not searched; return the codes of what is missing, and of errors."""
        out = out or self.hidden / "out"
        codes = self._codes(rescue.main, self.path, out, *self.passphrase(), *options)
        missing = out / "missing.jsonl"
        lines = missing.read_text().splitlines() if missing.exists() else []
        self.watch.said(lines)
        return codes | set(_codes_in([json.loads(line) for line in lines]))

    def backup(self, *words: object) -> set[int]:
        """Run a command of backups; return the codes of findings and errors. What it writes should lie in `stored`."""
        return self._codes(backup.main, *words)

    def keys(self, *words: object) -> set[int]:
        """Run a command of keys; return the codes of errors."""
        return self._codes(keys.main, *words, *self.passphrase())

    def audit(self, *words: object) -> set[int]:
        """Run a command of the log; return the codes of errors."""
        return self._codes(audit.main, *words, *self.passphrase())

    def import_command(self, *options: object) -> set[int]:
        """Run the import with its command; return the codes of errors."""
        return self._codes(import_.main, self.path, *options)

    def _codes(self, main: Callable[[list[str]], int], *arguments: object) -> set[int]:
        _, out, err = self.watch.command(main, *arguments, "--json")
        return set(_codes_in([json.loads(line) for line in (out + err).splitlines()]))

    def source(self, name: str, data: bytes | str) -> Path:
        """Write a source with a file name that is a canary."""
        path = self.sources / f"{PLANTED.plain('file')}-{name}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def imported(self, name: str, data: bytes | str, **options: Any) -> set[int]:
        """Import a source; return the codes of why anything of it was not understood."""
        self.source(name, data)
        with self.session() as session:
            report = Importer(self.vaults[-1], session, ImportOptions(**options)).run([self.sources])
        self.watch.said(report, report.as_text(), json.dumps(report.as_json()))
        return set(report.reasons)


def _codes_in(shown: object) -> Iterator[int]:
    """Yield the codes of the errors anywhere in what a command has shown."""
    if isinstance(shown, dict):
        if isinstance(shown.get("code"), int):
            yield shown["code"]
        shown = list(shown.values())
    if isinstance(shown, list):
        for one in shown:
            yield from _codes_in(one)


def flip(path: Path, at: int, mask: int = 1) -> None:
    """Change a bit of a file; a negative offset counts from its end."""
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)


def cut(path: Path, end: int) -> None:
    """Cut a file; a negative end counts from its end."""
    os.truncate(path, end if end >= 0 else path.stat().st_size + end)

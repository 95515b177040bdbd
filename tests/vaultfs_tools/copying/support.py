"""What the tests of backups share: copying, restoring, opening what was restored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from vaultfs_tools.copying import Copied, Copier, Options, Source, restore
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.target import Target
from vaultfs_tools.keyless.findings import Severity

import vaultfs
from tests.vaultfs.support import answers
from tests.vaultfs_tools import vaults


def copy(vault: Path, target: Path, **options: Any) -> Copied:
    """Bring a copy of a vault up to date."""
    return Copier(Source.of_vault(vault), Target(target), Options(**options), Pace()).run()


def errors(done: Copied) -> list[tuple[str, int]]:
    """Return the files that could not be copied as they must be, and the codes of why."""
    return [(one.file, one.error.code) for one in done.report.findings if one.severity is Severity.ERROR]


def held_by(vault: Path, store: Path, scratch: Path) -> dict[Any, Any]:
    """Return what a vault or copy says of its subjects, and the newest state of the tests; nothing is written to it."""
    scratch.mkdir()
    shutil.copytree(vault, scratch / "v")
    shutil.copytree(store, scratch / "v.epoch", ignore=shutil.ignore_patterns("*.tmp"))
    try:
        opened = vaultfs.open(scratch / "v", unlock=vaults.unlocking(), policy=vaultfs.PermitAll(), accept_older=True)
        with opened as there:
            with there.session(vaults.WHO, "TREAT") as session:
                state = session.state("tests", b"year").value
            return answers(there, [vaults.PATIENT]) | {"state": state}
    finally:
        shutil.rmtree(scratch)


def restored(place: Path, new: Path, store: Path) -> Path:
    """Restore a copy, with its epoch store beside it."""
    restore(place, new)
    shutil.copytree(store, new.with_name(new.name + ".epoch"))
    return new


def store_of(vault: Path) -> Path:
    """Return the epoch store of a vault."""
    return vault.with_name(vault.name + ".epoch")

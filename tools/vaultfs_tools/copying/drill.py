"""A drill: a copy is damaged, restored, opened and read, beside itself; COPY, VAULT and epoch store stay as they are.

The copy is restored twice, as it is and after damage that must heal. Both must give the same: with keys every version
of every record, visible or deleted, without them every byte of every file.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_format import sha2
from vaultfs_format.events.base import Outcome
from vaultfs_format.events.records import RecordDeleted

from vaultfs_tools.copying import admission
from vaultfs_tools.copying.copier import Copied
from vaultfs_tools.copying.damage import Damager
from vaultfs_tools.copying.errors import PlaceTaken
from vaultfs_tools.copying.proof import REPORT, write_report
from vaultfs_tools.copying.restoring import restore
from vaultfs_tools.copying.small import head_in
from vaultfs_tools.keyless.durable import make_directory
from vaultfs_tools.keyless.files import ACTS, VaultFiles
from vaultfs_tools.keyless.findings import Severity

if TYPE_CHECKING:
    from vaultfs_format.signing import SigningKeys

    import vaultfs
    from vaultfs.keys import Unlocker

DAMAGE = 16
"""Files that are damaged unless the caller says otherwise."""

_CHUNK = 1 << 20
_RECORDS = 1000
"""Records that are undeleted in one transaction."""

Digests = dict[str, bytes]
"""Digest of each version of each record, by its id and version; or of each file, by its name."""


@dataclass(frozen=True, slots=True)
class Key:
    """What opens the vault.

    Parameters
    ----------
    store
        The epoch store; it is copied, so that its anchors see nothing of the drill, and the copy removed.
    who, purpose
        Who runs the drill and why, for the audit log of the vaults in the scratch directory.
    """

    unlock: Unlocker = field(repr=False)
    store: Path
    who: str
    purpose: str


@dataclass(slots=True)
class Drill:
    """A drill in a scratch directory.

    Parameters
    ----------
    scratch
        A directory that is new or empty; its owner alone can enter it. It holds what the vault holds, and is left, but
        for the copies of the epoch store.
    key
        None: files are compared, and the report is not signed.
    seed, damage
        Of the damage, and how many files have some.
    """

    copy: Path
    scratch: Path
    key: Key | None
    seed: int
    damage: int = DAMAGE
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, object]:
        """Run the drill, write its report into the scratch directory, and return it.

        Raises
        ------
        PlaceTaken, PlacesOverlap
        VaultError
            The copy cannot be restored or opened as it is.
        """
        self._begin()
        with self._timed("restore"):
            reference = restore(self.copy, self.scratch / "reference")
        expected, signing = self._answers(self.scratch / "reference", "read")
        damaged = self.scratch / "copy"
        with self._timed("copy"):
            shutil.copytree(self.copy, damaged, ignore=_links)
        with self._timed("damage"):
            damager = Damager(damaged, head_in(VaultFiles(damaged)).head, self.seed, keyed=self.key is not None)
            damager.run(self.damage)
        with self._timed("restore damaged"):
            restored = restore(damaged, self.scratch / "restored")
        found, _ = self._answers(self.scratch / "restored", "read restored")
        report = self._report(reference, restored, expected == found and restored.complete)
        report |= {
            "damage": {kind.name.lower(): count for kind, count in sorted(damager.done.items())},
            "compared": len(expected.keys() | found.keys()),
            "signer": signing.signer.number if signing is not None else None,
        }
        write_report(self.scratch / REPORT, report, signing)
        return report

    def _begin(self) -> None:
        admission.keep_apart(self.copy, self.scratch)
        there = self.scratch.exists() or self.scratch.is_symlink()
        if there and (not self.scratch.is_dir() or any(self.scratch.iterdir())):
            raise PlaceTaken
        make_directory(self.scratch.absolute())
        self.scratch.chmod(0o700)

    def _report(self, reference: Copied, restored: Copied, equal: bool) -> dict[str, object]:
        healed = [one.error.code for one in restored.report.findings if one.severity is Severity.CORRECTED]
        return {
            "report": "vaultfs-drill",
            "vault_id": reference.report.vault_id.hex(),
            "generation": reference.report.generation,
            "time": time.time_ns() // 1000,
            "seed": self.seed,
            "with_keys": self.key is not None,
            "equal": equal,
            "healed": len(healed),
            "lost": sorted({one.error.code for one in restored.report.findings if one.severity is Severity.ERROR}),
            "bytes": restored.bytes,
            "segments": restored.segments,
            "seconds": self.seconds,
        }

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - began, 3)

    def _answers(self, vault: Path, step: str) -> tuple[Digests, SigningKeys | None]:
        """Return what a vault holds, and with keys those with which it signs."""
        with self._timed(step):
            if self.key is None:
                return _of_files(vault), None
            return _of_records(vault, self.key)


def _links(directory: str, names: list[str]) -> list[str]:
    """Return which of the names in a directory are links: in a copy they count for nothing."""
    return [name for name in names if Path(directory, name).is_symlink()]


def _of_files(vault: Path) -> Digests:
    found = {}
    for name in VaultFiles(vault).walk():
        if not name.startswith(f"{ACTS}/"):
            with (vault / name).open("rb") as file:
                found[name] = _digest(file.read)
    return found


def _of_records(vault: Path, key: Key) -> tuple[Digests, SigningKeys]:
    """Open a vault with a copy of the epoch store, and read every version of every record, of deleted ones too.

    The copy of the store is removed: what was erased by giving up a secret must not stay readable in SCRATCH.
    """
    import vaultfs

    store = vault.with_name(f"{vault.name}.epoch")
    try:
        shutil.copytree(key.store, store)
        os.chmod(store, 0o700)
        # The copy may be older than what the anchor in the store has seen, and is restored nowhere but here.
        opened = vaultfs.open(vault, unlock=key.unlock, policy=vaultfs.PermitAll(), accept_older=True)
        with opened, opened.session(vaultfs.Principal(key.who), key.purpose) as session:
            visible = [info.id for subject in session.all_subjects() for info in session.find(subject=subject)]
            found = dict(_versions(session, visible))
            deleted = _undeleted(opened, session, set(visible))
            found |= {f"deleted {name}": digest for name, digest in _versions(session, deleted)}
            return found, opened.engine.signing.copy()
    finally:
        if store.exists():
            shutil.rmtree(store)


def _versions(session: vaultfs.Session, records: Iterable[vaultfs.RecordId]) -> Iterator[tuple[str, bytes]]:
    for record in records:
        for version in session.versions(record):
            with session.open(record, version.version) as file:
                yield f"{record.hex()}.{version.version}", _digest(file.read)


def _undeleted(
    vault: vaultfs.Vault, session: vaultfs.Session, visible: set[vaultfs.RecordId]
) -> list[vaultfs.RecordId]:
    """Undelete the records that the audit log says were deleted and are not visible; return which these are."""
    import vaultfs
    from vaultfs.audit.log import read_events

    deletions = (event for _, event in read_events(vault) if isinstance(event, RecordDeleted))
    deleted = {event.record for event in deletions if event.outcome is Outcome.DONE}
    hidden = sorted({vaultfs.RecordId(record) for record in deleted if record} - visible)
    for start in range(0, len(hidden), _RECORDS):
        with session.transaction() as txn:
            for record in hidden[start : start + _RECORDS]:
                txn.undelete(record)
    return hidden


def _digest(read: Callable[[int], bytes]) -> bytes:
    hasher = sha2.hasher()
    while data := read(_CHUNK):
        hasher.update(data)
    return hasher.digest()

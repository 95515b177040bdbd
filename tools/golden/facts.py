"""What is found in a golden vault: the same functions make its manifest, and the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crash.places import memory
from vaultfs_tools.keyless import VaultFiles, check
from vectors.operations.registry import plain
from vectors.operations.vaults import contents, events, report_facts

import vaultfs
from golden.archives import unpack
from golden.credentials import unlockers
from vaultfs.keys import Unlocker
from vaultfs.testing.vfs import FaultyVfs


def checked(vault: Path) -> dict[str, Any]:
    """Return what a check without keys says of a vault."""
    report = check(VaultFiles(vault))
    found = report_facts(report) | {"generation": report.generation, "audit_leaves": report.audit_leaves}
    return dict(plain(found))


def held(vault: vaultfs.Vault, leaves: int) -> dict[str, Any]:
    """Return what an open vault holds, and its log as far as it was written when it was checked."""
    log = [one for one in events(vault, None) if one["index"] < leaves]
    return dict(plain({"contents": contents(vault), "events": log}))


@contextmanager
def unpacked(archive: bytes) -> Iterator[Path]:
    """Yield the vault of an archive, laid out for a moment."""
    with TemporaryDirectory(dir=memory()) as place:
        unpack(archive, Path(place))
        yield Path(place) / "vault"


def opened(vault: Path, unlock: Unlocker) -> vaultfs.Vault:
    """Open a vault that need not outlive a power cut."""
    return vaultfs.open(vault, unlock=unlock, policy=vaultfs.PermitAll(), vfs=FaultyVfs(durable=False))


def facts(archive: bytes, opens: dict[str, Any]) -> dict[str, Any]:
    """Return all that a manifest says of what is in an archive."""
    with unpacked(archive) as path:
        found = checked(path)
        with opened(path, unlockers(opens)["passphrase"]) as vault:
            return {"check": found, **held(vault, found["audit_leaves"])}

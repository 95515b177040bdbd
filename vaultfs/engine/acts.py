"""Acts without keys, which other programs have left in the vault: what they claim goes into the audit log."""

from __future__ import annotations

from pathlib import Path

from vaultfs_format.act import FILE, Act, ActKind

from vaultfs.audit.events import EventType
from vaultfs.engine.paths import Layout
from vaultfs.errors import FormatError, Unsupported, VaultError
from vaultfs.vfs import Vfs

MAX_ACTS = 4096
"""Most that are taken at a time: whoever can write to the directory can leave any number."""

SUFFIX = ".vact"

EVENTS = {
    ActKind.REPAIRED: EventType.REPAIR_CLAIMED,
    ActKind.COPIED: EventType.COPY_CLAIMED,
    ActKind.RESTORED: EventType.RESTORE_CLAIMED,
}


def read_acts(vfs: Vfs, layout: Layout, vault_id: bytes) -> dict[Path, Act]:
    """Return the acts that are left in a vault; others, and files that are none, are passed over."""
    found: dict[Path, Act] = {}
    for name in vfs.names(layout.acts):
        if name.endswith(SUFFIX) and len(found) < MAX_ACTS:
            try:
                act = Act.decode(vfs.read(layout.acts / name, FILE.size))
            except (FormatError, Unsupported, VaultError):
                continue
            if act.vault_id == vault_id:
                found[layout.acts / name] = act
    return found

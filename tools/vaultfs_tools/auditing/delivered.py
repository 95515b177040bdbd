"""Up to where deliveries have brought a log, by the cursors in a directory that was named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import vaultfs


def sizes(vault: vaultfs.Vault, cursors: Path) -> dict[str, int]:
    """Return up to which leaf each delivery has brought the log of a vault, by its name; at least one has.

    Raises
    ------
    CursorMissing
        None has left its cursor in the directory: it is not the one that was meant.
    """
    from vaultfs.audit.exporting import cursors as kept
    from vaultfs.audit.exporting.errors import CursorMissing
    from vaultfs.audit.view import origin_of

    found = kept.sizes(cursors, origin_of(vault.id))
    if not found:
        raise CursorMissing
    return found

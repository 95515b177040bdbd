"""A reader's own index: made from head, segments and journals as they are, where the vault's cannot be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vaultfs.engine.engine import LiveJournal, View
from vaultfs.engine.files.journal import SUFFIX, JournalFile
from vaultfs.engine.indexing.index import Index
from vaultfs.engine.opening import rebuild
from vaultfs.engine.opening.recovery import in_order
from vaultfs.errors import FormatError, IndexDamaged, MacMismatch, VaultDamaged, VaultMissing


def private_path(vault_id: bytes, directory: Path) -> Path:
    """Return a place for an index that no other reader uses."""
    return directory / f"{vault_id.hex()}.{os.urandom(8).hex()}"


def take_snapshot(view: View, index: Index) -> None:
    """Fill an empty index with what the vault holds now: what its recovery would find.

    Raises
    ------
    IndexDamaged
        The vault is being settled meanwhile.
    VaultDamaged, NotAuthentic, FormatError
    """
    found: list[JournalFile] = []
    try:
        _find(view, found)
        view.live = [LiveJournal(0, journal) for journal in _scanned(in_order(found))]
        rebuild.build(view, index)
    except BaseException:
        view.live = []
        for journal in found:
            journal.close()
        raise


def _find(view: View, found: list[JournalFile]) -> None:
    for name in view.vfs.names(view.layout.journals):
        if not name.endswith(SUFFIX):
            continue
        try:
            journal = view.open_journal(name)
        except VaultMissing:
            raise IndexDamaged from None
        except FormatError:
            continue  # begun and never used; were it more, its successor would miss it
        except MacMismatch:
            raise VaultDamaged from None
        found.append(journal)
        if journal.header.generation > view.head.generation:
            raise IndexDamaged
        if journal.header.generation < view.head.generation:
            found.pop().close()


def _scanned(journals: Sequence[JournalFile]) -> Sequence[JournalFile]:
    """Scan each journal up to where its successor says that it ends, the last one to its last good group."""
    for journal, following in zip(journals, [*journals[1:], None], strict=True):
        if following is None:
            list(journal.scan())
            continue
        header = following.header
        list(journal.scan(header.predecessor_group))
        stated = (header.predecessor_group, header.predecessor_end, header.predecessor_chain)
        if (journal.last_group, journal.end, journal.chain) != stated:
            raise journal.damaged()
    return journals

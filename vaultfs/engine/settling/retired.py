"""Key tables of segments that others have taken in: copies of the vault may still hold such a segment.

They lie apart, under names that say since when, until every copy that is known is newer. A turn goes through them: of
what is disposed of, they must not give the keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vaultfs_format.keytable import KeyTable

from vaultfs.engine.custody.copies import after, known_copies
from vaultfs.engine.engine import Engine
from vaultfs.engine.files.pairs import drop_copy, heal_pair, keep_pair, read_pair, spare
from vaultfs.errors import FormatError, VaultDamaged, VaultError, VaultMissing


class Retired(NamedTuple):
    """A key table that was put away.

    Parameters
    ----------
    since
        Microseconds since 1970 when the head no longer named the segment.
    """

    path: Path
    segment_id: bytes
    epoch: int
    since: int

    @classmethod
    def at(cls, path: Path) -> Retired | None:
        """Return the table that has this name; None where none has."""
        with suppress(ValueError):
            segment, kind, epoch, since = path.name.split(".")
            if kind == "vkey":
                return cls(path, bytes.fromhex(segment), int(epoch), int(since))
        return None

    def renewed(self, epoch: int) -> Path:
        """Return where the table of another epoch lies."""
        return self.path.with_name(f"{self.segment_id.hex()}.vkey.{epoch}.{self.since}")


def put_away(engine: Engine, table: Path) -> None:
    """Put both copies of a key table away whose segment the head does not name any more, if there is a copy to need it.

    The one that is left where this is cut off is given its copy when the vault is opened.
    """
    vfs, layout = engine.vfs, engine.layout
    since = _since(engine)
    if since is None:
        return
    target = layout.retired / f"{table.name}.{since}"
    for source, name in ((layout.copy_of(table), layout.copy_of(target)), (table, target)):
        with spare(vfs, layout, engine.metrics if name != target else None), suppress(VaultMissing):
            vfs.make_directory(name.parent)
            vfs.rename(source, name)


def _since(engine: Engine) -> int | None:
    """Return from when on a copy of the vault does without what is put away now; None where no copy is known."""
    now = engine.options.clock()
    try:
        known = known_copies(engine)
    except VaultError:  # there may be one
        return now
    return after(known, now) if known else None


def mend_retired(engine: Engine) -> int:
    """Give every table that was put away its copy; return how many lacked it."""
    mended = 0
    for retired in put_away_tables(engine):
        with suppress(VaultDamaged):
            mended += heal_pair(engine.vfs, engine.layout, retired.path, KeyTable.decode, engine.metrics)
    return mended


def put_away_tables(engine: Engine) -> list[Retired]:
    """Return the tables that were put away, those of a turn that never ended left out."""
    newest: dict[bytes, Retired] = {}
    for found in _all(engine):
        known = newest.get(found.segment_id)
        if found.epoch <= engine.head.epoch and (known is None or known.epoch < found.epoch):
            newest[found.segment_id] = found
    return sorted(newest.values())


def _all(engine: Engine) -> Iterator[Retired]:
    names = {*engine.vfs.names(engine.layout.retired)}
    with spare(engine.vfs, engine.layout, engine.metrics):
        names.update(engine.vfs.names(engine.layout.copy_of(engine.layout.retired)))
    found = (Retired.at(engine.layout.retired / name) for name in sorted(names))
    return (one for one in found if one is not None)


def read_retired(engine: Engine, retired: Retired) -> KeyTable | None:
    """Return a table that was put away; None where it is damaged: then a copy has lost what it opened."""

    def parse(data: bytes) -> KeyTable:
        table = KeyTable.decode(data)
        if (table.vault_id, table.segment_id) != (engine.vault_id, retired.segment_id):
            raise VaultDamaged
        return table

    with suppress(VaultDamaged, FormatError):
        return read_pair(engine.vfs, engine.layout, retired.path, parse)
    return None


def write_retired(engine: Engine, retired: Retired, epoch: int, data: bytes) -> None:
    """Write the table of another epoch beside one that was put away, and read it back."""
    keep_pair(engine.vfs, engine.layout, retired.renewed(epoch), data, engine.metrics)


def sweep_retired(engine: Engine, needed_since: int | None) -> int:
    """Remove tables that no copy needs, and those of other epochs than the newest; return how many.

    Parameters
    ----------
    needed_since
        Since when the oldest copy is behind; None: nobody needs any.
    """
    kept = {one for one in put_away_tables(engine) if needed_since is not None and one.since >= needed_since}
    removed = 0
    for found in [*_all(engine)]:
        if found not in kept:
            with suppress(VaultError):
                drop_copy(engine.vfs, engine.layout, found.path, engine.metrics)
                engine.vfs.unlink(found.path)
                removed += 1
    return removed

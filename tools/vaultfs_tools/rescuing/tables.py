"""Key tables, block by block: each block is sealed on its own, so what is damaged in one copy is taken from another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, zip_longest

from vaultfs_format import limits
from vaultfs_format.combining import combine
from vaultfs_format.errors import CommitmentMismatch, NotAuthentic, VaultError
from vaultfs_format.keytable import HEADER, KeyTable, sealed_size
from vaultfs_format.suite import DIGEST, KEY, TAG

from vaultfs_tools.rescuing.keys import Keys

_BLOCK = limits.KEY_BLOCK * KEY + TAG


@dataclass(slots=True, repr=False)
class Table:
    """The keys of a segment's frames.

    Parameters
    ----------
    keys
        In the order of the directory; None where the block of a key is damaged in every copy.
    """

    keys: list[bytes | None]

    def damaged_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield the number of every block that does not open, and its keys."""
        for number in range(-(-len(self.keys) // limits.KEY_BLOCK)):
            block = self.keys[number * limits.KEY_BLOCK : (number + 1) * limits.KEY_BLOCK]
            if None in block:
                yield number, len(block)


@dataclass(frozen=True, slots=True, repr=False)
class _Header:
    """The header of a table, proved by its commitment, and the table key. The number of keys is not proved by it."""

    table: KeyTable
    key: bytes

    def keys_in(self, data: bytes) -> list[bytes | None]:
        """Return the keys in a copy of the file, with the number of them with which more blocks open."""
        counts = {self.table.key_count, _count_of(len(data))}
        return max((self._opened(data, count) for count in sorted(counts)), key=_known)

    def _opened(self, data: bytes, count: int) -> list[bytes | None]:
        """Return the keys of the blocks that begin in the file, None for those that do not open."""
        starts = range(HEADER.size, min(HEADER.size + sealed_size(count), len(data)), _BLOCK)
        held = [min(limits.KEY_BLOCK, count - number * limits.KEY_BLOCK) for number in range(len(starts))]
        blocks = [data[at : at + number * KEY + TAG] for at, number in zip(starts, held, strict=True)]
        table = replace(self.table, blocks=blocks)
        keys: list[bytes | None] = []
        for number, wanted in enumerate(held):
            try:
                keys += table.open_block(self.key, number)
            except NotAuthentic:
                keys += [None] * wanted
        return keys


def _count_of(size: int) -> int:
    """Return how many keys a table of so many bytes has, 0 where none has that size."""
    sealed = size - HEADER.size - DIGEST
    full, rest = divmod(max(0, sealed), _BLOCK)
    count = full * limits.KEY_BLOCK + max(0, rest - TAG) // KEY
    return count if sealed_size(count) == sealed else 0


def _known(keys: Sequence[bytes | None]) -> int:
    return len(keys) - keys.count(None)


def open_tables(copies: Iterable[bytes], keys: Keys) -> dict[bytes, Table]:
    """Return the tables of all segments by segment id, from all copies of key tables that were found."""
    found: dict[bytes, Table] = {}
    damaged: list[bytes] = []
    sizes: dict[int, list[_Header]] = {}
    for data in copies:
        try:
            header = _header(data, keys)
        except VaultError:
            damaged.append(data)
            continue
        sizes.setdefault(len(data), []).append(header)
        _add(found, header, data)
    for one, other in combinations(damaged, 2):
        if len(one) == len(other):
            made = combine([one[: HEADER.size], other[: HEADER.size]], lambda data: _header(data, keys))
            sizes.setdefault(len(one), []).extend([made[1]] if made else [])
    for data in damaged:  # what its own header does not tell, that of another copy may
        for header in sizes.get(len(data), []):
            _add(found, header, data)
    return found


def _add(found: dict[bytes, Table], header: _Header, data: bytes) -> None:
    """Take over the keys that a copy gives under a header; where it gives none, it may be of another segment."""
    opened = header.keys_in(data)
    known = found.get(header.table.segment_id)
    if known is None:
        found[header.table.segment_id] = Table(opened)
    elif _known(opened):
        longer, shorter = sorted((known.keys, opened), key=len, reverse=True)
        known.keys = [one or other for one, other in zip_longest(longer, shorter)]


def _header(data: bytes, keys: Keys) -> _Header:
    """Return the header of a table, once its commitment proves it.

    Raises
    ------
    Truncated, FieldInvalid, CommitmentMismatch
    """
    _, vault_id, segment_id, epoch, count, salt, commitment = HEADER.unpack(data)
    if vault_id == keys.vault_id:
        table = KeyTable(keys.suite, vault_id, segment_id, epoch, count, salt, commitment, ())
        explicit = [keys.tables[segment_id]] if segment_id in keys.tables else []
        for key in (*explicit, *map(table.table_key, keys.roots_for(epoch))):
            try:
                table.verify(key)
            except CommitmentMismatch:
                continue
            return _Header(table, key)
    raise CommitmentMismatch

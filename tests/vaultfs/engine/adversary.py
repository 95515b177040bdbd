"""Somebody who has every file of a vault, old ones too, and every key that opens it today: all that these files give.

Keys are tried on whatever they may fit, wherever it lies: those of key tables on frames of segments and of journals, by
the ids of frames; the epoch's on key tables, keyrings and journals; the inbox key on access journals.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vaultfs_format.access import open_access
from vaultfs_format.directory import FrameRow, decode_rows
from vaultfs_format.entries import Role
from vaultfs_format.errors import VaultError
from vaultfs_format.frame import open_body, open_entries
from vaultfs_format.group import Group, decode_group
from vaultfs_format.journal import HEADER_SIZE, JournalHeader, JournalKeys, JournalRole
from vaultfs_format.keyring import Compartment, Keyring
from vaultfs_format.keytable import DISPOSED, KeyTable
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_format.suite import Suite

from tests.vaultfs.support import PASSPHRASE
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.unlocking import Opener
from vaultfs.keys.chain import KeyChain, open_inbox
from vaultfs.keys.stores import EpochStore
from vaultfs.vfs import Vfs


class Adversary:
    """Somebody with the keys of a vault as it stands, and with files.

    Parameters
    ----------
    vault, stores
        The vault, and its epoch stores.

    Attributes
    ----------
    chain
        The keys of the vault as it stands.
    content_keys
        The keys of content ids that were in what has been opened.
    """

    def __init__(self, vault: Path, stores: list[EpochStore]) -> None:
        opener = Opener(Vfs(), Layout(vault), PASSPHRASE, stores)
        unlocked = opener.unlock()
        self.chain: KeyChain
        self.chain, keyring = opener.keys(unlocked)
        self._inbox = open_inbox(keyring, unlocked.epoch_root)
        self._suite: Suite = self.chain.suite
        self._keys: dict[bytes, set[bytes]] = {}
        """Frame keys by the ids of frames."""
        self.content_keys: set[bytes] = {self.chain.nobody_content_key}

    def opened(self, files: Path) -> list[bytes]:
        """Return every plaintext that the files below a directory give: entries, bodies, values of keyrings."""
        tables: dict[bytes, list[list[bytes]]] = {}
        for data in contents(files, "*.vkey.*"):
            for segment_id, keys in self._table(data):
                tables.setdefault(segment_id, []).append(keys)
        found: list[bytes] = []
        for data in contents(files, "*.vseg"):
            found += self._segment(data, tables)
        for data in contents(files, "*.v[ja]*"):
            found += self._journal(data)
        for data in contents(files, "keyring.*"):
            with suppress(VaultError):
                values = Keyring.decode(data).open(self.chain.epoch_root, Compartment.DATA)
                found += [bytes(value) for value in values.values()]
        return found

    def _table(self, data: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
        with suppress(VaultError):
            table = KeyTable.decode(data)
            for key in (table.table_key(self.chain.epoch_root), *self._kept(table)):
                with suppress(VaultError):
                    blocks = [table.open_block(key, number) for number in range(len(table.blocks))]
                    yield table.segment_id, [one for block in blocks for one in block]

    def _kept(self, table: KeyTable) -> Iterator[bytes]:
        with suppress(VaultError):
            yield self.chain.table_key(table)

    def _segment(self, data: bytes, tables: dict[bytes, list[list[bytes]]]) -> Iterator[bytes]:
        footer = SegmentFooter.decode(data[-FOOTER_SIZE:], len(data))
        directory = data[footer.directory_offset : footer.directory_offset + footer.directory_length]
        for slot, row in enumerate(decode_rows(directory, footer.frames)):
            keys = {keys[slot] for keys in tables.get(footer.head.segment_id, ())} - {DISPOSED}
            self._keys.setdefault(row.header.frame_id, set()).update(keys)
            yield from self._frame(row, data, 0)

    def _frame(self, row: FrameRow, data: bytes, start: int) -> Iterator[bytes]:
        body = data[start + row.body_offset : start + row.body_offset + row.header.body_sealed]
        for key in self._keys.get(row.header.frame_id, ()):
            with suppress(VaultError):
                block = open_entries(self._suite, row.header, key, row.entries)
                yield block.encode()
                yield (plain := open_body(self._suite, row.header, key, body))
                named = [one for one in block.entries if one.role == Role.SUBJECT]
                self.content_keys.update(plain[one.offset : one.offset + one.length] for one in named)

    def _journal(self, data: bytes) -> Iterator[bytes]:
        """Yield what a journal gives: by its own keys, if they are those of today, and by those of frames anyhow."""
        header = JournalHeader.decode(data)
        keys = self._journal_keys(header, data)
        chain, at, number = header.chain(data), HEADER_SIZE, 1
        with suppress(VaultError):
            while at < len(data):
                group = decode_group(self._suite, data, at, number, chain)
                self._learn(header, group, keys)
                for row in group.rows:
                    yield from self._frame(row, data, at)
                chain, at, number = group.chain, at + group.size, number + 1

    def _journal_keys(self, header: JournalHeader, data: bytes) -> JournalKeys | None:
        with suppress(VaultError):
            keys = header.keys(self.chain.epoch_root)
            if header.role is JournalRole.READER:
                keys = open_access(header, self._inbox, self.chain.access_key)
            header.verify(data, keys)
            return keys
        return None

    def _learn(self, header: JournalHeader, group: Group, keys: JournalKeys | None) -> None:
        if keys is not None and group.rows:
            for row, key in zip(group.rows, group.open_keys(self._suite, header.journal_id, keys), strict=True):
                self._keys.setdefault(row.header.frame_id, set()).add(key)


def contents(files: Path, pattern: str = "*") -> Iterator[bytes]:
    """Yield what is in the files below a directory whose names fit."""
    yield from (path.read_bytes() for path in sorted(files.rglob(pattern)) if path.is_file())

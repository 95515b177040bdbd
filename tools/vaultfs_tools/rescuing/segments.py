"""Segments: which files hold which, and their footers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from vaultfs_format.errors import VaultError
from vaultfs_format.segment import FOOTER_MAGIC, FOOTER_SIZE, SUPERBLOCK, SUPERBLOCK_SIZE, SegmentFooter, SegmentHead

from vaultfs_tools.rescuing.keys import Keys
from vaultfs_tools.rescuing.reading import File, Library
from vaultfs_tools.rescuing.sources import Source

_ID_AT = SUPERBLOCK.offset_of("segment_id")
_VAULT_AT = SUPERBLOCK.offset_of("vault_id")


@dataclass(slots=True, repr=False)
class Segments:
    """The files of all segments and open blob segments.

    Attributes
    ----------
    homes
        Files by the id that they state, be it in a footer, in the superblock or in their name.
    heads
        What good superblocks and footers state, by id.
    parts
        Ids of open blob segments.
    strays
        Files of which nothing says what they are.
    """

    homes: dict[bytes, list[Source]] = field(default_factory=dict)
    heads: dict[bytes, SegmentHead] = field(default_factory=dict)
    footers: dict[bytes, SegmentFooter] = field(default_factory=dict)
    parts: set[bytes] = field(default_factory=set)
    strays: list[Source] = field(default_factory=list)


def identify(library: Library, sources: Sequence[Source], keys: Keys) -> Segments:
    """Return what the files are; those of other vaults are left out."""
    found = Segments()
    for source in sources:
        read = library.file(source)
        footer = _footer(read, keys)
        about = footer.head if footer else _superblock(read(0, SUPERBLOCK_SIZE))
        if about is not None and about.vault_id != keys.vault_id:
            continue
        segment_id = about.segment_id if about else _damaged_id(read(0, SUPERBLOCK.size), source, keys)
        if not segment_id:
            found.strays.append(source)
            continue
        found.homes.setdefault(segment_id, []).append(source)
        if footer is not None:
            found.footers.setdefault(segment_id, footer)
        if about is not None:
            found.heads.setdefault(segment_id, about)
            if about.covered == 0:
                found.parts.add(segment_id)
    found.parts -= found.footers.keys()
    return found


def _footer(file: File, keys: Keys) -> SegmentFooter | None:
    """Return a footer: one that a signer of the vault has signed, if there is one and the signers are known."""
    unsigned = None
    for at in chain([max(0, file.size - FOOTER_SIZE)], file.occurrences(FOOTER_MAGIC, 0, file.size)):
        footer = _footer_at(file, at)
        if footer is not None and (not keys.signers or is_signed(footer, keys)):
            return footer
        unsigned = unsigned or footer
    return unsigned


def _footer_at(file: File, at: int) -> SegmentFooter | None:
    """Return the footer at an offset, if there is a good one that belongs there, and as much is stored as it needs."""
    try:
        footer = SegmentFooter.decode(file(at, FOOTER_SIZE))
    except VaultError:  # damaged, or of a newer kind: what this program knows of is looked for all the same
        return None
    return footer if at in footer.footer_offsets and file.stored() > footer.leaves_length else None


def is_signed(footer: SegmentFooter, keys: Keys) -> bool:
    """Return whether a signer of the vault has signed a footer."""
    signer = keys.signers.get(footer.signer)
    if signer is None:
        return False
    try:
        footer.verify(signer)
    except VaultError:
        return False
    return True


def _superblock(data: bytes) -> SegmentHead | None:
    try:
        return SegmentHead.decode(data)
    except VaultError:
        return None


def _damaged_id(data: bytes, source: Source, keys: Keys) -> bytes:
    """Return the id that a damaged superblock of this vault states, or the name of the file."""
    if data[_VAULT_AT : _VAULT_AT + 16] == keys.vault_id:
        return data[_ID_AT : _ID_AT + 16]
    return source.stated_id

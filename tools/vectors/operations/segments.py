"""Section 14: segments, their slices and trees, parity, and healing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from vaultfs_format import erasure, gf256, merkle
from vaultfs_format.directory import FrameRow, decode_rows
from vaultfs_format.entries import Entry, EntryBlock, Role
from vaultfs_format.errors import SlicesLost, Structure
from vaultfs_format.frame import FrameClass, open_body, open_entries
from vaultfs_format.geometry import geometry_of
from vaultfs_format.healing import Lost, SlicedFile, examine, find_footer
from vaultfs_format.healing import heal as healing
from vaultfs_format.keytable import KeyTable
from vaultfs_format.proofs import SliceProof
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter, SegmentHead, leaves_length, segment_length
from vaultfs_format.signing import Signer
from vaultfs_format.slices import tree_root
from vaultfs_format.suite import DEFAULT

from vaultfs.engine.indexing.facts import year_of
from vectors.operations.frames import block_facts, data_facts, row_facts
from vectors.operations.registry import Facts, operation


@operation
def segment_superblock(data: bytes) -> Facts:
    """The superblock of a segment or part file."""
    return _superblock(SegmentHead.decode(data))


def _superblock(found: SegmentHead) -> Facts:
    names = ("disposition", "epoch", "first_year", "last_year", "generation", "vault_id", "segment_id", "covered")
    return {"class": found.frame_class} | {name: getattr(found, name) for name in names}


@operation
def segment_footer(data: bytes, file_length: int | None = None) -> Facts:
    """A footer; with the length of the file, that too."""
    found = SegmentFooter.decode(data, file_length)
    names = ("bodies_length", "directory_length", "audit_length", "first_leaf", "frames", "entries")
    more = {"root": found.root, "parity_root": found.parity_root, "signer": found.signer, "length": found.length}
    return {name: getattr(found, name) for name in names} | more | {"superblock": _superblock(found.head)}


@operation
def segment_frames(data: bytes, table: bytes, epoch_root: bytes) -> Facts:
    """Every frame of a segment, opened with the keys of its table."""
    frames = []
    for row, key, block in _frames(data, table, epoch_root):
        body = data[row.body_offset : row.body_offset + row.header.body_sealed]
        opened = {"body": data_facts(open_body(DEFAULT, row.header, key, body))}
        frames.append(row_facts(row) | block_facts(block) | opened)
    return {"frames": frames}


def _frames(data: bytes, table: bytes, epoch_root: bytes) -> Iterator[tuple[FrameRow, bytes, EntryBlock]]:
    """Yield the row, the key and the entries of every frame."""
    footer = SegmentFooter.decode(data[-FOOTER_SIZE:], len(data))
    keys = KeyTable.decode(table)
    table_key = keys.table_key(epoch_root)
    opened = [one for block in range(len(keys.blocks)) for one in keys.open_block(table_key, block)]
    rows = decode_rows(data[footer.directory_offset : footer.audit_offset], footer.frames)
    for row, key in zip(rows, opened, strict=True):
        yield row, key, open_entries(DEFAULT, row.header, key, row.entries)


@operation
def segment_years(data: bytes, table: bytes, epoch_root: bytes) -> Facts:
    """The years that a segment states and those of its records; and whether a frame mixes dated records with others."""
    head = SegmentHead.decode(data)
    blocks = [block for _, _, block in _frames(data, table, epoch_root)]
    dates = [entry.date for block in blocks if any(block.subject) for entry in _records(block) if entry.precision]
    mixed = any(
        any(block.subject) and len({entry.precision > 0 for entry in _records(block)}) > 1
        for block in blocks
        if head.frame_class is FrameClass.RECORD
    )
    found = [year_of(min(dates)), year_of(max(dates))] if dates else [0, 0]
    return {"stated": [head.first_year, head.last_year], "found": found, "mixed": mixed}


def _records(block: EntryBlock) -> list[Entry]:
    return [entry for entry in block.entries if entry.role == Role.RECORD]


@operation
def geometry(covered: int) -> Facts:
    """How so many covered bytes are cut, and what protects them."""
    found = geometry_of(covered)
    return {
        "slice_size": found.slice_size,
        "slices": found.slices,
        "zones": len(found.zones),
        "stripes": [zone.stripes for zone in islice(found.zones, 4)],
        "data_pieces": found.data_pieces,
        "parity_pieces": found.parity_pieces,
        "parity_slices": found.parity_slices,
        "leaves_length": leaves_length(covered),
        "length": segment_length(covered),
        "burst": found.burst,
    }


@operation
def stripes(covered: int) -> Facts:
    """The numbers of the slices, data and then parity, of every stripe."""
    found = geometry_of(covered)
    return {
        "stripes": [
            {"data": zone.data(one), "parity": [found.slices + number for number in zone.parity(one)]}
            for zone in found.zones
            for one in range(zone.stripes)
        ]
    }


@operation
def field_multiply(left: int, right: int) -> Facts:
    """A product in GF(2^8)."""
    return {"product": gf256.multiply(left, right)}


@operation
def field_inverse(element: int) -> Facts:
    """The inverse of an element of GF(2^8)."""
    return {"inverse": gf256.inverse(element)}


@operation
def parity(data_pieces: int, parity_pieces: int, length: int, pieces: list[bytes]) -> Facts:
    """The parity pieces of a stripe of these data pieces."""
    return {"parity": erasure.encode(data_pieces, parity_pieces, pieces, length)}


@operation
def rebuild(data_pieces: int, length: int, present: dict[str, bytes], missing: list[int]) -> Facts:
    """Pieces that are missing, from as many as there are data pieces, by their numbers."""
    have = [(int(number), piece) for number, piece in present.items()]
    return {"pieces": erasure.rebuild(data_pieces, have, missing, length)}


@operation
def slice_root(segment_id: bytes, slices: list[bytes], first: int) -> Facts:
    """The leaf hashes of slices that are numbered from `first` on, and the root over these."""
    leaves = [merkle.slice_leaf(DEFAULT, segment_id, first + at, data) for at, data in enumerate(slices)]
    return {"leaves": leaves, "root": tree_root(DEFAULT, leaves)}


@operation
def slice_proof(footer: bytes, number: int, path: list[bytes], data: bytes, signer: bytes) -> Facts:
    """A slice, proved by the signed footer alone."""
    found = SegmentFooter.decode(footer)
    SliceProof(found, number, path).verify(data, Signer.decode(found.head.suite, signer))
    return {"proved": True}


@operation
def heal(data: bytes) -> Facts:
    """What of a segment is damaged, and the whole file again, or the slices that are lost."""
    footer = find_footer(lambda at, length: data[at : at + length], len(data))
    if footer is None:
        raise SlicesLost(structure=Structure.SEGMENT)
    padded = bytearray(data[: footer.length].ljust(footer.length, b"\0"))
    file = SlicedFile(lambda at, length: data[at : at + length], footer)
    damage = examine(file, len(data))
    facts: dict[str, Any] = {
        "slices": damage.slices,
        "leaves": damage.leaves,
        "footers": damage.footers,
        "file_length": damage.length,
    }
    lost: set[int] = set()
    for one in healing(file, damage):
        if isinstance(one, Lost):
            lost.update(one.slices)
        else:
            padded[one.offset : one.offset + len(one.data)] = one.data
    healed: Facts = {"lost": sorted(lost)} if lost else {"healed": data_facts(bytes(padded))}
    return {"damaged": facts} | healed

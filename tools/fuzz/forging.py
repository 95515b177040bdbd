"""Digests of changed inputs that fit again, so that what lies behind the first check is reached.

A flipped bit is refused by the CRC of the prefix or by the digest of the file, always: without this a fuzzer would try
nothing but those two. Who damages a file by design can compute both, so a parser must stand what comes after them.
Codes under keys are not made: what they protect has targets that seal.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from zlib import crc32

from vaultfs_format import limits, merkle
from vaultfs_format.errors import VaultError
from vaultfs_format.geometry import geometry_of
from vaultfs_format.group import TRAILER, group_sizes
from vaultfs_format.head import HEADER as HEAD
from vaultfs_format.head import JOURNAL_ROW, SEGMENT_ROW
from vaultfs_format.healing import SlicedFile, find_footer
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_format.prefix import PREFIX
from vaultfs_format.searching import Read
from vaultfs_format.segment import (
    FOOTER,
    FOOTER_MAGIC,
    FOOTER_SIZE,
    SUPERBLOCK,
    SUPERBLOCK_SIZE,
    leaves_length,
    segment_length,
)
from vaultfs_format.slices import tree_root
from vaultfs_format.suite import DEFAULT, DIGEST, SUITES

_CHECK = PREFIX.offset_of("check")


def with_prefix(data: bytes) -> bytes:
    """Return `data` with the check of the file prefix made to fit."""
    if len(data) < PREFIX.size:
        return data
    return data[:_CHECK] + crc32(data[:_CHECK]).to_bytes(4, "little") + data[PREFIX.size :]


def with_digest_at(data: bytes, end: int) -> bytes:
    """Return `data` with a prefix that fits, and at `end` the digest of all that is before."""
    data = with_prefix(data)
    if not 0 < end <= len(data) - DIGEST:
        return data
    suite = SUITES.get(data[PREFIX.offset_of("suite")], DEFAULT)
    return data[:end] + suite.digest(data[:end]) + data[end + DIGEST :]


def with_digest(data: bytes) -> bytes:
    """Return a file whose digest stands at its end, with prefix and digest made to fit."""
    return with_digest_at(data, len(data) - DIGEST)


def journal_header(data: bytes) -> bytes:
    """Return a journal header with its digest made to fit."""
    return with_digest_at(data, HEADER_SIZE - 2 * DIGEST)


def superblock(data: bytes) -> bytes:
    """Return a segment whose superblock has a digest that fits."""
    return with_digest_at(data, SUPERBLOCK_SIZE - DIGEST)


def head(data: bytes) -> bytes:
    """Return a head whose root is that of its peaks, where it has as many as its tree has."""
    if len(data) >= HEAD.size:
        with suppress(VaultError, ValueError):
            *_, journals, segments, size, _, _, count, pruned, _ = HEAD.unpack(data)
            at = HEAD.size + JOURNAL_ROW.size * journals + SEGMENT_ROW.size * segments + DIGEST * pruned
            peaks = [data[at + DIGEST * peak : at + DIGEST * (peak + 1)] for peak in range(count)]
            data = _put(data, HEAD.offset_of("tree_root"), _root(size, peaks))
    return with_digest(data)


def _root(size: int, peaks: list[bytes]) -> bytes:
    return merkle.CompactRange(merkle.audit_nodes(DEFAULT), size, peaks).root(merkle.AUDIT_EMPTY)


def group(data: bytes) -> bytes:
    """Return a group that follows the chain value of zeros, with its own chain value made to fit."""
    return _chained(data, 0, bytes(DIGEST))[0]


def journal(data: bytes) -> bytes:
    """Return a journal whose header and groups fit each other, as far as its groups have sizes."""
    data = journal_header(data)
    at, chain = HEADER_SIZE, DEFAULT.digest(data[:HEADER_SIZE])
    while chain:
        start = at
        data, at, chain = _chained(data, start, chain)
    return data


def _chained(data: bytes, start: int, chain: bytes) -> tuple[bytes, int, bytes]:
    """Return `data` with the chain value of the group at `start`, where it ends, and the value; none at the end."""
    try:
        end = start + group_sizes(data, start).total
    except VaultError:
        return data, start, b""
    if end > len(data):
        return data, start, b""
    value = DEFAULT.digest(chain + data[start : end - TRAILER])
    return _put(data, end - TRAILER, value), end, value


def segment_footer(data: bytes) -> bytes:
    """Return a footer whose lengths, and the superblock in it, follow from those of its sections."""
    if len(data) != FOOTER_SIZE:
        return with_digest(data)
    fields = list(FOOTER.struct.unpack_from(data))
    covered = SUPERBLOCK_SIZE + sum(fields[2:5])
    if SUPERBLOCK_SIZE < covered <= limits.MAX_COVERED:
        geometry = geometry_of(covered)
        parity = geometry.parity_slices * geometry.slice_size
        fields[1], fields[5], fields[6] = segment_length(covered), leaves_length(covered), parity
        at = [field.name for field in FOOTER.fields].index("superblock")
        about = list(SUPERBLOCK.struct.unpack(with_prefix(fields[at])))
        about[2:5] = geometry.slice_size.bit_length() - 1, geometry.data_pieces, geometry.parity_pieces
        about[-1] = covered
        fields[at] = SUPERBLOCK.struct.pack(*about)
        data = FOOTER.struct.pack(*fields) + data[FOOTER.size :]
    return with_digest(data)


def segment(data: bytes) -> bytes:
    """Return a segment file whose superblock and footers have digests that fit."""
    data = superblock(data)
    at = data.find(FOOTER_MAGIC)
    while at >= 0:
        data = _put(data, at, segment_footer(data[at : at + FOOTER_SIZE]))
        at = data.find(FOOTER_MAGIC, at + 1)
    return data


def rehashed(data: bytes) -> bytes:
    """Return a segment whose leaf hashes and roots are those of the slices that it has, so that nothing is to heal."""
    data = segment(data)
    try:
        footer = find_footer(reader(data), len(data))
    except VaultError:
        return data
    if footer is None or footer.length != len(data):
        return data
    file, suite, slices = SlicedFile(reader(data), footer), footer.head.suite, footer.geometry.slices
    leaves = [file.leaf_of(number, file.stored(number)) for number in range(file.count)]
    roots = tree_root(suite, leaves[:slices]), tree_root(suite, leaves[slices:])
    end = b"".join([*leaves, replace(footer, root=roots[0], parity_root=roots[1]).encode()])
    for at in footer.leaves_offsets:
        data = _put(data, at, end)
    return data


def reader(data: bytes | bytearray) -> Read:
    """Return what reads `data` as a file is read."""
    return lambda offset, length: bytes(data[offset : offset + length])


def _put(data: bytes, at: int, piece: bytes) -> bytes:
    return data[:at] + piece + data[at + len(piece) :]

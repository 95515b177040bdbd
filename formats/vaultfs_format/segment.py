"""The segment: an immutable file of frames of one class, disposition class and range of years.

Superblock, bodies, directory, audit entries, leaf hashes, parity, footer. The leaf hashes cover everything before them
in fixed slices; their RFC 9162 root stands in the footer and, through the head, in the audit tree. Nothing here needs
a key to be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vaultfs_format import limits, merkle
from vaultfs_format.audit import ENTRY
from vaultfs_format.errors import DigestMismatch, LimitExceeded, Structure, Truncated
from vaultfs_format.frame import CLASSES, FrameClass
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, all_zero, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.suite import DIGEST, Suite

MAGIC = file_magic("S")
SUPERBLOCK_SIZE = 4096
FOOTER_SIZE = 1024
NO_YEAR = 0
"""First and last year of a segment whose records lack a date or a subject."""

LAST_YEAR = 9999

SUPERBLOCK = Layout(
    Structure.SEGMENT,
    "segment superblock",
    PREFIX_FIELD,
    Field("class", "B", "1 record, 2 blob, 3 control, 4 audit, 5 terminology"),
    Field("slice_log2", "B", "binary logarithm of the slice size: 12 or 16"),
    Field("data_pieces", "H", "k of the parity inside the file; 0: no parity"),
    Field("parity_pieces", "H", "m of the parity inside the file"),
    Field("across_data", "H", "k across locations; 0: none"),
    Field("across_parity", "H", "m across locations"),
    Field(RESERVED, "2s"),
    Field("disposition", "I", "disposition class"),
    Field("epoch", "I", "epoch in which the segment was written"),
    Field("first_year", "H", "first year of the range; 0: records that lack a date or a subject"),
    Field("last_year", "H", "last year of the range"),
    Field(RESERVED, "4s"),
    Field("generation", "Q", "generation of the head before the segment"),
    Field("vault_id", "16s", "the vault"),
    Field("segment_id", "16s", "random"),
)
FOOTER = Layout(
    Structure.SEGMENT,
    "segment footer",
    PREFIX_FIELD,
    Field("length", "Q", "bytes of the whole file"),
    Field("bodies_length", "Q", "bytes of the bodies, which follow the superblock"),
    Field("directory_length", "Q", "bytes of the directory, which follows the bodies"),
    Field("audit_length", "Q", "bytes of the audit entries, which follow the directory"),
    Field("leaves_length", "Q", "bytes of the leaf hashes, which follow the audit entries"),
    Field("parity_length", "Q", "bytes of parity and copies, which follow the leaf hashes"),
    Field("first_leaf", "Q", "index in the audit tree of the first audit entry"),
    Field("frames", "I", "number of frames"),
    Field(RESERVED, "4s"),
    Field("entries", "Q", "number of entries of all frames"),
    Field("root", "32s", "root over the leaf hashes"),
    Field("superblock", "84s", "copy of the superblock's fields"),
    Field("signature_kind", "B", "0: unsigned draft"),
    Field(RESERVED, "3s"),
    Field("signature_length", "I", "bytes of the signature"),
)
FOOTER_MAGIC = file_magic("F")


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """The superblock of a segment. Fields as in the table `SUPERBLOCK`."""

    suite: Suite
    frame_class: FrameClass
    slice_size: int
    disposition: int
    epoch: int
    first_year: int
    last_year: int
    generation: int
    vault_id: bytes
    segment_id: bytes

    def fields(self) -> bytes:
        """Return the fields of the superblock, without padding and digest."""
        return SUPERBLOCK.pack(
            prefix(MAGIC, self.suite),
            self.frame_class,
            self.slice_size.bit_length() - 1,
            0,
            0,
            0,
            0,
            self.disposition,
            self.epoch,
            self.first_year,
            self.last_year,
            self.generation,
            self.vault_id,
            self.segment_id,
        )

    def encode(self) -> bytes:
        """Return the 4,096 bytes of the superblock."""
        content = self.fields().ljust(SUPERBLOCK_SIZE - DIGEST, b"\0")
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> SegmentHead:
        """Parse a superblock and check its digest."""
        suite = check_prefix(Structure.SEGMENT, MAGIC, data)
        if len(data) < SUPERBLOCK_SIZE:
            raise Truncated(structure=Structure.SEGMENT, expected=SUPERBLOCK_SIZE, got=len(data))
        content = bytes(data[: SUPERBLOCK_SIZE - DIGEST])
        if suite.digest(content) != bytes(data[SUPERBLOCK_SIZE - DIGEST : SUPERBLOCK_SIZE]):
            raise DigestMismatch(structure=Structure.SEGMENT)
        require(all_zero(content[SUPERBLOCK.size :]), Structure.SEGMENT, 1)
        return cls.of_fields(content)

    @classmethod
    def of_fields(cls, data: Buffer) -> SegmentHead:
        """Parse the fields of a superblock, which a digest covers where they stand."""
        suite = check_prefix(Structure.SEGMENT, MAGIC, data)
        _, kind, slice_log2, *pieces, disposition, epoch, first, last, generation, vault, segment = SUPERBLOCK.unpack(
            data
        )
        require(kind in CLASSES, Structure.SEGMENT, 2)
        require(slice_log2 in (12, 16), Structure.SEGMENT, 3)
        require(pieces == [0, 0, 0, 0], Structure.SEGMENT, 4)
        require(years_valid(first, last), Structure.SEGMENT, 5)
        return cls(
            suite, FrameClass(kind), 1 << slice_log2, disposition, epoch, first, last, generation, vault, segment
        )


@dataclass(frozen=True, slots=True)
class SegmentFooter:
    """The footer of a segment: where everything lies, and the root. Lengths in bytes."""

    head: SegmentHead
    bodies_length: int
    directory_length: int
    audit_length: int
    leaves_length: int
    first_leaf: int
    frames: int
    entries: int
    root: bytes

    @property
    def directory_offset(self) -> int:
        """Where the directory begins."""
        return SUPERBLOCK_SIZE + self.bodies_length

    @property
    def audit_offset(self) -> int:
        """Where the audit entries begin."""
        return self.directory_offset + self.directory_length

    @property
    def leaves_offset(self) -> int:
        """Where the leaf hashes begin: the end of what they cover."""
        return self.audit_offset + self.audit_length

    @property
    def length(self) -> int:
        """Bytes of the whole file."""
        return self.leaves_offset + self.leaves_length + FOOTER_SIZE

    def encode(self) -> bytes:
        """Return the 1,024 bytes of the footer."""
        fields = FOOTER.pack(
            prefix(FOOTER_MAGIC, self.head.suite),
            self.length,
            self.bodies_length,
            self.directory_length,
            self.audit_length,
            self.leaves_length,
            0,
            self.first_leaf,
            self.frames,
            self.entries,
            self.root,
            self.head.fields(),
            0,
            0,
        )
        content = fields.ljust(FOOTER_SIZE - DIGEST, b"\0")
        return content + self.head.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer, file_length: int) -> SegmentFooter:
        """Parse the last 1,024 bytes of a file that is `file_length` bytes long."""
        require_size(data, FOOTER_SIZE, Structure.SEGMENT)
        suite = check_prefix(Structure.SEGMENT, FOOTER_MAGIC, data)
        content = bytes(data[: FOOTER_SIZE - DIGEST])
        if suite.digest(content) != bytes(data[FOOTER_SIZE - DIGEST :]):
            raise DigestMismatch(structure=Structure.SEGMENT)
        _, length, *lengths, root, superblock, kind, signature_length = FOOTER.unpack(data)
        require(all_zero(content[FOOTER.size :]), Structure.SEGMENT, 6)
        require(kind == 0 and signature_length == 0, Structure.SEGMENT, 7)
        bodies, directory, audit, leaves, parity, first_leaf, frames, entries = lengths
        require(parity == 0, Structure.SEGMENT, 8)
        if frames > limits.MAX_SEGMENT_FRAMES:
            raise LimitExceeded(structure=Structure.SEGMENT, frames=frames)
        footer = cls(
            SegmentHead.of_fields(superblock), bodies, directory, audit, leaves, first_leaf, frames, entries, root
        )
        require(length == footer.length == file_length, Structure.SEGMENT, 9)
        footer._check()
        return footer

    def _check(self) -> None:
        head = self.head
        slices = slice_count(self.leaves_offset, head.slice_size)
        require(self.leaves_length == DIGEST * slices, Structure.SEGMENT, 10)
        audit = head.frame_class is FrameClass.AUDIT
        require(self.audit_length % ENTRY.size == 0, Structure.SEGMENT, 11)
        require((self.audit_length > 0) == audit and (audit or self.first_leaf == 0), Structure.SEGMENT, 12)
        require(0 < self.frames <= self.entries and head.epoch > 0, Structure.SEGMENT, 13)


def years_valid(first: int, last: int) -> bool:
    """Return whether these are the first and last year of a range, or both `NO_YEAR`."""
    return (first == NO_YEAR) == (last == NO_YEAR) and first <= last <= LAST_YEAR


def slice_size_for(length: int) -> int:
    """Return the slice size of a segment with `length` bytes before its leaf hashes."""
    return limits.SLICE_SMALL if length < limits.SMALL_SEGMENT else limits.SLICE_LARGE


def slice_count(length: int, slice_size: int) -> int:
    """Return the number of slices that cover `length` bytes."""
    return -(-length // slice_size)


def tree_root(suite: Suite, leaves: Iterable[bytes]) -> bytes:
    """Return the root over the leaf hashes of a segment."""
    tree = merkle.CompactRange(merkle.slice_nodes(suite))
    tree.extend(leaves)
    return tree.root(suite.digest(b""))


class SliceHasher:
    """Hashes the bytes of a segment in slices as they pass by."""

    def __init__(self, head: SegmentHead) -> None:
        self._head = head
        self._pending = bytearray()
        self.leaves: list[bytes] = []

    def update(self, data: Buffer) -> None:
        """Take in the next bytes of the file."""
        size = self._head.slice_size
        view = memoryview(data)
        if self._pending:
            missing = size - len(self._pending)
            self._pending += view[:missing]
            view = view[missing:]
            if len(self._pending) < size:
                return
            self._leaf(bytes(self._pending))
            self._pending.clear()
        whole = len(view) // size * size
        for at in range(0, whole, size):
            self._leaf(view[at : at + size])
        self._pending += view[whole:]

    def finish(self) -> Sequence[bytes]:
        """Return all leaf hashes."""
        if self._pending:
            self._leaf(bytes(self._pending))
            self._pending.clear()
        return self.leaves

    def _leaf(self, data: Buffer) -> None:
        head = self._head
        self.leaves.append(merkle.slice_leaf(head.suite, head.segment_id, len(self.leaves), data))


def with_slice_size(head: SegmentHead, length: int) -> SegmentHead:
    """Return `head` with the slice size for `length` bytes before the leaf hashes."""
    return replace(head, slice_size=slice_size_for(length))

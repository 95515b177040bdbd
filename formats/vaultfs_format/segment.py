"""The segment: an immutable file of frames of one class, disposition class and range of years.

Superblock, bodies, directory, audit entries: these are covered by slices. Then leaf hashes, footer, parity, and once
more leaf hashes and footer. The RFC 9162 root over the slices stands in the footer and, through the head, in the audit
tree. Nothing here needs a key to be checked, or to be made good again.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs_format import limits
from vaultfs_format.audit import ENTRY
from vaultfs_format.errors import DigestMismatch, LimitExceeded, SignatureInvalid, Structure, Truncated
from vaultfs_format.frame import CLASSES, FrameClass
from vaultfs_format.geometry import Geometry, geometry_of
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, all_zero, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.signing import SIGNATURE, Signer
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
    Field("slice_log2", "B", "binary logarithm of the slice size: 12 or 16; 0 in a part file, and so the next two"),
    Field("data_pieces", "H", "k: most data pieces of a stripe"),
    Field("parity_pieces", "H", "m: most parity pieces of a stripe"),
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
    Field("covered", "Q", "bytes before the leaf hashes; 0 in a part file"),
)
FOOTER = Layout(
    Structure.SEGMENT,
    "segment footer",
    PREFIX_FIELD,
    Field("length", "Q", "bytes of the whole file"),
    Field("bodies_length", "Q", "bytes of the bodies, which follow the superblock"),
    Field("directory_length", "Q", "bytes of the directory, which follows the bodies"),
    Field("audit_length", "Q", "bytes of the audit entries, which follow the directory"),
    Field("leaves_length", "Q", "bytes of the leaf hashes, which follow the audit entries, and once more the parity"),
    Field("parity_length", "Q", "bytes of the parity, which follows the first footer"),
    Field("first_leaf", "Q", "index in the audit tree of the first audit entry"),
    Field("frames", "I", "number of frames"),
    Field(RESERVED, "4s"),
    Field("entries", "Q", "number of entries of all frames"),
    Field("root", "32s", "root over the leaf hashes of the covered bytes"),
    Field("parity_root", "32s", "root over the leaf hashes of the parity"),
    Field("superblock", f"{SUPERBLOCK.size}s", "copy of the superblock's fields"),
    Field("signer", "I", "number of the signer"),
    Field(RESERVED, "4s"),
    Field("signature", "64s", "of all fields before"),
)
FOOTER_MAGIC = file_magic("F")


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """The superblock of a segment. Fields as in the table `SUPERBLOCK`."""

    suite: Suite
    frame_class: FrameClass
    disposition: int
    epoch: int
    first_year: int
    last_year: int
    generation: int
    vault_id: bytes
    segment_id: bytes
    covered: int

    @property
    def geometry(self) -> Geometry:
        """How the covered bytes are cut into slices. Not of a part file."""
        return geometry_of(self.covered)

    def fields(self) -> bytes:
        """Return the fields of the superblock, without padding and digest."""
        return SUPERBLOCK.pack(
            prefix(MAGIC, self.suite),
            self.frame_class,
            *_shape(self.covered),
            0,
            0,
            self.disposition,
            self.epoch,
            self.first_year,
            self.last_year,
            self.generation,
            self.vault_id,
            self.segment_id,
            self.covered,
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
        _, kind, slice_log2, data_pieces, parity_pieces, across, over, *fields, covered = SUPERBLOCK.unpack(data)
        disposition, epoch, first, last, generation, vault, segment = fields
        require(kind in CLASSES, Structure.SEGMENT, 2)
        if covered > limits.MAX_COVERED:
            raise LimitExceeded(structure=Structure.SEGMENT, covered=covered)
        require(covered == 0 or covered > SUPERBLOCK_SIZE, Structure.SEGMENT, 3)
        require((slice_log2, data_pieces, parity_pieces) == _shape(covered), Structure.SEGMENT, 4)
        require(across == over == 0, Structure.SEGMENT, 10)
        require(years_valid(first, last), Structure.SEGMENT, 5)
        return cls(suite, CLASSES[kind], disposition, epoch, first, last, generation, vault, segment, covered)


def _shape(covered: int) -> tuple[int, int, int]:
    """Return what the superblock says of the geometry: logarithm of the slice size, data pieces, parity pieces."""
    if covered == 0:
        return 0, 0, 0
    geometry = geometry_of(covered)
    return geometry.slice_size.bit_length() - 1, geometry.data_pieces, geometry.parity_pieces


@dataclass(frozen=True, slots=True)
class SegmentFooter:
    """The footer of a segment: where everything lies, and the roots. Lengths in bytes."""

    head: SegmentHead
    bodies_length: int
    directory_length: int
    audit_length: int
    first_leaf: int
    frames: int
    entries: int
    root: bytes
    parity_root: bytes
    signer: int
    signature: bytes = bytes(SIGNATURE)

    @property
    def geometry(self) -> Geometry:
        """How the covered bytes are cut into slices."""
        return self.head.geometry

    @property
    def directory_offset(self) -> int:
        """Where the directory begins."""
        return SUPERBLOCK_SIZE + self.bodies_length

    @property
    def audit_offset(self) -> int:
        """Where the audit entries begin."""
        return self.directory_offset + self.directory_length

    @property
    def audited(self) -> range:
        """Which leaves of the audit tree its entries are."""
        return range(self.first_leaf, self.first_leaf + self.audit_length // ENTRY.size)

    @property
    def leaves_offset(self) -> int:
        """Where the leaf hashes begin the first time: the end of what slices cover."""
        return self.head.covered

    @property
    def leaves_length(self) -> int:
        """Bytes of the leaf hashes of the slices and of the parity, each time."""
        return leaves_length(self.head.covered)

    @property
    def parity_offset(self) -> int:
        """Where the parity begins."""
        return parity_offset(self.head.covered)

    @property
    def parity_length(self) -> int:
        """Bytes of the parity."""
        return self.geometry.parity_slices * self.geometry.slice_size

    @property
    def leaves_offsets(self) -> tuple[int, int]:
        """Where the leaf hashes begin, both times."""
        return self.leaves_offset, self.parity_offset + self.parity_length

    @property
    def footer_offsets(self) -> tuple[int, int]:
        """Where the footer stands, both times."""
        return footer_offsets(self.head.covered)

    @property
    def length(self) -> int:
        """Bytes of the whole file."""
        return segment_length(self.head.covered)

    def statement(self) -> bytes:
        """Return what is signed: all fields before the signature."""
        return self._fields()[:-SIGNATURE]

    def verify(self, signer: Signer) -> None:
        """Check that this signer has signed the segment.

        Raises
        ------
        SignatureInvalid
        """
        if signer.number != self.signer:
            raise SignatureInvalid(structure=Structure.SEGMENT)
        signer.verify_segment(self.statement(), self.signature)

    def encode(self) -> bytes:
        """Return the 1,024 bytes of the footer."""
        content = self._fields().ljust(FOOTER_SIZE - DIGEST, b"\0")
        return content + self.head.suite.digest(content)

    def _fields(self) -> bytes:
        return FOOTER.pack(
            prefix(FOOTER_MAGIC, self.head.suite),
            self.length,
            self.bodies_length,
            self.directory_length,
            self.audit_length,
            self.leaves_length,
            self.parity_length,
            self.first_leaf,
            self.frames,
            self.entries,
            self.root,
            self.parity_root,
            self.head.fields(),
            self.signer,
            self.signature,
        )

    @classmethod
    def decode(cls, data: Buffer, file_length: int | None = None) -> SegmentFooter:
        """Parse the 1,024 bytes of a footer.

        Parameters
        ----------
        file_length
            Bytes of the file that has it; None where that may be damaged too.
        """
        require_size(data, FOOTER_SIZE, Structure.SEGMENT)
        suite = check_prefix(Structure.SEGMENT, FOOTER_MAGIC, data)
        content = bytes(data[: FOOTER_SIZE - DIGEST])
        if suite.digest(content) != bytes(data[FOOTER_SIZE - DIGEST :]):
            raise DigestMismatch(structure=Structure.SEGMENT)
        _, *lengths, root, parity_root, superblock, signer, signature = FOOTER.unpack(data)
        require(all_zero(content[FOOTER.size :]), Structure.SEGMENT, 6)
        require(signer > 0, Structure.SEGMENT, 7)
        length, bodies, directory, audit, leaves, parity, first_leaf, frames, entries = lengths
        if frames > limits.MAX_SEGMENT_FRAMES:
            raise LimitExceeded(structure=Structure.SEGMENT, frames=frames)
        head = SegmentHead.of_fields(superblock)
        require(head.covered == SUPERBLOCK_SIZE + bodies + directory + audit, Structure.SEGMENT, 9)
        footer = cls(head, bodies, directory, audit, first_leaf, frames, entries, root, parity_root, signer, signature)
        stated = (length, leaves, parity)
        require(stated == (footer.length, footer.leaves_length, footer.parity_length), Structure.SEGMENT, 8)
        require(file_length in (None, length), Structure.SEGMENT, 8)
        footer._check()
        return footer

    def _check(self) -> None:
        head = self.head
        audit = head.frame_class is FrameClass.AUDIT
        require(self.audit_length % ENTRY.size == 0, Structure.SEGMENT, 11)
        require((self.audit_length > 0) == audit and (audit or self.first_leaf == 0), Structure.SEGMENT, 12)
        require(0 < self.frames <= self.entries and head.epoch > 0, Structure.SEGMENT, 13)


def leaves_length(covered: int) -> int:
    """Return the bytes of the leaf hashes of a segment that covers so many bytes."""
    geometry = geometry_of(covered)
    return DIGEST * (geometry.slices + geometry.parity_slices)


def parity_offset(covered: int) -> int:
    """Return where the parity of a segment begins."""
    return covered + leaves_length(covered) + FOOTER_SIZE


def segment_length(covered: int) -> int:
    """Return the bytes of a whole segment that covers so many bytes."""
    geometry = geometry_of(covered)
    return covered + 2 * (leaves_length(covered) + FOOTER_SIZE) + geometry.parity_slices * geometry.slice_size


def footer_offsets(covered: int) -> tuple[int, int]:
    """Return where the footer stands, both times."""
    return covered + leaves_length(covered), segment_length(covered) - FOOTER_SIZE


def years_valid(first: int, last: int) -> bool:
    """Return whether these are the first and last year of a range, or both `NO_YEAR`."""
    return (first == NO_YEAR) == (last == NO_YEAR) and first <= last <= LAST_YEAR

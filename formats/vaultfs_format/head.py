"""The head: one statement over the whole vault. Which files are live, with their digests, and the audit tree so far.

The live set is the digest over everything that the head names; it is the last leaf of the audit tree whose root the
head states. The next journal begins by repeating that leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from vaultfs_format import labels, limits, merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.errors import DigestMismatch, LimitExceeded, MacMismatch, SignatureInvalid, Structure
from vaultfs_format.frame import CLASSES, FrameClass
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.prefix import PREFIX_FIELD, check_prefix, file_magic, prefix
from vaultfs_format.segment import SegmentFooter, years_valid
from vaultfs_format.signing import HEAD_SIGNATURES, Signer
from vaultfs_format.suite import DIGEST, KEY, Suite, same

MAGIC = file_magic("H")
HEADER = Layout(
    Structure.HEAD,
    "head",
    PREFIX_FIELD,
    Field("vault_id", "16s", "the vault"),
    Field("generation", "Q", "1 at creation, one more with every head"),
    Field("epoch", "I", "current epoch"),
    Field("incarnation", "I", "high part of new record numbers"),
    Field("superblock_generation", "Q", "which VAULT file is live"),
    Field("superblock_digest", "32s", "digest of that file"),
    Field("keyring_digest", "32s", "digest of the keyring of the epoch"),
    Field("last_commit", "Q", "highest commit number that is settled"),
    Field("next_number", "Q", "record numbers from here on have never been reserved"),
    Field("journals", "I", "number of journal rows"),
    Field("segments", "I", "number of segment rows"),
    Field("tree_size", "Q", "leaves of the audit tree, the live-set leaf included"),
    Field("tree_root", "32s", "root of the audit tree"),
    Field("first_leaf", "Q", "index of the first leaf that is kept"),
    Field("peaks", "B", "number of peaks of the audit tree"),
    Field("pruned_peaks", "B", "number of peaks of the tree of the leaves before it"),
    Field(RESERVED, "2s"),
    Field("signer", "I", "number of the signer"),
)
JOURNAL_ROW = Layout(
    Structure.HEAD,
    "head: journal row",
    Field("journal_id", "16s", "a journal that is live"),
    Field("lowest_group", "Q", "its first group that is not settled"),
)
SEGMENT_ROW = Layout(
    Structure.HEAD,
    "head: segment row",
    Field("segment_id", "16s", "a live segment"),
    Field("class", "B", "as in its superblock"),
    Field(RESERVED, "3s"),
    Field("disposition", "I", "as in its superblock"),
    Field("first_year", "H", "as in its superblock"),
    Field("last_year", "H", "as in its superblock"),
    Field("table_epoch", "I", "epoch of its key table"),
    Field("length", "Q", "bytes of the file"),
    Field("frames", "I", "number of frames"),
    Field(RESERVED, "4s"),
    Field("entries", "Q", "number of entries"),
    Field("root", "32s", "root over its leaf hashes"),
    Field("table_digest", "32s", "digest of its key table"),
)


class JournalRow(NamedTuple):
    """A live journal. Fields as in `JOURNAL_ROW`."""

    journal_id: bytes
    lowest_group: int


class SegmentRow(NamedTuple):
    """A live segment. Fields as in `SEGMENT_ROW`."""

    segment_id: bytes
    frame_class: FrameClass
    disposition: int
    first_year: int
    last_year: int
    table_epoch: int
    length: int
    frames: int
    entries: int
    root: bytes
    table_digest: bytes

    def names(self, footer: SegmentFooter) -> bool:
        """Return whether a footer is that of the segment."""
        about = footer.head
        kind = (about.segment_id, about.frame_class, about.disposition, about.first_year, about.last_year)
        held = (footer.length, footer.frames, footer.entries, footer.root)
        return (kind, held) == (self[:5], (self.length, self.frames, self.entries, self.root))


@dataclass(frozen=True, slots=True)
class Head:
    """The content of a head. Rows are sorted by id; the tree includes the live-set leaf.

    Parameters
    ----------
    first_leaf
        Index of the first leaf of the audit tree that is kept: those before were pruned.
    pruned
        Peaks of the tree of the leaves before it.
    """

    suite: Suite
    vault_id: bytes
    generation: int
    epoch: int
    incarnation: int
    superblock_generation: int
    superblock_digest: bytes
    keyring_digest: bytes
    last_commit: int
    next_number: int
    journals: Sequence[JournalRow]
    segments: Sequence[SegmentRow]
    tree_size: int
    peaks: Sequence[bytes]
    signer: int
    signatures: bytes = bytes(HEAD_SIGNATURES)
    first_leaf: int = 0
    pruned: Sequence[bytes] = ()

    def live_set(self) -> AuditEntry:
        """Return the leaf that commits to everything the head names but the tree itself."""
        fixed = self.suite.hasher()
        fixed.update(self._header(0, bytes(DIGEST), 0))
        fixed.update(self._rows())
        return AuditEntry(LeafKind.LIVESET, self.generation, fixed.digest(), self.signer)

    def tree(self) -> merkle.CompactRange:
        """Return the audit tree up to and with the live-set leaf."""
        return merkle.CompactRange(merkle.audit_nodes(self.suite), self.tree_size, self.peaks)

    def pruned_tree(self) -> merkle.CompactRange:
        """Return the audit tree before the first leaf that is kept."""
        return merkle.CompactRange(merkle.audit_nodes(self.suite), self.first_leaf, self.pruned)

    def _header(self, tree_size: int, root: bytes, peaks: int) -> bytes:
        return HEADER.pack(
            prefix(MAGIC, self.suite),
            self.vault_id,
            self.generation,
            self.epoch,
            self.incarnation,
            self.superblock_generation,
            self.superblock_digest,
            self.keyring_digest,
            self.last_commit,
            self.next_number,
            len(self.journals),
            len(self.segments),
            tree_size,
            root,
            self.first_leaf,
            peaks,
            len(self.pruned),
            self.signer,
        )

    def _rows(self) -> bytes:
        rows = [JOURNAL_ROW.pack(*row) for row in self.journals]
        rows += [SEGMENT_ROW.pack(*row) for row in self.segments]
        return b"".join([*rows, *self.pruned])

    @property
    def tree_root(self) -> bytes:
        """The root of the audit tree."""
        return self.tree().root(merkle.AUDIT_EMPTY)

    def _content(self) -> bytes:
        return b"".join([self._header(self.tree_size, self.tree_root, len(self.peaks)), self._rows(), *self.peaks])

    def content_digest(self) -> bytes:
        """Return the digest of all bytes before the signatures."""
        return self.suite.digest(self._content())

    def statement(self) -> bytes:
        """Return what is signed: whose head it is and which, how far the log goes, and all that is in force."""
        numbers = self.generation.to_bytes(8, "little") + self.tree_size.to_bytes(8, "little")
        return self.vault_id + numbers + self.tree_root + self.content_digest()

    def encode(self, epoch_root: Buffer) -> bytes:
        """Return the bytes of the file, with MAC and digest."""
        content = self._content() + self.signatures
        content += self.suite.mac(_key(self, epoch_root), labels.HEAD_MAC, content)
        return content + self.suite.digest(content)

    @classmethod
    def decode(cls, data: Buffer) -> Head:
        """Parse a whole file; its digest and its tree are checked, `verify` checks the MAC."""
        suite = check_prefix(Structure.HEAD, MAGIC, data)
        _, vault_id, *numbers, root, first_leaf, peak_count, pruned_count, signer = HEADER.unpack(data)
        (
            generation,
            epoch,
            incarnation,
            sb_generation,
            sb_digest,
            ring_digest,
            commit,
            number,
            journals,
            segments,
            size,
        ) = numbers
        if (
            journals > limits.MAX_HEAD_JOURNALS
            or segments > limits.MAX_HEAD_SEGMENTS
            or max(peak_count, pruned_count) > 64
            or max(commit, size) > limits.MAX_NUMBER
        ):
            raise LimitExceeded(structure=Structure.HEAD, journals=journals, segments=segments)
        rows_at = HEADER.size
        segments_at = rows_at + JOURNAL_ROW.size * journals
        pruned_at = segments_at + SEGMENT_ROW.size * segments
        peaks_at = pruned_at + DIGEST * pruned_count
        end = peaks_at + DIGEST * peak_count
        require_size(data, end + HEAD_SIGNATURES + 2 * DIGEST, Structure.HEAD)
        if suite.digest(data[:-DIGEST]) != bytes(data[-DIGEST:]):
            raise DigestMismatch(structure=Structure.HEAD)
        require(generation > 0 and epoch > 0 and sb_generation > 0 and number > 0, Structure.HEAD, 1)
        require(signer > 0, Structure.HEAD, 2)
        require(peak_count == size.bit_count() and size > 0, Structure.HEAD, 3)
        require(pruned_count == first_leaf.bit_count() and first_leaf < size, Structure.HEAD, 8)
        head = cls(
            suite,
            vault_id,
            generation,
            epoch,
            incarnation,
            sb_generation,
            sb_digest,
            ring_digest,
            commit,
            number,
            [JournalRow(*JOURNAL_ROW.unpack(data, rows_at + i * JOURNAL_ROW.size)) for i in range(journals)],
            [_segment_row(data, segments_at + i * SEGMENT_ROW.size, epoch) for i in range(segments)],
            size,
            [bytes(data[at : at + DIGEST]) for at in range(peaks_at, end, DIGEST)],
            signer,
            bytes(data[end : end + HEAD_SIGNATURES]),
            first_leaf,
            tuple(bytes(data[at : at + DIGEST]) for at in range(pruned_at, peaks_at, DIGEST)),
        )
        _check_sorted(head)
        require(head.tree().root(merkle.AUDIT_EMPTY) == root, Structure.HEAD, 6)
        return head

    def verify_signatures(self, signer: Signer) -> None:
        """Check that the head was signed, with all its keys, by this signer.

        Raises
        ------
        SignatureInvalid
        """
        if signer.number != self.signer:
            raise SignatureInvalid(structure=Structure.HEAD)
        signer.verify_head(self.statement(), self.signatures)

    def verify(self, data: Buffer, epoch_root: Buffer) -> None:
        """Check that the head was written with the keys of this vault.

        Raises
        ------
        MacMismatch
        """
        end = len(data) - 2 * DIGEST
        if not same(self.suite.mac(_key(self, epoch_root), labels.HEAD_MAC, data[:end]), data[end : end + DIGEST]):
            raise MacMismatch(structure=Structure.HEAD)


def _key(head: Head, epoch_root: Buffer) -> bytes:
    context = head.vault_id + head.epoch.to_bytes(4, "little")
    return head.suite.derive(epoch_root, labels.HEAD_KEY, context, KEY)


def _segment_row(data: Buffer, at: int, epoch: int) -> SegmentRow:
    segment_id, kind, *rest = SEGMENT_ROW.unpack(data, at)
    require(kind in CLASSES, Structure.HEAD, 4)
    row = SegmentRow(segment_id, FrameClass(kind), *rest)
    counts = 0 < row.frames <= min(row.entries, limits.MAX_SEGMENT_FRAMES)
    good = counts and years_valid(row.first_year, row.last_year) and 0 < row.table_epoch <= epoch
    require(good, Structure.HEAD, 7)
    return row


def _check_sorted(head: Head) -> None:
    for ids in ([row.journal_id for row in head.journals], [row.segment_id for row in head.segments]):
        require(all(left < right for left, right in pairwise(ids)), Structure.HEAD, 5)

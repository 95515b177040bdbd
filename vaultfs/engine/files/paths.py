"""Where everything lies in a vault directory. Names hold ids, classes, years and numbers, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vaultfs_format.frame import FrameClass
from vaultfs_format.head import SegmentRow
from vaultfs_format.segment import NO_YEAR

LOCATION = "main"
COPIES = "copies"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one vault."""

    root: Path

    @property
    def head(self) -> Path:
        """The signed head."""
        return self.root / "head"

    @property
    def lock(self) -> Path:
        """The writer's lock."""
        return self.root / "lock"

    @property
    def index(self) -> Path:
        """The directory of the LMDB index."""
        return self.root / "index"

    @property
    def journals(self) -> Path:
        """The directory of the journals."""
        return self.root / "journal"

    @property
    def acts(self) -> Path:
        """The directory in which programs without keys say what they did."""
        return self.root / "acts"

    @property
    def reserve(self) -> Path:
        """Preallocated space for the journal of a full disk."""
        return self.journals / "reserve"

    @property
    def segments(self) -> Path:
        """The directory of the segments."""
        return self.root / "segments"

    @property
    def retired(self) -> Path:
        """The directory of key tables whose segments others have taken in."""
        return self.root / "retired"

    def superblock(self, generation: int) -> Path:
        """The VAULT file of a generation."""
        return self.root / f"VAULT.{generation}"

    def keyring(self, epoch: int) -> Path:
        """The keyring of an epoch."""
        return self.root / f"keyring.{epoch}"

    def journal(self, journal_id: bytes) -> Path:
        """A writer's journal."""
        return self.journals / f"{journal_id.hex()}.vjrn"

    def part(self, segment_id: bytes) -> Path:
        """An open blob segment."""
        return self.segments / LOCATION / "blob" / f"{segment_id.hex()}.part"

    def segment(self, row: SegmentRow) -> Path:
        """A sealed segment."""
        return self.range(row.frame_class, row.first_year, row.last_year) / f"{row.segment_id.hex()}.vseg"

    def key_table(self, row: SegmentRow) -> Path:
        """The key table of a segment."""
        directory = self.range(row.frame_class, row.first_year, row.last_year)
        return directory / f"{row.segment_id.hex()}.vkey.{row.table_epoch}"

    def range(self, frame_class: FrameClass, first_year: int, last_year: int) -> Path:
        """The directory of a class and range of years."""
        years = "none" if first_year == NO_YEAR else f"{first_year:04d}-{last_year:04d}"
        return self.segments / LOCATION / frame_class.name.lower() / years

    def copy_of(self, path: Path) -> Path:
        """Where the second copy of a small file lies."""
        return self.root / COPIES / path.relative_to(self.root)

    def original_of(self, copy: Path) -> Path:
        """Where the file lies of which this is the second copy."""
        return self.root / copy.relative_to(self.root / COPIES)

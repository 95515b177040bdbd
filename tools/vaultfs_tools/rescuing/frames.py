"""What is found of frames: opened ones, each with every place of its body, and what is known of those that are lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from vaultfs_format.entries import EntryBlock
from vaultfs_format.errors import VaultError
from vaultfs_format.frame import FrameHeader

from vaultfs_tools.rescuing.sources import Source

Runs = Sequence[tuple[int, int]]
Row = Mapping[str, object]


class Proof(IntEnum):
    """What proves a frame beside its own seal, the best first. Only the proofs of a whole cover commit numbers."""

    SEGMENT_ROOT = 1
    JOURNAL_CHAIN = 2
    SEGMENT_FRAME = 3
    JOURNAL_FRAME = 4

    @property
    def text(self) -> str:
        """What the manifest says."""
        return _TEXTS[self]

    @property
    def whole(self) -> bool:
        """Whether the place of the frame is proved too, and its commit numbers."""
        return self <= Proof.JOURNAL_CHAIN


_TEXTS = {
    Proof.SEGMENT_ROOT: "segment, signed root",
    Proof.JOURNAL_CHAIN: "journal, chained",
    Proof.SEGMENT_FRAME: "segment, frame only",
    Proof.JOURNAL_FRAME: "journal, frame only",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed body lies.

    Parameters
    ----------
    home
        A journal; or the id of a segment or open blob segment.
    """

    home: Source | bytes
    offset: int


@dataclass(slots=True, repr=False)
class Frame:
    """A frame whose entries have opened.

    Parameters
    ----------
    runs
        Commit numbers of the entries as the best row states them; empty where that is damaged.
    """

    header: FrameHeader
    key: bytes
    block: EntryBlock
    proof: Proof
    runs: Runs
    places: list[Place]

    def commits(self) -> Iterator[int]:
        """Yield the commit number of each entry, 0 where it is not known."""
        for count, commit in self.runs or [(len(self.block.entries), 0)]:
            for _ in range(count):
                yield commit

    def vouched(self, commit: int) -> dict[str, object]:
        """Return what the lists say of the proof of an entry, and of its commit number, 0 where it is not known."""
        return {"commit": commit or None, "commit_proved": self.proof.whole, "proof": self.proof.text}

    def facts(self) -> dict[str, object]:
        """Return what the list of what is missing says of the frame."""
        segment = next((place.home for place in self.places if isinstance(place.home, bytes)), None)
        return {"frame": self.header.frame_id, "segment": segment}


def loss(what: str, error: VaultError, **facts: object) -> Row:
    """Return a line of the list of what is missing."""
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in facts.items()}
    return {"what": what, **shown, "code": error.code, "error": type(error).__name__}


@dataclass(slots=True)
class Harvest:
    """Everything that is found in the files of a vault.

    Attributes
    ----------
    disposed
        Frames of which there is no key any more.
    """

    frames: dict[bytes, Frame] = field(default_factory=dict)
    missing: list[Row] = field(default_factory=list)
    disposed: int = 0
    _unopened: dict[bytes, Row] = field(default_factory=dict)

    def add(self, found: Frame) -> None:
        """Take over a frame, or what another copy of it adds: a place, and perhaps a better proof."""
        known = self.frames.setdefault(found.header.frame_id, found)
        if known is not found:
            known.places += [place for place in found.places if place not in known.places]
            if found.proof < known.proof or not known.runs:
                known.proof, known.runs = found.proof, found.runs

    def unopened(self, header: FrameHeader, row: Row) -> None:
        """Note a frame of which nothing but the header could be read here; it counts if it is nowhere else."""
        self._unopened.setdefault(header.frame_id, row)

    def lost(self) -> list[Row]:
        """Return all that is missing so far. Keys are not missed where all that they open is found elsewhere."""
        gone = [row for frame_id, row in self._unopened.items() if frame_id not in self.frames]
        keyless = {row["segment"] for row in gone if "segment" in row}
        missing = [row for row in self.missing if row["what"] not in _KEYS or row["segment"] in keyless]
        return [*missing, *gone]


_KEYS = frozenset({"key_table", "key_block"})

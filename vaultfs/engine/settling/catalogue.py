"""What stands in a live journal: a small packed row a frame, so that settling need not open a frame to place it.

A row begins with the subject, so that sorted rows are in the order of subjects, and of commits for each.
"""

from __future__ import annotations

from struct import Struct

import msgspec
from vaultfs_format.frame import FrameClass

from vaultfs.engine.indexing.facts import FrameFacts

_ROW = Struct(">16sQHHBQIQIIQI")


class Listed(msgspec.Struct, frozen=True, gc=False):
    """A frame of a journal. Offsets count from the start of the journal, or of the part file for a blob's body.

    Parameters
    ----------
    handle
        Its handle in the index; 0 for audit frames, which have none.
    holding
        `vaultfs.engine.indexing.facts.Holding`.
    plain
        Bytes of the body before compression.
    group, slot
        Offset of the group, and which of its frame keys is the frame's.
    """

    subject: bytes
    handle: int
    first_year: int
    last_year: int
    holding: int
    row_offset: int
    row_length: int
    body_offset: int
    body_length: int
    plain: int
    group: int
    slot: int


class Catalogue:
    """The frames of a journal by class, in commit order; blobs by part file."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.control: list[bytes] = []
        self.audit: list[bytes] = []
        self.blobs: dict[bytes, list[bytes]] = {}

    def add(
        self,
        frame_class: FrameClass,
        facts: FrameFacts,
        handle: int,
        segment_id: bytes,
        place: tuple[int, int, int, int, int, int, int],
    ) -> None:
        """Take in a frame.

        Parameters
        ----------
        segment_id
            The part file that holds its body, if any.
        place
            The fields of `Listed` from `row_offset` on.
        """
        row = _ROW.pack(facts.subject, handle, *facts.years(), facts.holding, *place)
        if frame_class is FrameClass.RECORD:
            self.records.append(row)
        elif frame_class is FrameClass.BLOB:
            self.blobs.setdefault(segment_id, []).append(row)
        elif frame_class is FrameClass.AUDIT:
            self.audit.append(row)
        else:
            self.control.append(row)


def listed(row: bytes) -> Listed:
    """Return a packed row."""
    return Listed(*_ROW.unpack(row))

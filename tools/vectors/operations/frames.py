"""Sections 8 to 11: frames, entry blocks and frame rows."""

from __future__ import annotations

from typing import Any

from vaultfs_format.directory import FrameRow, decode_rows
from vaultfs_format.entries import EntryBlock
from vaultfs_format.frame import FrameHeader
from vaultfs_format.frame import open_body as body_of
from vaultfs_format.frame import open_entries as entries_of
from vaultfs_format.suite import DEFAULT, Suite

from vectors.operations.registry import Facts, operation


@operation
def frame_header(data: bytes) -> Facts:
    """The header of a frame."""
    return _header(FrameHeader.decode(data))


def _header(found: FrameHeader) -> dict[str, Any]:
    facts: dict[str, Any] = found._asdict()
    return {"class": facts.pop("frame_class")} | facts


@operation
def open_entries(header: bytes, entries: bytes, key: bytes) -> Facts:
    """The entries of a frame."""
    return block_facts(entries_of(DEFAULT, FrameHeader.decode(header), key, entries))


@operation
def open_body(header: bytes, body: bytes, key: bytes) -> Facts:
    """The body of a frame."""
    return data_facts(body_of(DEFAULT, FrameHeader.decode(header), key, body))


def data_facts(data: bytes, suite: Suite = DEFAULT) -> Facts:
    """Return what tells long bytes from others."""
    return {"length": len(data), "digest": suite.digest(data)}


def block_facts(block: EntryBlock) -> Facts:
    """Return an entry block."""
    return {
        "subject": block.subject,
        "disposition": block.disposition,
        "rows": [entry._asdict() for entry in block.entries],
        "parts": [part._asdict() for part in block.parts],
    }


@operation
def frame_rows(data: bytes, count: int) -> Facts:
    """A directory of so many frame rows."""
    return {"rows": [row_facts(row) for row in decode_rows(data, count)]}


def row_facts(row: FrameRow) -> Facts:
    """Return the place and the commit numbers of a frame."""
    return {
        "frame_id": row.header.frame_id,
        "body_offset": row.body_offset,
        "home": row.home,
        "runs": [{"entries": entries, "commit": commit} for entries, commit in row.runs],
    }

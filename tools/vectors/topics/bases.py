"""Section 16.9: the base of a log that was pruned."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.errors import CommitmentMismatch, FieldInvalid, Structure

from vectors import world
from vectors.case import Case, Topic
from vectors.scenes import STARTED
from vectors.topics.journals import u64
from vectors.topics.small import u32
from vectors.world import edited, seeded

_PART = 24
"""Bytes of a part before what it holds."""


def cases() -> list[Case]:
    """Return the scenarios of bases."""
    topic = Topic("bases")
    few, many = _entries(3), _entries(256)
    rows = _rows(few)
    small, large = few + rows, many + _root(many) + _rows(many)
    peaks = [_root(few[:96]), _root(few[96:])]
    good: dict[str, Any] = {"first_leaf": 3, "pruned": peaks}
    everything = "LGB-1 LGB-2 LGB-4 LGB-20"
    facts = {"since": STARTED, "subjects": 1, "peaks": peaks}
    topic.good("three", "Three leaves are gone.", "log-base", everything, parts=_parts(3, [small]), facts=facts, **good)
    topic.good(
        "parts",
        "The same in three parts, in another order.",
        "log-base",
        everything,
        parts=_parts(3, [small[:10], small[10:100], small[100:]])[::-1],
        facts=facts,
        **good,
    )
    topic.good(
        "tile",
        "256 leaves are gone: a full tile of level 0, and its root on the level above.",
        "log-base",
        f"{everything} LGB-3",
        parts=_parts(256, [large]),
        first_leaf=256,
        pruned=[_root(many)],
        facts={"since": STARTED, "subjects": 1},
    )
    nobody = _entries(3, nobody=True)
    topic.good(
        "no-subjects",
        "Nothing was about anybody.",
        "log-base",
        everything,
        parts=_parts(3, [nobody]),
        first_leaf=3,
        pruned=[_root(nobody[:96]), _root(nobody[96:])],
        facts={"subjects": 0},
    )

    def bad(name: str, comment: str, rule: int, parts: Sequence[bytes], **given: Any) -> None:
        given = {**good, **given}
        topic.bad(
            name, comment, "log-base", f"LGB-{rule}", FieldInvalid, Structure.LOG_BASE, rule, parts=parts, **given
        )

    (one,) = _parts(3, [small])
    two = _parts(3, [small[:100], small[100:]])
    bad("first-leaf-0", "No leaf is gone.", 1, [edited(one, (0, u64(0)))])
    bad("first-leaf-2-63", "A first leaf that no tree has.", 1, [edited(one, (0, u64(1 << 63)))])
    bad("number", "Part 1 of one.", 1, [edited(one, (16, u32(1)))])
    bad("part-missing", "A part is missing.", 1, two[1:])
    bad("part-twice", "A part is there twice.", 1, [*two, two[0]])
    bad("other-time", "Two parts state different times.", 1, [two[0], edited(two[1], (8, u64(1)))])
    bad("cut-edge", "The edge is cut.", 2, [one[: _PART + 100]])
    bad("cut-rows", "The last row is cut.", 2, [one[:-1]])
    wrong = edited(large, (256 * 48, bytes(32)))
    bad("tile-root", "Another root of the full tile.", 3, _parts(256, [wrong]), first_leaf=256, pruned=[_root(many)])
    bad("row-twice", "A row is there twice.", 4, [one + rows])
    for name, comment, given in (
        ("other-peaks", "Another tree than the head states.", {"pruned": [peaks[0], bytes(32)]}),
        ("other-index", "Another minimum index than the head states.", {"first_leaf": 2, "pruned": [peaks[0]]}),
        (
            "other-rows",
            "Rows that the last leaf does not state.",
            {"parts": _parts(3, [few + edited(rows, (32, u64(9)))])},
        ),
        ("row-missing", "The row of a subject is missing.", {"parts": _parts(3, [few])}),
    ):
        case: dict[str, Any] = {"parts": [one], **good, **given}
        topic.bad(name, comment, "log-base", "LGB-20", CommitmentMismatch, Structure.LOG_BASE, **case)
    event = few[:96] + AuditEntry(LeafKind.EVENT, 2, bytes(32)).encode()
    topic.bad(
        "last-leaf-of-an-event",
        "The last leaf that is gone is that of an event.",
        "log-base",
        "LGB-20",
        CommitmentMismatch,
        Structure.LOG_BASE,
        parts=_parts(3, [event + rows]),
        first_leaf=3,
        pruned=[_root(event[:96]), _root(event[96:])],
    )
    return topic.cases


def _entries(count: int, *, nobody: bool = False) -> bytes:
    """Return entries: events, the first two about a subject, and the leaf that states its head."""
    events = [AuditEntry(LeafKind.EVENT, at + 1, seeded(f"pruned {at}", 32)) for at in range(count - 1)]
    stated = world.stated({} if nobody else {world.SUBJECT: events[:2]}, count - 1)
    return b"".join(one.encode() for one in [*events, stated])


def _rows(entries: bytes) -> bytes:
    """Return the row of the subject, written out."""
    leaves = [hashlib.sha256(b"\0" + entries[at : at + 48]).digest() for at in (0, 48)]
    digest = hashlib.sha256(bytes(32) + b"".join(leaves)).digest()
    return hashlib.sha256(world.SUBJECT).digest() + u64(2) + digest


def _root(entries: bytes) -> bytes:
    """Return the root over entries, of which there is a power of two."""
    level = [hashlib.sha256(b"\0" + entries[at : at + 48]).digest() for at in range(0, len(entries), 48)]
    while len(level) > 1:
        level = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def _parts(first_leaf: int, pieces: Sequence[bytes]) -> list[bytes]:
    head = u64(first_leaf) + u64(STARTED)
    return [head + u32(number) + u32(len(pieces)) + piece for number, piece in enumerate(pieces)]

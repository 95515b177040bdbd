"""Section 8: frames."""

from __future__ import annotations

from typing import Any

from vaultfs_format import labels
from vaultfs_format.compression import compress
from vaultfs_format.entries import Entry, Role
from vaultfs_format.errors import (
    BadMagic,
    CommitmentMismatch,
    DecompressionFailed,
    DecryptionFailed,
    FieldInvalid,
    LimitExceeded,
    Structure,
    Truncated,
    UnsupportedFeature,
    VaultError,
)
from vaultfs_format.frame import HEADER, FrameClass, SealedFrame
from vaultfs_format.pixels import Rows, flatten
from vaultfs_format.suite import DEFAULT, KEY

from vectors.case import Case, Topic
from vectors.world import FIRST, RECORDS, edited, flipped, frame, record, seeded


def resealed(
    sealed: SealedFrame, *changes: tuple[int, bytes], broken: bool = False, packed: bytes | None = None
) -> dict[str, Any]:
    """Return header, body and key of a frame whose header is another one, and to which the body is sealed.

    Parameters
    ----------
    broken
        Whether the body is sealed to nothing.
    packed
        What is sealed; by default the body as it was packed.
    """
    header = edited(sealed.encoded, *changes)
    derived = DEFAULT.derive(sealed.key, labels.FRAME, sealed.header.frame_id, 2 * KEY + 32)
    if packed is None:
        packed = DEFAULT.open(derived[:KEY], sealed.body, sealed.encoded, Structure.FRAME)
    body = bytes(len(sealed.body)) if broken else DEFAULT.seal(derived[:KEY], packed, header)
    return {"header": header, "body": body, "key": sealed.key}


def at(name: str) -> int:
    """Return the offset of a field of the frame header."""
    return HEADER.offset_of(name)


def u32(value: int) -> bytes:
    """Return a number of four bytes."""
    return value.to_bytes(4, "little")


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("frames")
    _good(topic)
    _headers(topic)
    _bodies(topic)
    return topic.cases


LONG = (FIRST + b"\n") * 30
LONG_FRAME = frame("long", [record(9, LONG, 0)], LONG)
DELETED = frame("deletion", [Entry(Role.DELETE, kind=4, number=1, version=2)], b"")
EMPTY = frame("empty", [record(9, b"", 0)], b"")
_PIXELS = bytes((column // 2 + row) % 256 for row in range(24) for column in range(64))


def _good(topic: Topic) -> None:
    for name, comment, sealed, holds in (
        ("stored", "Two records, body and entry block as they are.", RECORDS, "FRM-1 FRM-2 FRM-3 FRM-5 FRM-7"),
        ("compressed", "A body that is packed with dictionary 1.", LONG_FRAME, "FRM-4 FRM-6 CMP-23"),
        ("deletion", "The body is empty, codec 0.", DELETED, "FRM-6"),
        ("empty-record", "A record of 0 bytes.", EMPTY, "FRM-6"),
    ):
        given: dict[str, Any] = {"header": sealed.encoded, "key": sealed.key}
        topic.good(f"{name}-header", comment, "frame-header", holds, data=sealed.encoded)
        topic.good(f"{name}-entries", comment, "open-entries", "FRM-20", entries=sealed.entries, **given)
        topic.good(f"{name}-body", comment, "open-body", "FRM-20", body=sealed.body, **given)
    pixels = frame("pixels", [Entry(Role.PART, length=len(_PIXELS), token=seeded("any", 16))], _PIXELS, FrameClass.BLOB)
    flat = compress(_flat())[1]
    changes = ((at("body_codec"), b"\2"), (at("parameter"), u32(64)), (at("body_sealed"), u32(len(flat) + 16)))
    topic.good(
        "pixels-body",
        "A body of class blob under the filter for samples of a byte.",
        "open-body",
        "FRM-3 FRM-4",
        **resealed(pixels, *changes, packed=bytes(flat)),
    )


def _flat() -> bytes:
    return flatten(_PIXELS, Rows(64, 1))


def _headers(topic: Topic) -> None:
    def bad(
        name: str,
        comment: str,
        rule: int | None,
        *changes: tuple[int, bytes],
        base: SealedFrame = RECORDS,
        error: type[VaultError] = FieldInvalid,
        breaks: str = "",
    ) -> None:
        cited = breaks or f"FRM-{rule}"
        data = edited(base.encoded, *changes)
        topic.bad(name, comment, "frame-header", cited, error, Structure.FRAME, rule, data=data)

    bad("magic", "Another magic.", None, (0, b"VFRN"), error=BadMagic, breaks="GEN-23")
    bad(
        "version",
        "A frame of version 1 in a file of version 0 is damage, and not unsupported.",
        1,
        (at("version"), b"\1"),
        breaks="FRM-1 GEN-24",
    )
    bad("class-0", "Class 0.", 2, (at("class"), b"\0"))
    bad(
        "class-6",
        "Class 6, which this version does not define: a writer that uses it must write another version.",
        2,
        (at("class"), b"\6"),
        breaks="FRM-2 GEN-23 PFX-23",
    )
    bad("body-codec-5", "Codec 5 of the body.", 3, (at("body_codec"), b"\5"))
    bad("pixels-of-records", "Pixels in a frame of class record.", 3, (at("body_codec"), b"\2"))
    bad("entries-codec-2", "Codec 2 of the entry block.", 3, (at("entries_codec"), b"\2"))
    bad("parameter-of-stored", "A parameter where the body is stored.", 4, (at("parameter"), u32(1)), base=DELETED)
    blob = frame("blob", [record(9, FIRST, 0)], FIRST, FrameClass.BLOB)
    pixels = ((at("body_codec"), b"\2"), (at("body_sealed"), u32(40)))
    bad("row-too-short", "Pixels with rows of 63 bytes.", 4, *pixels, (at("parameter"), u32(63)), base=blob)
    bad("row-too-long", "Pixels with rows longer than the body.", 4, *pixels, (at("parameter"), u32(100)), base=blob)
    bad("no-entries", "No entry.", 5, (at("entry_count"), u32(0)))
    bad("too-many-entries", "MAX_ENTRIES and one more.", 5, (at("entry_count"), u32(16385)), breaks="FRM-5 GEN-21")
    bad(
        "stored-not-plain",
        "A stored body whose size is not that of its plaintext and 16 bytes.",
        6,
        (at("body_sealed"), u32(RECORDS.body_sealed + 1)),
        base=DELETED,
    )
    bad(
        "compressed-not-shorter",
        "A packed body that is as long as its plaintext.",
        6,
        (at("body_sealed"), u32(LONG_FRAME.body_plain + 16)),
        base=LONG_FRAME,
        breaks="FRM-6 CMP-23",
    )
    bad(
        "compressed-to-nothing", "A packed body of 0 bytes and a tag.", 6, (at("body_sealed"), u32(16)), base=LONG_FRAME
    )
    entries = at("entries_plain")
    plain = RECORDS.header.entries_plain
    bad(
        "part-of-a-row",
        "An entry block with one byte more than whole rows.",
        7,
        (entries, u32(plain + 1)),
        (at("entries_sealed"), u32(plain + 17)),
    )
    bad(
        "fewer-bytes-than-rows",
        "An entry block that is too short for its rows.",
        7,
        (entries, u32(plain - 72)),
        (at("entries_sealed"), u32(plain - 72 + 16)),
    )
    bad(
        "body-over-limit",
        "A body of MAX_BODY and one byte more.",
        None,
        (at("body_plain"), u32((1 << 20) + 1)),
        error=LimitExceeded,
        breaks="GEN-21",
    )
    topic.bad(
        "cut-header",
        "A header that lacks its last byte.",
        "frame-header",
        "GEN-21",
        Truncated,
        Structure.FRAME,
        data=RECORDS.encoded[:-1],
    )


def _bodies(topic: Topic) -> None:
    other = seeded("another frame key", 32)
    given: dict[str, Any] = {"header": RECORDS.encoded, "key": RECORDS.key}
    topic.bad(
        "other-key",
        "A key that is not of this frame.",
        "open-body",
        "FRM-20",
        CommitmentMismatch,
        Structure.FRAME,
        header=RECORDS.encoded,
        body=RECORDS.body,
        key=other,
    )
    topic.bad(
        "flipped-body",
        "One bit of the body is another.",
        "open-body",
        "FRM-20",
        DecryptionFailed,
        Structure.FRAME,
        body=flipped(RECORDS.body, 3),
        **given,
    )
    topic.bad(
        "flipped-entries",
        "One bit of the sealed entry block is another.",
        "open-entries",
        "FRM-20",
        DecryptionFailed,
        Structure.ENTRIES,
        entries=flipped(RECORDS.entries, 3),
        **given,
    )
    topic.bad(
        "body-of-another-frame",
        "A body that was sealed to another header.",
        "open-body",
        "FRM-20",
        DecryptionFailed,
        Structure.FRAME,
        body=LONG_FRAME.body,
        **given,
    )
    dictionary = (at("parameter"), u32(2))
    topic.bad(
        "dictionary-2",
        "An authentic header names a dictionary that this version does not have.",
        "open-body",
        "FRM-20",
        UnsupportedFeature,
        Structure.DICTIONARY,
        holds="GEN-24",
        **resealed(LONG_FRAME, dictionary),
    )
    topic.bad(
        "dictionary-2-forged",
        "The same in a header that is not authentic: the body is refused first.",
        "open-body",
        "FRM-20",
        DecryptionFailed,
        Structure.FRAME,
        **resealed(LONG_FRAME, dictionary, broken=True),
    )
    packed = bytes(compress(LONG + b"x", 1)[1])
    sizes = (at("body_sealed"), u32(len(packed) + 16))
    topic.bad(
        "expands-to-another-size",
        "What was sealed expands to a byte more than the header says.",
        "open-body",
        "CMP-21",
        DecompressionFailed,
        **resealed(LONG_FRAME, sizes, packed=packed),
    )

"""The frame: one shred unit's bytes, compressed and sealed under a key of their own.

From the frame key K and the frame id come a body key, an entries key and a commitment. The commitment stands in the
clear header and is checked first, so that a key opens exactly one frame. The header is bound into both ciphertexts and
holds nothing of its place: a frame is copied verbatim between files; any change makes a new frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import msgspec

from vaultfs_format import labels, limits
from vaultfs_format.compression import DICTIONARY, Codec, check_dictionary, compress, expand
from vaultfs_format.entries import NO_SUBJECT, PART_ROW, PROLOGUE, ROW, EntryBlock, Role
from vaultfs_format.errors import BadMagic, CommitmentMismatch, LimitExceeded, Structure
from vaultfs_format.layout import Buffer, Field, Layout, require
from vaultfs_format.pixels import SAMPLE_OF, Rows, pack, restore
from vaultfs_format.prefix import VERSION
from vaultfs_format.suite import KEY, Suite, same

MAGIC = b"VFRM"
_new = tuple.__new__
"""What `FrameHeader._make` comes to, without a call of Python's for each of millions."""


class FrameClass(IntEnum):
    """What a frame, and the segment that holds it, is for."""

    RECORD = 1
    BLOB = 2
    CONTROL = 3
    AUDIT = 4
    TERMINOLOGY = 5


CLASSES = {int(one): one for one in FrameClass}
CODECS = {int(one): one for one in Codec}

ROLES_OF = {
    FrameClass.RECORD: frozenset(
        {Role.RECORD, Role.DELETE, Role.UNDELETE, Role.SUBJECT, Role.ALIAS, Role.LINK, Role.UNLINK}
    ),
    FrameClass.BLOB: frozenset({Role.RECORD, Role.PART}),
    FrameClass.CONTROL: frozenset({Role.STATE}),
    FrameClass.AUDIT: frozenset({Role.EVENTS, Role.BASE}),
    FrameClass.TERMINOLOGY: frozenset[Role](),
}
"""Which entries a frame of each class may hold."""

HEADER = Layout(
    Structure.FRAME,
    "frame header",
    Field("magic", "4s", "VFRM"),
    Field("version", "B", "version of the frame: that of the file, 0"),
    Field("class", "B", "1 record, 2 blob, 3 control, 4 audit, 5 terminology"),
    Field("body_codec", "B", "0 stored, 1 zstd; of class blob also 2, 3, 4: pixels with samples of 1, 2, 4 bytes"),
    Field("entries_codec", "B", "0 stored, 1 zstd"),
    Field("parameter", "I", "of the body's codec; zstd: dictionary, 0: none; pixels: bytes of a row"),
    Field("entry_count", "I", "number of entries"),
    Field("body_plain", "I", "bytes of the body before compression"),
    Field("body_sealed", "I", "bytes of the sealed body"),
    Field("entries_plain", "I", "bytes of the entry block before compression"),
    Field("entries_sealed", "I", "bytes of the sealed entry block"),
    Field("frame_id", "16s", "random"),
    Field("commitment", "32s", "commitment to the frame key"),
)


class FrameHeader(NamedTuple):
    """The clear part of a frame. Fields as in the table `HEADER`."""

    frame_class: FrameClass
    body_codec: Codec
    entries_codec: Codec
    parameter: int
    entry_count: int
    body_plain: int
    body_sealed: int
    entries_plain: int
    entries_sealed: int
    frame_id: bytes
    commitment: bytes

    def encode(self) -> bytes:
        """Return the 80 bytes of the header."""
        return HEADER.pack(MAGIC, VERSION, *self)

    @classmethod
    def decode(cls, data: Buffer, offset: int = 0) -> FrameHeader:
        """Parse the header at `offset`, all sizes bounded."""
        magic, version, kind, body_codec, entries_codec, parameter, *sizes, frame_id, commitment = HEADER.unpack(
            data, offset
        )
        if magic != MAGIC:
            raise BadMagic(structure=Structure.FRAME)
        require(version == VERSION, Structure.FRAME, 1)
        require(kind in CLASSES, Structure.FRAME, 2)
        pixels = kind == FrameClass.BLOB and body_codec in SAMPLE_OF
        require((body_codec <= 1 or pixels) and entries_codec <= 1, Structure.FRAME, 3)
        entry_count, body_plain, body_sealed, entries_plain, entries_sealed = sizes
        _bounded(body_plain, body_sealed, limits.MAX_BODY, body_codec)
        _bounded(entries_plain, entries_sealed, limits.MAX_ENTRIES_PLAIN, entries_codec)
        fits = limits.MIN_ROW <= parameter <= body_plain if pixels else parameter == 0 or body_codec == Codec.ZSTD
        require(fits, Structure.FRAME, 4)
        require(0 < entry_count <= limits.MAX_ENTRIES, Structure.FRAME, 5)
        parts = entries_plain - PROLOGUE.size - entry_count * ROW.size
        require(parts >= 0 and parts % PART_ROW.size == 0, Structure.FRAME, 7)
        named = (CLASSES[kind], CODECS[body_codec], CODECS[entries_codec])
        return _new(cls, (*named, parameter, *sizes, frame_id, commitment))


def _bounded(plain: int, sealed: int, limit: int, codec: int) -> None:
    """A stored form is exactly its plaintext and the tag; a compressed one is shorter."""
    if plain > limit:
        raise LimitExceeded(structure=Structure.FRAME, size=plain, limit=limit)
    stored = sealed - limits.SEAL_OVERHEAD
    require(stored == plain if codec == Codec.STORED else 0 < stored < plain, Structure.FRAME, 6)


class SealedFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame ready to be placed, with its key, which goes into a key table and nowhere else.

    Parameters
    ----------
    encoded
        Its header, of which class and sizes are repeated here.
    """

    frame_class: FrameClass
    body_plain: int
    body_sealed: int
    encoded: bytes
    body: bytes
    entries: bytes
    key: bytes

    @property
    def header(self) -> FrameHeader:
        """The header, parsed."""
        return FrameHeader.decode(self.encoded)

    def __repr__(self) -> str:
        return "<SealedFrame>"


@dataclass(slots=True, repr=False)
class _Keys:
    body: bytes
    entries: bytes
    commitment: bytes


def _keys(suite: Suite, key: bytes, frame_id: bytes) -> _Keys:
    derived = suite.derive(key, labels.FRAME, frame_id, 2 * KEY + 32)
    return _Keys(derived[:32], derived[32:64], derived[64:])


def seal_frame(
    suite: Suite, frame_class: FrameClass, entries: bytes, count: int, body: Buffer, *, frame_id: bytes, key: bytes
) -> SealedFrame:
    """Return `body` and its entries sealed.

    Parameters
    ----------
    entries, count
        An encoded entry block, and the number of its rows.
    frame_id, key
        16 and 32 bytes straight from the operating system's random source, used once.
    """
    dictionary = DICTIONARY if frame_class is FrameClass.RECORD else 0
    codec, packed = compress(body, dictionary)
    form = (codec, dictionary if codec is Codec.ZSTD else 0, packed)
    encoded, sealed, body_key = _seal_entries(suite, frame_class, entries, count, len(body), form, frame_id, key)
    sealed_body = suite.seal(body_key, packed, encoded)
    return SealedFrame(frame_class, len(body), len(sealed_body), encoded, sealed_body, sealed, key)


def seal_blob(
    suite: Suite, block: EntryBlock, body: Buffer, room: memoryview, *, frame_id: bytes, key: bytes, rows: Rows | None
) -> tuple[SealedFrame, memoryview]:
    """Return a sealed frame of class blob without its body, and the sealed body, which is a view of `room`.

    Parameters
    ----------
    room
        At least as long as the body and `SEAL_OVERHEAD`: fresh memory for large bodies costs more than sealing them.
    frame_id, key
        As in `seal_frame`.
    rows
        The shape of the body, where it is native pixels.
    """
    form = pack(body, rows)
    entries, count = block.encode(), len(block.entries)
    encoded, sealed, body_key = _seal_entries(suite, FrameClass.BLOB, entries, count, len(body), form, frame_id, key)
    sealed_body = suite.seal_into(body_key, form[2], encoded, room)
    return SealedFrame(FrameClass.BLOB, len(body), len(sealed_body), encoded, b"", sealed, key), sealed_body


def _seal_entries(
    suite: Suite,
    frame_class: FrameClass,
    entries: bytes,
    count: int,
    body_plain: int,
    form: tuple[Codec, int, Buffer],
    frame_id: bytes,
    key: bytes,
) -> tuple[bytes, bytes, bytes]:
    """Return the header of a frame with a body in this form, the sealed entries, and the key of the body."""
    body_codec, parameter, packed = form
    entries_codec, packed_entries = compress(entries)
    derived = suite.derive(key, labels.FRAME, frame_id, 2 * KEY + 32)
    encoded = HEADER.pack(
        MAGIC,
        VERSION,
        frame_class,
        body_codec,
        entries_codec,
        parameter,
        count,
        body_plain,
        len(packed) + limits.SEAL_OVERHEAD,
        len(entries),
        len(packed_entries) + limits.SEAL_OVERHEAD,
        frame_id,
        derived[2 * KEY :],
    )
    return encoded, suite.seal(derived[KEY : 2 * KEY], packed_entries, encoded), derived[:KEY]


def renewed_key(suite: Suite, secret: bytes, key: bytes) -> bytes:
    """Return the key under which a frame is sealed anew that was under `key`.

    Parameters
    ----------
    secret
        32 bytes straight from the operating system's random source, of one re-encryption.
    """
    return suite.derive(secret, labels.RENEWAL, key, KEY)


def seal_again(
    suite: Suite, header: FrameHeader, key: bytes, entries: Buffer, body: Buffer, *, new_key: bytes
) -> SealedFrame:
    """Return a frame under another key: its id and all that is in it stay, and so do the lengths.

    Parameters
    ----------
    entries, body
        Sealed, as they are.
    new_key
        As `renewed_key` returns it.

    Raises
    ------
    CommitmentMismatch, DecryptionFailed
    """
    old, new = _committed(suite, header, key), _keys(suite, new_key, header.frame_id)
    bound, encoded = header.encode(), header._replace(commitment=new.commitment).encode()
    sealed_entries = suite.seal(new.entries, suite.open(old.entries, entries, bound, Structure.ENTRIES), encoded)
    sealed_body = suite.seal(new.body, suite.open(old.body, body, bound, Structure.FRAME), encoded)
    return SealedFrame(
        header.frame_class, header.body_plain, header.body_sealed, encoded, sealed_body, sealed_entries, new_key
    )


def open_entries(suite: Suite, header: FrameHeader, key: bytes, sealed: Buffer) -> EntryBlock:
    """Return the entries of a frame.

    Raises
    ------
    CommitmentMismatch, DecryptionFailed, DecompressionFailed, FormatError
    """
    keys = _committed(suite, header, key)
    packed = suite.open(keys.entries, sealed, header.encode(), Structure.ENTRIES)
    plain = expand(header.entries_codec, packed, header.entries_plain, limits.MAX_ENTRIES_PLAIN)
    block = EntryBlock.decode(plain)
    require(len(block.entries) == header.entry_count, Structure.ENTRIES, 2)
    _check_block(header, block)
    return block


def _check_block(header: FrameHeader, block: EntryBlock) -> None:
    """Entries are of the frame's class and lie within its body; a blob's frame has one, which its size must fit."""
    first, body = block.entries[0], header.body_plain
    roles = ROLES_OF[header.frame_class]
    require({entry.role for entry in block.entries} <= roles, Structure.ENTRIES, 8)
    if header.frame_class is FrameClass.BLOB:
        require(len(block.entries) == 1, Structure.ENTRIES, 9)
        if first.role == Role.PART:
            require(not block.parts and 0 < body == first.length, Structure.ENTRIES, 10)
        else:
            stored = first.before + first.length + first.after
            whole = sum([part.length for part in block.parts]) + body
            require(first.offset == 0 and 0 < whole <= limits.MAX_RECORD, Structure.ENTRIES, 11)
            require(stored == whole, Structure.ENTRIES, 11)
        return
    require(not block.parts, Structure.ENTRIES, 12)
    ends = [entry.offset + entry.before + entry.length + entry.after for entry in block.entries]
    require(max(ends) <= body, Structure.ENTRIES, 13)
    vault = header.frame_class in (FrameClass.CONTROL, FrameClass.AUDIT)
    require(not vault or block.subject == NO_SUBJECT, Structure.ENTRIES, 14)


def check_body(suite: Suite, header: FrameHeader, key: bytes, sealed: Buffer) -> None:
    """Check that a sealed body is the frame's, without expanding it.

    Raises
    ------
    CommitmentMismatch, DecryptionFailed
    """
    keys = _committed(suite, header, key)
    suite.open(keys.body, sealed, header.encode(), Structure.FRAME)


def open_body(suite: Suite, header: FrameHeader, key: bytes, sealed: Buffer) -> bytes:
    """Return the plaintext body of a frame.

    Raises
    ------
    CommitmentMismatch, DecryptionFailed, DecompressionFailed, UnsupportedFeature
    """
    keys = _committed(suite, header, key)
    return bytes(_plain(header, suite.open(keys.body, sealed, header.encode(), Structure.FRAME)))


def open_body_in(suite: Suite, header: FrameHeader, key: bytes, sealed: Buffer, room: memoryview) -> Buffer:
    """Return the plaintext body of a frame: a view of `room` where it is stored as it is, else bytes of its own.

    Parameters
    ----------
    room
        At least as long as the plaintext body.

    Raises
    ------
    CommitmentMismatch, DecryptionFailed, DecompressionFailed, UnsupportedFeature
    """
    keys = _committed(suite, header, key)
    return _plain(header, suite.open_into(keys.body, sealed, header.encode(), Structure.FRAME, room))


def _plain(header: FrameHeader, packed: Buffer) -> Buffer:
    sample = SAMPLE_OF.get(header.body_codec)
    if sample is not None:
        flat = expand(Codec.ZSTD, packed, header.body_plain, limits.MAX_BODY)
        return restore(flat, Rows(header.parameter, sample))
    check_dictionary(header.parameter)
    return expand(header.body_codec, packed, header.body_plain, limits.MAX_BODY, header.parameter)


def _committed(suite: Suite, header: FrameHeader, key: bytes) -> _Keys:
    keys = _keys(suite, key, header.frame_id)
    if not same(keys.commitment, header.commitment):
        raise CommitmentMismatch(structure=Structure.FRAME)
    return keys

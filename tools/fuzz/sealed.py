"""Targets: what stands behind a seal. An input is plaintext; the target seals it with keys that it knows.

Bytes that were changed under AES-GCM never open, so a fuzzer would see nothing of these parsers. They are not beyond
reach: a writer with an error seals what it should not, and whoever has the keys of one vault may hand it to others.
"""

from __future__ import annotations

from vaultfs_format import labels, limits
from vaultfs_format.compression import DICTIONARY, Codec, check_dictionary, compress, expand
from vaultfs_format.entries import EntryBlock, PartRow
from vaultfs_format.errors import Structure
from vaultfs_format.frame import (
    CODECS,
    HEADER,
    FrameHeader,
    check_body,
    open_body,
    open_body_in,
    open_entries,
    seal_blob,
)
from vaultfs_format.keyring import Compartment, Keyring, seal_keyring
from vaultfs_format.pixels import SAMPLES, Rows, flatten, pack, restore
from vaultfs_format.suite import DEFAULT, KEY, TAG
from zstandard import ZstdError, get_frame_parameters

from fuzz.files import SAME_BYTES
from fuzz.target import KEYED, Target, must
from tests.vaultfs_format import examples

_SALT = b"n" * 32
_FRAME_KEY = bytes([101]) * KEY
_COMMITMENT = HEADER.offset_of("commitment")
_ENTRIES_SEALED = HEADER.offset_of("entries_sealed")
_BODY_SEALED = HEADER.offset_of("body_sealed")


# An opened compartment of the keyring: which it is, and its items.


def _compartment(data: bytes) -> None:
    numbers = list(Compartment)
    number = numbers[data[0] % len(numbers)] if data else Compartment.DATA
    context = examples.VAULT_ID + (1).to_bytes(4, "little") + _SALT
    derived = DEFAULT.derive(examples.EPOCH_ROOT, labels.KEYRING, context, 2 * KEY)
    bound = number.to_bytes(2, "little") + _SALT
    sealed = DEFAULT.seal(DEFAULT.derive(derived[KEY:], labels.KEYRING_COMPARTMENT, bound, KEY), data[1:], bound)
    ring = Keyring(DEFAULT, examples.VAULT_ID, 1, _SALT, derived[:KEY], {number: sealed})
    values = ring.open(examples.EPOCH_ROOT, number)
    again = seal_keyring(DEFAULT, examples.VAULT_ID, 1, examples.EPOCH_ROOT, _SALT, {number: values})
    must(again.compartments[number] == sealed, SAME_BYTES)


def _compartments() -> list[bytes]:
    found = []
    for at, number in enumerate(Compartment):
        values = examples.KEYRING_VALUES[number].items()
        items = [tag.to_bytes(4, "little") + len(value).to_bytes(4, "little") + value for tag, value in values]
        found.append(bytes([at]) + b"".join(items))
    return found


# An entry block, and a frame: its header, the packed entry block, the packed body.


def _entries(data: bytes) -> None:
    must(EntryBlock.decode(data).encode() == data, SAME_BYTES)


def _frame(data: bytes) -> None:
    HEADER.unpack(data)
    keys = _frame_keys(data)
    header = FrameHeader.decode(data[:_COMMITMENT] + keys[2])
    at = HEADER.size + header.entries_sealed - TAG
    body = DEFAULT.seal(keys[0], data[at:], header.encode())
    sealed = DEFAULT.seal(keys[1], data[HEADER.size : at], header.encode())
    block = open_entries(DEFAULT, header, _FRAME_KEY, sealed)
    stored = expand(header.entries_codec, data[HEADER.size : at], header.entries_plain, limits.MAX_ENTRIES_PLAIN)
    must(block.encode() == stored, SAME_BYTES)
    check_body(DEFAULT, header, _FRAME_KEY, body)
    plain = open_body(DEFAULT, header, _FRAME_KEY, body)
    must(len(plain) == header.body_plain, "a body has the size that its header states")
    room = memoryview(bytearray(header.body_plain))
    must(plain == open_body_in(DEFAULT, header, _FRAME_KEY, body, room), "both ways to open a body give the same bytes")


def _frame_keys(header: bytes) -> tuple[bytes, bytes, bytes]:
    frame_id = header[HEADER.offset_of("frame_id") : _COMMITMENT]
    derived = DEFAULT.derive(_FRAME_KEY, labels.FRAME, frame_id, 2 * KEY + 32)
    return derived[:KEY], derived[KEY : 2 * KEY], derived[2 * KEY :]


def _sized(data: bytes) -> bytes:
    """Return a frame whose header states the body that follows the entries."""
    if len(data) < HEADER.size:
        return data
    entries = int.from_bytes(data[_ENTRIES_SEALED : _ENTRIES_SEALED + 4], "little")
    body = max(0, len(data) - HEADER.size - max(0, entries - TAG)) + TAG
    return data[:_BODY_SEALED] + body.to_bytes(4, "little") + data[_BODY_SEALED + 4 :]


def _frames() -> list[bytes]:
    small = [*examples.FRAMES, examples.BLOB_FRAME]
    found = [_opened(one.encoded, one.entries, one.body, one.key) for one in small]
    ramp = bytes(at % 251 for at in range(4096))
    block = EntryBlock(bytes(16), 0, [examples.record(5, 0, 4100)], [PartRow(b"p" * 16, 4)])
    for sample in SAMPLES:
        room = memoryview(bytearray(len(ramp) + TAG))
        frame, body = seal_blob(
            DEFAULT, block, ramp, room, frame_id=b"f" * 16, key=_FRAME_KEY, rows=Rows(64 * sample, sample)
        )
        found.append(_opened(frame.encoded, frame.entries, bytes(body), frame.key))
    return found


def _opened(header: bytes, entries: bytes, body: bytes, key: bytes) -> bytes:
    frame_id = FrameHeader.decode(header).frame_id
    derived = DEFAULT.derive(key, labels.FRAME, frame_id, 2 * KEY)
    plain = [
        DEFAULT.open(derived[KEY:], entries, header, Structure.ENTRIES),
        DEFAULT.open(derived[:KEY], body, header, Structure.FRAME),
    ]
    return b"".join([header, *plain])


# Decompression: codec, dictionary, and the size that is stated; then what is to be expanded.

_LIMIT = 256 * limits.KIB


def _expansion(data: bytes) -> None:
    codec, dictionary, size = CODECS[data[0] % 2], data[1] % 4, int.from_bytes(data[2:6], "little")
    check_dictionary(dictionary)
    plain = expand(codec, data[6:], size, _LIMIT, dictionary)
    must(len(plain) == size, "what is expanded has the size that was stated")


def _expandable(data: bytes) -> None:
    if len(data) > 6:
        _expansion(data)


def _stated(data: bytes) -> bytes:
    """Return an input whose stated size is that of the zstd frame."""
    try:
        size = get_frame_parameters(data[6:]).content_size
    except ZstdError:
        return data
    return data[:2] + min(size, _LIMIT + 1).to_bytes(4, "little") + data[6:]


def _expansions() -> list[bytes]:
    found = []
    for plain in (b"", b"short", b"a record " * 100, bytes(70_000), bytes(range(256)) * 9):
        for dictionary in (0, DICTIONARY):
            codec, packed = compress(plain, dictionary)
            found.append(bytes([codec, dictionary]) + len(plain).to_bytes(4, "little") + packed)
    skippable = b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + bytes(8)
    return [*found, bytes([Codec.ZSTD, 0]) + (8).to_bytes(4, "little") + skippable, found[4] + skippable]


# Pixels: bytes of a sample, bytes of a row, pixels.


def _pixels(data: bytes) -> None:
    if len(data) < 3:
        return
    sample, row = list(SAMPLES)[data[0] % len(SAMPLES)], int.from_bytes(data[1:3], "little")
    rows, plain = Rows(row, sample), data[3:]
    if rows.fit(len(plain)):
        must(restore(flatten(plain, rows), rows) == plain, "undoing the filter gives the pixels")
        must(flatten(restore(plain, rows), rows) == plain, "any bytes are pixels after the filter")
    codec, parameter, packed = pack(plain, rows)
    size, inner = len(plain), Codec.STORED if codec is Codec.STORED else Codec.ZSTD
    flat = expand(inner, packed, size, limits.MAX_BODY)
    must(plain == (restore(flat, Rows(parameter, sample)) if codec > Codec.ZSTD else flat), "what is packed comes back")


def _images() -> list[bytes]:
    ramp = bytes(at // 7 % 256 for at in range(3000))
    return [bytes([at]) + row.to_bytes(2, "little") + ramp for at in range(len(SAMPLES)) for row in (64, 100, 2999)]


def _blocks() -> list[bytes]:
    frames = [*examples.FRAMES, examples.BLOB_FRAME]
    blocks = [open_entries(DEFAULT, one.header, one.key, one.entries) for one in frames]
    parts = EntryBlock(examples.SUBJECT, 0, [examples.record(5, 0, 9)], [PartRow(b"p" * 16, 4), PartRow(b"q" * 16, 5)])
    return [block.encode() for block in (*blocks, parts)]


TARGETS = [
    Target("keyring-compartment", _compartment, _compartments, KEYED),
    Target("entry-block", _entries, _blocks),
    Target("frame", _frame, _frames, KEYED, _sized),
    Target("decompression", _expandable, _expansions, KEYED, _stated),
    Target("pixels", _pixels, _images),
]

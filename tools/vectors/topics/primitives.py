"""Section 2: digests, keys, sealing, HPKE, Argon2id, labels, compression."""

from __future__ import annotations

from typing import Any

import zstandard
from vaultfs_format import labels
from vaultfs_format.compression import compress
from vaultfs_format.errors import (
    CommitmentMismatch,
    DecompressionFailed,
    DecryptionFailed,
    LimitExceeded,
    Structure,
    UnsupportedFeature,
)
from vaultfs_format.frame import HEADER as FRAME_HEADER
from vaultfs_format.pixels import Rows, flatten
from vaultfs_format.suite import DEFAULT

from vectors.case import Case, Topic
from vectors.topics.frames import resealed
from vectors.world import (
    ACCESS_KEY,
    DRAWN,
    EPOCH_ROOT,
    INBOX_KEY,
    INBOX_PUBLIC,
    RECORDS,
    ROOT_KEY,
    SECRET,
    VAULT_ID,
    seeded,
)

KEY = seeded("a key", 32)


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("primitives")
    _hashes(topic)
    _ciphers(topic)
    _compression(topic)
    return topic.cases


def _hashes(topic: Topic) -> None:
    for length in (0, 1, 1024, 1025):
        topic.good(f"digest-of-{length}", "H of bytes that count up from 0.", "digest", data=_counted(length))
    topic.good(
        "derive-long",
        "D gives as many bytes as are asked for.",
        "derive",
        key=KEY,
        label=labels.FRAME.decode(),
        context=b"context",
        length=96,
    )
    topic.good(
        "derive-empty-context",
        "The context may be empty.",
        "derive",
        key=KEY,
        label=labels.NOBODY.decode(),
        context=b"",
        length=32,
    )
    topic.good("mac", "M is D with 32 bytes.", "mac", key=KEY, label=labels.HEAD_MAC.decode(), data=_counted(100))
    names = [name for name, value in vars(labels).items() if isinstance(value, bytes)]
    topic.good("labels", "D under every label of section 2.3.", "derive-labels", key=KEY, names=names)
    topic.good(
        "epoch-root",
        "Root key and epoch secret give the epoch root.",
        "epoch-root",
        root_key=ROOT_KEY,
        vault_id=VAULT_ID,
        epoch_number=1,
        epoch_secret=SECRET.secret,
        facts={"epoch_root": EPOCH_ROOT},
    )
    topic.good(
        "argon2id",
        "The passphrase of section 4.1, at the least cost.",
        "argon2id",
        passphrase=b"correct horse battery staple",
        salt=seeded("a salt", 32),
        memory_kib=8,
        passes=1,
        lanes=1,
    )
    topic.good(
        "argon2id-lanes",
        "Several passes and lanes.",
        "argon2id",
        passphrase=b"",
        salt=seeded("a salt", 32),
        memory_kib=64,
        passes=3,
        lanes=4,
    )


def _ciphers(topic: Topic) -> None:
    sealed, bound = DEFAULT.seal(KEY, b"sealed bytes", b"bound"), b"bound"
    topic.good(
        "unseal",
        "AES-256-GCM with an IV of zeros.",
        "unseal",
        key=KEY,
        sealed=sealed,
        bound=bound,
        facts={"plain": b"sealed bytes"},
    )
    topic.good(
        "unseal-nothing",
        "What is sealed may be empty: 16 bytes of tag.",
        "unseal",
        key=KEY,
        sealed=DEFAULT.seal(KEY, b"", b""),
        bound=b"",
        facts={"plain": b""},
    )
    for name, comment, key, data, over in (
        ("other-key", "Another key opens nothing.", seeded("another key", 32), sealed, bound),
        ("other-bound", "What is bound is part of what the tag covers.", KEY, sealed, b"other"),
        ("flipped", "One bit of the ciphertext is another.", KEY, bytes([sealed[0] ^ 1]) + sealed[1:], bound),
        ("shorter-than-tag", "Fewer bytes than a tag has.", KEY, sealed[:15], bound),
    ):
        topic.bad(f"unseal-{name}", comment, "unseal", "", DecryptionFailed, key=key, sealed=data, bound=over)
    topic.good("permute", "One block of AES-256.", "permute", key=KEY, block=bytes(range(16)))
    block = DEFAULT.encrypt_blocks(KEY, bytes(range(16)))
    topic.good("unpermute", "And back.", "unpermute", key=KEY, block=block, facts={"block": bytes(range(16))})
    topic.good(
        "hpke-public-key", "The public key that a private key of 96 bytes has.", "hpke-public-key", private=INBOX_KEY
    )
    sealed = DRAWN.get(
        "hpke", lambda: DEFAULT.seal_to(INBOX_PUBLIC.value, ACCESS_KEY, b"info", Structure.JOURNAL_HEADER)
    )
    topic.good(
        "hpke-open",
        "Encapsulated key, then ciphertext.",
        "hpke-open",
        private=INBOX_KEY,
        sealed=sealed,
        info=b"info",
        facts={"plain": ACCESS_KEY},
    )
    topic.bad(
        "hpke-other-info",
        "The info is bound.",
        "hpke-open",
        "",
        DecryptionFailed,
        private=INBOX_KEY,
        sealed=sealed,
        info=b"other",
    )
    topic.bad(
        "hpke-other-key",
        "Another private key opens nothing.",
        "hpke-open",
        "",
        DecryptionFailed,
        private=seeded("another inbox", 96),
        sealed=sealed,
        info=b"info",
    )
    topic.bad(
        "hpke-cut",
        "The encapsulated key is not whole.",
        "hpke-open",
        "",
        DecryptionFailed,
        private=INBOX_KEY,
        sealed=sealed[:1000],
        info=b"info",
    )
    frame: dict[str, Any] = resealed(RECORDS, (FRAME_HEADER.offset_of("commitment"), bytes(32)), broken=True)
    topic.bad(
        "commitment-first",
        "Commitment and ciphertext are both wrong: the commitment is what is reported.",
        "open-body",
        "KEY-22",
        CommitmentMismatch,
        Structure.FRAME,
        **frame,
    )
    topic.good(
        "commitment-good",
        "The commitment is right, and the body opens.",
        "open-body",
        "KEY-22",
        header=RECORDS.encoded,
        body=RECORDS.body,
        key=RECORDS.key,
    )


def _counted(length: int) -> bytes:
    return bytes(at % 251 for at in range(length))


TEXT = b'{"resourceType":"Observation","status":"final","code":{"text":"Example"}}' * 8


def _compression(topic: Topic) -> None:
    def expand(
        name: str,
        comment: str,
        stored: bytes,
        holds: str = "CMP-20 CMP-21 CMP-22",
        codec: int = 1,
        parameter: int = 0,
        size: int = len(TEXT),
        **more: Any,
    ) -> None:
        topic.good(name, comment, "expand", holds, codec=codec, parameter=parameter, size=size, stored=stored, **more)

    plain = bytes(compress(TEXT)[1])
    named = bytes(compress(TEXT, 1)[1])
    expand("stored", "Codec 0 is the plaintext.", TEXT[:70], "", codec=0, size=70)
    expand("zstd", "Codec 1 without a dictionary.", plain)
    expand("zstd-dictionary", "Codec 1 with dictionary 1.", named, parameter=1)
    for codec, sample in ((2, 1), (3, 2), (4, 4)):
        pixels = _pixels(128, 20)
        flat = bytes(compress(flatten(pixels, Rows(128, sample)))[1])
        expand(
            f"pixels-{sample}",
            f"Codec {codec}: samples of {sample} bytes, rows of 128.",
            flat,
            codec=codec,
            parameter=128,
            size=len(pixels),
        )
    odd = _pixels(65, 10)[:643]
    flat = bytes(compress(flatten(odd, Rows(65, 4)))[1])
    expand("pixels-odd", "Neither rows nor samples need be whole.", flat, codec=4, parameter=65, size=643)
    unsized = zstandard.ZstdCompressor(level=1, write_content_size=False).compress(TEXT)
    for name, comment, breaks, stored, size in (
        ("no-content-size", "The frame does not state its content size.", "CMP-20", unsized, len(TEXT)),
        ("other-size", "The frame states another size than the header.", "CMP-21", plain, len(TEXT) + 1),
        ("another-frame", "A second frame follows.", "CMP-22", plain + plain, len(TEXT)),
        ("trailing", "A byte follows the frame.", "CMP-22", plain + b"\0", len(TEXT)),
        ("cut", "The frame is cut.", "CMP-22", plain[:-3], len(TEXT)),
        ("no-frame", "The bytes are no frame of zstd.", "CMP-22", b"no frame of zstd", 20),
    ):
        topic.bad(name, comment, "expand", breaks, DecompressionFailed, codec=1, parameter=0, size=size, stored=stored)
    topic.bad(
        "window",
        "The frame asks for a window of 16 MiB, and states a size that is small.",
        "expand",
        "CMP-22",
        DecompressionFailed,
        codec=1,
        parameter=0,
        size=100,
        stored=_wide_window(),
    )
    topic.bad(
        "over-limit",
        "More than MAX_BODY is not expanded at all.",
        "expand",
        "GEN-21",
        LimitExceeded,
        codec=1,
        parameter=0,
        size=(1 << 20) + 1,
        stored=plain,
    )
    topic.bad(
        "other-dictionary",
        "A dictionary that this version does not have.",
        "expand",
        "",
        UnsupportedFeature,
        codec=1,
        parameter=2,
        size=len(TEXT),
        stored=plain,
    )
    topic.bad(
        "dictionary-missing",
        "Packed with dictionary 1, opened without: it does not expand.",
        "expand",
        "CMP-22",
        DecompressionFailed,
        codec=1,
        parameter=0,
        size=len(TEXT),
        stored=named,
    )


def _pixels(row: int, rows: int) -> bytes:
    return b"".join(bytes((column // 3 + at) % 256 for column in range(row)) for at in range(rows))


def _wide_window() -> bytes:
    """Return a frame with a window of 16 MiB and 100 bytes of content in a raw block (RFC 8878, section 3.1.1)."""
    content_size_of_four_bytes = b"\x80"
    window = bytes([(24 - 10) << 3])
    last_block = (100 << 3 | 1).to_bytes(3, "little")
    magic = 0xFD2FB528.to_bytes(4, "little")
    return magic + content_size_of_four_bytes + window + (100).to_bytes(4, "little") + last_block + bytes(100)

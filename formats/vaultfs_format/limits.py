"""Every limit of the format, in one place. A parser checks a length against these before it allocates."""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

FRAME_TARGET = 64 * KIB
"""Plaintext size at which a record frame is closed."""

BLOB_THRESHOLD = 64 * KIB
"""Records of this size and more are blobs: frames of their own in a blob segment."""

BLOB_FRAME = 1 * MIB
"""Plaintext size of every part of a blob but the last."""

MAX_BODY = 1 * MIB
"""Largest plaintext body of a frame."""

MAX_ENTRIES = 16_384
"""Most entries in a frame."""

MAX_PARTS = 262_144
"""Most parts of one blob: 256 GiB."""

MAX_ENTRIES_PLAIN = 32 + 96 * MAX_ENTRIES + 16 * MAX_PARTS
"""Largest plaintext entry block: prologue, rows, part list."""

MAX_RECORD = MAX_PARTS * BLOB_FRAME
"""Largest record, with the bytes around it."""

SEAL_OVERHEAD = 16
"""Bytes that sealing adds: the AES-GCM tag."""

COMPRESS_SLACK = 1024
"""A stored form may exceed its plaintext by no more than this: what does not shrink is stored as it is."""

MAX_GROUP_FRAMES = 1 << 20
MAX_GROUP_PARTS = 256
MAX_GROUP_AUDIT = 1 << 22
MAX_GROUP = 1 * GIB
"""Largest journal group in bytes."""

MAX_SEGMENT_FRAMES = 1 << 24
MAX_RUNS = MAX_ENTRIES
"""Most runs of commit numbers in one frame row: one an entry."""

KEY_BLOCK = 256
"""Frame keys sealed together in a key table."""

MAX_STANZAS = 32
"""Most recipients that a reader tries."""

MAX_STANZA = 8 * KIB
MAX_PUBLIC_KEYS = 64
MAX_PUBLIC_KEY = 4 * KIB
MAX_COMPARTMENTS = 16
MAX_COMPARTMENT = 256 * MIB
MAX_HEAD_SEGMENTS = 1 << 22
MAX_HEAD_JOURNALS = 1 << 16

MAX_ARGON_MEMORY = 1 * GIB // KIB
"""Most Argon2id memory, in KiB, that a stanza may ask for."""

MAX_ARGON_PASSES = 64
MAX_ARGON_LANES = 64

SLICE_LARGE = 64 * KIB
SLICE_SMALL = 4 * KIB
SMALL_SEGMENT = 1 * MIB
"""Segments below this size are hashed in small slices."""

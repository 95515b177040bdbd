"""Every limit of the format, in one place. A parser checks a length against these before it allocates."""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

MAX_NUMBER = (1 << 63) - 1
"""Largest commit number, largest generation of a head, largest offset in a file, and largest size of a tree."""

FRAME_TARGET = 64 * KIB
"""Plaintext bytes at which a record frame is closed."""

BLOB_THRESHOLD = 64 * KIB
"""Records of this size and more, with the bytes around them, are blobs."""

BLOB_FRAME = 1 * MIB
"""Plaintext bytes of a part of a blob, unless the data ask for less."""

MAX_BODY = 1 * MIB
"""Largest plaintext body of a frame."""

MAX_ENTRIES = 16_384
"""Most entries in a frame."""

MIN_ROW = 64
"""Shortest row by which the pixels of a body are filtered."""

MAX_PARTS = 524_288
"""Most parts of one blob."""

MAX_RECORD = 256 * GIB
"""Largest record, with the bytes around it."""

MAX_IDENTIFIER = 1024
"""Longest system and longest value of an identifier, in characters."""

MAX_ENTRIES_PLAIN = 32 + 72 * MAX_ENTRIES + 20 * MAX_PARTS
"""Largest plaintext entry block: prologue, rows, part list."""

SEAL_OVERHEAD = 16
"""Bytes that sealing adds: the AES-GCM tag."""

MAX_WINDOW = 8 * MIB
"""Largest window that a zstd frame may ask for."""

MAX_GROUP = 1 * GIB
"""Largest journal group."""

MAX_GROUP_FRAMES = 1 << 20
"""Most frames in a journal group."""

MAX_GROUP_PARTS = 256
"""Most part files that a journal group names."""

MAX_GROUP_AUDIT = 1 << 22
"""Most audit entries in a journal group."""

MAX_SEALED_KEY = 2 * KIB
"""Largest sealed journal key in the header of a reader's journal."""

MAX_SEGMENT_FRAMES = 1 << 24
"""Most frames in a segment."""

KEY_BLOCK = 256
"""Frame keys sealed together in a key table."""

MAX_STANZAS = 32
"""Most recipient stanzas in VAULT."""

MAX_STANZA = 8 * KIB
"""Largest body of a stanza."""

MAX_TOKEN_KEY_ID = 64
"""Longest id of a key in a token."""

MAX_HOST_NAME = 64
"""Longest name of a key of the host."""

MAX_HOST_BLOB = 4 * KIB
"""Largest secret as a key service of the host has wrapped it."""

MAX_ESCROW_EXPONENT = 10
"""Highest iteration exponent of SLIP-39 that a stanza may ask for."""

MAX_ESCROW_GROUPS = 16
"""Most groups of escrow shares."""

MAX_ESCROW_SHARES = 16
"""Most escrow shares of one group."""

MAX_PUBLIC_KEYS = 128
"""Most public keys and handovers in VAULT."""

MAX_PUBLIC_KEY = 4 * KIB
"""Largest public key."""

MAX_COMPARTMENT = 256 * MIB
"""Largest plaintext of a keyring compartment."""

MAX_HEAD_SEGMENTS = 1 << 22
"""Most segment rows in a head."""

MAX_HEAD_JOURNALS = 1 << 16
"""Most journal rows in a head."""

MAX_ARGON_MEMORY = 1 * GIB // KIB
"""Most Argon2id memory that a stanza may ask for, in KiB."""

MAX_ARGON_PASSES = 64
"""Most Argon2id passes that a stanza may ask for."""

MAX_ARGON_LANES = 64
"""Most Argon2id lanes that a stanza may ask for."""

MAX_ARGON_WORK = 16 * GIB // KIB
"""Most that memory in KiB times passes may be: what a stanza may cost before anything of it is authentic."""

MIN_PBKDF2_ITERATIONS = 600_000
"""Fewest iterations of PBKDF2 that a stanza may state."""

MAX_PBKDF2_ITERATIONS = 50_000_000
"""Most iterations of PBKDF2 that a stanza may ask for."""

SLICE_LARGE = 64 * KIB
"""Slice size of segments with `SMALL_SEGMENT` bytes or more before the leaf hashes."""

SLICE_SMALL = 4 * KIB
"""Slice size of smaller segments."""

SMALL_SEGMENT = 1 * MIB
"""Bytes before the leaf hashes from which a segment is hashed in large slices."""

MAX_COVERED = 1 << 42
"""Most bytes of a segment before the leaf hashes."""

STRIPE_PIECES = 16
"""Most data slices of a stripe."""

LARGE_PARITY = 2
"""Parity slices of a stripe of large slices. Of small ones there are half as many as data slices, and at least two."""

ZONE_SLICES = 1024
"""Most data slices that share stripes."""

MAX_PRINCIPAL = 1024
"""Longest id of a principal, and longest role, in characters."""

MAX_ROLES = 64
"""Most roles of a principal."""

MAX_PURPOSE = 256
"""Longest purpose of use, in characters."""

MAX_PERSON_KEY_ID = 64
"""Longest id of a person's key."""

MAX_PERSON_SIGNATURE = 16 * KIB
"""Largest signature of a person."""

MAX_NOTE = 1 * MIB
"""Largest signed note."""

MAX_NOTE_SIGNATURES = 64
"""Most signatures of a note."""

MAX_KEY_NAME = 255
"""Longest name of a key that signs notes, and longest origin of a log that such a key of ML-DSA-44 signs for."""

MAX_VERIFIER_KEY = 4 * KIB
"""Longest verifier key."""

MAX_TREE_PROOF = 63
"""Most hashes of an inclusion or consistency proof."""

MAX_LOG_ENTRY = 65_535
"""Largest entry of a log in a bundle."""

MAX_PROOF_EXTRA = 64 * KIB
"""Most extra data of a proof file."""

MAX_SUBJECT_PROOF = 256 * MIB
"""Largest proof that a list of events about a subject is complete."""

MAX_LOG_BASE_PART = 512 * KIB
"""Largest part of the base of a log that was pruned."""

MAX_POLICY = 1 * MIB
"""Largest policy of a log."""

MAX_POLICY_LINES = 256
"""Most logs, most witnesses and most groups of a policy."""

MAX_DISCLOSURE_TEXT = 2048
"""Longest text that a statement of a disclosure or suspension has, in characters."""

MAX_DISCLOSURE = 48 * KIB
"""Largest statement of a disclosure or suspension."""

MAX_ORAL_SUSPENSION = 30 * 24 * 3600 * 1_000_000
"""Microseconds for which accounting is suspended by word of mouth."""

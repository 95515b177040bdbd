"""The keys and ids that all vectors share, and the smallest structures that are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vaultfs_format import labels, merkle
from vaultfs_format.access import access_keys, seal_access
from vaultfs_format.audit import AuditEntry, LeafKind, commitment
from vaultfs_format.entries import NO_OFFSET, NO_SUBJECT, Entry, EntryBlock, PartRow, Role
from vaultfs_format.epoch import EpochSecret, epoch_root
from vaultfs_format.events.records import RecordPut
from vaultfs_format.frame import FrameClass, SealedFrame, seal_frame
from vaultfs_format.head import Head
from vaultfs_format.journal import NO_JOURNAL, JournalHeader, JournalRole
from vaultfs_format.keyring import Compartment, InboxTag, SigningTag, Tag, seal_keyring
from vaultfs_format.signing import SigningKeys
from vaultfs_format.stanza import Argon2Cost, Stanza, StanzaType, seal_passphrase
from vaultfs_format.subjectheads import BUCKETS, advanced, bucket_leaves, bucket_of, root, row_keys
from vaultfs_format.suite import DEFAULT, DIGEST
from vaultfs_format.superblock import INBOX, SIGNER, PublicKey, Superblock

from vaultfs.audit.events import NOBODYS_SESSION, Event, Outcome, encode_event
from vectors.drawn import Drawn

DRAWN_FILE = Path(__file__).parent / "drawn.json"
DRAWN = Drawn(DRAWN_FILE)


def seeded(name: str, length: int) -> bytes:
    """Return bytes that look random, and are the same for the same name."""
    return DEFAULT.derive(bytes(32), b"vectors", name.encode(), length)


CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
PASSPHRASE = b"correct horse battery staple"
VAULT_ID = seeded("vault id", 16)
ROOT_KEY = seeded("root key", 32)
SECRET = EpochSecret(DEFAULT, VAULT_ID, 1, seeded("epoch secret", 32))
EPOCH_ROOT = epoch_root(DEFAULT, ROOT_KEY, SECRET.secret, VAULT_ID, 1)
SEEDS = seeded("seeds of the signer", 96)
SIGNING = SigningKeys(DEFAULT, 1, SEEDS)
SIGNER_VALUE = SIGNING.signer.encode()
SECOND_SEEDS = seeded("seeds of the second signer", 96)
SECOND_SIGNING = SigningKeys(DEFAULT, 2, SECOND_SEEDS)
OTHER_SIGNING = SigningKeys(DEFAULT, 1, seeded("seeds of another signer", 96))
INBOX_KEY = seeded("inbox key", 96)
RECORD_ID_KEY = seeded("record id key", 32)
IDENTIFIER_KEY = seeded("identifier key", 32)
ACCESS_KEY = seeded("access key", 32)
NOBODYS_KEY = DEFAULT.derive(IDENTIFIER_KEY, labels.NOBODY, b"", 32)
SUBJECT = seeded("subject", 16)
CONTENT_KEY = seeded("content key", 32)

# VAULT and keyring.


def stanza(passphrase: bytes = PASSPHRASE, cost: Argon2Cost = CHEAP) -> bytes:
    """Return the body of a passphrase stanza."""
    salt = seeded(f"salt of {passphrase.hex()}", 32)
    return seal_passphrase(DEFAULT, VAULT_ID, ROOT_KEY, passphrase, salt, cost).encode()


PASSPHRASE_STANZA = Stanza(StanzaType.PASSPHRASE, stanza())
INBOX_PUBLIC = PublicKey(INBOX, DEFAULT.public_key(INBOX_KEY))
SUPERBLOCK = Superblock(DEFAULT, VAULT_ID, 1, [PASSPHRASE_STANZA], [INBOX_PUBLIC, PublicKey(SIGNER, SIGNER_VALUE)])
VALUES: dict[int, dict[int, bytes]] = {
    Compartment.DATA: {
        Tag.RECORD_ID_KEY: RECORD_ID_KEY,
        Tag.IDENTIFIER_KEY: IDENTIFIER_KEY,
        Tag.REGISTRY: b"local.note\n",
        Tag.ACCESS_KEY: ACCESS_KEY,
    },
    Compartment.SIGNING: {SigningTag.NUMBER: b"\1\0\0\0", SigningTag.SEEDS: SEEDS},
    Compartment.INBOX: {InboxTag.PRIVATE_KEY: INBOX_KEY},
}
KEYRING_SALT = seeded("salt of the keyring", 32)


def keyring(values: Mapping[int, Mapping[int, bytes]] = VALUES) -> bytes:
    """Return a keyring."""
    return seal_keyring(DEFAULT, VAULT_ID, 1, EPOCH_ROOT, KEYRING_SALT, values).encode()


# Changing bytes, with what covers them or without.


def edited(data: bytes, *changes: tuple[int, bytes]) -> bytes:
    """Return `data` with other bytes at these offsets."""
    changed = bytearray(data)
    for at, new in changes:
        changed[at : at + len(new)] = new
    return bytes(changed)


def with_digest(data: bytes) -> bytes:
    """Return `data` with the digest at its end made to fit."""
    return data[:-DIGEST] + DEFAULT.digest(data[:-DIGEST])


def flipped(data: bytes, at: int) -> bytes:
    """Return `data` with one bit of one byte changed."""
    return edited(data, (at, bytes([data[at] ^ 1])))


# Entries and frames.


def content_id(data: bytes, key: bytes = CONTENT_KEY) -> bytes:
    """Return a content id."""
    return DEFAULT.mac(key, labels.CONTENT, data)[:16]


DATE = 999_993_600_000
"""2001-09-09, to the day, in milliseconds since 1970."""


def record(number: int, data: bytes, offset: int, *, key: bytes = CONTENT_KEY, **changes: int) -> Entry:
    """Return the entry of a record with these bytes."""
    entry = Entry(
        Role.RECORD,
        kind=4,
        media=2,
        precision=3,
        offset_minutes=60,
        date=DATE,
        number=number,
        version=1,
        offset=offset,
        length=len(data),
        token=content_id(data, key),
    )
    return entry._replace(**changes)  # type: ignore[arg-type] # the fields that a vector changes


UNDATED: dict[str, Any] = {"precision": 0, "offset_minutes": NO_OFFSET, "date": 0}


def frame(
    name: str,
    entries: Sequence[Entry],
    body: bytes,
    frame_class: FrameClass = FrameClass.RECORD,
    *,
    subject: bytes = SUBJECT,
    parts: Sequence[PartRow] = (),
) -> SealedFrame:
    """Return a frame whose id and key are made of its name."""
    block = EntryBlock(subject, 0, entries, parts).encode()
    return frame_of(name, block, len(entries), body, frame_class)


def frame_of(
    name: str, block: bytes, count: int, body: bytes, frame_class: FrameClass = FrameClass.RECORD
) -> SealedFrame:
    """Return a frame with any bytes for its entry block."""
    frame_id, key = seeded(f"id of {name}", 16), seeded(f"key of {name}", 32)
    return seal_frame(DEFAULT, frame_class, block, count, body, frame_id=frame_id, key=key)


FIRST = b'{"resourceType":"Observation","note":"a first record"}'
SECOND = b"A second record, which is not JSON."
RECORDS = frame("records", [record(1, FIRST, 0), record(2, SECOND, len(FIRST), media=11)], FIRST + SECOND)

# Events.


def event(made: Event) -> bytes:
    """Return an event as it is sealed and committed to, salt first."""
    return seeded(f"salt of event {made.at}", 16) + encode_event(made)


def put_event(at: int, subject: bytes = NO_SUBJECT) -> bytes:
    """Return the event of a record's first version."""
    return event(RecordPut(at, NOBODYS_SESSION, subject, 4, seeded(f"record of event {at}", 16), 1, Outcome.DONE))


def events_frame(name: str, events: Sequence[bytes], commits: Sequence[int]) -> tuple[SealedFrame, list[AuditEntry]]:
    """Return the frame of some events, an entry for each, and their leaves."""
    entries, body, leaves = [], b"", []
    for salted, commit in zip(events, commits, strict=True):
        piece = (len(salted) - 16).to_bytes(4, "little") + salted
        entries.append(Entry(Role.EVENTS, offset=len(body), length=len(piece)))
        body += piece
        leaves.append(AuditEntry(LeafKind.EVENT, commit, commitment(DEFAULT, salted)))
    return frame(name, entries, body, FrameClass.AUDIT, subject=NO_SUBJECT), leaves


def stated(subjects: Mapping[bytes, Sequence[AuditEntry]], index: int) -> AuditEntry:
    """Return the first leaf that states heads of subjects: at this index, after these events about each."""
    found: dict[int, list[tuple[bytes, list[bytes]]]] = {}
    for key, entries in sorted(zip(row_keys(DEFAULT, subjects), subjects.values(), strict=True)):
        leaves = merkle.audit_leaves(DEFAULT, [one.encode() for one in entries])
        found.setdefault(bucket_of(key), []).append((key, leaves))
    buckets = (advanced(DEFAULT, b"", found.get(bucket, ())) for bucket in range(BUCKETS))
    return AuditEntry(LeafKind.SUBJECTS, index, root(DEFAULT, bucket_leaves(DEFAULT, buckets)))


# Heads and journals.


def with_tree(head: Head, leaves: Sequence[bytes] = ()) -> Head:
    """Return a head over a tree of these leaf hashes and its own live set."""
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(leaves)
    tree.append(merkle.audit_leaf(DEFAULT, head.live_set().encode()))
    return replace(head, tree_size=tree.size, peaks=tree.peaks)


def signed(head: Head, keys: SigningKeys = SIGNING) -> Head:
    """Return a head with its signatures."""
    return replace(head, signatures=DRAWN.sign_head(keys, head.statement()))


def first_head(**changes: Any) -> Head:
    """Return the head of a new vault, or one like it; not signed yet."""
    digests = DEFAULT.digest(SUPERBLOCK.encode(ROOT_KEY)), DEFAULT.digest(keyring())
    head = Head(DEFAULT, VAULT_ID, 1, 1, 0, 1, *digests, 0, 1, (), (), 1, [bytes(32)], 1)
    return replace(head, **changes)


def journal_header(name: str = "journal", **changes: Any) -> JournalHeader:
    """Return the header of the first journal of a new vault, or one like it."""
    header = JournalHeader(
        DEFAULT,
        JournalRole.WRITER,
        1,
        VAULT_ID,
        seeded(f"id of {name}", 16),
        seeded(f"salt of {name}", 32),
        NO_JOURNAL,
        0,
        0,
        bytes(32),
        1,
        0,
        1,
        1000,
        0,
    )
    return replace(header, **changes)


JOURNAL_KEY = seeded("journal key", 32)


def access_header(name: str = "access", journal_key: bytes = JOURNAL_KEY, **changes: Any) -> JournalHeader:
    """Return the header of an access journal; what was drawn to seal its key is kept."""
    blank = journal_header(name, role=JournalRole.READER, first_number=0, last_number=0, **changes)
    sealed = DRAWN.get(
        f"sealed key of {name} {journal_key.hex()[:8]}",
        lambda: seal_access(blank, INBOX_PUBLIC.value, journal_key).sealed_key,
    )
    return replace(blank, sealed_key=sealed)


ACCESS = access_header()
ACCESS_KEYS = access_keys(ACCESS, JOURNAL_KEY, ACCESS_KEY)

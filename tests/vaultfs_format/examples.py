"""Small legal examples of every structure, made with fixed keys, and how a reader with the keys checks each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vaultfs_format.access import access_keys
from vaultfs_format.act import Act, ActKind
from vaultfs_format.audit import ENTRY, AuditEntry, LeafKind, commitment
from vaultfs_format.copymark import CopyKind, CopyMark
from vaultfs_format.directory import HERE, decode_rows, encode_row
from vaultfs_format.entries import Entry, EntryBlock, PartRow, Role
from vaultfs_format.epoch import EpochSecret, epoch_root
from vaultfs_format.errors import DigestMismatch, FieldInvalid, Structure, TrailingBytes
from vaultfs_format.escrowstanza import EscrowStanza, Group, SharePlan
from vaultfs_format.frame import HEADER as FRAME_HEADER
from vaultfs_format.frame import FrameClass, FrameHeader, SealedFrame, open_body, open_entries, seal_frame
from vaultfs_format.group import GroupDraft, GroupKind, PartFile, bodies_offset, decode_group, verify_group
from vaultfs_format.head import Head, JournalRow, SegmentRow
from vaultfs_format.healing import SlicedFile, examine
from vaultfs_format.hoststanza import HostStanza
from vaultfs_format.journal import HEADER_SIZE, NO_JOURNAL, JournalHeader, JournalRole
from vaultfs_format.keyring import Compartment, InboxTag, Keyring, SigningTag, Tag, seal_keyring
from vaultfs_format.keystanza import FINGERPRINT, KeyStanza
from vaultfs_format.keytable import KeyTable, seal_table
from vaultfs_format.segment import (
    FOOTER_SIZE,
    SUPERBLOCK_SIZE,
    SegmentFooter,
    SegmentHead,
)
from vaultfs_format.signing import SigningKeys
from vaultfs_format.stanza import Argon2Cost, Stanza, StanzaType, seal_passphrase, seal_root
from vaultfs_format.suite import DEFAULT, DIGEST
from vaultfs_format.superblock import PublicKey, Superblock
from vaultfs_format.tokenstanza import Mechanism, TokenStanza
from vaultfs_format.witness import Witnessed
from vectors.author import protected
from vectors.world import with_digest, with_tree

CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
PASSPHRASE = b"correct horse battery staple"
VAULT_ID = bytes(range(16))
ROOT_KEY = bytes(range(32, 64))
SECRET = bytes(range(64, 96))
EPOCH_ROOT = epoch_root(DEFAULT, ROOT_KEY, SECRET, VAULT_ID, 1)
SUBJECT = b"S" * 16
DATE = 1_000_000_000_000


def record(number: int, offset: int, length: int, **changes: int) -> Entry:
    """Return the entry of a record."""
    entry = Entry(
        Role.RECORD, kind=4, media=2, precision=3, offset_minutes=60, date=DATE, number=number, version=1,
        offset=offset, length=length, token=b"t" * 16,
    )  # fmt: skip
    return entry._replace(**changes)  # type: ignore[arg-type]


def frame(
    entries: Sequence[Entry],
    body: bytes,
    frame_class: FrameClass = FrameClass.RECORD,
    *,
    seed: int = 1,
    parts: Sequence[PartRow] = (),
    subject: bytes | None = None,
) -> SealedFrame:
    """Return a frame whose id and key are made of `seed`."""
    if subject is None:
        vault = frame_class in (FrameClass.CONTROL, FrameClass.AUDIT)
        subject = bytes(16) if vault else SUBJECT
    block = EntryBlock(subject, 0, entries, parts)
    return seal_frame(
        DEFAULT,
        frame_class,
        block.encode(),
        len(block.entries),
        body,
        frame_id=bytes([seed]) * 16,
        key=bytes([seed + 100]) * 32,
    )


RECORD_FRAME = frame([record(1, 0, 40), record(2, 40, 4)], b"an observation " * 2 + b"more data." + b"end.")
STATE_FRAME = frame(
    [Entry(Role.STATE, version=1, length=6, token=b"k" * 16)], b"\1\0\1\0nk", FrameClass.CONTROL, seed=2
)
EVENT, SALT = b"\x93\x01\x02\x03", b"s" * 16
EVENTS_BODY = len(EVENT).to_bytes(4, "little") + SALT + EVENT
AUDIT_FRAME = frame([Entry(Role.EVENTS, length=len(EVENTS_BODY))], EVENTS_BODY, FrameClass.AUDIT, seed=3)
AUDIT_LEAF = AuditEntry(LeafKind.EVENT, 1, commitment(DEFAULT, SALT + EVENT))


@dataclass(frozen=True)
class Example:
    """A structure's bytes, and a complete check of them that raises a typed error for anything else.

    Parameters
    ----------
    forge
        Makes the unkeyed digests fit again after a change, as somebody without keys could.
    """

    name: str
    data: bytes
    check: Callable[[bytes], object]
    forge: Callable[[bytes], bytes] | None = None


# The small files.

SEEDS = bytes(range(96))
SIGNING = SigningKeys(DEFAULT, 1, SEEDS)
SUPERBLOCK = Superblock(
    DEFAULT,
    VAULT_ID,
    1,
    [
        Stanza(
            StanzaType.PASSPHRASE,
            seal_passphrase(DEFAULT, VAULT_ID, ROOT_KEY, PASSPHRASE, b"p" * 32, CHEAP).encode(),
        ),
        Stanza(9, b"of a type that is not known"),
    ],
    [PublicKey(1, b"i" * 32), PublicKey(2, SIGNING.signer.encode())],
)
STANZA_SECRET = bytes(range(96, 128))
_SEAL = seal_root(DEFAULT, VAULT_ID, ROOT_KEY, STANZA_SECRET, b"q" * 32)
STANZAS = [
    Stanza(StanzaType.PUBLIC_KEY, KeyStanza(bytes(FINGERPRINT), _SEAL, bytes(1168)).encode()),
    Stanza(StanzaType.TOKEN, TokenStanza(Mechanism.AES_KWP, b"\1", bytes(40), _SEAL).encode()),
    Stanza(StanzaType.ESCROW, EscrowStanza(SharePlan(7, 1, 1, [Group(2, 3), Group(1, 1)]), _SEAL).encode()),
    Stanza(StanzaType.HOST, HostStanza("key", b"wrapped", _SEAL).encode()),
]
"""One of each of the types that no passphrase opens."""
EPOCH_SECRET = EpochSecret(DEFAULT, VAULT_ID, 1, SECRET)
KEYRING_VALUES: dict[int, dict[int, bytes]] = {
    Compartment.DATA: {
        Tag.RECORD_ID_KEY: b"r" * 32,
        Tag.IDENTIFIER_KEY: b"i" * 32,
        Tag.REGISTRY: b"own\n",
        Tag.ACCESS_KEY: b"a" * 32,
    },
    Compartment.SIGNING: {SigningTag.NUMBER: b"\1\0\0\0", SigningTag.SEEDS: SEEDS, 7: b""},
    Compartment.INBOX: {InboxTag.PRIVATE_KEY: bytes(range(96))},
}
KEYRING = seal_keyring(DEFAULT, VAULT_ID, 1, EPOCH_ROOT, b"n" * 32, KEYRING_VALUES)
KEYS = [bytes([number]) * 32 for number in range(3)]
KEY_TABLE = seal_table(DEFAULT, VAULT_ID, b"g" * 16, 1, EPOCH_ROOT, b"z" * 32, KEYS)


def _check_superblock(data: bytes) -> object:
    found = Superblock.decode(data)
    found.verify(data, ROOT_KEY)
    return found


def _check_keyring(data: bytes) -> object:
    found = Keyring.decode(data)
    if (found.vault_id, found.epoch) != (VAULT_ID, 1):
        raise FieldInvalid(structure=Structure.KEYRING)
    return [found.open(EPOCH_ROOT, compartment) for compartment in Compartment]


def _check_epoch(data: bytes) -> object:
    return EpochSecret.decode(data)


def _check_table(data: bytes) -> object:
    found = KeyTable.decode(data)
    return [found.open_block(found.table_key(EPOCH_ROOT), number) for number in range(len(found.blocks))]


# The head.

SEGMENT_ROWS = [
    SegmentRow(b"a" * 16, FrameClass.AUDIT, 0, 0, 0, 1, 9000, 1, 2, b"R" * 32, b"D" * 32),
    SegmentRow(b"b" * 16, FrameClass.RECORD, 0, 2001, 2004, 1, 12000, 3, 40, b"Q" * 32, b"E" * 32),
]


HEAD = with_tree(
    Head(
        DEFAULT, VAULT_ID, 7, 1, 0, 1, b"v" * 32, b"k" * 32, 41, 900,
        [JournalRow(b"j" * 16, 3)], SEGMENT_ROWS, 1, [bytes(32)], 1,
    ),
    [bytes([number]) * 32 for number in range(6)],
)  # fmt: skip
HEAD = replace(HEAD, signatures=SIGNING.sign_head(HEAD.statement()))


def _check_head(data: bytes) -> object:
    found = Head.decode(data)
    found.verify(data, EPOCH_ROOT)
    found.verify_signatures(SIGNING.signer)
    return found


ACT = Act(DEFAULT, ActKind.REPAIRED, 1_700_000_000_000_000, VAULT_ID, b"a" * 16, b"g" * 16, 3)


MARK = CopyMark(DEFAULT, CopyKind.WHOLE, True, VAULT_ID, b"c" * 16)


def _check_witness(data: bytes) -> object:
    found = Witnessed.decode(data)
    found.verify(SIGNING.signer)
    return found


# A frame by itself: header, sealed entries, sealed body.


def frame_bytes(sealed: SealedFrame) -> bytes:
    """Return a frame's three pieces in a row."""
    return sealed.header.encode() + sealed.entries + sealed.body


def _check_frame(data: bytes) -> object:
    header = FrameHeader.decode(data)
    at = FRAME_HEADER.size + header.entries_sealed
    key = RECORD_FRAME.key
    return open_entries(DEFAULT, header, key, data[FRAME_HEADER.size : at]), open_body(DEFAULT, header, key, data[at:])


# A journal: a group with commits, another that names a part file, and the closing record.

JOURNAL = JournalHeader(
    DEFAULT, JournalRole.WRITER, 1, VAULT_ID, b"J" * 16, b"h" * 32, NO_JOURNAL, 0, 0, bytes(32), 1, 0, 1, 1000, 1
)
JOURNAL_KEYS = JOURNAL.keys(EPOCH_ROOT)
JOURNAL_KEY = b"k" * 32
INBOX = KEYRING_VALUES[Compartment.INBOX][InboxTag.PRIVATE_KEY]
ACCESS_KEY = KEYRING_VALUES[Compartment.DATA][Tag.ACCESS_KEY]
ACCESS = replace(
    JOURNAL, role=JournalRole.READER, first_number=0, last_number=0, first_leaf=0, sealed_key=bytes(range(256)) * 4
)
"""The header of an access journal; a real sealed key would be another one every time."""

ACCESS_KEYS = access_keys(ACCESS, JOURNAL_KEY, ACCESS_KEY)
BLOB_FRAME = frame([record(3, 0, 5)], b"blob!", FrameClass.BLOB, seed=4)


def rows_of(frames: Sequence[SealedFrame], commit: int, at: int = bodies_offset(0)) -> list[bytes]:
    """Return rows of frames that follow each other in a group."""
    rows = []
    for one in frames:
        rows.append(encode_row(one.encoded, one.entries, at, HERE, [(one.header.entry_count, commit)]))
        at += len(one.body)
    return rows


FRAMES = [RECORD_FRAME, STATE_FRAME, AUDIT_FRAME]
LIVE_SET = HEAD.live_set()
DRAFTS = [
    GroupDraft(
        GroupKind.COMMIT, 1, 0, 1, 1, b"1" * 16, (), rows_of(FRAMES, 1), [one.body for one in FRAMES],
        [one.key for one in FRAMES], LIVE_SET.encode() + AUDIT_LEAF.encode(),
    ),
    GroupDraft(
        GroupKind.COMMIT, 2, 1, 2, 2, b"2" * 16, [PartFile(b"p" * 16, 5000)],
        [encode_row(BLOB_FRAME.encoded, BLOB_FRAME.entries, 4900, 1, [(1, 3)])], (), [BLOB_FRAME.key],
    ),
    GroupDraft(GroupKind.CLOSING, 3, 2, 0, 0, b"3" * 16),
]  # fmt: skip


def journal_bytes(header: JournalHeader = JOURNAL, drafts: Sequence[GroupDraft] = DRAFTS) -> bytes:
    """Return the bytes of a journal."""
    keys = header.keys(EPOCH_ROOT)
    pieces = [header.encode(keys)]
    chain = header.chain(pieces[0])
    for draft in drafts:
        group, chain = draft.encode(DEFAULT, header.journal_id, keys, chain)
        pieces += group
    return b"".join(pieces)


def check_journal(data: bytes) -> object:
    """Read a journal to its closing record, with everything that its groups hold."""
    header = JournalHeader.decode(data)
    keys = header.keys(EPOCH_ROOT)
    header.verify(data, keys)
    chain, at, number, kind, opened = header.chain(data), HEADER_SIZE, 0, GroupKind.COMMIT, []
    while kind is GroupKind.COMMIT:
        number += 1
        group = decode_group(DEFAULT, data, at, number, chain)
        verify_group(DEFAULT, data, at, group, header.journal_id, keys)
        for row, key in zip(group.rows, group.open_keys(DEFAULT, header.journal_id, keys), strict=True):
            opened.append(open_entries(DEFAULT, row.header, key, row.entries))
            if row.home == HERE:
                start = at + row.body_offset
                open_body(DEFAULT, row.header, key, data[start : start + row.header.body_sealed])
        group.audit_entries()
        chain, at, kind = group.chain, at + group.size, group.kind
    if at != len(data):
        raise TrailingBytes(structure=Structure.JOURNAL_GROUP)
    return opened


def group_bytes(draft: GroupDraft, chain: bytes = bytes(32)) -> bytes:
    """Return a group by itself, after the chain value `chain`."""
    return b"".join(draft.encode(DEFAULT, JOURNAL.journal_id, JOURNAL_KEYS, chain)[0])


def check_group(data: bytes, number: int = 1) -> object:
    """Read one group after the chain value of zeros."""
    group = decode_group(DEFAULT, data, 0, number, bytes(32))
    if group.size != len(data):
        raise TrailingBytes(structure=Structure.JOURNAL_GROUP)
    verify_group(DEFAULT, data, 0, group, JOURNAL.journal_id, JOURNAL_KEYS)
    return group.open_keys(DEFAULT, JOURNAL.journal_id, JOURNAL_KEYS)


def with_chain(data: bytes) -> bytes:
    """Return a group that follows the chain value of zeros, with its own chain value made to fit."""
    end = len(data) - 2 * DIGEST
    return data[:end] + DEFAULT.digest(bytes(32) + data[:end]) + data[-DIGEST:]


# A segment.


def segment_bytes(
    frame_class: FrameClass,
    frames: Sequence[SealedFrame],
    years: tuple[int, int],
    audit: bytes = b"",
    segment_id: bytes = b"g" * 16,
) -> tuple[bytes, SegmentFooter]:
    """Return a segment and its footer."""
    bodies = b"".join(one.body for one in frames)
    directory = b"".join(rows_of(frames, 1, SUPERBLOCK_SIZE))
    length = SUPERBLOCK_SIZE + len(bodies) + len(directory) + len(audit)
    head = SegmentHead(DEFAULT, frame_class, 0, 1, *years, 6, VAULT_ID, segment_id, length)
    count = sum(one.header.entry_count for one in frames)
    footer = SegmentFooter(
        head, len(bodies), len(directory), len(audit), 1 if audit else 0, len(frames), count, bytes(32), bytes(32), 1
    )
    return protected(head.encode() + bodies + directory + audit, footer, SIGNING)


RECORD_SEGMENT, RECORD_FOOTER = segment_bytes(FrameClass.RECORD, [RECORD_FRAME], (2001, 2001))
AUDIT_SEGMENT, AUDIT_FOOTER = segment_bytes(
    FrameClass.AUDIT, [AUDIT_FRAME], (0, 0), LIVE_SET.encode() + AUDIT_LEAF.encode()
)


def check_segment(data: bytes, expected: SegmentFooter, keys: Sequence[bytes]) -> object:
    """Check a segment against what a head says of it: slices, stored leaves, root, rows, and every frame by its key."""
    head = SegmentHead.decode(data)
    footer = SegmentFooter.decode(data[-FOOTER_SIZE:], len(data))
    sliced = SlicedFile(lambda at, length: data[at : at + length], footer)
    if examine(sliced, len(data)) or not sliced.right(sliced.leaves) or footer != expected or footer.head != head:
        raise DigestMismatch(structure=Structure.SEGMENT)
    rows = decode_rows(data[footer.directory_offset : footer.audit_offset], footer.frames)
    for at in range(footer.audit_offset, footer.leaves_offset, ENTRY.size):
        AuditEntry.decode(data, at)
    for row, key in zip(rows, keys, strict=True):
        open_entries(DEFAULT, row.header, key, row.entries)
        open_body(DEFAULT, row.header, key, data[row.body_offset : row.body_offset + row.header.body_sealed])
    return footer


EXAMPLES = [
    Example("VAULT", SUPERBLOCK.encode(ROOT_KEY), _check_superblock, with_digest),
    Example("epoch secret", EPOCH_SECRET.encode(), _check_epoch),
    Example("keyring", KEYRING.encode(), _check_keyring, with_digest),
    Example("key table", KEY_TABLE.encode(), _check_table, with_digest),
    Example("head", HEAD.encode(EPOCH_ROOT), _check_head, with_digest),
    Example("witnessed head", Witnessed.of(HEAD).encode(), _check_witness, with_digest),
    Example("act", ACT.encode(), Act.decode),
    Example("copy mark", MARK.encode(), CopyMark.decode),
    Example("frame", frame_bytes(RECORD_FRAME), _check_frame),
    Example("group", group_bytes(DRAFTS[0]), check_group, with_chain),
    Example(
        "group with a part file", group_bytes(replace(DRAFTS[1], number=1, last_durable=0)), check_group, with_chain
    ),
    Example("journal", journal_bytes(), check_journal),
    Example("record segment", RECORD_SEGMENT, lambda data: check_segment(data, RECORD_FOOTER, [RECORD_FRAME.key])),
    Example("audit segment", AUDIT_SEGMENT, lambda data: check_segment(data, AUDIT_FOOTER, [AUDIT_FRAME.key])),
]

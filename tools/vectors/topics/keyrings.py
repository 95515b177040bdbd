"""Sections 5, 6 and 15: the epoch secret, key tables, the keyring."""

from __future__ import annotations

from collections.abc import Mapping

from vaultfs_format import labels, limits
from vaultfs_format.epoch import FILE as SECRET_FILE
from vaultfs_format.errors import (
    CommitmentMismatch,
    DecryptionFailed,
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    NotAuthentic,
    Structure,
    TrailingBytes,
    Truncated,
    UnsupportedSuite,
    VaultError,
)
from vaultfs_format.keyring import COMPARTMENT, TURN, Tag, packed_table_keys, seal_keyring
from vaultfs_format.keyring import HEADER as KEYRING_HEADER
from vaultfs_format.keytable import DISPOSED, KeyTable, seal_table
from vaultfs_format.keytable import HEADER as TABLE_HEADER
from vaultfs_format.suite import DEFAULT, DIGEST

from vectors import world
from vectors.case import Case, Topic
from vectors.topics.small import prefix, u16, u32
from vectors.world import EPOCH_ROOT, VAULT_ID, edited, flipped, seeded, with_digest

_BEGAN = 1_700_000_000_000_000


def secret_cases() -> list[Case]:
    """Return the scenarios of the epoch secret and of key tables."""
    topic = Topic("secrets")
    data = world.SECRET.encode()
    topic.good("epoch-secret", "The secret of epoch 1.", "epoch-secret", "EPS-1", data=data, facts={"epoch": 1})
    fields = SECRET_FILE.offset_of
    for name, comment, breaks, error, rule, changed in (
        ("epoch-0", "Epoch 0.", "EPS-1", FieldInvalid, 1, with_digest(edited(data, (fields("epoch"), u32(0))))),
        (
            "epoch-secret-reserved",
            "Reserved bytes are not zero.",
            "GEN-20",
            FieldInvalid,
            None,
            with_digest(edited(data, (36, b"\1"))),
        ),
        ("epoch-secret-digest", "One bit of the secret is another.", "", DigestMismatch, None, flipped(data, 50)),
        ("epoch-secret-cut", "The last byte is missing.", "GEN-21", Truncated, None, data[:-1]),
        ("epoch-secret-trailing", "A byte follows.", "GEN-22", TrailingBytes, None, data + b"\0"),
        (
            "epoch-secret-suite",
            "A suite that is not known.",
            "GEN-24",
            UnsupportedSuite,
            None,
            prefix("E", suite=3) + data[16:],
        ),
    ):
        topic.bad(name, comment, "epoch-secret", breaks, error, Structure.EPOCH_SECRET, rule, data=changed)
    _tables(topic)
    return topic.cases


def table(count: int, epoch: int = 1) -> bytes:
    """Return a key table of so many keys."""
    keys = [seeded(f"frame key {number}", 32) for number in range(count)]
    segment, salt = seeded("id of a segment", 16), seeded("salt of a table", 32)
    return seal_table(DEFAULT, VAULT_ID, segment, epoch, EPOCH_ROOT, salt, keys).encode()


def _tables(topic: Topic) -> None:
    data = table(2)
    for count in (1, 256, 257):
        topic.good(
            f"key-table-of-{count}",
            "Blocks of 256 keys, the last may be shorter.",
            "key-table",
            "KTB-1 KEY-22",
            data=table(count),
            epoch_root=EPOCH_ROOT,
            facts={"keys": count},
        )
    _tables_of_epochs(topic)
    fields = TABLE_HEADER.offset_of

    def field(name: str, value: bytes) -> bytes:
        return with_digest(edited(data, (fields(name), value)))

    cases: tuple[tuple[str, str, str, type[VaultError], int | None, bytes], ...] = (
        ("key-table-of-none", "No key.", "KTB-1", FieldInvalid, 1, table(0)),
        ("key-table-epoch-0", "Epoch 0.", "KTB-1", FieldInvalid, 1, table(2, epoch=0)),
        (
            "key-table-count",
            "The header counts a key more than there is room for.",
            "GEN-21",
            Truncated,
            None,
            field("key_count", u32(3)),
        ),
        (
            "key-table-limit",
            "More keys than MAX_SEGMENT_FRAMES.",
            "GEN-21",
            LimitExceeded,
            None,
            field("key_count", u32((1 << 24) + 1)),
        ),
        ("key-table-trailing", "A byte follows.", "GEN-22", TrailingBytes, None, data + b"\0"),
        ("key-table-digest", "One bit of a sealed key is another.", "", DigestMismatch, None, flipped(data, 130)),
        (
            "key-table-block",
            "The same, and the digest made to fit.",
            "",
            DecryptionFailed,
            None,
            with_digest(flipped(data, 130)),
        ),
        (
            "key-table-commitment",
            "Commitment and block are both wrong: the commitment is looked at first.",
            "KEY-22",
            CommitmentMismatch,
            None,
            with_digest(flipped(flipped(data, 130), fields("commitment"))),
        ),
        (
            "key-table-of-another-segment",
            "The segment id is another: so is the table key.",
            "KEY-22",
            CommitmentMismatch,
            None,
            field("segment_id", bytes(16)),
        ),
    )
    for name, comment, breaks, error, rule, changed in cases:
        topic.bad(
            name, comment, "key-table", breaks, error, Structure.KEY_TABLE, rule, data=changed, epoch_root=EPOCH_ROOT
        )


def _tables_of_epochs(topic: Topic) -> None:
    segment, salt = seeded("id of a segment", 16), seeded("salt of a table", 32)
    keys = [seeded("frame key 0", 32), DISPOSED, seeded("frame key 2", 32)]
    disposed = seal_table(DEFAULT, VAULT_ID, segment, 1, EPOCH_ROOT, salt, keys).encode()
    topic.good(
        "key-table-disposed",
        "The second of three frames was disposed of.",
        "key-table",
        "KTB-25",
        data=disposed,
        epoch_root=EPOCH_ROOT,
        facts={"keys": 3, "disposed": 1},
    )
    later = seeded("epoch root of epoch 2", 32)
    old = table(2)
    key = KeyTable.decode(old).table_key(EPOCH_ROOT)
    for name, held, comment in (
        ("kept", {segment: key}, "A table of epoch 1: the keyring of epoch 2 has its key."),
        ("retired", {seeded("id of another segment", 16): key}, "A table of epoch 1, of which no key is left."),
    ):
        data = world.VALUES[1] | {
            Tag.TABLE_KEYS: packed_table_keys(held),
            Tag.TURN: TURN.pack(_BEGAN, 0),
        }
        ring = seal_keyring(DEFAULT, VAULT_ID, 2, later, world.KEYRING_SALT, {**world.VALUES, 1: data}).encode()
        if segment in held:
            topic.good(
                f"key-table-{name}", comment, "key-table", "KTB-24 KRG-8",
                data=old, epoch_root=later, keyring=ring, facts={"keys": 2},
            )  # fmt: skip
        else:
            topic.bad(
                f"key-table-{name}", comment, "key-table", "KTB-24", CommitmentMismatch, Structure.KEY_TABLE,
                data=old, epoch_root=later, keyring=ring,
            )  # fmt: skip


def keyring_cases() -> list[Case]:
    """Return the scenarios of the keyring."""
    topic = Topic("keyring")
    data = world.keyring()
    topic.good(
        "smallest",
        "Three compartments.",
        "keyring",
        "KRG-1 KRG-2 KRG-3 KRG-4 KRG-5 KRG-6 KRG-7 KEY-22",
        data=data,
        epoch_root=EPOCH_ROOT,
        compartments=[1, 2, 3],
    )
    only = world.keyring({1: world.VALUES[1]})
    topic.good(
        "data-alone",
        "The data compartment is all that must be there.",
        "keyring",
        "KRG-3",
        data=only,
        epoch_root=EPOCH_ROOT,
        compartments=[1],
    )
    topic.good(
        "tag-of-a-later-version",
        "A tag that this version does not define, behind those that it does.",
        "keyring",
        "KRG-4",
        data=world.keyring({1: world.VALUES[1] | {200: b"later"}}),
        epoch_root=EPOCH_ROOT,
        compartments=[1],
    )
    topic.good(
        "second-epoch",
        "Keys of tables of the first epoch, and how the second one began.",
        "keyring",
        "KRG-8 KRG-10",
        data=_of_epoch_2({Tag.TABLE_KEYS: seeded("id of a segment", 16) + bytes(32), Tag.TURN: TURN.pack(_BEGAN, 3)}),
        epoch_root=EPOCH_ROOT,
        compartments=[1],
    )
    sealed_at = KEYRING_HEADER.size + COMPARTMENT.size + _length(data, KEYRING_HEADER.size) + COMPARTMENT.size
    broken = with_digest(flipped(data, sealed_at + 5))
    topic.good(
        "signing-broken-unopened",
        "The seal of compartment 2 is broken: who needs compartment 1 does not see it.",
        "keyring",
        "KRG-21 SGN-22",
        data=broken,
        epoch_root=EPOCH_ROOT,
        compartments=[1, 3],
    )
    topic.bad(
        "signing-broken-opened",
        "Whoever opens compartment 2 does.",
        "keyring",
        "KRG-21 SGN-22",
        DecryptionFailed,
        Structure.KEYRING,
        data=broken,
        epoch_root=EPOCH_ROOT,
        compartments=[1, 2, 3],
    )
    topic.bad(
        "no-inbox",
        "A compartment that is not there is not authentic.",
        "keyring",
        "",
        NotAuthentic,
        Structure.KEYRING,
        data=only,
        epoch_root=EPOCH_ROOT,
        compartments=[3],
    )
    _bad_keyrings(topic, data)
    _registries(topic)
    return topic.cases


def _of_epoch_2(more: Mapping[int, bytes]) -> bytes:
    """Return a keyring of the second epoch, whose data compartment has more than that of the first."""
    values = {**world.VALUES, 1: {**world.VALUES[1], **more}}
    return seal_keyring(DEFAULT, VAULT_ID, 2, EPOCH_ROOT, world.KEYRING_SALT, values).encode()


def _length(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 4 : at + 8], "little")


def _bad_keyrings(topic: Topic, data: bytes) -> None:
    def bad(
        name: str,
        comment: str,
        breaks: str,
        changed: bytes,
        rule: int | None = None,
        error: type[VaultError] = FieldInvalid,
        compartments: tuple[int, ...] = (1, 2, 3),
    ) -> None:
        topic.bad(
            name,
            comment,
            "keyring",
            breaks,
            error,
            Structure.KEYRING,
            rule,
            data=changed,
            epoch_root=EPOCH_ROOT,
            compartments=list(compartments),
        )

    def values(compartment: int, **changes: bytes | None) -> bytes:
        named = {"t" + str(int(tag)): value for tag, value in world.VALUES[compartment].items()} | changes
        kept = {int(tag[1:]): value for tag, value in named.items() if value is not None}
        return world.keyring({**world.VALUES, compartment: kept})

    fields, start = KEYRING_HEADER.offset_of, KEYRING_HEADER.size
    second = start + COMPARTMENT.size + _length(data, start)
    epoch_0 = seal_keyring(DEFAULT, VAULT_ID, 0, EPOCH_ROOT, world.KEYRING_SALT, world.VALUES).encode()
    bad("epoch-0", "Epoch 0.", "KRG-1", epoch_0, 1)
    bad(
        "compartment-9",
        "The third compartment has a number that is not defined.",
        "KRG-2 GEN-23",
        with_digest(edited(data, (second + COMPARTMENT.size + _length(data, second), u16(9)))),
        2,
    )
    bad("compartments-repeat", "Compartment 1 twice.", "KRG-2", with_digest(edited(data, (second, u16(1)))), 2)
    bad(
        "compartment-of-15",
        "A compartment of 15 bytes, less than a tag.",
        "KRG-2",
        with_digest(edited(data, (start + 4, u32(15)))),
        2,
    )
    bad("no-data", "No data compartment.", "KRG-3", world.keyring({2: world.VALUES[2]}), 3, compartments=(2,))
    bad(
        "bytes-left",
        "Bytes follow the last compartment.",
        "KRG-3 GEN-22",
        with_digest(data[:-DIGEST] + bytes(8 + DIGEST)),
        3,
    )
    bad("digest", "One bit is another.", "KRG-20", flipped(data, 150), error=DigestMismatch)
    bad(
        "commitment",
        "Commitment and seals are wrong: the commitment is looked at first.",
        "KEY-22",
        with_digest(flipped(flipped(data, fields("commitment")), 150)),
        error=CommitmentMismatch,
    )
    bad(
        "reserved",
        "Reserved bytes are not zero.",
        "GEN-20",
        with_digest(edited(data, (fields("commitment") - 34, b"\1"))),
    )
    bad(
        "compartment-reserved",
        "Reserved bytes of a compartment are not zero.",
        "GEN-20",
        with_digest(edited(data, (start + 2, b"\1"))),
    )
    bad(
        "too-many-compartments",
        "More compartments than there can be.",
        "GEN-21",
        with_digest(edited(data, (fields("compartments"), u16(4)))),
        error=LimitExceeded,
    )
    bad("cut", "The last byte is missing: the digest is not where it was.", "GEN-21", data[:-1], error=DigestMismatch)
    bad("nothing-but-a-header", "No room for the digest.", "GEN-21", data[: start + 3], error=Truncated)
    bad("record-id-key-of-31", "A record id key of 31 bytes.", "KRG-5", values(1, t1=bytes(31)), 5)
    bad("no-identifier-key", "No identifier key.", "KRG-5", values(1, t2=None), 5)
    bad("no-registry", "No registry.", "KRG-5", values(1, t3=None), 5)
    bad("no-access-key", "No access key.", "KRG-5", values(1, t4=None), 5)
    one, two = (seeded(f"id of segment {number}", 16) + bytes(32) for number in range(2))
    rows = b"".join(sorted([one, two]))
    bad("table-key-cut", "The last table key lacks a byte.", "KRG-8", values(1, t5=rows[:-1]), 8)
    bad("table-keys-descend", "Table keys in descending order.", "KRG-8", values(1, t5=rows[48:] + rows[:48]), 8)
    bad("table-keys-repeat", "A table key twice.", "KRG-8", values(1, t5=one + one), 8)
    bad("turn-of-15", "How the epoch began, of 15 bytes.", "KRG-8", values(1, t6=bytes(15)), error=Truncated)
    bad("turn-of-17", "How the epoch began, of 17 bytes.", "KRG-8", values(1, t6=bytes(17)), error=TrailingBytes)
    bad("no-turn", "A second epoch, and not how it began.", "KRG-10", _of_epoch_2({}), 10)
    bad("turn-in-the-first", "How the first epoch began.", "KRG-10", values(1, t6=TURN.pack(_BEGAN, 0)), 10)
    bad(
        "compartment-over-limit",
        "A compartment that is larger than MAX_COMPARTMENT and a tag.",
        "GEN-21",
        with_digest(edited(data, (start + 4, u32(limits.MAX_COMPARTMENT + 17)))),
        error=LimitExceeded,
    )
    bad("inbox-key-of-95", "A private inbox key of 95 bytes.", "KRG-6", values(3, t1=bytes(95)), 6, compartments=(3,))
    bad("seeds-of-64", "Seeds of two keys instead of three.", "KRG-7", values(2, t2=bytes(64)), 7, compartments=(2,))
    bad("no-signer-number", "No number of the signer.", "KRG-7", values(2, t1=None), 7, compartments=(2,))
    for name, comment, items in (
        ("tags-repeat", "A tag twice.", _item(1) + _item(1)),
        ("tags-descend", "Tag 2 before tag 1.", _item(2) + _item(1)),
        ("item-too-long", "An item that ends behind the compartment.", _item(1)[:-1]),
    ):
        bad(name, comment, "KRG-4", _with_items(items), 4, compartments=(1,))


def _item(tag: int) -> bytes:
    return u16(tag) + bytes(2) + u32(32) + bytes(32)


def _with_items(items: bytes) -> bytes:
    """Return a keyring of one compartment that holds these bytes."""
    salt = world.KEYRING_SALT
    derived = DEFAULT.derive(EPOCH_ROOT, labels.KEYRING, VAULT_ID + u32(1) + salt, 64)
    context = u16(1) + salt
    key = DEFAULT.derive(derived[32:], labels.KEYRING_COMPARTMENT, context, 32)
    sealed = DEFAULT.seal(key, items, context)
    header = edited(world.keyring()[: KEYRING_HEADER.size], (KEYRING_HEADER.offset_of("compartments"), u16(1)))
    return with_digest(header + COMPARTMENT.pack(1, len(sealed)) + sealed + bytes(DIGEST))


def _registries(topic: Topic) -> None:
    """Add the scenarios of the value of tag 3."""
    for name, comment, data in (
        ("registry", "Two kinds and a media type.", b"local.note\nlocal.plan\n\ntext/local"),
        ("registry-of-none", "No names: one empty line.", b""),
        ("registry-of-both", "A name may be a kind and a media type.", b"local/x\n\nlocal/x"),
        ("registry-longest-name", "A name of 64 characters, a blank and a tilde among them.", b" ~" * 32 + b"\n"),
    ):
        topic.good(name, comment, "registry", "KRG-9", data=data)
    for name, comment, data in (
        ("registry-without-blank", "No empty line.", b"local.note"),
        ("registry-two-blanks", "A second empty line is a name of no character.", b"local.note\n\n\ntext/local"),
        ("registry-line-end", "A line feed behind the last name: a name of no character.", b"\ntext/local\n"),
        ("registry-repeats", "A kind twice.", b"local.note\nlocal.note\n"),
        ("registry-name-of-65", "A name of 65 characters.", b"x" * 65 + b"\n"),
        ("registry-tab", "A character that is not printable.", b"local\tnote\n"),
        ("registry-not-ascii", "A character that is not ASCII.", "local.n\u00f6te\n".encode()),
    ):
        topic.bad(name, comment, "registry", "KRG-9", FieldInvalid, Structure.KEYRING, 9, data=data)

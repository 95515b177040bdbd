"""Sections 7 and 10: tokens and ids, and the texts that bodies hold."""

from __future__ import annotations

from vaultfs_format import limits
from vaultfs_format.errors import FieldInvalid, Structure
from vaultfs_format.suite import DEFAULT

from vectors import world
from vectors.case import Case, Topic
from vectors.topics.small import u16, u32
from vectors.world import EPOCH_ROOT, VAULT_ID, seeded


def cases() -> list[Case]:
    """Return the scenarios of tokens and ids."""
    topic = Topic("tokens")
    ids, names = world.RECORD_ID_KEY, world.IDENTIFIER_KEY
    for incarnation, number in ((0, 1), (1, 1), (0xFFFFFFFF, (1 << 64) - 1), (0, 1 << 53)):
        made = DEFAULT.encrypt_blocks(ids, incarnation.to_bytes(4, "big") + number.to_bytes(8, "big") + bytes(4))
        topic.good(
            f"record-id-{incarnation}-{number}",
            "Incarnation and number, both big-endian, enciphered.",
            "record-id",
            record_id_key=ids,
            incarnation=incarnation,
            number=number,
            facts={"record_id": made},
        )
        topic.good(
            f"record-number-{incarnation}-{number}",
            "And back.",
            "record-number",
            record_id_key=ids,
            record_id=made,
            facts={"given_out": True, "number": number},
        )
    topic.good(
        "record-id-never-given-out",
        "The block does not end in four zeros.",
        "record-number",
        record_id_key=ids,
        record_id=bytes(16),
        facts={"given_out": False},
    )
    topic.good(
        "identifier",
        "An identifier of a system.",
        "identifier-token",
        identifier_key=names,
        system="urn:oid:2.999.1",
        value="A-17",
    )
    topic.good(
        "identifier-unicode",
        "Text is UTF-8, and taken as it is: not normalised.",
        "identifier-token",
        identifier_key=names,
        system="urn:oid:2.999.1",
        value="Zo\u00eb \u2603 e\u0301",
    )
    topic.good(
        "identifier-boundary",
        "The length keeps system and value apart.",
        "identifier-token",
        identifier_key=names,
        system="urn:oid:2.999.1A",
        value="-17",
    )
    topic.good(
        "state", "A control state.", "state-token", identifier_key=names, namespace="example", key=b"\x00\xffkey"
    )
    topic.good("source", "A source file.", "source-token", identifier_key=names, root="export", path="bulk/a.ndjson")
    topic.good(
        "content",
        "The content id of bytes of a subject.",
        "content-id",
        content_key=world.CONTENT_KEY,
        data=world.FIRST,
    )
    topic.good(
        "nobodys-content-key",
        "The content key of what has no subject.",
        "nobodys-content-key",
        identifier_key=names,
        facts={"content_key": world.NOBODYS_KEY},
    )
    topic.good(
        "index-key",
        "What stands for an identifier in an index.",
        "index-key",
        epoch_root=EPOCH_ROOT,
        vault_id=VAULT_ID,
        token=seeded("token", 16),
    )
    _stored_texts(topic)
    return topic.cases


def _stored_texts(topic: Topic) -> None:
    """Add the scenarios of the bytes of ALIAS and STATE entries."""
    longest = "\u00f6" * limits.MAX_IDENTIFIER
    for name, comment, system, value in (
        ("stored-identifier", "System and value, as they stand in a body.", "urn:oid:2.999.1", "A-17"),
        ("stored-identifier-longest", "1,024 characters of two bytes each.", longest, longest),
    ):
        topic.good(
            name, comment, "stored-identifier", "REC-29",
            data=_identifier(system.encode(), value.encode()), facts={"system": system, "value": value},
        )  # fmt: skip
    for name, comment, data in (
        ("stored-identifier-empty", "An empty value.", _identifier(b"urn:oid:2.999.1", b"")),
        ("stored-identifier-of-no-system", "An empty system.", _identifier(b"", b"A-17")),
        ("stored-identifier-cut", "The system goes beyond the bytes.", _identifier(b"urn:oid:2.999.1", b"")[:-1]),
        ("stored-identifier-too-long", "A value of 1,025 characters.", _identifier(b"s", longest.encode() + b"x")),
        ("stored-identifier-latin-1", "A value that is not UTF-8.", _identifier(b"s", b"Zo\xeb")),
    ):
        topic.bad(name, comment, "stored-identifier", "REC-29", FieldInvalid, Structure.ENTRIES, data=data)
    topic.good(
        "stored-state", "Namespace and key, then the value.", "stored-state", "REC-29",
        data=u16(7) + u16(2) + b"example" + b"\x00\xff" + b"value",
        facts={"namespace": "example", "key": b"\x00\xff", "value": b"value"},
    )  # fmt: skip
    for name, comment, data in (
        ("stored-state-cut", "The key goes beyond the bytes.", u16(7) + u16(3) + b"example" + b"ke"),
        ("stored-state-latin-1", "A namespace that is not UTF-8.", u16(1) + u16(0) + b"\xeb"),
    ):
        topic.bad(name, comment, "stored-state", "REC-29", FieldInvalid, Structure.ENTRIES, data=data)


def _identifier(system: bytes, value: bytes) -> bytes:
    return u32(len(system)) + system + value

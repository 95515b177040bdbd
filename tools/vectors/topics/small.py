"""Sections 1.1 and 4: the prefix, VAULT, stanzas."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from vaultfs_format import limits
from vaultfs_format.errors import (
    BadMagic,
    CommitmentMismatch,
    DecryptionFailed,
    DigestMismatch,
    FieldInvalid,
    LimitExceeded,
    MacMismatch,
    NoRecipientMatches,
    Structure,
    TrailingBytes,
    Truncated,
    UnsupportedFeature,
    UnsupportedSuite,
    UnsupportedVersion,
    VaultError,
)
from vaultfs_format.stanza import PASSPHRASE, Stanza
from vaultfs_format.suite import DEFAULT, DIGEST
from vaultfs_format.superblock import HEADER as VAULT_HEADER
from vaultfs_format.superblock import INBOX, ITEM, SIGNER, PublicKey, Superblock

from vectors import world
from vectors.case import Case, Topic
from vectors.operations.small import KINDS
from vectors.world import ROOT_KEY, VAULT_ID, edited, flipped, with_digest


def u16(value: int) -> bytes:
    """Return a number of two bytes."""
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    """Return a number of four bytes."""
    return value.to_bytes(4, "little")


def prefix(kind: str, version: int = 0, suite: int = 1, features: int = 0) -> bytes:
    """Return a prefix with a good check."""
    start = b"\x89VFS\r\n\x1a" + kind.encode() + bytes([version, suite]) + u16(features)
    return start + u32(crc32(start))


def prefix_cases() -> list[Case]:
    """Return the scenarios of the prefix."""
    topic = Topic("prefix")
    for kind in KINDS:
        topic.good(
            f"kind-{kind}",
            "A prefix of version 0 and suite 1.",
            "prefix",
            "PFX-20 PFX-22 PFX-23 GEN-24",
            kind=kind,
            data=prefix(kind),
        )
    topic.good(
        "suite-2",
        "A prefix of suite 2.",
        "prefix",
        "PFX-22",
        kind="H",
        data=prefix("H", suite=2),
        facts={"suite": 2},
    )
    good = prefix("H")
    flip = flipped(good, 12)
    for name, comment, breaks, error, data in (
        ("cut", "Fifteen bytes.", "GEN-21", Truncated, good[:15]),
        ("empty", "No bytes at all.", "GEN-21", Truncated, b""),
        ("other-kind", "A keyring in the place of a head.", "PFX-20", BadMagic, prefix("K")),
        (
            "line-ends",
            "A transfer has changed the line end in the magic.",
            "PFX-20",
            BadMagic,
            good.replace(b"\r\n", b"\n") + b"\0",
        ),
        ("check", "The check is not that of the bytes before.", "PFX-20", DigestMismatch, flip),
        (
            "magic-before-check",
            "Magic and check are wrong: the magic is looked at first.",
            "PFX-20",
            BadMagic,
            flipped(flip, 0),
        ),
        (
            "check-before-version",
            "Another version under a bad check is damage, not unsupported.",
            "PFX-20 GEN-24",
            DigestMismatch,
            flipped(prefix("H", version=1), 8),
        ),
        (
            "version",
            "Version 1 under a good check is unsupported, not damage.",
            "GEN-24",
            UnsupportedVersion,
            prefix("H", version=1),
        ),
        (
            "version-before-suite",
            "Version and suite are not known: the version is looked at first.",
            "PFX-20",
            UnsupportedVersion,
            prefix("H", version=1, suite=9, features=1),
        ),
        ("suite", "Suite 3, which is not defined.", "PFX-22", UnsupportedSuite, prefix("H", suite=3)),
        (
            "suite-before-features",
            "Suite and features are not known: the suite is looked at first.",
            "PFX-20 PFX-22",
            UnsupportedSuite,
            prefix("H", suite=0, features=1),
        ),
        (
            "feature",
            "A feature: the file uses what this version does not define.",
            "PFX-22",
            UnsupportedFeature,
            prefix("H", features=0x8000),
        ),
    ):
        topic.bad(name, comment, "prefix", breaks, error, Structure.HEAD, kind="H", data=data)
    return topic.cases


def vault_cases() -> list[Case]:
    """Return the scenarios of VAULT."""
    topic = Topic("vault-file")
    data = world.SUPERBLOCK.encode(ROOT_KEY)
    topic.good(
        "smallest",
        "One passphrase, the inbox key and a signer.",
        "superblock",
        "VLT-1 VLT-2 VLT-3 VLT-20 GEN-20 GEN-21 GEN-22 GEN-23 GEN-25",
        data=data,
        root_key=ROOT_KEY,
        facts={"vault_id": VAULT_ID, "generation": 1},
    )
    topic.good("inbox", "The inbox key.", "inbox-key", "VLT-4", data=data)
    topic.good("signers", "The signer, by number and fingerprint.", "signers", "VLT-5 SGN-1", data=data)
    topic.good(
        "unlock",
        "The passphrase opens the root key, the root key proves the file.",
        "unlock",
        "VLT-20 STZ-1 STZ-2 STZ-20",
        data=data,
        passphrase=world.PASSPHRASE,
        facts={"root_key": ROOT_KEY},
    )
    stanzas = [
        Stanza(9, b"a type that is not known"),
        Stanza(1, world.stanza(b"the first passphrase")),
        world.PASSPHRASE_STANZA,
    ]
    several = Superblock(DEFAULT, VAULT_ID, 4, stanzas, world.SUPERBLOCK.public_keys).encode(ROOT_KEY)
    topic.good(
        "unlock-among-others",
        "A stanza of a type that is not known, and one of another passphrase, stand first.",
        "unlock",
        "VLT-21",
        data=several,
        passphrase=world.PASSPHRASE,
        facts={"root_key": ROOT_KEY},
    )
    topic.bad(
        "unlock-none",
        "No passphrase stanza opens with this.",
        "unlock",
        "VLT-21",
        NoRecipientMatches,
        data=several,
        passphrase=b"another passphrase",
    )
    topic.bad(
        "unlock-with-line-end",
        "A line end is part of what was given, and no part of the passphrase.",
        "unlock",
        "",
        NoRecipientMatches,
        data=data,
        passphrase=world.PASSPHRASE + b"\n",
    )
    strange = Superblock(DEFAULT, VAULT_ID, 1, stanzas[:1], ()).encode(ROOT_KEY)
    topic.bad(
        "unlock-only-strange",
        "There is no stanza of a type that is known.",
        "unlock",
        "VLT-21",
        NoRecipientMatches,
        data=strange,
        passphrase=world.PASSPHRASE,
    )
    _bad_vaults(topic, data)
    return topic.cases


def _bad_vaults(topic: Topic, data: bytes) -> None:
    def bad(
        name: str,
        comment: str,
        breaks: str,
        changed: bytes,
        error: type[VaultError] = FieldInvalid,
        rule: int | None = None,
        structure: Structure = Structure.SUPERBLOCK,
        operation: str = "superblock",
    ) -> None:
        given: dict[str, Any] = {"root_key": ROOT_KEY} if operation == "superblock" else {}
        topic.bad(name, comment, operation, breaks, error, structure, rule, data=changed, **given)

    def field(name: str, value: bytes) -> bytes:
        return with_digest(edited(data, (VAULT_HEADER.offset_of(name), value)))

    def made(*keys: PublicKey, generation: int = 1, stanzas: tuple[Stanza, ...] = (world.PASSPHRASE_STANZA,)) -> bytes:
        return Superblock(DEFAULT, VAULT_ID, generation, stanzas, keys).encode(ROOT_KEY)

    inbox, signer = world.SUPERBLOCK.public_keys
    bad("generation-0", "Generation 0.", "VLT-1", made(inbox, signer, generation=0), rule=1)
    bad("no-stanza", "No stanza.", "VLT-1", made(inbox, signer, stanzas=()), rule=1)
    key_at = VAULT_HEADER.size + ITEM.size + PASSPHRASE.size
    bad(
        "body-too-long",
        "Eight bytes of the body are of no item.",
        "VLT-2",
        with_digest(
            edited(
                data[: -2 * DIGEST] + bytes(8) + data[-2 * DIGEST :],
                (VAULT_HEADER.offset_of("body_length"), u32(len(data) - 48 - 64 + 8)),
            )
        ),
        rule=2,
    )
    bad("key-type-4", "A public key of type 4.", "VLT-3 GEN-23", with_digest(edited(data, (key_at, b"\4"))), rule=3)
    bad(
        "item-reserved",
        "Reserved bytes of an item are not zero.",
        "GEN-20",
        with_digest(edited(data, (key_at + 2, b"\1"))),
    )
    bad(
        "item-beyond-body",
        "An item that ends behind the body.",
        "GEN-21",
        with_digest(edited(data, (key_at + ITEM.size + 1216 + 4, u32(1385)))),
        Truncated,
    )
    bad("no-inbox", "No inbox key.", "VLT-4", made(signer), rule=4, operation="inbox-key")
    bad("two-inboxes", "Two inbox keys.", "VLT-4", made(inbox, inbox, signer), rule=4, operation="inbox-key")
    bad(
        "short-inbox",
        "An inbox key of 32 bytes.",
        "VLT-4",
        made(PublicKey(INBOX, bytes(32)), signer),
        rule=4,
        operation="inbox-key",
    )
    bad("no-signer", "No signer.", "VLT-5", made(inbox), rule=5, operation="signers")
    bad(
        "signers-of-one-number",
        "Two signers of the same number.",
        "VLT-5",
        made(inbox, signer, signer),
        rule=5,
        operation="signers",
    )
    second = PublicKey(SIGNER, edited(world.SIGNER_VALUE, (0, u32(2))))
    bad(
        "signers-descend",
        "Signer 2 before signer 1.",
        "VLT-5",
        made(inbox, second, signer),
        rule=5,
        operation="signers",
    )
    topic.good("two-signers", "Signer 1, then signer 2.", "signers", "VLT-5", data=made(inbox, signer, second))
    bad("digest", "One bit of the salt is another.", "VLT-20", flipped(data, 80), DigestMismatch)
    bad("mac", "One bit is another, and the digest made to fit.", "VLT-20", with_digest(flipped(data, 80)), MacMismatch)
    bad(
        "digest-before-mac",
        "MAC and digest are both wrong: the digest is looked at first.",
        "VLT-20",
        flipped(data, len(data) - 40),
        DigestMismatch,
    )
    bad("cut", "The last byte is missing.", "GEN-21", data[:-1], Truncated)
    bad("trailing", "A byte follows.", "GEN-22", data + b"\0", TrailingBytes)
    bad(
        "too-many-stanzas",
        "More than MAX_STANZAS.",
        "GEN-21",
        field("stanzas", u16(limits.MAX_STANZAS + 1)),
        LimitExceeded,
    )
    bad(
        "too-many-keys",
        "More than MAX_PUBLIC_KEYS.",
        "GEN-21",
        field("public_keys", u16(limits.MAX_PUBLIC_KEYS + 1)),
        LimitExceeded,
    )
    bad(
        "stanza-too-long",
        "A stanza that is longer than MAX_STANZA.",
        "GEN-21",
        with_digest(edited(data, (VAULT_HEADER.size + 4, u32(limits.MAX_STANZA + 1)))),
        LimitExceeded,
    )
    bad(
        "key-too-long",
        "A public key that is longer than MAX_PUBLIC_KEY.",
        "GEN-21",
        with_digest(edited(data, (key_at + 4, u32(limits.MAX_PUBLIC_KEY + 1)))),
        LimitExceeded,
    )
    bad(
        "version-9",
        "A file of version 9 is unsupported.",
        "GEN-24",
        prefix("V", version=9) + data[16:],
        UnsupportedVersion,
    )
    bad("magic", "Another magic is damage.", "PFX-20", b"X" + data[1:], BadMagic)


def stanza_cases() -> list[Case]:
    """Return the scenarios of stanzas."""
    topic = Topic("stanzas")
    data = world.stanza()
    given: dict[str, Any] = {"vault_id": VAULT_ID, "passphrase": world.PASSPHRASE}
    topic.good(
        "smallest",
        "The least cost that is legal.",
        "stanza",
        "STZ-1 STZ-2 STZ-20 KEY-22",
        data=data,
        **given,
        facts={"root_key": ROOT_KEY},
    )

    def bad(
        name: str,
        comment: str,
        breaks: str,
        error: type[VaultError],
        rule: int | None,
        memory: int,
        passes: int,
        lanes: int,
    ) -> None:
        changed = edited(data, (0, u32(memory) + u32(passes) + u32(lanes)))
        topic.bad(name, comment, "stanza", breaks, error, Structure.STANZA, rule, data=changed, **given)

    bad("no-passes", "No passes.", "STZ-1", FieldInvalid, 1, 8, 0, 1)
    bad("no-lanes", "No lanes.", "STZ-1", FieldInvalid, 1, 8, 1, 0)
    bad("too-little-memory", "31 KiB for 4 lanes.", "STZ-2", FieldInvalid, 2, 31, 1, 4)
    bad(
        "too-much-memory",
        "More memory than MAX_ARGON_MEMORY.",
        "STZ-20 GEN-21",
        LimitExceeded,
        None,
        (1 << 20) + 1,
        1,
        1,
    )
    bad("too-many-passes", "More passes than MAX_ARGON_PASSES.", "STZ-20", LimitExceeded, None, 8, 65, 1)
    bad("too-many-lanes", "More lanes than MAX_ARGON_LANES.", "STZ-20", LimitExceeded, None, 1024, 1, 65)
    bad(
        "too-much-work",
        "Memory and passes are legal, their product is not.",
        "STZ-20",
        LimitExceeded,
        None,
        1 << 20,
        17,
        4,
    )
    topic.bad(
        "other-passphrase",
        "Another passphrase is told by the commitment.",
        "stanza",
        "KEY-22",
        CommitmentMismatch,
        Structure.STANZA,
        data=data,
        vault_id=VAULT_ID,
        passphrase=b"another passphrase",
    )
    topic.bad(
        "other-vault",
        "The stanza of another vault.",
        "stanza",
        "",
        DecryptionFailed,
        Structure.STANZA,
        data=data,
        vault_id=bytes(16),
        passphrase=world.PASSPHRASE,
    )
    topic.bad(
        "cut", "The last byte is missing.", "stanza", "GEN-21", Truncated, Structure.STANZA, data=data[:-1], **given
    )
    topic.bad(
        "trailing", "A byte follows.", "stanza", "GEN-22", TrailingBytes, Structure.STANZA, data=data + b"\0", **given
    )
    return topic.cases

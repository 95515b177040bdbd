"""Suite 2: its primitives, the files that hold other keys than in suite 1, and vaults of two suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vaultfs_format import labels, limits, p256
from vaultfs_format.epoch import EpochSecret, epoch_root
from vaultfs_format.errors import (
    CommitmentMismatch,
    DecryptionFailed,
    FieldInvalid,
    LimitExceeded,
    NoRecipientMatches,
    SignatureInvalid,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.frame import FrameClass
from vaultfs_format.keyring import Compartment, InboxTag, SigningTag, seal_keyring
from vaultfs_format.keystanza import seal_for_key
from vaultfs_format.signing import FIPS_SIGNER, SIGNATURE, SigningKeys
from vaultfs_format.stanza import Pbkdf2Cost, Stanza, StanzaType, seal_passphrase
from vaultfs_format.suite import DEFAULT, FIPS
from vaultfs_format.superblock import INBOX, SIGNER, PublicKey, Superblock

from vaultfs.errors import EpochSecretMissing, VaultDamaged
from vectors import scenes, world
from vectors.author import commit_group, doubled, journal, segment, vault
from vectors.case import Case, Topic
from vectors.topics.small import u32
from vectors.topics.vaults import KEYS, Checks
from vectors.world import DRAWN, PASSPHRASE, ROOT_KEY, VAULT_ID, edited, flipped, seeded

SUITE = FIPS.id


def scalar(name: str) -> bytes:
    """Return a private key of P-256 that is made of a name."""
    return p256.draw_scalar(lambda length: seeded(name, length))


INBOX_KEY = scalar("inbox key of suite 2")
SEEDS = scalar("segment key of suite 2") + seeded("head keys of suite 2", 64)
SIGNING = SigningKeys(FIPS, 1, SEEDS)
WITHOUT_LATTICE = SigningKeys(FIPS, 1, SEEDS[:64])
SALT = seeded("salt of suite 2", 32)
_STANZA = seal_passphrase(FIPS, VAULT_ID, ROOT_KEY, PASSPHRASE, SALT, Pbkdf2Cost()).encode()
PASSPHRASE_STANZA = Stanza(StanzaType.PBKDF2, _STANZA)
_ROOT = epoch_root(FIPS, ROOT_KEY, world.SECRET.secret, VAULT_ID, 1)


def vault_file(*stanzas: Stanza, inbox: bytes = b"", signing: SigningKeys = SIGNING) -> bytes:
    """Return VAULT of a vault of suite 2."""
    keys = [
        PublicKey(INBOX, inbox or FIPS.public_key(INBOX_KEY)),
        PublicKey(SIGNER, signing.signer.encode()),
    ]
    return Superblock(FIPS, VAULT_ID, 1, stanzas or [PASSPHRASE_STANZA], keys).encode(ROOT_KEY)


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("fips")
    _hashes(topic)
    _hpke(topic)
    _passphrases(topic)
    _key_stanzas(topic)
    _vault_files(topic)
    _signers(topic)
    _signatures(topic)
    _keyrings(topic)
    _two_suites(topic)
    return topic.cases


def _hashes(topic: Topic) -> None:
    key, data = seeded("a key", 32), bytes(range(100))
    for length in (0, 1, 64, 65):
        topic.good(f"digest-of-{length}", "H is SHA-256.", "digest", data=data[:length], suite=SUITE)
    for name, length in (("short", 32), ("long", 96), ("longest", 8160)):
        topic.good(
            f"derive-{name}",
            "D is HKDF-Expand.",
            "derive",
            key=key,
            label=labels.FRAME.decode(),
            context=b"context",
            length=length,
            suite=SUITE,
        )
    topic.good("mac", "M is HMAC.", "mac", key=key, label=labels.HEAD_MAC.decode(), data=data, suite=SUITE)
    names = [name for name, value in vars(labels).items() if isinstance(value, bytes)]
    topic.good("labels", "D under every label of section 2.3.", "derive-labels", key=key, names=names, suite=SUITE)
    topic.good(
        "epoch-root",
        "Root key and epoch secret give the epoch root.",
        "epoch-root",
        root_key=ROOT_KEY,
        vault_id=VAULT_ID,
        epoch_number=1,
        epoch_secret=world.SECRET.secret,
        suite=SUITE,
        facts={"epoch_root": _ROOT},
    )
    for name, comment, random in (
        ("scalar", "A private key of 40 random bytes.", seeded("random bytes of a scalar", 40)),
        ("scalar-of-zeros", "Zeros give the least scalar, 1.", bytes(40)),
        ("scalar-of-order", "n - 2 gives the greatest one, n - 1.", (p256.ORDER - 2).to_bytes(40, "big")),
        ("scalar-wraps", "n - 1 gives 1 again.", (p256.ORDER - 1).to_bytes(40, "big")),
    ):
        topic.good(name, comment, "scalar", random=random)


def _hpke(topic: Topic) -> None:
    given: dict[str, Any] = {"private": INBOX_KEY, "suite": SUITE}
    topic.good("hpke-public-key", "The point that a scalar has.", "hpke-public-key", **given)
    public, plain = FIPS.public_key(INBOX_KEY), world.ACCESS_KEY
    sealed = DRAWN.get("hpke of suite 2", lambda: FIPS.seal_to(public, plain, b"info", Structure.JOURNAL_HEADER))
    topic.good(
        "hpke-open",
        "A point, then the ciphertext.",
        "hpke-open",
        sealed=sealed,
        info=b"info",
        facts={"plain": plain},
        **given,
    )
    squeezed = bytes([2 + (sealed[64] & 1)]) + sealed[1:33]
    for name, comment, changed in (
        ("other-info", "The info is bound.", {"info": b"other"}),
        ("other-key", "Another private key opens nothing.", {"private": scalar("another inbox of suite 2")}),
        ("cut", "The point is not whole.", {"sealed": sealed[:60]}),
        ("no-point", "The first 65 bytes are no point of the curve.", {"sealed": edited(sealed, (33, bytes(32)))}),
        ("no-form", "The first byte is not 04.", {"sealed": b"\5" + sealed[1:]}),
        ("compressed", "The point is compressed.", {"sealed": squeezed + sealed[65:]}),
        ("infinity", "The point at infinity.", {"sealed": bytes(65) + sealed[65:]}),
        ("tag", "One bit of the tag is another.", {"sealed": flipped(sealed, len(sealed) - 1)}),
    ):
        arguments = {**given, "sealed": sealed, "info": b"info"} | changed
        topic.bad(f"hpke-{name}", comment, "hpke-open", "", DecryptionFailed, **arguments)


def _passphrases(topic: Topic) -> None:
    topic.good(
        "pbkdf2",
        "The passphrase of section 4.1, with few iterations.",
        "pbkdf2",
        passphrase=PASSPHRASE,
        salt=SALT,
        iterations=1000,
    )
    given: dict[str, Any] = {"vault_id": VAULT_ID, "passphrase": PASSPHRASE, "suite": SUITE}
    topic.good(
        "stanza",
        "The fewest iterations that are legal.",
        "stanza",
        "STZ-3 STZ-20 KEY-22",
        data=_STANZA,
        facts={"root_key": ROOT_KEY},
        **given,
    )

    def bad(
        name: str, comment: str, breaks: str, error: type[VaultError], data: bytes, rule: int | None = None
    ) -> None:
        topic.bad(f"stanza-{name}", comment, "stanza", breaks, error, Structure.STANZA, rule, data=data, **given)

    fewer, more = limits.MIN_PBKDF2_ITERATIONS - 1, limits.MAX_PBKDF2_ITERATIONS + 1
    bad(
        "too-few",
        "One iteration less than MIN_PBKDF2_ITERATIONS.",
        "STZ-3",
        FieldInvalid,
        edited(_STANZA, (0, u32(fewer))),
        3,
    )
    bad("too-many", "More than MAX_PBKDF2_ITERATIONS.", "STZ-20 GEN-21", LimitExceeded, edited(_STANZA, (0, u32(more))))
    bad(
        "salt",
        "One bit of the salt is another: the commitment tells.",
        "KEY-22",
        CommitmentMismatch,
        flipped(_STANZA, 5),
    )
    bad("cut", "The last byte is missing.", "GEN-21", Truncated, _STANZA[:-1])
    bad("trailing", "A byte follows.", "GEN-22", TrailingBytes, _STANZA + b"\0")


def _key_stanzas(topic: Topic) -> None:
    drawn, salt = seeded("secret of a stanza of suite 2", 32), seeded("salt of a key stanza of suite 2", 32)
    public = FIPS.public_key(INBOX_KEY)
    data = DRAWN.get(
        "key stanza of suite 2",
        lambda: seal_for_key(FIPS, VAULT_ID, ROOT_KEY, public, drawn, salt).encode(),
    )
    given: dict[str, Any] = {"vault_id": VAULT_ID, "private": INBOX_KEY, "suite": SUITE}
    topic.good(
        "key-stanza",
        "A stanza for a public key of P-256: 113 bytes of secret, sealed.",
        "key-stanza",
        "KEY-22",
        data=data,
        facts={"root_key": ROOT_KEY},
        **given,
    )
    topic.bad(
        "key-stanza-of-another-suite",
        "The same where suite 1 is stated: it is too short.",
        "key-stanza",
        "GEN-21",
        Truncated,
        Structure.STANZA,
        data=data,
        **(given | {"suite": DEFAULT.id}),
    )
    topic.bad(
        "key-stanza-other-key",
        "Another private key opens nothing.",
        "key-stanza",
        "",
        DecryptionFailed,
        Structure.STANZA,
        data=data,
        **(given | {"private": scalar("another key of suite 2")}),
    )


def _vault_files(topic: Topic) -> None:
    data = vault_file()
    topic.good(
        "vault-file",
        "One passphrase, the inbox key and a signer.",
        "superblock",
        "VLT-6",
        data=data,
        root_key=ROOT_KEY,
        facts={"vault_id": VAULT_ID},
    )
    topic.good("inbox", "An inbox key of 65 bytes.", "inbox-key", "VLT-4", data=data)
    topic.good("signers", "The signer, by number and fingerprint.", "signers", "VLT-5 SGN-1 SGN-2", data=data)
    topic.good(
        "unlock",
        "The passphrase opens the root key, the root key proves the file.",
        "unlock",
        "VLT-6 STZ-3",
        data=data,
        passphrase=PASSPHRASE,
        facts={"root_key": ROOT_KEY},
    )
    topic.bad(
        "unlock-other-passphrase",
        "Another passphrase.",
        "unlock",
        "VLT-21",
        NoRecipientMatches,
        data=data,
        passphrase=b"another passphrase",
    )
    inbox, signer = world.SUPERBLOCK.public_keys
    mixed = Superblock(DEFAULT, VAULT_ID, 1, [world.PASSPHRASE_STANZA, PASSPHRASE_STANZA], [inbox, signer])
    for name, comment, rule, operation, changed in (
        ("argon2id", "A stanza of type 1 in suite 2.", 6, "superblock", vault_file(world.PASSPHRASE_STANZA)),
        (
            "argon2id-behind",
            "A stanza of type 1 behind one that is legal: nothing of the file is believed.",
            6,
            "superblock",
            vault_file(PASSPHRASE_STANZA, world.PASSPHRASE_STANZA),
        ),
        ("pbkdf2-in-suite-1", "A stanza of type 2 in suite 1.", 6, "superblock", mixed.encode(ROOT_KEY)),
        ("inbox-of-suite-1", "An inbox key of suite 1.", 4, "inbox-key", vault_file(inbox=inbox.value)),
    ):
        topic.bad(
            f"vault-file-{name}",
            comment,
            operation,
            f"VLT-{rule}",
            FieldInvalid,
            Structure.SUPERBLOCK,
            rule,
            data=changed,
        )


def _signers(topic: Topic) -> None:
    value, without = SIGNING.signer.encode(), WITHOUT_LATTICE.signer.encode()
    topic.good("signer", "A signer with all three keys.", "signer", "SGN-1 SGN-2", data=value, suite=SUITE)
    topic.good(
        "signer-without-lattice",
        "A signer that was made where there is no ML-DSA: another one, by its fingerprint.",
        "signer",
        "SGN-2",
        data=without,
        suite=SUITE,
    )
    lattice = FIPS_SIGNER.offset_of("lattice")
    for name, comment, breaks, error, rule, data in (
        ("0", "Number 0.", "SGN-1", FieldInvalid, 1, edited(value, (0, u32(0)))),
        ("lattice-2", "`lattice` is 2.", "SGN-2 GEN-23", FieldInvalid, 2, edited(value, (lattice, b"\2"))),
        (
            "lattice-unsaid",
            "A lattice key, and `lattice` is 0.",
            "SGN-2",
            FieldInvalid,
            2,
            edited(value, (lattice, b"\0")),
        ),
        ("reserved", "Reserved bytes are not zero.", "GEN-20", FieldInvalid, None, edited(value, (lattice + 1, b"\1"))),
        ("of-suite-1", "The value of a signer of suite 1.", "GEN-21", Truncated, None, world.SIGNER_VALUE),
    ):
        topic.bad(f"signer-{name}", comment, "signer", breaks, error, Structure.SIGNER, rule, data=data, suite=SUITE)


def _signatures(topic: Topic) -> None:
    statement = b"a statement"
    segment, head = SIGNING.sign_segment(statement), DRAWN.sign_head(SIGNING, statement)
    alone = WITHOUT_LATTICE.sign_head(statement)
    r, s = segment[:32], int.from_bytes(segment[32:], "big")
    mirrored = r + (p256.ORDER - s).to_bytes(32, "big")
    value, without = SIGNING.signer.encode(), WITHOUT_LATTICE.signer.encode()
    for name, comment, purpose, signer, signature in (
        ("segment-signature", "ECDSA over the framed label and the statement.", "segment", value, segment),
        ("segment-signature-mirrored", "The other of the two forms of a signature.", "segment", value, mirrored),
        ("head-signatures", "Ed25519 and ML-DSA-44.", "head", value, head),
        ("head-signature-alone", "Ed25519, and zeros: the signer has no lattice key.", "head", without, alone),
    ):
        topic.good(
            name,
            comment,
            "check-signature",
            "SGN-21",
            signer=signer,
            purpose=purpose,
            statement=statement,
            signature=signature,
            suite=SUITE,
        )
    key_at = FIPS_SIGNER.offset_of("segment_key")
    for name, comment, purpose, signer, signature in (
        ("segment-flipped", "One bit of r is another.", "segment", value, flipped(segment, 5)),
        ("segment-zeros", "r and s are 0.", "segment", value, bytes(64)),
        ("segment-s-of-n", "s is not less than n.", "segment", value, r + p256.ORDER.to_bytes(32, "big")),
        ("segment-short", "63 bytes.", "segment", value, segment[:-1]),
        (
            "segment-no-point",
            "The key is no point of the curve.",
            "segment",
            edited(value, (key_at + 33, bytes(32))),
            segment,
        ),
        ("segment-of-head-key", "The signature was made with the key for heads.", "segment", value, head[:SIGNATURE]),
        ("head-ed25519", "The first signature is wrong, the second is right.", "head", value, flipped(head, 5)),
        ("head-ml-dsa", "The first signature is right, the second is wrong.", "head", value, flipped(head, 500)),
        ("head-stripped", "The signer has a lattice key, and the second signature is zeros.", "head", value, alone),
        ("head-beyond", "The signer has no lattice key, and there is a second signature.", "head", without, head),
    ):
        topic.bad(
            f"{name}-wrong",
            comment,
            "check-signature",
            "SGN-21",
            SignatureInvalid,
            Structure.SEGMENT if purpose == "segment" else Structure.HEAD,
            signer=signer,
            purpose=purpose,
            statement=statement,
            signature=signature,
            suite=SUITE,
        )


def _keyring(inbox: bytes = INBOX_KEY, seeds: bytes = SEEDS) -> bytes:
    values: dict[int, Mapping[int, bytes]] = {
        Compartment.DATA: world.VALUES[Compartment.DATA],
        Compartment.SIGNING: {SigningTag.NUMBER: b"\1\0\0\0", SigningTag.SEEDS: seeds},
        Compartment.INBOX: {InboxTag.PRIVATE_KEY: inbox},
    }
    return seal_keyring(FIPS, VAULT_ID, 1, _ROOT, world.KEYRING_SALT, values).encode()


def _keyrings(topic: Topic) -> None:
    for name, comment, data in (
        ("keyring", "Three compartments, a scalar in two of them.", _keyring()),
        ("keyring-without-lattice", "The signer has no key of ML-DSA.", _keyring(seeds=SEEDS[:64])),
    ):
        topic.good(name, comment, "keyring", "KRG-6 KRG-7", data=data, epoch_root=_ROOT, compartments=[1, 2, 3])
    order = p256.ORDER.to_bytes(32, "big")
    for name, comment, rule, data in (
        ("inbox-of-suite-1", "A private inbox key of 96 bytes.", 6, _keyring(world.INBOX_KEY)),
        ("inbox-0", "The scalar is 0.", 6, _keyring(bytes(32))),
        ("inbox-of-order", "The scalar is n.", 6, _keyring(order)),
        ("seeds-of-32", "The key for segments alone.", 7, _keyring(seeds=SEEDS[:32])),
        ("seeds-of-order", "The scalar of the key for segments is n.", 7, _keyring(seeds=order + SEEDS[32:])),
    ):
        compartment = Compartment.INBOX if rule == 6 else Compartment.SIGNING
        topic.bad(
            f"keyring-{name}",
            comment,
            "keyring",
            f"KRG-{rule}",
            FieldInvalid,
            Structure.KEYRING,
            rule,
            data=data,
            epoch_root=_ROOT,
            compartments=[int(compartment)],
        )


def _two_suites(topic: Topic) -> None:
    checks = Checks(topic)
    other = vault_file()
    head = world.signed(world.with_tree(world.first_head(superblock_digest=DEFAULT.digest(other))))
    strange = vault(head) | doubled("VAULT.1", other)
    checks.check(
        "vault-file-of-another-suite",
        "The head names a VAULT of suite 2.",
        strange,
        "damage",
        (9104, 9104),
        breaks="PFX-24",
    )
    ring = world.signed(world.with_tree(world.first_head(keyring_digest=DEFAULT.digest(_keyring()))))
    sealed = vault(ring) | doubled("keyring.1", _keyring())
    checks.check("keyring-of-another-suite", "A keyring of suite 2.", sealed, "damage", (9104, 9104), breaks="PFX-24")
    late = scenes.live_with(journal(world.journal_header(suite=FIPS), []))
    checks.check("journal-of-another-suite", "A journal of suite 2.", late, "damage", (9104, 9152), breaks="PFX-24")
    header = replace(world.ACCESS, suite=FIPS)
    read = scenes.LIVE | {f"journal/{header.journal_id.hex()}.vacc": header.encode(world.ACCESS_KEYS)}
    checks.check(
        "access-journal-of-another-suite",
        "An access journal of suite 2.",
        read,
        "damage",
        (9152, 9104),
        breaks="PFX-24",
    )
    segments = scenes.settled_with(
        {"control": segment("control", FrameClass.CONTROL, [scenes.STATE], [[(1, 2)]], suite=FIPS)}
    )
    checks.check(
        "segment-of-another-suite",
        "A segment and its key table of suite 2.",
        segments,
        "damage",
        (9104, 9104, 9104),
        breaks="PFX-24",
    )
    part = replace(scenes.PART_HEAD, suite=FIPS).encode() + scenes.PART_FILE[4096:]
    group = commit_group(1, 1, [scenes.PERSON, scenes.LOG], [scenes.LIVE_SET, *scenes.LEAVES])
    named = journal(world.journal_header(), [group, scenes.part_group(2, 2)])
    parts = scenes.live_with(named) | doubled(scenes.PART_NAME, part)
    checks.check(
        "part-file-of-another-suite", "A part file of suite 2.", parts, "damage", (9152, 9104), breaks="PFX-24"
    )
    for name, files in (("vault-file", strange), ("keyring", sealed), ("journal", late)):
        topic.bad(
            f"open-{name}-of-another-suite",
            "It does not open.",
            "open-vault",
            "PFX-24",
            VaultDamaged,
            vault=files,
            **KEYS,
        )
    secret = EpochSecret(FIPS, VAULT_ID, 1, world.SECRET.secret).encode()
    topic.bad(
        "open-secret-of-another-suite",
        "The epoch secret states suite 2.",
        "open-vault",
        "PFX-24",
        EpochSecretMissing,
        vault=scenes.LIVE,
        **(KEYS | {"secret": secret}),
    )

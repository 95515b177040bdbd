"""Sections 4.2 to 4.5: stanzas for public keys, tokens, escrow shares and key services of the host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from shamir_mnemonic import Share, generate_mnemonics
from vaultfs_format import limits
from vaultfs_format.errors import (
    CommitmentMismatch,
    DecryptionFailed,
    FieldInvalid,
    LimitExceeded,
    NoRecipientMatches,
    Structure,
    TrailingBytes,
    Truncated,
    VaultError,
)
from vaultfs_format.escrowstanza import ESCROW, EscrowStanza, Group, SharePlan
from vaultfs_format.hoststanza import HOST, HostStanza
from vaultfs_format.keystanza import PUBLIC_KEY, KeyStanza, fingerprint_of
from vaultfs_format.stanza import RootSeal, Stanza, StanzaType, place_of, seal_root
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import Superblock
from vaultfs_format.tokenstanza import TOKEN, Mechanism, TokenStanza

from vaultfs.keys.errors import ShareInvalid, SharesMissing
from vectors import world
from vectors.case import Case, Topic
from vectors.world import DRAWN, ROOT_KEY, VAULT_ID, edited, flipped, seeded

OTHER_VAULT = seeded("another vault id", 16)
PRIVATE = seeded("private key of a recipient", 96)
PUBLIC = DEFAULT.public_key(PRIVATE)
WRAPPING_KEY = seeded("key in a token", 32)
SERVICE_KEY = seeded("key of a service", 32)
SHARED = seeded("secret in escrow", 32)
SHARES_PASSPHRASE = b"of the shares"


def seal(name: str, secret: bytes, salt: bytes | None = None) -> RootSeal:
    """Return the root key under a secret."""
    return seal_root(DEFAULT, VAULT_ID, ROOT_KEY, secret, salt or seeded(f"salt of {name}", 32))


def key_stanza() -> KeyStanza:
    """Return a stanza for the public key; what was drawn to seal its secret is kept."""
    secret = seeded("secret of a public key", 32)
    made = seal("a public key", secret)
    place = place_of(StanzaType.PUBLIC_KEY, VAULT_ID, made.salt)
    sealed = DRAWN.get(
        "sealed secret of a public key", lambda: DEFAULT.seal_to(PUBLIC, secret, place, Structure.STANZA)
    )
    return KeyStanza(fingerprint_of(DEFAULT, PUBLIC), made, sealed)


def token_stanza() -> TokenStanza:
    """Return a stanza for the key in the token."""
    secret = seeded("secret of a token", 32)
    wrapped = aes_key_wrap_with_padding(WRAPPING_KEY, secret)
    return TokenStanza(Mechanism.AES_KWP, b"\1\2", wrapped, seal("a token", secret))


def host_stanza() -> HostStanza:
    """Return a stanza for the service."""
    secret = seeded("secret of a service", 32)
    made = seal("a service", secret)
    blob = DEFAULT.seal(SERVICE_KEY, secret, place_of(StanzaType.HOST, VAULT_ID, made.salt))
    return HostStanza("records/2026", blob, made)


def shares(groups: tuple[tuple[int, int], ...], threshold: int, passphrase: bytes = b"") -> list[list[str]]:
    """Return shares of the secret in escrow, by group; they are drawn once, and kept."""
    about = f"shares {threshold} {groups} {passphrase.hex()}"
    drawn = DRAWN.get(
        about,
        lambda: "\n".join(
            share for group in generate_mnemonics(threshold, groups, SHARED, passphrase, True, 0) for share in group
        ).encode("ascii"),
    )
    lines = iter(drawn.decode("ascii").split("\n"))
    return [[next(lines) for _ in range(count)] for _, count in groups]


def escrow_stanza(groups: tuple[tuple[int, int], ...], threshold: int, share: str) -> EscrowStanza:
    """Return a stanza for shares like this one."""
    plan = SharePlan(Share.from_mnemonic(share).identifier, 0, threshold, [Group(*group) for group in groups])
    return EscrowStanza(plan, seal("an escrow", SHARED))


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("recipients")
    _keys(topic)
    _tokens(topic)
    _escrows(topic)
    _hosts(topic)
    stanzas = [
        Stanza(StanzaType.PUBLIC_KEY, key_stanza().encode()),
        Stanza(StanzaType.TOKEN, token_stanza().encode()),
        Stanza(StanzaType.HOST, host_stanza().encode()),
        world.PASSPHRASE_STANZA,
    ]
    several = Superblock(DEFAULT, VAULT_ID, 2, stanzas, world.SUPERBLOCK.public_keys).encode(ROOT_KEY)
    topic.good(
        "unlock-among-all-types",
        "Who has the passphrase passes over the stanzas of others.",
        "unlock",
        "VLT-21",
        data=several,
        passphrase=world.PASSPHRASE,
        facts={"root_key": ROOT_KEY},
    )
    return topic.cases


class _Bad:
    """Adds what must be refused of one operation."""

    def __init__(self, topic: Topic, prefix: str, operation: str, **given: Any) -> None:
        self._topic = topic
        self._prefix = prefix
        self._operation = operation
        self._given: dict[str, Any] = {"vault_id": VAULT_ID} | given

    def __call__(
        self,
        name: str,
        comment: str,
        breaks: str,
        data: bytes,
        error: type[VaultError] = FieldInvalid,
        rule: int | None = None,
        **given: Any,
    ) -> None:
        structure = None if error in {NoRecipientMatches, SharesMissing, ShareInvalid} else Structure.STANZA
        full = f"{self._prefix}-{name}"
        given = self._given | given
        self._topic.bad(full, comment, self._operation, breaks, error, structure, rule, data=data, **given)


def _keys(topic: Topic) -> None:
    stanza = key_stanza()
    data = stanza.encode()
    topic.good(
        "key",
        "The holder of the private key.",
        "key-stanza",
        "STZ-25 STZ-27 KEY-22 GEN-25",
        data=data,
        vault_id=VAULT_ID,
        private=PRIVATE,
        facts={"root_key": ROOT_KEY, "fingerprint": fingerprint_of(DEFAULT, PUBLIC)},
    )
    bad = _Bad(topic, "key", "key-stanza", private=PRIVATE)
    bad("of-another", "Another private key.", "STZ-27", data, DecryptionFailed, private=seeded("another", 96))
    bad(
        "in-another-vault",
        "The stanza stands in another vault.",
        "STZ-27",
        data,
        DecryptionFailed,
        vault_id=OTHER_VAULT,
    )
    moved = replace(stanza, seal=seal("another stanza", seeded("secret of a public key", 32))).encode()
    bad("moved", "The sealed secret of another stanza of the vault.", "STZ-27", moved, DecryptionFailed)
    other = seal("", seeded("another secret", 32), stanza.seal.salt)
    bad(
        "not-committed-to",
        "The sealed secret opens, and is not the one of the commitment.",
        "STZ-25 KEY-22",
        replace(stanza, seal=other).encode(),
        CommitmentMismatch,
    )
    mixed = RootSeal(stanza.seal.salt, stanza.seal.commitment, other.sealed_root)
    bad(
        "of-two-secrets",
        "The commitment is to one secret, and the root key is sealed under another.",
        "STZ-25",
        replace(stanza, seal=mixed).encode(),
        DecryptionFailed,
    )
    bad("cut", "The last byte is missing.", "GEN-21", data[:-1], Truncated)
    bad("trailing", "A byte follows.", "GEN-22", data + b"\0", TrailingBytes)
    bad(
        "flipped",
        "One bit of the sealed secret is another.",
        "STZ-27",
        flipped(data, PUBLIC_KEY.size),
        DecryptionFailed,
    )


def _tokens(topic: Topic) -> None:
    data = token_stanza().encode()
    topic.good(
        "token",
        "The key in the token, whose value no host knows: here it is given.",
        "token-stanza",
        "STZ-5 STZ-6 STZ-25 GEN-25",
        data=data,
        vault_id=VAULT_ID,
        wrapping_key=WRAPPING_KEY,
        facts={"root_key": ROOT_KEY, "key_id": b"\1\2"},
    )
    bad = _Bad(topic, "token", "token-stanza", wrapping_key=WRAPPING_KEY)
    bad("mechanism-0", "Mechanism 0.", "STZ-5 GEN-23", edited(data, (0, b"\0")), rule=5)
    bad("mechanism-2", "Mechanism 2.", "STZ-5 GEN-23", edited(data, (0, b"\2")), rule=5)
    bad("no-key-id", "A key id of no bytes.", "STZ-6", edited(data, (2, b"\0"))[: TOKEN.size], rule=6)
    bad("long-key-id", "More than MAX_TOKEN_KEY_ID.", "GEN-21", edited(data, (2, b"\x41")), LimitExceeded)
    bad("of-another", "Another key.", "", data, NoRecipientMatches, wrapping_key=SERVICE_KEY)
    bad("in-another-vault", "The stanza stands in another vault.", "", data, DecryptionFailed, vault_id=OTHER_VAULT)
    swapped = aes_key_wrap_with_padding(WRAPPING_KEY, seeded("another secret", 32))
    bad(
        "not-committed-to",
        "What the token unwraps is not the secret of the commitment.",
        "STZ-25",
        edited(data, (4, swapped)),
        CommitmentMismatch,
    )
    bad("cut", "The last byte of the key id is missing.", "GEN-21", data[:-1], Truncated)
    bad("trailing", "A byte follows.", "GEN-22", data + b"\0", TrailingBytes)


TWO_OF_THREE = ((2, 3),)
GROUPS = ((1, 1), (2, 3), (2, 2))


def _escrows(topic: Topic) -> None:
    (three,) = shares(TWO_OF_THREE, 1)
    data = escrow_stanza(TWO_OF_THREE, 1, three[0]).encode()
    alone, some, both = shares(GROUPS, 2)
    groups = escrow_stanza(GROUPS, 2, alone[0]).encode()
    rules = "STZ-7 STZ-8 STZ-9 STZ-25 STZ-29 GEN-25"

    def good(name: str, comment: str, given: list[str], stanza: bytes = data, **more: Any) -> None:
        facts = {"root_key": ROOT_KEY}
        topic.good(
            name, comment, "escrow-stanza", rules, data=stanza, vault_id=VAULT_ID, shares=given, facts=facts, **more
        )

    good("escrow", "Two of three shares.", three[1:])
    good("escrow-more", "More shares than are needed, one of them twice.", [*three, three[0]])
    good("escrow-groups", "Two of three groups.", [both[1], alone[0], both[0]], groups)
    good("escrow-all", "All shares of all groups.", [*alone, *some, *both], groups)
    good("escrow-strangers", "A share of another secret among them, which is left out.", [alone[0], *three[:2]])
    good("escrow-misspelt", "A share that is none among them, which is not needed.", [f"{three[0]} xyz", *three[1:]])
    (locked,) = shares(TWO_OF_THREE, 1, SHARES_PASSPHRASE)
    secured = escrow_stanza(TWO_OF_THREE, 1, locked[0]).encode()
    good("escrow-passphrase", "Shares with a passphrase.", locked[:2], secured, passphrase=SHARES_PASSPHRASE)

    bad = _Bad(topic, "escrow", "escrow-stanza", shares=three[:2])
    bad("wrong-passphrase", "It gives another secret.", "STZ-25", secured, NoRecipientMatches, shares=locked[:2])
    bad("too-few", "One of the two that are needed.", "", data, SharesMissing, shares=three[:1])
    bad("too-few-groups", "One of the two groups that are needed.", "", groups, SharesMissing, shares=both)
    wrong = [f"{three[0]} xyz", three[1]]
    bad("needed-and-misspelt", "A share that is none, and is needed.", "", data, ShareInvalid, shares=wrong)
    found = [Share.from_mnemonic(one) for one in three[:2]]
    for name, changes in (
        ("other-identifier", {"identifier": found[0].identifier ^ 1}),
        ("other-exponent", {"iteration_exponent": 15}),
        ("not-extendable", {"extendable": False}),
        ("other-group-count", {"group_count": 2}),
        ("other-threshold", {"member_threshold": 1}),
    ):
        changed = [replace(one, **changes).mnemonic() for one in found]
        comment = f"The shares state otherwise: {name.replace('-', ' ')}."
        bad(name, comment, "STZ-29", data, SharesMissing, shares=changed)
    bad("in-another-vault", "The stanza stands in another vault.", "", data, DecryptionFailed, vault_id=OTHER_VAULT)
    at = ESCROW.size
    bad("identifier", "An identifier of 16 bits.", "STZ-7", edited(data, (1, b"\x80")), rule=7)
    bad("no-groups", "No groups.", "STZ-8", edited(data, (4, b"\0"))[:at], rule=8)
    bad("threshold-0", "No group is needed.", "STZ-8", edited(data, (3, b"\0")), rule=8)
    bad("threshold-2", "Two groups are needed, and there is one.", "STZ-8", edited(data, (3, b"\2")), rule=8)
    bad("group-threshold-0", "No share of a group is needed.", "STZ-9", edited(data, (at, b"\0")), rule=9)
    bad("group-threshold-4", "Four shares are needed, and there are three.", "STZ-9", edited(data, (at, b"\4")), rule=9)
    bad("one-of-three", "One share of three is needed.", "STZ-9", edited(data, (at, b"\1")), rule=9)
    costly = edited(data, (2, bytes([limits.MAX_ESCROW_EXPONENT + 1])))
    bad("costly", "More than MAX_ESCROW_EXPONENT.", "STZ-20 GEN-21", costly, LimitExceeded)
    many = edited(data, (4, b"\x11")) + b"\2\3" * 16
    bad("many-groups", "More than MAX_ESCROW_GROUPS.", "GEN-21", many, LimitExceeded)
    bad("many-shares", "More than MAX_ESCROW_SHARES.", "GEN-21", edited(data, (at + 1, b"\x11")), LimitExceeded)
    bad("reserved", "Reserved bytes are not zero.", "GEN-20", edited(data, (6, b"\1")))
    bad("cut", "The last byte is missing.", "GEN-21", data[:-1], Truncated)
    bad("trailing", "A byte follows.", "GEN-22", data + b"\0", TrailingBytes)


def _hosts(topic: Topic) -> None:
    data = host_stanza().encode()
    topic.good(
        "host",
        "A service that wraps by Seal.",
        "host-stanza",
        "STZ-10 STZ-11 STZ-25 GEN-25",
        data=data,
        vault_id=VAULT_ID,
        service_key=SERVICE_KEY,
        facts={"root_key": ROOT_KEY, "name": "records/2026"},
    )
    bad = _Bad(topic, "host", "host-stanza", service_key=SERVICE_KEY)
    nameless = edited(data, (0, b"\0"))
    bad("no-name", "A name of no bytes.", "STZ-10", nameless[: HOST.size] + data[HOST.size + 12 :], rule=10)
    bad("no-blob", "Nothing was wrapped.", "STZ-10", edited(data, (2, b"\0"))[: HOST.size + 12], rule=10)
    bad("line-end", "A line end in the name.", "STZ-11", edited(data, (HOST.size + 3, b"\n")), rule=11)
    bad("not-ascii", "A byte of the name that is not ASCII.", "STZ-11", edited(data, (HOST.size, b"\xe9")), rule=11)
    bad("long-name", "More than MAX_HOST_NAME.", "GEN-21", edited(data, (0, b"\x41")), LimitExceeded)
    bad("large", "More than MAX_HOST_BLOB.", "GEN-21", edited(data, (2, b"\1\x10")), LimitExceeded)
    bad("in-another-vault", "The service refuses another place.", "", data, DecryptionFailed, vault_id=OTHER_VAULT)
    bad("cut", "The last byte is missing.", "GEN-21", data[:-1], Truncated)
    bad("trailing", "A byte follows.", "GEN-22", data + b"\0", TrailingBytes)

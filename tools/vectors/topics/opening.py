"""Vaults: which secrets open them, and which state of them is refused as rolled back."""

from __future__ import annotations

from dataclasses import replace

from vaultfs_format.epoch import EpochSecret
from vaultfs_format.errors import MacMismatch, NoRecipientMatches, SignatureInvalid, Structure
from vaultfs_format.keyring import seal_keyring
from vaultfs_format.suite import DEFAULT
from vaultfs_format.witness import Witnessed

from vaultfs.errors import EpochSecretMissing, RolledBack, VaultDamaged
from vectors import scenes, world
from vectors.author import doubled, vault
from vectors.case import Case, Topic
from vectors.topics.vaults import KEYS, Checks
from vectors.world import EPOCH_ROOT, seeded


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("opening")
    _unlocking(topic)
    _named(topic)
    _rollback(topic, Checks(topic))
    return topic.cases


def _unlocking(topic: Topic) -> None:
    files = scenes.LIVE
    topic.bad(
        "open-other-passphrase",
        "Another passphrase.",
        "open-vault",
        "VLT-21",
        NoRecipientMatches,
        vault=files,
        **(KEYS | {"passphrase": b"another passphrase"}),
    )
    for name, comment, secret in (
        ("vault", "The epoch secret of another vault.", EpochSecret(DEFAULT, bytes(16), 1, world.SECRET.secret)),
        ("epoch", "The secret of another epoch.", EpochSecret(DEFAULT, world.VAULT_ID, 2, world.SECRET.secret)),
    ):
        topic.bad(
            f"open-secret-of-another-{name}",
            comment,
            "open-vault",
            "EPS-20",
            EpochSecretMissing,
            vault=files,
            **(KEYS | {"secret": secret.encode()}),
        )
    other = EpochSecret(DEFAULT, world.VAULT_ID, 1, seeded("another secret", 32)).encode()
    topic.bad(
        "open-another-secret",
        "A secret of this vault and epoch that is not the one.",
        "open-vault",
        "HED-20",
        MacMismatch,
        Structure.HEAD,
        vault=files,
        **(KEYS | {"secret": other}),
    )
    foreign = world.signed(world.with_tree(world.first_head()), world.OTHER_SIGNING).encode(EPOCH_ROOT)
    topic.bad(
        "open-other-signer",
        "A head under the right MAC that another signer has signed.",
        "open-vault",
        "HED-25 SGN-20",
        SignatureInvalid,
        Structure.HEAD,
        vault=files | {"head": foreign, "copies/head": foreign},
        **KEYS,
    )


def _named(topic: Topic) -> None:
    """Add files whose digest is that in the head, and which state something else than it."""
    ring = seal_keyring(DEFAULT, world.VAULT_ID, 2, EPOCH_ROOT, world.KEYRING_SALT, world.VALUES).encode()
    later = replace(world.SUPERBLOCK, generation=2).encode(world.ROOT_KEY)
    for name, comment, breaks, head, files in (
        (
            "keyring-of-another-epoch",
            "The keyring that the head names states another epoch.",
            "KRG-20",
            world.first_head(keyring_digest=DEFAULT.digest(ring)),
            doubled("keyring.1", ring),
        ),
        (
            "vault-file-of-another-generation",
            "The VAULT that the head names states another generation.",
            "VLT-22",
            world.first_head(superblock_digest=DEFAULT.digest(later)),
            doubled("VAULT.1", later),
        ),
    ):
        stating = vault(world.signed(world.with_tree(head))) | files
        topic.bad(f"open-{name}", comment, "open-vault", breaks, VaultDamaged, vault=stating, **KEYS)


def _rollback(topic: Topic, checks: Checks) -> None:
    seen = Witnessed.of(scenes.SECOND_HEAD).encode()
    checks.open(
        "as-witnessed", "The newest head is the one that was seen.", scenes.SETTLED, "WIT-21", records=4, witnessed=seen
    )
    checks.open(
        "newer-than-witnessed",
        "The head is newer than the one that was seen.",
        scenes.SETTLED,
        "WIT-21",
        records=4,
        witnessed=Witnessed.of(scenes.FIRST_HEAD).encode(),
    )
    topic.bad(
        "open-rolled-back",
        "A head of generation 2 was seen, and generation 1 is there.",
        "open-vault",
        "WIT-21",
        RolledBack,
        vault=scenes.LIVE,
        witnessed=seen,
        **KEYS,
    )
    checks.open(
        "rolled-back-accepted",
        "The same, and whoever opens it says that it may be.",
        scenes.LIVE,
        "WIT-22",
        breaks="WIT-21",
        records=3,
        witnessed=seen,
        accept_older=True,
    )
    other = world.signed(replace(scenes.FIRST_HEAD, last_commit=5))
    topic.bad(
        "open-another-of-the-generation",
        "Of this generation another head was seen.",
        "open-vault",
        "WIT-21",
        RolledBack,
        vault=scenes.LIVE,
        witnessed=Witnessed.of(other).encode(),
        **KEYS,
    )
    topic.bad(
        "open-rolled-back-refused",
        "It is not accepted where nobody says so.",
        "open-vault",
        "WIT-22",
        RolledBack,
        vault=scenes.LIVE,
        witnessed=seen,
        accept_older=False,
        **KEYS,
    )
    forged = world.with_digest(world.edited(seen, (32, (9).to_bytes(8, "little"))))
    checks.open(
        "forged-witness",
        "A witnessed head that the signer has not signed does not count.",
        scenes.LIVE,
        breaks="WIT-20",
        records=3,
        witnessed=forged,
    )
    later = world.with_digest(world.edited(seen, (32, (9).to_bytes(8, "little")), (112, (9).to_bytes(4, "little"))))
    topic.bad(
        "open-before-a-later-signer",
        "A newer head was seen, of a signer whom VAULT does not know yet.",
        "open-vault",
        "WIT-20",
        RolledBack,
        vault=scenes.LIVE,
        witnessed=later,
        **KEYS,
    )

"""Sections 4.6 and 4.7: signers, their handovers, and vaults that several have signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vaultfs_format import merkle
from vaultfs_format.errors import (
    CommitmentMismatch,
    FieldInvalid,
    SignatureInvalid,
    Structure,
    TrailingBytes,
    Truncated,
)
from vaultfs_format.frame import FrameClass
from vaultfs_format.handover import HANDOVER as FIELDS
from vaultfs_format.handover import Handover
from vaultfs_format.head import Head
from vaultfs_format.keyring import Compartment, SigningTag
from vaultfs_format.signing import SIGNER as SIGNER_FIELDS
from vaultfs_format.signing import Signer, SigningKeys
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import HANDOVER, SIGNER, PublicKey, Superblock
from vaultfs_tools.keyless import files as names

from vaultfs.audit.events import EventType
from vectors import scenes, world
from vectors.author import doubled, segment, vault
from vectors.case import Case, Topic
from vectors.topics.journals import u64
from vectors.topics.small import u32
from vectors.topics.vaults import KEYS, Checks
from vectors.world import DRAWN, ROOT_KEY, VAULT_ID, edited, flipped, seeded

FIRST, SECOND = world.SIGNING, world.SECOND_SIGNING
THIRD = SigningKeys(DEFAULT, 3, seeded("seeds of the third signer", 96))


def handed(
    keys: SigningKeys, after: Signer, size: int = 7, root: bytes = seeded("root", 32), **changes: Any
) -> Handover:
    """Return a handover, signed."""
    made = replace(Handover(VAULT_ID, after.number, size, root, after.fingerprint), **changes)
    return replace(made, signatures=DRAWN.sign_handover(keys, made.statement))


def vault_file(signers: Sequence[Signer], handovers: Sequence[Handover] = ()) -> bytes:
    """Return a VAULT with these signers and handovers."""
    items = [PublicKey(SIGNER, one.encode()) for one in signers]
    items += [PublicKey(HANDOVER, one.encode()) for one in handovers]
    keys = [world.INBOX_PUBLIC, *items]
    return Superblock(DEFAULT, VAULT_ID, 1, [world.PASSPHRASE_STANZA], keys).encode(ROOT_KEY)


def cases() -> list[Case]:
    """Return the scenarios."""
    topic = Topic("signers")
    _signers(topic)
    _handovers(topic)
    _lines(topic)
    _vaults(Checks(topic))
    return topic.cases


def _signers(topic: Topic) -> None:
    value = world.SIGNER_VALUE
    topic.good("signer", "Number and fingerprint of a signer.", "signer", "SGN-1", data=value)
    topic.bad(
        "signer-0", "Number 0.", "signer", "SGN-1", FieldInvalid, Structure.SIGNER, 1, data=edited(value, (0, u32(0)))
    )
    topic.bad(
        "signer-reserved",
        "Reserved bytes are not zero.",
        "signer",
        "GEN-20",
        FieldInvalid,
        Structure.SIGNER,
        data=edited(value, (4, b"\1")),
    )
    topic.bad(
        "signer-cut", "The last byte is missing.", "signer", "GEN-21", Truncated, Structure.SIGNER, data=value[:-1]
    )
    topic.bad(
        "signer-trailing", "A byte follows.", "signer", "GEN-22", TrailingBytes, Structure.SIGNER, data=value + b"\0"
    )
    statement = b"a statement"
    segment = world.SIGNING.sign_segment(statement)
    head = world.DRAWN.sign_head(world.SIGNING, statement)
    topic.good(
        "segment-signature",
        "Ed25519 over the framed label and the statement.",
        "check-signature",
        "SGN-21",
        signer=value,
        purpose="segment",
        statement=statement,
        signature=segment,
    )
    topic.good(
        "head-signatures",
        "Ed25519 and ML-DSA-44.",
        "check-signature",
        "SGN-21",
        signer=value,
        purpose="head",
        statement=statement,
        signature=head,
    )
    key_at = SIGNER_FIELDS.offset_of("lattice_key")
    for name, comment, purpose, signature, signer, structure in (
        (
            "segment-signature-flipped",
            "One bit of the signature is another.",
            "segment",
            flipped(segment, 5),
            value,
            Structure.SEGMENT,
        ),
        (
            "segment-signature-of-head-key",
            "The signature was made with the key for heads.",
            "segment",
            head[:64],
            value,
            Structure.SEGMENT,
        ),
        (
            "head-signature-ed25519",
            "The first signature is wrong, the second is right.",
            "head",
            flipped(head, 5),
            value,
            Structure.HEAD,
        ),
        (
            "head-signature-ml-dsa",
            "The first signature is right, the second is wrong.",
            "head",
            flipped(head, 500),
            value,
            Structure.HEAD,
        ),
        (
            "head-signature-other-lattice-key",
            "The second key is another one.",
            "head",
            head,
            edited(value, (key_at, world.OTHER_SIGNING.signer.lattice_key)),
            Structure.HEAD,
        ),
    ):
        topic.bad(
            name,
            comment,
            "check-signature",
            "SGN-21",
            SignatureInvalid,
            structure,
            signer=signer,
            purpose=purpose,
            statement=statement,
            signature=signature,
        )


def _handovers(topic: Topic) -> None:
    good = handed(FIRST, SECOND.signer).encode()
    topic.good("handover", "From signer 1 to signer 2.", "handover", "SGN-3 SGN-4", data=good, facts={"number": 2})
    for name, comment, rule, data in (
        ("cut", "The last byte is missing.", 3, good[:-1]),
        ("trailing", "A byte follows.", 3, good + b"\0"),
        ("unsigned", "The fields alone.", 3, good[: FIELDS.size]),
        ("to-the-first", "To signer 1, before whom there is none.", 4, edited(good, (16, u32(1)))),
        ("of-nothing", "A log without leaves.", 4, edited(good, (24, u64(0)))),
    ):
        topic.bad(
            f"handover-{name}", comment, "handover", f"SGN-{rule}", FieldInvalid, Structure.SIGNER, rule, data=data
        )
    topic.bad(
        "handover-reserved",
        "Reserved bytes are not zero.",
        "handover",
        "GEN-20",
        FieldInvalid,
        Structure.SIGNER,
        data=edited(good, (20, b"\1")),
    )


def _lines(topic: Topic) -> None:
    one, two, three = FIRST.signer, SECOND.signer, THIRD.signer
    to_two, to_three = handed(FIRST, two, 7), handed(SECOND, three, 20)
    for name, comment, holds, signers, handovers in (
        ("one", "One signer, and no handover.", "VLT-26", [one], []),
        ("two", "Signer 1 has handed over to signer 2.", "VLT-26 SGN-24", [one, two], [to_two]),
        ("three", "Signer 2 has handed over, too.", "VLT-26 SGN-24", [one, two, three], [to_two, to_three]),
    ):
        data = vault_file(signers, handovers)
        topic.good(f"line-of-{name}", comment, "line-of-signers", holds, data=data)

    def bad(
        name: str,
        comment: str,
        signers: Sequence[Signer],
        handovers: Sequence[Handover],
        breaks: str = "SGN-24",
        structure: Structure = Structure.SIGNER,
    ) -> None:
        data = vault_file(signers, handovers)
        topic.bad(f"line-{name}", comment, "line-of-signers", breaks, SignatureInvalid, structure, data=data)

    line: dict[str, Any] = {"breaks": "VLT-26", "structure": Structure.SUPERBLOCK}
    bad("without-handover", "Nobody has handed over to signer 2.", [one, two], [], **line)
    bad("handover-dropped", "Nobody has handed over to signer 3.", [one, two, three], [to_two], **line)
    bad("handover-to-nobody", "There is no signer 3.", [one, two], [to_two, to_three], **line)
    bad("without-the-first", "Signer 2 alone.", [two], [], **line)
    bad("gap", "Signer 3 after signer 1.", [one, three], [handed(FIRST, three)], **line)
    bad("swapped", "The handovers are in another order.", [one, two, three], [to_three, to_two], **line)
    same = handed(SECOND, three, 7)
    bad("of-one-size", "Signer 2 has signed nothing of the log.", [one, two, three], [to_two, same], **line)
    flip = replace(to_two, signatures=flipped(to_two.signatures, 5))
    bad("ed25519", "The Ed25519 signature is wrong.", [one, two], [flip])
    flip = replace(to_two, signatures=flipped(to_two.signatures, 500))
    bad("ml-dsa", "The ML-DSA-44 signature is wrong.", [one, two], [flip])
    bad("by-itself", "Signer 2 has signed it.", [one, two], [handed(SECOND, two)])
    bad("of-another-vault", "It is of another vault.", [one, two], [handed(FIRST, two, vault_id=bytes(16))])
    other = SigningKeys(DEFAULT, 2, seeded("seeds of another second", 96)).signer
    bad("to-another", "It names another signer 2.", [one, two], [handed(FIRST, other)])
    bad("to-another-number", "It names signer 3.", [one, two], [handed(FIRST, two, number=3)])
    twice = [to_two, replace(to_two, tree_size=20)]
    bad("signed-before-changed", "The second is the first, with another size.", [one, two, three], twice)


# Vaults.

SETTLED = scenes.SECOND_HEAD
TURNED, TURNED_LEAVES = world.events_frame(
    "events of a turn", [world.event(EventType.EPOCH_TURNED, scenes.STARTED + 9, version=2)], [3]
)


def line_to_second(head: Head = SETTLED, **changes: Any) -> bytes:
    """Return a VAULT in which signer 1 hands over to signer 2, with the log that a head ends."""
    stated: dict[str, Any] = {"tree_size": head.tree_size, "tree_root": head.tree_root} | changes
    handover = handed(FIRST, SECOND.signer, **stated)
    return vault_file([FIRST.signer, SECOND.signer], [handover])


def signed_by(keys: SigningKeys, superblock: bytes, **changes: Any) -> dict[str, bytes]:
    """Return the settled vault after another head, which a signer has signed, under another VAULT.

    Parameters
    ----------
    changes
        Fields of the live set of the head before that are other ones.
    """
    before = scenes.SETTLED_LEAVES
    ring: dict[int, bytes] = {SigningTag.NUMBER: u32(keys.signer.number), SigningTag.SEEDS: world.SECOND_SEEDS}
    keyring = world.keyring(world.VALUES | {Compartment.SIGNING: ring})
    live_set = replace(SETTLED.live_set(), **changes)
    log = segment(
        "audit of a turn", FrameClass.AUDIT, [TURNED], [[(1, 3)]], audit=[live_set, *TURNED_LEAVES],
        first_leaf=len(before), generation=2, signing=keys,
    )  # fmt: skip
    segments = [*scenes.SEGMENTS.values(), log]
    head = world.first_head(
        generation=3, last_commit=3, next_number=1001, segments=sorted(one.row for one in segments),
        superblock_digest=DEFAULT.digest(superblock), keyring_digest=DEFAULT.digest(keyring),
        signer=keys.signer.number,
    )  # fmt: skip
    leaves = [one.encode() for one in [*before, live_set, *TURNED_LEAVES]]
    head = world.signed(world.with_tree(head, merkle.audit_leaves(DEFAULT, leaves)), keys)
    extra = doubled(names.superblock_name(1), superblock) | doubled(names.keyring_name(1), keyring)
    return vault(head, segments, extra=extra)


def _vaults(checks: Checks) -> None:
    good = signed_by(SECOND, line_to_second())
    holds = "VLT-26 SGN-23 SGN-24 SGN-25"
    checks.check("two-signers", "Signer 2 has signed the newest head, after a handover.", good, "good", holds=holds)
    checks.open("two-signers", "And it opens.", good, holds, records=4)
    _log(checks.topic, "two-signers", "Its log is that of both.", good, "SGN-25")
    for name, signer in (("first", FIRST.signer), ("second", SECOND.signer)):
        checks.check(
            f"two-signers-{name}-known",
            f"The fingerprint that was noted is that of the {name}.",
            good,
            "good",
            holds="SGN-20 SGN-27",
            fingerprint=signer.fingerprint,
        )
    unled = signed_by(SECOND, vault_file([FIRST.signer, SECOND.signer]))
    checks.check("without-handover", "Nobody has handed over to signer 2.", unled, "damage", (1205,), breaks="VLT-26")
    checks.check(
        "without-handover-first-known",
        "The fingerprint that was noted is that of the first, which leads nowhere.",
        unled,
        "damage",
        (1205, 9119),
        breaks="VLT-26",
        fingerprint=FIRST.signer.fingerprint,
    )
    _refused(checks, "without-handover", unled, "VLT-26")
    again = signed_by(FIRST, line_to_second())
    checks.check(
        "first-again", "Signer 1 has signed it after its handover.", again, "damage", (1205, 9104), breaks="SGN-23"
    )
    _refused(checks, "first-again", again, "SGN-23")
    ahead = signed_by(SECOND, line_to_second(tree_size=99))
    checks.check(
        "cut-before-handover",
        "The log has fewer leaves than were handed over.",
        ahead,
        "damage",
        (1205, 9104),
        breaks="SGN-25",
    )
    _refused(checks, "cut-before-handover", ahead, "SGN-25")
    other = signed_by(SECOND, line_to_second(tree_root=seeded("another root", 32)))
    checks.check("another-log", "The log is not the one handed over.", other, "damage", (9109,), breaks="SGN-25")
    _log(checks.topic, "another-log", "So says who reads it.", other, "SGN-25", Structure.SIGNER)
    foreign = replace(SETTLED.live_set(), signer=2)
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(merkle.audit_leaves(DEFAULT, [one.encode() for one in [*scenes.SETTLED_LEAVES, foreign]]))
    root = tree.root(merkle.AUDIT_EMPTY)
    named = signed_by(SECOND, line_to_second(tree_root=root), signer=2)
    checks.check(
        "named-too-early", "A head before the handover names signer 2.", named, "damage", (9104,), breaks="SGN-25"
    )
    _log(checks.topic, "named-too-early", "So says who reads it.", named, "SGN-25", Structure.AUDIT_ENTRY)


def _refused(checks: Checks, name: str, files: dict[str, bytes], breaks: str) -> None:
    checks.topic.bad(
        f"open-{name}", "It does not open.", "open-vault", breaks, SignatureInvalid, Structure.SUPERBLOCK,
        vault=files, **KEYS,
    )  # fmt: skip


def _log(
    topic: Topic, name: str, comment: str, files: dict[str, bytes], rules: str, structure: Structure | None = None
) -> None:
    given: dict[str, Any] = {"vault": files, "count": 6, **KEYS}
    if structure is None:
        topic.good(f"log-{name}", comment, "audit-log", rules, **given)
    else:
        topic.bad(f"log-{name}", comment, "audit-log", rules, CommitmentMismatch, structure, **given)

"""Section 16.6: checkpoints, tiles and proofs of the exported audit log, and who has signed them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vaultfs_format import merkle
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.errors import (
    FieldInvalid,
    LimitExceeded,
    NotSigned,
    ProofInvalid,
    QuorumMissing,
    SignatureInvalid,
    Structure,
    TrailingBytes,
    Truncated,
    UnsupportedFeature,
)
from vaultfs_format.levels import HashLevels, consistency_proof, inclusion_proof, root_at
from vaultfs_format.schemes import ED25519
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import KeyType, NoteSigner, VerifierKey, note_signers, sign_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.proof import LogProof
from vaultfs_format.tlog.tiles import Tile, encode_bundle, encode_tile
from vaultfs_format.tlog.witness import AddCheckpoint

from vectors import world
from vectors.case import Case, Topic
from vectors.world import DRAWN, seeded

ORIGIN = "vault.example/audit"
TIME = 1_700_000_000
NODES = merkle.audit_nodes(DEFAULT)
ENTRIES = [AuditEntry(LeafKind.EVENT, number + 1, seeded(f"event {number}", 32)).encode() for number in range(9)]
TREE = HashLevels(NODES)
TREE.extend(merkle.audit_leaves(DEFAULT, ENTRIES))


def _drawn(signer: NoteSigner) -> NoteSigner:
    def sign(message: bytes) -> bytes:
        about = DEFAULT.digest(signer.key.public + message).hex()
        return DRAWN.get(f"note {about}", lambda: signer.sign(message))

    return replace(signer, sign=sign)


def _witness(name: str) -> NoteSigner:
    private = seeded(f"witness {name}", 32)
    key = VerifierKey(f"{name}.example", KeyType.COSIGNATURE, ED25519.public(private))
    return NoteSigner(key, lambda message: ED25519.sign(private, message))


FIRST, SECOND = note_signers(world.SIGNING, ORIGIN)
SIGNERS = (FIRST, _drawn(SECOND))
KEYS = [one.key.encode() for one in SIGNERS]
OTHER = note_signers(world.OTHER_SIGNING, ORIGIN)[0]
WITNESSES = [_witness(f"w{number}") for number in range(3)]


def _head(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, root_at(NODES, TREE, size, merkle.AUDIT_EMPTY))


NOTE = sign_checkpoint(_head(7), SIGNERS, TIME)
SHORT = sign_checkpoint(_head(7), SIGNERS[:1], TIME)
COSIGNED = SHORT.cosigned(one.signature(SHORT.text, TIME) for one in WITNESSES[:2])
ALL = [*KEYS, *(one.key.encode() for one in WITNESSES)]


def cases() -> list[Case]:
    """Return the scenarios of exported logs."""
    topic = Topic("logs")
    for make in (_consistency, _keys, _notes, _checkpoints, _tiles, _proofs, _policies, _requests):
        make(topic)
    return topic.cases


def _consistency(topic: Topic) -> None:
    roots = [_head(size).root for size in range(10)]

    def add(name: str, comment: str, rule: str, old: int, new: int, *, right: bool, **changed: Any) -> None:
        given: dict[str, Any] = {"old_root": roots[old], "new_root": roots[new]} | {
            "path": consistency_proof(NODES, TREE, old, new) if old <= new else []
        }
        kept, broken = (rule, "") if right else ("", rule)
        facts = {"consistent": right}
        topic.good(
            name, comment, "audit-consistency", kept, breaks=broken, facts=facts, old=old, new=new, **(given | changed)
        )

    for old, new in ((0, 0), (0, 7), (7, 7)):
        add(f"from-{old}-to-{new}", "A proof without a hash.", "LOG-20", old, new, right=True)
        add(f"from-{old}-to-{new}-more", "A hash too many.", "LOG-20", old, new, right=False, path=[bytes(32)])
    for old, new in ((1, 2), (3, 7), (4, 7), (6, 7), (6, 9), (8, 9)):
        path = consistency_proof(NODES, TREE, old, new)
        add(f"from-{old}-to-{new}", "The smaller tree is the beginning.", "LOG-21", old, new, right=True)
        add(f"from-{old}-to-{new}-less", "A hash too few.", "LOG-21", old, new, right=False, path=path[1:])
        add(f"from-{old}-to-{new}-more", "A hash too many.", "LOG-21", old, new, right=False, path=[*path, path[-1]])
        add(f"from-{old}-to-{new}-root", "Another root.", "LOG-21", old, new, right=False, old_root=roots[old - 1])
    add("from-0-root", "A tree of size 0 has one root.", "LOG-20", 0, 7, right=False, old_root=roots[1])
    add("zeros-root", "Both trees of size 0, with another root.", "LOG-20", 0, 0, right=False,
        old_root=roots[1], new_root=roots[1])  # fmt: skip
    add("same-size-other-root", "The same size and another root.", "LOG-20", 7, 7, right=False, new_root=roots[6])
    add("smaller", "A tree is the beginning of none that is smaller.", "LOG-20", 7, 6, right=False)


def _bad(topic: Topic, operation: str, structure: Structure, letters: str) -> Callable[..., None]:
    def add(name: str, comment: str, rule: int, **given: Any) -> None:
        topic.bad(name, comment, operation, f"{letters}-{rule}", FieldInvalid, structure, rule, **given)

    return add


def _keys(topic: Topic) -> None:
    for name, text in (("ed25519", KEYS[0]), ("ml-dsa-44", KEYS[1]), ("cosigner", WITNESSES[0].key.encode())):
        topic.good(f"key-{name}", "A verifier key.", "verifier-key", "NTE-4 NTE-5 NTE-6", text=text)
    bad = _bad(topic, "verifier-key", Structure.NOTE, "NTE")
    text = KEYS[0]
    bad("key-space", "A space in the name.", 4, text=text.replace("audit", "au dit"))
    bad("key-without-name", "There is no name.", 4, text=text.removeprefix(ORIGIN))
    bad("key-upper-case", "The id in capitals.", 5, text=text.replace(text.split("+")[1], text.split("+")[1].upper()))
    bad("key-cut", "A public key of 29 bytes.", 5, text=text[:-4])
    bad("key-base64", "Bits that stand for nothing.", 5, text=_respelled(text))
    bad("key-of-another-name", "The id is not that of the name.", 6, text=text.replace("audit", "other"))
    unknown = f"name+00000000+{b64encode(bytes([255]) + bytes(32)).decode()}"
    topic.bad("key-type-255", "A type that is not defined.", "verifier-key", "", UnsupportedFeature, Structure.NOTE,
              holds="GEN-24", text=unknown)  # fmt: skip


def _respelled(text: str) -> str:
    """Return Base64 of a length that is padded, with a bit set in its last character that stands for nothing."""
    blob = b64encode(bytes(32)).decode()
    return f"{text.rpartition('+')[0]}+{blob[:-2]}B="


def _notes(topic: Topic) -> None:
    topic.good("note", "Two keys of a log, and two witnesses, of which one is known.", "note",
               "NTE-1 NTE-2 NTE-3 NTE-7 NTE-8 LOG-22", data=COSIGNED.encode(), keys=[*KEYS, ALL[2]])  # fmt: skip
    bad = _bad(topic, "note", Structure.NOTE, "NTE")
    data = SHORT.encode()
    line = data.rpartition(b"\n\n")[2]
    bad("note-not-utf-8", "It is no UTF-8.", 1, data=b"\xff" + data, keys=[])
    bad("note-control", "A carriage return.", 1, data=data.replace(b"\n7\n", b"\r\n7\n"), keys=[])
    bad("note-without-signature", "No line follows the empty one.", 2, data=data.removesuffix(line), keys=[])
    bad("note-cut", "The last newline is missing.", 2, data=data[:-1], keys=[])
    bad("note-without-empty-line", "There is no empty line.", 2, data=line, keys=[])
    bad("note-dash", "A hyphen for the dash.", 3, data=data.replace("\u2014".encode(), b"-"), keys=[])
    bad("note-spaces", "Two spaces behind the name.", 3, data=data.replace(b"audit ", b"audit  "), keys=[])
    bad("note-base64", "A signature of 3 bytes.", 3, data=b"text\n\n\xe2\x80\x94 name AAAA\n", keys=[])
    bad("note-name", "A plus sign in a name.", 4, data=data.replace(b"audit ", b"au+dit "), keys=[])
    topic.bad("note-signatures", "65 signatures.", "note", "", LimitExceeded, Structure.NOTE, holds="GEN-21",
              data=data + line * 64, keys=[])  # fmt: skip
    pair = _colliding()
    bad("note-colliding-keys", "Two keys of one name and id.", 8, data=data, keys=pair)
    wrong = replace(SHORT, text=_head(6).encode()).encode()
    topic.bad("note-wrong-signature", "A known key has not signed this.", "note", "LOG-22", SignatureInvalid,
              Structure.NOTE, data=wrong, keys=KEYS)  # fmt: skip
    late = COSIGNED.signatures[1]
    late = replace(late, blob=(1 << 63).to_bytes(8, "big") + late.blob[8:])
    topic.bad("note-time", "A time of 2^63.", "note", "NTE-7", SignatureInvalid, Structure.NOTE,
              data=replace(SHORT, signatures=(late,)).encode(), keys=ALL)  # fmt: skip


def _colliding() -> list[str]:
    """Return two keys of one name whose ids are the same."""
    seen: dict[bytes, VerifierKey] = {}
    for number in range(1 << 20):
        key = VerifierKey("n", KeyType.ED25519, DEFAULT.sha256_each([number.to_bytes(4, "big")])[0])
        if seen.setdefault(key.key_id, key) != key:
            return [seen[key.key_id].encode(), key.encode()]
    raise LookupError("no two keys of one id")


def _checkpoints(topic: Topic) -> None:
    topic.good("checkpoint", "Signed by Ed25519 and ML-DSA-44.", "log-checkpoint",
               "CKP-1 CKP-2 CKP-3 CKP-4 CKP-5 CKP-6 LOG-23", data=NOTE.encode(), keys=KEYS,
               facts={"origin": ORIGIN, "size": 7, "root": _head(7).root})  # fmt: skip
    empty = sign_checkpoint(_head(0), SIGNERS[:1], TIME)
    topic.good("checkpoint-0", "Of size 0.", "log-checkpoint", "CKP-4", data=empty.encode(), keys=KEYS[:1])
    longer = replace(_head(7), extensions=("more",)).encode()
    extended = Note(longer, (FIRST.signature(longer, TIME),))
    topic.good("checkpoint-extended", "An extension line, as other logs have them.", "log-checkpoint", "CKP-1",
               data=extended.encode(), keys=KEYS[:1], facts={"extensions": ["more"]})  # fmt: skip
    topic.bad("checkpoint-one-signature", "The one by ML-DSA-44 is missing.", "log-checkpoint", "LOG-23", NotSigned,
              Structure.NOTE, data=SHORT.encode(), keys=KEYS)  # fmt: skip
    topic.bad("checkpoint-other-origin", "A key signs under an origin that is not its name.", "log-checkpoint",
              "CKP-6", NotSigned, Structure.CHECKPOINT, keys=KEYS[:1],
              data=_signed(replace(_head(7), origin="other.example").encode()))  # fmt: skip
    bad = _bad(topic, "log-checkpoint", Structure.CHECKPOINT, "CKP")
    root = _head(7).encode().split("\n")[2]
    for name, comment, rule, old, new in (
        ("lines", "Two lines.", 1, f"{root}\n", ""),
        ("empty-line", "An empty line behind the root.", 1, f"{root}\n", f"{root}\n\nmore\n"),
        ("zeros", "A size with a zero before it.", 2, "\n7\n", "\n07\n"),
        ("size", "A size of 2^63.", 2, "\n7\n", f"\n{1 << 63}\n"),
        ("root", "A root of 31 bytes.", 3, root, b64encode(bytes(31)).decode()),
        ("root-bits", "Bits that stand for nothing.", 3, root, f"{b64encode(bytes(32)).decode()[:-2]}B="),
        ("root-of-0", "Size 0 with another root.", 4, "\n7\n", "\n0\n"),
    ):
        data = _signed(_head(7).encode().replace(old, new))
        bad(f"checkpoint-{name}", comment, rule, data=data, keys=KEYS[:1])
    named = replace(NOTE, text=replace(_head(7), origin="o" * 256).encode(), signatures=NOTE.signatures[1:])
    bad("checkpoint-origin", "ML-DSA-44 cannot name an origin of 256 bytes.", 5, data=named.encode(), keys=KEYS)


def _signed(text: str) -> bytes:
    return Note(text, (FIRST.signature(text, TIME),)).encode()


def _tiles(topic: Topic) -> None:
    for path in ("tile/0/000", "tile/3/x001/x234/067", "tile/1/000.p/1", "tile/entries/x001/000.p/255"):
        topic.good(f"path-{path.replace('/', '-')}", "A path.", "log-tile", "TIL-1", path=path)
    for name, path in (
        ("level", "tile/64/000"), ("digits", "tile/0/1000"), ("zeros", "tile/0/x000/001"), ("width", "tile/1/000.p/256")
    ):  # fmt: skip
        _bad(topic, "log-tile", Structure.TILE, "TIL")(f"path-{name}", "No path of a tile.", 1, path=path)
    tile, bundle = Tile(0, 0, 9), Tile(None, 0, 3)
    hashes, entries = encode_tile(tile, TREE), encode_bundle(ENTRIES[:3])
    topic.good("tile", "Nine leaf hashes.", "tile-hashes", "LOG-26", path=tile.path, data=hashes,
               facts={"hashes": 9, "root": _head(9).root})  # fmt: skip
    for name, data, error in (("cut", hashes[:-1], Truncated), ("more", hashes + bytes(32), TrailingBytes)):
        topic.bad(f"tile-{name}", "Not nine hashes.", "tile-hashes", "LOG-26", error, Structure.TILE,
                  path=tile.path, data=data)  # fmt: skip
    topic.good("bundle", "Three entries.", "entry-bundle", "TIL-2", path=bundle.path, data=entries,
               facts={"entries": ENTRIES[:3]})  # fmt: skip
    for name, data in (("cut", entries[:-1]), ("less", entries[:-50]), ("more", entries + b"\0\0")):
        _bad(topic, "entry-bundle", Structure.TILE, "TIL")(
            f"bundle-{name}", "Not three entries.", 2, path=bundle.path, data=data
        )


def _proofs(topic: Topic) -> None:
    proof = LogProof(2, tuple(inclusion_proof(NODES, TREE, 2, 7)), SHORT, b"extra")
    data = proof.encode()
    given: dict[str, Any] = {"entry": ENTRIES[2], "keys": KEYS[:1]}
    topic.good("proof", "Entry 2 of 7.", "log-proof", "LPR-1 LPR-2 LPR-3 LPR-4 LOG-24", data=data, **given)
    bad = _bad(topic, "log-proof", Structure.LOG_PROOF, "LPR")
    for name, comment, rule, old, new in (
        ("version", "Another version.", 1, b"@v1", b"@v2"),
        ("extra", "Extra data of no byte.", 2, b"extra ZXh0cmE=", b"extra "),
        ("index", "An index with a zero before it.", 3, b"index 2", b"index 02"),
        ("hash", "A hash of 3 bytes.", 4, b"index 2\n", b"index 2\nAAAA\n"),
    ):
        bad(f"proof-{name}", comment, rule, data=data.replace(old, new), **given)
    for name, comment, other in (
        ("less", "A hash too few.", replace(proof, path=proof.path[1:])),
        ("more", "A hash too many.", replace(proof, path=(*proof.path, bytes(32)))),
        ("other-index", "Another index.", replace(proof, index=3)),
        ("far-index", "An index behind the tree.", replace(proof, index=7)),
    ):
        topic.bad(f"proof-{name}", comment, "log-proof", "LOG-24", ProofInvalid, Structure.LOG_PROOF,
                  data=other.encode(), **given)  # fmt: skip
    topic.bad("proof-without-note", "It ends before the checkpoint.", "log-proof", "", Truncated, Structure.LOG_PROOF,
              holds="GEN-21", data=data.partition(b"\n\n")[0], **given)  # fmt: skip


def _policies(topic: Topic) -> None:
    log = f"log {KEYS[0]}\n"
    lines = [f"witness w{at} {one.key.encode()} https://w{at}.example\n" for at, one in enumerate(WITNESSES)]
    policy = f"# Two of three.\n\n{log}{''.join(lines)}group \t g 2  w0 w1 w2\nquorum g\n"
    data = COSIGNED.encode()
    topic.good("policy", "Two of three witnesses.", "log-policy",
               "LPO-1 LPO-2 LPO-3 LPO-4 LPO-5 LPO-6 LPO-7 LOG-25", policy=policy.encode(), data=data)  # fmt: skip
    nobody = f"log {KEYS[0]}\nquorum none\n".encode()
    topic.good("policy-none", "No witness is wanted.", "log-policy", "LOG-25", policy=nobody, data=SHORT.encode())
    topic.bad("policy-quorum-missing", "All of three are wanted.", "log-policy", "LOG-25", QuorumMissing,
              Structure.LOG_POLICY, policy=policy.replace("g 2", "g all").encode(), data=data)  # fmt: skip
    topic.bad("policy-other-log", "The log is not of the policy.", "log-policy", "LOG-25", NotSigned,
              Structure.LOG_POLICY, data=data,
              policy=policy.replace(KEYS[0], OTHER.key.encode()).encode())  # fmt: skip
    bad = _bad(topic, "log-policy", Structure.LOG_POLICY, "LPO")
    for name, comment, rule, text in (
        ("control", "A carriage return.", 1, policy.replace("\n", "\r\n")),
        ("cut", "The last newline is missing.", 1, policy[:-1]),
        ("word", "A line that is not defined.", 2, f"logs\n{policy}"),
        ("log-twice", "A log twice.", 3, log + policy),
        ("witness-twice", "The key of a witness twice.", 3, policy.replace("group", f"{lines[0]}group")),
        ("name-twice", "A name twice.", 4, policy.replace("group \t g", "group w0")),
        ("member-later", "A member that is not defined.", 5, policy.replace("w1 w2", "w1 w3")),
        ("member-twice", "A member of two groups.", 5, policy.replace("quorum g", "group h 1 w0\nquorum g")),
        ("threshold", "Four of three.", 5, policy.replace("g 2", "g 4")),
        ("no-quorum", "There is no quorum.", 6, policy.replace("quorum g\n", "")),
        ("two-quorums", "There are two.", 6, f"{policy}quorum none\n"),
        ("witness-type", "A witness whose key is of a log.", 7, f"witness w {KEYS[0]}\nquorum none\n"),
        ("log-type", "A log whose key is of a witness.", 7, f"log {ALL[2]}\nquorum none\n"),
    ):
        bad(f"policy-{name}", comment, rule, policy=text.encode(), data=data)


def _requests(topic: Topic) -> None:
    request = AddCheckpoint(3, tuple(consistency_proof(NODES, TREE, 3, 7)), SHORT)
    root = _head(3).root
    data = request.encode()
    topic.good("request", "From size 3 to 7.", "add-checkpoint", "LWI-1 LWI-2 LWI-3 LOG-21", data=data, old_root=root)
    first = AddCheckpoint(0, (), SHORT).encode()
    topic.good("request-first", "From size 0.", "add-checkpoint", "LOG-20", data=first, old_root=merkle.AUDIT_EMPTY)
    bad = _bad(topic, "add-checkpoint", Structure.LOG_WITNESS, "LWI")
    for name, comment, rule, old, new in (
        ("size", "A size with a zero before it.", 1, b"old 3", b"old 03"),
        ("hash", "A hash of 3 bytes.", 2, b"old 3\n", b"old 3\nAAAA\n"),
        ("smaller", "The old size is larger than the new one.", 3, b"old 3", b"old 8"),
    ):
        bad(f"request-{name}", comment, rule, data=data.replace(old, new), old_root=root)
    topic.bad("request-hashes", "64 hashes.", "add-checkpoint", "", LimitExceeded, Structure.LOG_WITNESS,
              holds="GEN-21", data=replace(request, path=(bytes(32),) * 64).encode(), old_root=root)  # fmt: skip
    for name, comment, other, broken in (
        ("other-root", "The witness has another root.", (request, _head(2).root), "LOG-21"),
        ("cut", "A hash too few.", (replace(request, path=request.path[1:]), root), "LOG-21"),
        ("first-with-hash", "From size 0, with a hash.", (AddCheckpoint(0, (bytes(32),), SHORT), merkle.AUDIT_EMPTY),
         "LOG-20"),
    ):  # fmt: skip
        topic.bad(f"request-{name}", comment, "add-checkpoint", broken, ProofInvalid, Structure.LOG_WITNESS,
                  data=other[0].encode(), old_root=other[1])  # fmt: skip

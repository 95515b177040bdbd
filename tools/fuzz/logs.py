"""Targets: what strangers hand over of transparency logs, from notes and keys to policies and requests."""

from __future__ import annotations

from dataclasses import replace

from vaultfs_format import merkle
from vaultfs_format.levels import consistency_proof
from vaultfs_format.suite import DEFAULT, DIGEST
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import KeyType, VerifierKey, signed_by
from vaultfs_format.tlog.note import Note, decode_signatures, encode_signatures
from vaultfs_format.tlog.policy import NONE, Policy, PolicyGroup, PolicyLog, PolicyWitness
from vaultfs_format.tlog.proof import LogProof
from vaultfs_format.tlog.tiles import Tile, decode_bundle, encode_bundle
from vaultfs_format.tlog.witness import AddCheckpoint, decode_size, encode_size

from fuzz.files import SAME_BYTES
from fuzz.target import KEYED, Target, must
from tests.vaultfs_format.tlog import logs

WITNESS = logs.signer("witness.example", KeyType.COSIGNATURE)
WORDS = (b"\n", b"\n\n", b" ", "\n\n\u2014 ".encode(), b"AAAA", b"=", b"+", b"0", b"9223372036854775807")
_NOTE = replace(logs.signed(7), signatures=logs.signed(7).signatures[:1])
_COSIGNED = _NOTE.cosigned([WITNESS.signature(_NOTE.text, logs.TIME)])
_PROOF = replace(logs.proof(2, 7), note=_NOTE)
_POLICY = Policy(
    (PolicyLog(logs.log_keys()[0], b"https://log.example"),),
    (PolicyWitness(b"w", WITNESS.key),),
    (PolicyGroup(b"g", 1, (b"w",)),),
    b"g",
)


def _note(data: bytes) -> None:
    note = Note.decode(data)
    must(note.encode() == data, SAME_BYTES)
    head = Checkpoint.decode(note.text)
    must(head.encode() == note.text, SAME_BYTES)
    signers = signed_by(note, [logs.log_keys()[0], WITNESS.key])
    must(not signers or note.text == _NOTE.text, "nothing that was not signed verifies")


def _signatures(data: bytes) -> None:
    must(encode_signatures(decode_signatures(data)).encode() == data, SAME_BYTES)


def _key(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    must(VerifierKey.decode(text).encode() == text, SAME_BYTES)


def _tile(data: bytes) -> None:
    path, _, rest = data.partition(b"\0")
    text = path.decode("utf-8", "replace")
    tile = Tile.parse(text)
    must(tile.path == text, SAME_BYTES)
    if tile.level is None:
        must(encode_bundle(decode_bundle(tile, rest)) == rest, SAME_BYTES)


def _proof(data: bytes) -> None:
    proof = LogProof.decode(data)
    must(proof.encode() == data, SAME_BYTES)
    proof.verify(logs.ENTRIES[2], logs.log_keys()[:1])
    must(replace(proof, extra=b"", note=_NOTE) == _PROOF, "an entry has one proof in a tree")


def _policy(data: bytes) -> None:
    policy = Policy.decode(data)
    must(Policy.decode(policy.encode()) == policy, "decoding what a policy is encoded as gives the policy")
    some = policy.is_quorum(set())
    must(some == (policy.quorum == NONE), "without a witness there is no quorum of any")
    everybody = policy.is_quorum({one.name for one in policy.witnesses})
    must(everybody, "all witnesses are a quorum")


def _request(data: bytes) -> None:
    request = AddCheckpoint.decode(data)
    must(request.encode() == data, SAME_BYTES)
    request.check(logs.head(3).root)
    must(request.head.root != logs.head(3).root or not request.path, "a tree and itself need no proof")


def _size(data: bytes) -> None:
    must(encode_size(decode_size(data)) == data, SAME_BYTES)


def _consistency(data: bytes) -> None:
    """Sizes of trees of the log, and then the hashes: no other proof than the one that is made leads to both roots."""
    old, new = (int.from_bytes(data[at : at + 1], "little") for at in (0, 1))
    path = [data[at : at + DIGEST] for at in range(2, len(data), DIGEST)]
    roots = [logs.head(size).root for size in (old, new)]
    nodes = merkle.audit_nodes(DEFAULT)
    right = merkle.consistent(nodes, merkle.AUDIT_EMPTY, old, roots[0], new, roots[1], path)
    made = old <= new and path == consistency_proof(nodes, logs.levels(), old, new)
    must(right == made, "between two trees there is one proof")


def _consistencies() -> list[bytes]:
    nodes, pairs = merkle.audit_nodes(DEFAULT), ((3, 7), (0, 7), (7, 7), (4, 7), (6, 9), (100, 255))
    return [bytes([old, new]) + b"".join(consistency_proof(nodes, logs.levels(), old, new)) for old, new in pairs]


def _tiles() -> list[bytes]:
    bundle = Tile(None, 0, 3)
    return [bundle.path.encode() + b"\0" + encode_bundle(logs.ENTRIES[:3]), b"tile/3/x001/x234/067", b"tile/0/000.p/9"]


def _requests() -> list[bytes]:
    path = tuple(consistency_proof(logs.NODES, logs.levels(), 3, 7))
    return [AddCheckpoint(3, path, _NOTE).encode(), AddCheckpoint(0, (), _COSIGNED).encode()]


TARGETS = [
    Target("note", _note, lambda: [_NOTE.encode(), _COSIGNED.encode()], KEYED, words=WORDS),
    Target("cosignatures", _signatures, lambda: [encode_signatures(_COSIGNED.signatures).encode()], words=WORDS),
    Target(
        "verifier-key", _key, lambda: [logs.log_keys()[0].encode().encode(), WITNESS.key.encode().encode()], words=WORDS
    ),
    Target("tile", _tile, _tiles, words=(b"tile/", b"x000/", b".p/", b"entries", b"\0")),
    Target(
        "log-proof", _proof, lambda: [_PROOF.encode(), replace(_PROOF, extra=b"extra").encode()], KEYED, words=WORDS
    ),
    Target(
        "log-policy", _policy, lambda: [_POLICY.encode(), b"quorum none\n"], words=(*WORDS, b"group ", b"any", b"all")
    ),
    Target("add-checkpoint", _request, _requests, KEYED, words=WORDS),
    Target("tree-size", _size, lambda: [b"0\n", b"20852163\n"], words=WORDS),
    Target("consistency-proof", _consistency, _consistencies),
]

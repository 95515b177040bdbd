"""Policies: what they say of whose checkpoints count, and what is no policy."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import limits
from vaultfs_format.errors import (
    FieldInvalid,
    LimitExceeded,
    NotSigned,
    QuorumMissing,
    SignatureInvalid,
    Structure,
    UnsupportedFeature,
)
from vaultfs_format.tlog.keys import KeyType, VerifierKey
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.policy import NONE, Policy, PolicyGroup, PolicyLog, PolicyWitness

from tests.vaultfs_format.tlog import logs

LOG = logs.log_keys()[0].encode()
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
WITNESSES = {
    name: logs.signer(f"{name.lower()}.example", KeyType.LATTICE_COSIGNATURE if name == "X1" else KeyType.COSIGNATURE)
    for name in NAMES
}
KEYS = {name: signer.key.encode() for name, signer in WITNESSES.items()}
EXAMPLE = f"""\
log {LOG}

witness X1 {KEYS["X1"]}
witness X2 {KEYS["X2"]}
\t witness  X3\t{KEYS["X3"]} https://x3.example/submit \t
group X-witnesses 2 X1 X2 X3

# Another organization.
witness Y1 {KEYS["Y1"]}
witness Y2 {KEYS["Y2"]}
witness Y3 {KEYS["Y3"]}
\t# any of them
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_the_example_of_the_specification() -> None:
    policy = Policy.decode(EXAMPLE.encode())
    assert [log.key for log in policy.logs] == [logs.log_keys()[0]]
    assert [(one.name, one.url) for one in policy.witnesses][2] == (b"X3", b"https://x3.example/submit")
    assert policy.groups == (
        PolicyGroup(b"X-witnesses", 2, (b"X1", b"X2", b"X3")),
        PolicyGroup(b"Y-witnesses", 1, (b"Y1", b"Y2", b"Y3")),
        PolicyGroup(b"X-and-Y", 2, (b"X-witnesses", b"Y-witnesses")),
    )
    assert Policy.decode(policy.encode()) == policy


def test_each_set_of_witnesses_is_a_quorum_or_none_as_the_rule_says() -> None:
    policy = Policy.decode(EXAMPLE.encode())
    for count in range(7):
        for some in combinations(NAMES, count):
            wanted = sum(one[0] == "X" for one in some) >= 2 and any(one[0] == "Y" for one in some)
            assert policy.is_quorum({one.encode() for one in some}) == wanted


def cosigned(*names: str, size: int = 7) -> bytes:
    note = logs.signed(size)
    made = note.cosigned(WITNESSES[name].signature(note.text, logs.TIME) for name in names)
    return made.encode()


def test_a_checkpoint_counts_with_a_log_of_the_policy_and_a_quorum() -> None:
    policy = Policy.decode(EXAMPLE.encode())

    def check(data: bytes) -> object:
        return policy.check(Note.decode(data))

    assert check(cosigned("X1", "X2", "Y3")) == logs.head(7)
    assert check(cosigned(*NAMES)) == logs.head(7)
    for names in ((), ("X1", "X2"), ("X1", "Y1", "Y2", "Y3"), ("X3",)):
        with pytest.raises(QuorumMissing):
            check(cosigned(*names))


def test_who_is_no_log_of_the_policy_is_not_believed_whoever_cosigned() -> None:
    note = Note.decode(cosigned(*NAMES))
    other = logs.signer("other.example").key
    for log in (other, logs.signer(logs.ORIGIN, seed=b"other").key):
        with pytest.raises(NotSigned):
            Policy.decode(EXAMPLE.replace(LOG, log.encode()).encode()).check(note)
    with pytest.raises(NotSigned):
        Policy.decode(b"quorum none\n").check(note)
    everybody = replace(Policy.decode(EXAMPLE.encode()), logs=(PolicyLog(other),))
    stolen = replace(logs.head(7), origin="other.example").encode()
    with pytest.raises(NotSigned):
        everybody.check(Note(stolen, (logs.signer(logs.ORIGIN).signature(stolen, 0),)))


def test_a_key_signs_for_its_own_origin_only() -> None:
    """A log of the policy that signs under the origin of another one is not believed."""
    mallory = logs.signer("mallory.example")
    policy = Policy.decode(f"log {LOG}\nlog {mallory.key.encode()}\nquorum none\n".encode())
    text = logs.head(7).encode()
    with pytest.raises(NotSigned):
        policy.check(Note(text, (mallory.signature(text, 0),)))
    assert policy.check(logs.signed(7)) == logs.head(7)


def test_a_wrong_cosignature_of_a_witness_refuses_the_checkpoint() -> None:
    note = Note.decode(cosigned("X1", "X2", "Y1"))
    last = note.signatures[-1]
    wrong = replace(
        note, signatures=(*note.signatures, replace(last, blob=last.blob[:-1] + bytes([last.blob[-1] ^ 1])))
    )
    with pytest.raises(SignatureInvalid):
        Policy.decode(EXAMPLE.encode()).check(wrong)


def test_witnesses_are_asked_alone_whoever_keeps_the_keys_of_the_log() -> None:
    policy = replace(Policy.decode(EXAMPLE.encode()), logs=())
    assert policy.check_witnesses(Note.decode(cosigned("X1", "X2", "Y3"))) == logs.head(7)
    with pytest.raises(QuorumMissing):
        policy.check_witnesses(Note.decode(cosigned("X1", "Y3")))
    with pytest.raises(NotSigned):
        policy.check(Note.decode(cosigned("X1", "X2", "Y3")))


def test_a_quorum_may_be_one_witness_or_none() -> None:
    alone = Policy.decode(f"log {LOG}\nwitness w {KEYS['X1']}\nquorum w\n".encode())
    assert alone.is_quorum({b"w"})
    assert not alone.is_quorum(set())
    nobody = Policy.decode(b"quorum none\n")
    assert nobody.quorum == NONE
    assert nobody.is_quorum(set())
    assert Policy.decode(nobody.encode()) == nobody


def test_names_are_octets() -> None:
    kelvin = "\u212a".encode()
    text = b"witness K %s\nwitness %s %s\nquorum %s\n" % (KEYS["X1"].encode(), kelvin, KEYS["X2"].encode(), kelvin)
    policy = Policy.decode(text)
    assert policy.is_quorum({kelvin})
    assert not policy.is_quorum({b"K"})
    odd = b"witness \xff\xfe %s http://\x80\nquorum \xff\xfe # no\n" % KEYS["X1"].encode()
    with pytest.raises(FieldInvalid):
        Policy.decode(odd)
    assert Policy.decode(odd.replace(b" # no", b"")).witnesses[0].url == b"http://\x80"


def second(name: str, text: str) -> str:
    """Return a log or witness line whose key is the same public key under another name and type."""
    key = VerifierKey.decode(text)
    return VerifierKey(name, key.type, key.public).encode()


W1, W2 = f"witness w1 {KEYS['X1']}\n", f"witness w2 {KEYS['X2']}\n"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", 1),
        ("quorum none", 1),
        ("quorum none\r\n", 1),
        ("# \x00\nquorum none\n", 1),
        ("# \x7f\nquorum none\n", 1),
        ("unknown\nquorum none\n", 2),
        ("Quorum none\n", 2),
        ("quorum\n", 2),
        ("quorum none none\n", 2),
        ("quorum none # comment\n", 2),
        ("log\nquorum none\n", 2),
        (f"log {LOG} url more\nquorum none\n", 2),
        ("witness w\nquorum none\n", 2),
        (W1[:-1] + " url more\nquorum none\n", 2),
        ("group g 1\nquorum none\n", 2),
        ("group g\nquorum none\n", 2),
        (f"log {LOG}\nlog {LOG}\nquorum none\n", 3),
        (f"log {LOG}\nlog {second('other.example', LOG)}\nquorum none\n", 3),
        (W1 + f"witness w2 {second('other.example', KEYS['X1'])}\nquorum none\n", 3),
        (W1 + W2.replace("w2", "w1") + "quorum none\n", 4),
        (W1.replace("w1", "none") + "quorum none\n", 4),
        (W1 + "group w1 1 w1\nquorum none\n", 4),
        (W1 + "group g 1 g\nquorum none\n", 5),
        (W1 + "group g 1 w2\n" + W2 + "quorum none\n", 5),
        (W1 + "group g 1 none\nquorum none\n", 5),
        (W1 + "group g 0 w1\nquorum none\n", 5),
        (W1 + "group g 2 w1\nquorum none\n", 5),
        (W1 + "group g 01 w1\nquorum none\n", 5),
        (W1 + "group g one w1\nquorum none\n", 5),
        (W1 + "group g \u0661 w1\nquorum none\n", 5),
        (W1 + "group g 1 w1 w1\nquorum none\n", 5),
        (W1 + W2 + "group g 1 w1 w2\ngroup h 1 w1\nquorum none\n", 5),
        (W1, 6),
        ("quorum none\nquorum none\n", 6),
        ("quorum w1\n" + W1, 6),
        ("quorum w1\n", 6),
        (W1.replace(KEYS["X1"], LOG) + "quorum none\n", 7),
        (f"log {KEYS['X2']}\nquorum none\n", 7),
    ],
)
def test_what_is_no_policy_is_refused(text: str, rule: int) -> None:
    with pytest.raises(FieldInvalid) as caught:
        Policy.decode(text.encode())
    assert caught.value.facts == {"structure": Structure.LOG_POLICY, "rule": rule}


def test_a_key_that_is_none_or_of_another_type_is_refused() -> None:
    with pytest.raises(FieldInvalid) as caught:
        Policy.decode(b"log \xff" + LOG.encode() + b"\nquorum none\n")
    assert caught.value.facts["structure"] is Structure.NOTE
    assert caught.value.__context__ is None
    unknown = "name+1e6c4b9a+/wAA"
    with pytest.raises(UnsupportedFeature):
        Policy.decode(f"log {unknown}\nquorum none\n".encode())


def test_policies_are_bounded_and_as_large_as_they_should_be() -> None:
    most = limits.MAX_POLICY_LINES
    assert most >= 32
    keys = [logs.signer(f"w{number}.example", KeyType.COSIGNATURE).key for number in range(most + 1)]
    named = [PolicyWitness(b"w%d" % number, key) for number, key in enumerate(keys)]
    groups = [PolicyGroup(b"g%d" % number, 1, (one.name,)) for number, one in enumerate(named)]
    logged = [PolicyLog(VerifierKey("log.example", KeyType.ED25519, key.public)) for key in keys]
    whole = Policy(tuple(logged[:most]), tuple(named[:most]), tuple(groups[:most]), b"g0")
    assert Policy.decode(whole.encode()) == whole
    chain = [
        PolicyGroup(b"h%d" % number, 1, (b"h%d" % (number - 1) if number else b"w0",)) for number in range(most + 1)
    ]
    for larger in (
        replace(whole, logs=tuple(logged)),
        replace(whole, witnesses=tuple(named), groups=(), quorum=NONE),
        replace(whole, groups=tuple(chain), quorum=NONE),
    ):
        with pytest.raises(LimitExceeded):
            Policy.decode(larger.encode())
    with pytest.raises(LimitExceeded):
        Policy.decode(b"#" * limits.MAX_POLICY + b"\nquorum none\n")


@given(st.data())
def test_a_policy_is_parsed_as_it_was_written(data: st.DataObject) -> None:
    urls = st.binary(max_size=9).map(lambda one: bytes(octet | 0x80 for octet in one))
    witnesses = [
        PolicyWitness(name.encode(), signer.key, data.draw(urls))
        for name, signer in WITNESSES.items()
        if data.draw(st.booleans())
    ]
    free, groups = [one.name for one in witnesses], list[PolicyGroup]()
    some = st.booleans()
    while data.draw(some) and free:
        members = data.draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        group = PolicyGroup(b"g%d" % len(groups), data.draw(st.integers(1, len(members))), tuple(members))
        groups.append(group)
        free = [one for one in free if one not in members] + [group.name]
    quorum = data.draw(st.sampled_from([NONE, *(one.name for one in witnesses), *(one.name for one in groups)]))
    policy = Policy((PolicyLog(logs.log_keys()[0], data.draw(urls)),), tuple(witnesses), tuple(groups), quorum)
    assert Policy.decode(policy.encode()) == policy

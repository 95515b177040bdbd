"""Signed notes: one spelling, signatures of known keys only, and none that is wrong."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format import labels, limits
from vaultfs_format.errors import (
    AlgorithmMissing,
    FieldInvalid,
    LimitExceeded,
    NotSigned,
    SignatureInvalid,
    Structure,
    UnsupportedFeature,
    VaultError,
)
from vaultfs_format.schemes import ED25519, ML_DSA_44
from vaultfs_format.signing import SigningKeys, draw_seeds
from vaultfs_format.suite import DEFAULT, FIPS, Suite
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import (
    KeyType,
    NoteSigner,
    Signed,
    VerifierKey,
    note_signers,
    open_checkpoint,
    require_signed,
    sign_checkpoint,
    signed_by,
    verifier_keys,
)
from vaultfs_format.tlog.note import Note, NoteSignature, decode_signatures, encode_signatures

from tests.vaultfs_format.tlog import logs

NAME = "vault.example/audit"
MARK = "\u2014"

# The example of the documentation of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SEED = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETERS_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
PETERS_NOTE = f"{PETERS_TEXT}\n{MARK} PeterNeumann {PETERS_SIGNATURE}\n".encode()


def rule_of(call: object) -> tuple[object, object]:
    """Return structure and rule with which something is refused."""
    assert callable(call)
    with pytest.raises(FieldInvalid) as caught:
        call()
    return caught.value.facts["structure"], caught.value.facts["rule"]


def note_refused(data: bytes | str) -> int:
    structure, rule = rule_of(lambda: Note.decode(data.encode() if isinstance(data, str) else data))
    assert structure is Structure.NOTE
    assert isinstance(rule, int)
    return rule


def test_the_published_note_of_another_implementation_verifies_and_is_made_anew() -> None:
    note, key = Note.decode(PETERS_NOTE), VerifierKey.decode(PETER)
    assert (note.text, key.name, key.type, key.encode()) == (PETERS_TEXT, "PeterNeumann", KeyType.ED25519, PETER)
    assert require_signed(note, [key]) == (Signed(key, None),)
    assert note.encode() == PETERS_NOTE
    seed = b64decode(PETERS_SEED)[1:]
    ours = NoteSigner(key, lambda message: ED25519.sign(seed, message)).signature(PETERS_TEXT, 0)
    assert Note(PETERS_TEXT, (ours,)).encode() == PETERS_NOTE


LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, range(32)))))
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="+\x85"), min_size=1)
SIGNATURES = st.builds(NoteSignature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))


@given(st.lists(LINES, min_size=1), st.lists(SIGNATURES, min_size=1, max_size=5))
def test_what_is_written_is_parsed_as_it_was(lines: list[str], signatures: list[NoteSignature]) -> None:
    note = Note("".join(f"{line}\n" for line in lines), tuple(signatures))
    assert Note.decode(note.encode()) == note
    assert decode_signatures(encode_signatures(signatures).encode()) == tuple(signatures)


PARTS = st.sampled_from(
    ["\n", "\n\n", " ", "+", MARK, f"\n\n{MARK} ", "AAAAAAA=", "AAAAAAB=", "AAAAAA==", "AAAAAAAA", "a", "\x1f", "\xa0"]
)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_what_is_parsed_is_written_as_it_was(text: str) -> None:
    data = text.encode()
    try:
        note = Note.decode(data)
    except FieldInvalid:
        return
    assert note.encode() == data


GOOD = f"text\n\n{MARK} name AAAAAAA=\n"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("text\x00\n\n" + GOOD[6:], 1),
        ("text\r\n\n" + GOOD[6:], 1),
        ("te\txt\n\n" + GOOD[6:], 1),
        ("text\n" + GOOD[6:], 2),
        ("text\n\n", 2),
        ("", 2),
        (GOOD[:-1], 2),
        (GOOD + "\n", 2),
        (GOOD + "x\n", 3),
        (GOOD.replace(MARK, "-"), 3),
        (GOOD.replace(f"{MARK} ", MARK), 3),
        (GOOD.replace(" AA", "  AA"), 3),
        (GOOD.replace("=\n", "= \n"), 3),
        (GOOD.replace("AAAAAAA=", "AAAAAAA"), 3),
        (GOOD.replace("AAAAAAA=", "AAAAAAB="), 3),
        (GOOD.replace("AAAAAAA=", "AAAA\u0301AAA="), 3),
        (GOOD.replace("AAAAAAA=", "AAAAAA=="), 3),
        (GOOD.replace("AAAAAAA=", ""), 3),
        (GOOD.replace(" AAAAAAA=", ""), 3),
        (GOOD.replace("name ", " "), 4),
        (GOOD.replace("name", "na+me"), 4),
        (GOOD.replace("name", "na\u00a0me"), 4),
        (GOOD.replace("name", "na\u2003me"), 4),
        (GOOD.replace("name", "na\u0085me"), 4),
    ],
)
def test_a_note_has_one_form(text: str, rule: int) -> None:
    assert Note.decode(GOOD.encode()).signatures == (NoteSignature("name", bytes(4), b"\0"),)
    assert note_refused(text) == rule


def test_text_that_is_not_utf_8_is_refused_and_told_to_nobody() -> None:
    with pytest.raises(FieldInvalid) as caught:
        Note.decode(b"\xff" + GOOD.encode())
    assert caught.value.__context__ is None
    with pytest.raises(FieldInvalid) as caught:
        Note.decode(GOOD.replace("AAAAAAA=", "****").encode())
    assert caught.value.__context__ is None


def test_the_last_empty_line_parts_text_and_signatures() -> None:
    assert Note.decode(("\n\n" + GOOD).encode()).text == "\n\ntext\n"
    assert Note.decode(GOOD.removeprefix("text").encode()).text == "\n"


def test_sizes_and_numbers_of_signatures_are_bounded() -> None:
    line = GOOD[6:]
    most = limits.MAX_NOTE_SIGNATURES
    assert most >= 16
    assert len(Note.decode((GOOD[:6] + line * most).encode()).signatures) == most
    for data in (GOOD[:6] + line * (most + 1), "x" * limits.MAX_NOTE + GOOD):
        with pytest.raises(LimitExceeded):
            Note.decode(data.encode())
    with pytest.raises(LimitExceeded):
        decode_signatures((line * (most + 1)).encode())
    note = Note.decode((GOOD[:6] + line).encode())
    assert note.cosigned(note.signatures) == note, "a signature is put there once"
    with pytest.raises(LimitExceeded):
        note.cosigned(NoteSignature("n", bytes(4), bytes([number])) for number in range(most))


# Verifier keys.


@pytest.mark.parametrize("kind", KeyType)
def test_a_verifier_key_has_one_spelling(kind: KeyType) -> None:
    key = logs.signer(NAME, kind).key
    text = key.encode()
    assert VerifierKey.decode(text) == key
    assert key.key_id == sha256(NAME.encode() + b"\n" + bytes([kind]) + key.public).digest()[:4]
    for changed in (
        text.upper(),
        text.replace(key.key_id.hex(), key.key_id.hex().upper()),
        text + "=",
        text + "\n",
        " " + text,
        text[:-4],
        text.replace("+", "++", 1),
        text.replace("+", " ", 1),
        text.removeprefix(NAME),
        "",
        "\ud800" + text,
    ):
        if changed != text:
            with pytest.raises(FieldInvalid) as caught:
                VerifierKey.decode(changed)
            assert caught.value.facts["structure"] is Structure.NOTE


def test_a_key_that_is_not_the_one_of_its_id_is_refused() -> None:
    text = logs.signer(NAME).key.encode()
    assert rule_of(lambda: VerifierKey.decode(text.replace("vault", "fault"))) == (Structure.NOTE, 6)
    assert rule_of(lambda: VerifierKey(NAME, KeyType.ED25519, bytes(31))) == (Structure.NOTE, 5)
    assert rule_of(lambda: VerifierKey("a b", KeyType.ED25519, bytes(32))) == (Structure.NOTE, 4)
    assert rule_of(lambda: VerifierKey("a" * 256, KeyType.ED25519, bytes(32))) == (Structure.NOTE, 4)
    with pytest.raises(LimitExceeded):
        VerifierKey.decode("a" * (limits.MAX_VERIFIER_KEY + 1))


@pytest.mark.parametrize("kind", [0, 2, 3, 5, 250, 255])
def test_other_types_of_keys_are_unsupported_and_not_invalid(kind: int) -> None:
    blob = bytes([kind]) + bytes(32)
    key_id = sha256(b"name\n" + blob).hexdigest()[:8]
    with pytest.raises(UnsupportedFeature):
        VerifierKey.decode(f"name+{key_id}+{b64encode(blob).decode()}")


# Signatures.


def test_what_each_type_signs() -> None:
    head = Checkpoint(NAME, 7, b"r" * 32)
    text = head.encode()
    messages = {kind: VerifierKey("w", kind, bytes(1312 if kind == 6 else 32)).message(text, 99) for kind in KeyType}
    assert messages == {
        KeyType.ED25519: text.encode(),
        KeyType.COSIGNATURE: b"cosignature/v1\ntime 99\n" + text.encode(),
        KeyType.LATTICE_COSIGNATURE: b"subtree/v1\n\0\1w" + (99).to_bytes(8, "big") + bytes([len(NAME)])
        + NAME.encode() + bytes(8) + (7).to_bytes(8, "big") + b"r" * 32,
    }  # fmt: skip


@pytest.mark.parametrize("kind", KeyType)
def test_a_signature_is_of_its_key_text_and_time(kind: KeyType) -> None:
    signer, text = logs.signer(NAME, kind), logs.head(7).encode()
    signature = signer.signature(text, logs.TIME)
    note = Note(text, (signature,))
    time = None if kind == KeyType.ED25519 else logs.TIME
    assert signed_by(Note.decode(note.encode()), [signer.key]) == (Signed(signer.key, time),)
    blob = signature.blob
    places = range(0, len(blob), max(1, len(blob) // 60))
    wrong = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in places]
    wrong += [blob[:-1], blob + b"\0", b"\xff" * 8 + blob[8:], b""]
    for one in wrong:
        with pytest.raises(SignatureInvalid):
            signed_by(replace(note, signatures=(replace(signature, blob=one),)), [signer.key])
    with pytest.raises(SignatureInvalid):
        signed_by(replace(note, text=logs.head(8).encode()), [signer.key])


def test_signatures_of_unknown_keys_are_passed_over_even_if_half_of_the_key_is_known() -> None:
    signer = logs.signer(NAME)
    known = signer.signature("text\n", 0)
    others = [replace(known, name="other", blob=b"?"), replace(known, key_id=b"none", blob=b"?")]
    note = Note("text\n", (*others, known, known))
    assert signed_by(note, [signer.key]) == (Signed(signer.key, None),)
    assert signed_by(replace(note, signatures=tuple(others)), [signer.key]) == ()
    with pytest.raises(NotSigned):
        require_signed(replace(note, signatures=tuple(others)), [signer.key])


def test_a_wrong_signature_of_a_known_key_refuses_the_note_whatever_else_it_has() -> None:
    first, second = logs.signer(NAME), logs.signer("witness.example")
    note = Note("text\n", (first.signature("text\n", 0), second.signature("other\n", 0)))
    with pytest.raises(SignatureInvalid):
        require_signed(note, [first.key, second.key])
    assert require_signed(note, [first.key]) == (Signed(first.key, None),)


def test_every_key_that_is_required_must_have_signed() -> None:
    first = logs.log_signers()[0]
    whole = logs.signed(7)
    assert {one.key for one in require_signed(whole, [first.key])} == {first.key}
    assert {one.key for one in require_signed(whole, [], logs.log_keys())} == set(logs.log_keys())
    assert open_checkpoint(whole, logs.log_keys()) == logs.head(7)
    for at, key in enumerate(logs.log_keys()):
        half = replace(whole, signatures=(whole.signatures[at],))
        assert open_checkpoint(half, [key]) == logs.head(7)
        with pytest.raises(NotSigned):
            open_checkpoint(half, logs.log_keys())
    with pytest.raises(NotSigned):
        open_checkpoint(whole, [])


def test_a_key_of_another_name_is_none_of_the_log() -> None:
    other = logs.signer("other.example")
    note = logs.signed(7).cosigned([other.signature(logs.head(7).encode(), 0)])
    with pytest.raises(NotSigned):
        open_checkpoint(note, [other.key])


def test_two_keys_of_one_name_and_id_are_not_used_together() -> None:
    seen: dict[bytes, VerifierKey] = {}
    for number in range(1 << 20):
        key = VerifierKey("n", KeyType.ED25519, sha256(number.to_bytes(4, "big")).digest())
        if seen.setdefault(key.key_id, key) != key:
            break
    pair = [seen[key.key_id], key]
    assert pair[0].key_id == pair[1].key_id
    assert rule_of(lambda: signed_by(logs.signed(1), pair)) == (Structure.NOTE, 8)
    assert signed_by(logs.signed(1), [key, key]) == ()


@pytest.mark.parametrize("kind", [KeyType.COSIGNATURE, KeyType.LATTICE_COSIGNATURE])
def test_cosigners_sign_checkpoints_only(kind: KeyType) -> None:
    signer = logs.signer("witness.example", kind)
    with pytest.raises(FieldInvalid):
        signer.signature("no checkpoint\n", 0)
    blob = bytes(8 + signer.key.scheme.signature_size)
    with pytest.raises(FieldInvalid):
        signed_by(Note("no checkpoint\n", (NoteSignature("witness.example", signer.key.key_id, blob),)), [signer.key])


def test_extension_lines_of_others_are_signed_by_ed25519_and_not_by_ml_dsa() -> None:
    head = replace(logs.head(7), extensions=("more", "and more"))
    first, second = logs.log_signers()
    note = Note(head.encode(), tuple(one.signature(head.encode(), 0) for one in (first, second)))
    assert open_checkpoint(note, logs.log_keys()).extensions == ("more", "and more")
    other = replace(note, text=logs.head(7).encode())
    assert open_checkpoint(replace(other, signatures=note.signatures[1:]), [second.key]) == logs.head(7)
    with pytest.raises(SignatureInvalid):
        open_checkpoint(other, [first.key])


def test_what_signs_with_another_key_is_found_out() -> None:
    right, other = logs.signer(NAME), logs.signer(NAME, seed=b"other")
    with pytest.raises(SignatureInvalid):
        NoteSigner(right.key, other.sign).signature("text\n", 0)


def test_a_time_that_cannot_be_stated_is_refused() -> None:
    signer = logs.signer("witness.example", KeyType.COSIGNATURE)
    text = logs.head(7).encode()
    for time in (-1, 1 << 63):
        assert rule_of(lambda time=time: signer.signature(text, time)) == (Structure.NOTE, 7)
    blob = (1 << 63).to_bytes(8, "big") + bytes(64)
    with pytest.raises(SignatureInvalid):
        signer.key.verify(text, blob)


# Checkpoints.


HEADS = st.builds(
    Checkpoint,
    LINES.filter(bool),
    st.integers(1, limits.MAX_NUMBER),
    st.binary(min_size=32, max_size=32),
    st.lists(LINES.filter(bool), max_size=3).map(tuple),
)


@given(HEADS)
def test_a_checkpoint_is_parsed_as_it_was_written(head: Checkpoint) -> None:
    assert Checkpoint.decode(head.encode()) == head


ROOT = b64encode(b"r" * 32).decode()
TEXT = f"origin\n7\n{ROOT}\n"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", 1),
        ("\n", 1),
        ("origin\n7\n", 1),
        (TEXT[:-1], 1),
        (TEXT + "\n", 1),
        ("\n" + TEXT, 1),
        (TEXT + "\nmore\n", 1),
        *((TEXT.replace("7", size), 2) for size in ("07", "+7", "-7", " 7", "7 ", "x", "7.0", "\u0667", "00", "1_0")),
        (TEXT.replace("7", str(limits.MAX_NUMBER + 1)), 2),
        (TEXT.replace("7", "9" * 5000), 2),
        (TEXT.replace(ROOT, ROOT[:-1]), 3),
        (TEXT.replace(ROOT, b64encode(bytes(31)).decode()), 3),
        (TEXT.replace(ROOT, b64encode(bytes(33)).decode()), 3),
        (TEXT.replace(ROOT, ROOT[:-2] + "J="), 3),
        (TEXT.replace(ROOT, ROOT + " "), 3),
        (TEXT.replace("7", "0"), 4),
    ],
)
def test_a_checkpoint_has_one_form(text: str, rule: int) -> None:
    assert Checkpoint.decode(TEXT) == Checkpoint("origin", 7, b"r" * 32)
    assert rule_of(lambda: Checkpoint.decode(text)) == (Structure.CHECKPOINT, rule)


def test_the_checkpoint_of_size_0_has_the_root_of_nothing() -> None:
    assert Checkpoint.decode(logs.head(0).encode()) == logs.head(0)
    assert logs.head(0).root == sha256().digest()


def test_a_log_signs_under_its_origin_and_no_extension_line() -> None:
    signers = logs.log_signers()
    head = logs.head(7)
    sixth, seventh = (Structure.CHECKPOINT, 6), (Structure.CHECKPOINT, 7)
    assert rule_of(lambda: sign_checkpoint(replace(head, origin="other"), signers, 0)) == sixth
    assert rule_of(lambda: sign_checkpoint(head, [], 0)) == sixth
    assert rule_of(lambda: sign_checkpoint(replace(head, extensions=("more",)), signers, 0)) == seventh
    with pytest.raises(FieldInvalid):
        sign_checkpoint(replace(head, size=-1), signers, 0)


def test_ml_dsa_signs_for_no_origin_that_it_cannot_name() -> None:
    signer = logs.signer("witness.example", KeyType.LATTICE_COSIGNATURE)
    text = replace(logs.head(7), origin="o" * 256).encode()
    assert rule_of(lambda: signer.signature(text, 0)) == (Structure.CHECKPOINT, 5)
    longest = replace(logs.head(7), origin="o" * 255).encode()
    assert signed_by(Note(longest, (signer.signature(longest, 0),)), [signer.key]) == (Signed(signer.key, 0),)


# The keys of a vault.


@pytest.mark.parametrize("suite", [DEFAULT, FIPS], ids=lambda suite: suite.name)
def test_a_signer_of_a_vault_signs_its_log(suite: Suite) -> None:
    keys = SigningKeys(suite, 1, draw_seeds(suite, lambda count: sha256(b"draw").digest()[:count].ljust(count, b"!")))
    note = sign_checkpoint(logs.head(9), note_signers(keys, NAME), logs.TIME)
    assert open_checkpoint(Note.decode(note.encode()), verifier_keys(keys.signer, NAME)) == logs.head(9)
    assert [one.type for one in verifier_keys(keys.signer, NAME)] == [1, 6]


def test_a_signer_without_ml_dsa_signs_by_ed25519_alone() -> None:
    seeds = sha256(b"one").digest() + sha256(b"two").digest()
    keys = SigningKeys(FIPS, 1, seeds)
    note = sign_checkpoint(logs.head(9), note_signers(keys, NAME), logs.TIME)
    assert [one.key.type for one in signed_by(note, verifier_keys(keys.signer, NAME))] == [1]


def test_the_keys_for_heads_sign_no_statement_as_if_it_were_a_note() -> None:
    keys = SigningKeys(DEFAULT, 1, bytes(range(1, 97)))
    statement = b"\x18vaultfs/0/head-signature" + b"s" * 96
    for sign in (keys.sign_note, keys.sign_note_by_lattice):
        for message in (statement, b"", b"\n", b" text\n"):
            assert rule_of(lambda sign=sign, message=message: sign(message)) == (Structure.SIGNER, 5)


def test_what_is_signed_under_a_label_begins_with_no_byte_of_a_note() -> None:
    signed = [label for name, label in vars(labels).items() if name.endswith("_SIGNATURE")]
    assert len(signed) >= 3
    assert all(len(label) < 32 and len(label) != ord("\n") for label in signed)


def test_where_ml_dsa_is_missing_a_signature_by_it_is_not_called_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: there is no provider without it on most machines."""
    from cryptography.exceptions import UnsupportedAlgorithm

    def missing(*_: object) -> bool:
        raise UnsupportedAlgorithm("ML-DSA-44")

    note = logs.signed(7)
    monkeypatch.setattr(type(ML_DSA_44), "verify", missing)
    assert open_checkpoint(note, logs.log_keys()[:1]) == logs.head(7)
    with pytest.raises(AlgorithmMissing):
        open_checkpoint(note, logs.log_keys())


def test_errors_and_representations_hold_nothing_of_a_note() -> None:
    note = Note.decode(f"canary-in-text\n\n{MARK} name AAAAAAA=\n".encode())
    assert "canary" not in repr(note)
    assert "AAAA" not in repr(note)
    for call in (lambda: Note.decode(b"canary"), lambda: VerifierKey.decode("canary+canary+canary")):
        with pytest.raises(VaultError) as caught:
            call()
        assert "canary" not in f"{caught.value!r} {caught.value}"

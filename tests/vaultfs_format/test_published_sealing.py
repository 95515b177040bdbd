"""Sealing to a public key, against what others have published of HPKE and X-Wing.

The published ciphertexts are of other AEADs, or have additional data, which ours never have. So the published key, or
the published shared secret, seals a message anew as ours are sealed, and that must open with the published private key.
"""

from __future__ import annotations

import hashlib

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from vaultfs_format.errors import DecryptionFailed, Structure
from vaultfs_format.suite import DEFAULT, FIPS

from tests.vaultfs_format import published
from tests.vaultfs_format.hpke_words import CHACHA20_POLY1305, P256, X_WING, XWing, schedule

PLAIN = b"a secret of 32 bytes that is sent"


def expanded(seed: str) -> bytes:
    """Return the private key that X-Wing makes of a seed (draft-connolly-cfrg-xwing-kem section 5.2)."""
    return hashlib.shake_256(bytes.fromhex(seed)).digest(96)


def test_p256_opens_what_the_key_of_rfc_9180_seals() -> None:
    """The vector of mode 0, KEM 0x0010, KDF 0x0001 and AEAD 0x0002 among the test vectors of RFC 9180, appendix A."""
    info = b"Ode on a Grecian Urn"
    private = bytes.fromhex("317f915db7bc629c48fe765587897e01e282d3e8445f79f27f65d031a88082b2")
    public = bytes.fromhex(
        "04abc7e49a4c6b3566d77d0304addc6ed0e98512ffccf505e6a8e3eb25c685136f853148544876de76c0f2ef99cdc3a05ccf5ded7860c7c0"
        "21238f9e2073d2356c"
    )
    sent = bytes.fromhex(
        "04c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e0b21bd31a86c6048af3cb2d98e0d3bf01da5cc4c39ff53"
        "70d331a4f1f7d5a4e0"
    )
    shared = bytes.fromhex("48893fecd82f7c3456af6a42d8f56325d21e08c10fa81299986aaff54cde7b49")
    key = bytes.fromhex("ee16802a936d5f544771131900ee6973d0551de9e852ece2ef34bf0d5f9e1d1d")
    iv = bytes.fromhex("9bc50980832a7b4b58c40161")
    assert FIPS.public_key(private) == public
    assert schedule(P256, shared, info) == (key, iv)
    sealed = sent + AESGCM(key).encrypt(iv, PLAIN, b"")
    assert FIPS.open_from(private, sealed, info, Structure.STANZA) == PLAIN
    with pytest.raises(DecryptionFailed):
        FIPS.open_from(private, sealed, info[:-1], Structure.STANZA)


def test_x_wing_opens_what_the_shared_secret_of_the_draft_seals() -> None:
    """The vector of draft-ietf-hpke-pq for MLKEM768-X25519 with HKDF-SHA256 and ChaCha20Poly1305."""
    info = b"4f6465206f6e2061204772656369616e2055726e"
    private = expanded("3ec47fa82dd5689d27c6190e724c74ec8f608df3331ce331929e37b829676630")
    shared = bytes.fromhex("58200ed1f137bd95a921bb47f6aaecf2395b26f7fd24efd3a5ffae4849e8dea3")
    key = bytes.fromhex("131c2ebb469b909a40915914afd7ff5e638888ac7195dcaaaef8f9a84f0e4030")
    iv = bytes.fromhex("2b7a68f19e6cdbd43dda3c6d")
    assert schedule(X_WING, shared, info, CHACHA20_POLY1305) == (key, iv)
    assert XWing(private).shared(published.HPKE_PQ_ENC) == shared
    key, iv = schedule(X_WING, shared, info)
    sealed = published.HPKE_PQ_ENC + AESGCM(key).encrypt(iv, PLAIN, b"")
    assert DEFAULT.open_from(private, sealed, info, Structure.STANZA) == PLAIN


# The hybrid recipients of age (C2SP age.md), by the vectors of CCTV that are about the KEM and the AEAD. The others are
# about the grammar of age's header, of which VaultFS has nothing.

INFO = b"age-encryption.org/mlkem768x25519"
IDENTITY = expanded("b8be81702bae561b372c3de084b70415734529cfef83c57eeb3e6e57689f9e23")
BODY = bytes.fromhex("8d83df8a5340323174cc645831826a47f7134f36e21b140c846fbccd96a2b627")
FILE_KEY = b"YELLOW SUBMARINE"


def edited(data: bytes, at: int) -> bytes:
    """Return `data` with all bits of a byte flipped."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def resealed(enc: bytes) -> bytes:
    """Return a message that is sealed as ours are, with the shared secret that `enc` of the vector `hybrid` sends."""
    key, iv = schedule(X_WING, XWing(IDENTITY).shared(published.AGE_ENC), INFO)
    return enc + AESGCM(key).encrypt(iv, PLAIN, b"")


def test_the_private_key_of_a_hybrid_recipient_of_age_opens_what_was_sealed_for_it() -> None:
    """Vector `hybrid`, which those of `hybrid_grease` and of the armoured file repeat."""
    key, iv = schedule(X_WING, XWing(IDENTITY).shared(published.AGE_ENC), INFO, CHACHA20_POLY1305)
    assert ChaCha20Poly1305(key).decrypt(iv, BODY, b"") == FILE_KEY
    with pytest.raises(InvalidTag):  # vector hybrid_bad_tag
        ChaCha20Poly1305(key).decrypt(iv, edited(BODY, -1), b"")
    assert DEFAULT.open_from(IDENTITY, resealed(published.AGE_ENC), INFO, Structure.STANZA) == PLAIN


@pytest.mark.parametrize(
    "enc",
    [
        pytest.param(edited(published.AGE_ENC, 0), id="hybrid_currupted_enc_mlkem"),
        pytest.param(edited(published.AGE_ENC, 1110), id="hybrid_currupted_enc_x25519"),
        pytest.param(published.AGE_ZERO_ENC, id="hybrid_identity"),
        pytest.param(published.AGE_ENC + b"\0", id="hybrid_long_share"),
        pytest.param(published.AGE_ENC[:-1], id="hybrid_short_share"),
    ],
)
def test_what_no_hybrid_recipient_of_age_opens_is_not_opened(enc: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        DEFAULT.open_from(IDENTITY, resealed(enc), INFO, Structure.STANZA)


def test_the_tag_of_what_was_sealed_is_checked() -> None:
    sealed = resealed(published.AGE_ENC)
    with pytest.raises(DecryptionFailed):
        DEFAULT.open_from(IDENTITY, edited(sealed, -1), INFO, Structure.STANZA)


def test_another_identity_opens_nothing() -> None:
    """As in vector `hybrid_no_match`."""
    with pytest.raises(DecryptionFailed):
        DEFAULT.open_from(expanded("00" * 32), resealed(published.AGE_ENC), INFO, Structure.STANZA)

"""Access journals: their key reaches the writer alone, and nobody without the vault's keys makes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from vaultfs_format.access import access_keys, check_access_group, open_access, seal_access
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.errors import DecryptionFailed, FieldInvalid, MacMismatch, Structure
from vaultfs_format.frame import SealedFrame
from vaultfs_format.group import Group, PartFile, bodies_offset, decode_group
from vaultfs_format.journal import JournalHeader
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import INBOX as INBOX_KEY
from vaultfs_format.superblock import SIGNER, PublicKey, Superblock

from tests.vaultfs_format.examples import (
    ACCESS,
    ACCESS_KEY,
    AUDIT_FRAME,
    AUDIT_LEAF,
    DRAFTS,
    HEAD,
    INBOX,
    JOURNAL_KEY,
    STATE_FRAME,
    SUPERBLOCK,
    group_bytes,
    rows_of,
)

PUBLIC = DEFAULT.public_key(INBOX)
SEALED = seal_access(ACCESS, PUBLIC, JOURNAL_KEY)
KEYS = access_keys(SEALED, JOURNAL_KEY, ACCESS_KEY)


def test_the_writer_opens_what_a_reader_sealed() -> None:
    data = SEALED.encode(KEYS)
    found = JournalHeader.decode(data)
    assert open_access(found, INBOX, ACCESS_KEY) == KEYS
    found.verify(data, open_access(found, INBOX, ACCESS_KEY))


def test_the_key_is_sealed_as_the_specification_says() -> None:
    info = b"\x0fvaultfs/0/inbox" + ACCESS.vault_id + ACCESS.journal_id + b"\1\0\0\0" + ACCESS.salt
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    kem, curve = MLKEM768PrivateKey.from_seed_bytes(INBOX[:64]), X25519PrivateKey.from_private_bytes(INBOX[64:])
    assert kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw() == PUBLIC
    assert suite.decrypt(SEALED.sealed_key, hpke.MLKEM768X25519PrivateKey(kem, curve), info) == JOURNAL_KEY
    label = b"vaultfs/0/access"
    secret = blake3(bytes([len(label)]) + label + JOURNAL_KEY, key=ACCESS_KEY).digest()
    assert SEALED.keys(secret) == KEYS


@pytest.mark.parametrize(
    "change", [{"vault_id": b"o" * 16}, {"journal_id": b"o" * 16}, {"salt": bytes(32)}, {"epoch": 2}]
)
def test_a_sealed_key_opens_in_its_own_header_only(change: dict[str, bytes]) -> None:
    with pytest.raises(DecryptionFailed):
        open_access(replace(SEALED, **change), INBOX, ACCESS_KEY)  # type: ignore[arg-type]


def test_another_vaults_inbox_does_not_open_it() -> None:
    with pytest.raises(DecryptionFailed):
        open_access(SEALED, bytes(96), ACCESS_KEY)


def test_who_knows_the_public_key_alone_makes_no_journal_that_is_believed() -> None:
    """The public key lies in VAULT in clear: a sealed key proves nothing about who sealed it."""
    forged = seal_access(ACCESS, PUBLIC, b"m" * 32)
    data = forged.encode(access_keys(forged, b"m" * 32, bytes(32)))
    with pytest.raises(MacMismatch):
        forged.verify(data, open_access(forged, INBOX, ACCESS_KEY))


@given(st.binary(max_size=40).filter(lambda key: len(key) != 32))
def test_a_journal_key_of_another_length_is_refused(key: bytes) -> None:
    with pytest.raises(FieldInvalid) as refused:
        open_access(seal_access(ACCESS, PUBLIC, key), INBOX, ACCESS_KEY)
    assert refused.value.facts == {"structure": Structure.JOURNAL_HEADER, "rule": 9}


@pytest.mark.parametrize("public", [b"", PUBLIC[:-1], PUBLIC + b"x", PUBLIC[:-32] + bytes(32)])
def test_what_is_no_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(FieldInvalid):
        seal_access(ACCESS, public, JOURNAL_KEY)


def group_of(*frames: SealedFrame, parts: Sequence[PartFile] = (), leaf: AuditEntry = AUDIT_LEAF) -> Group:
    """Return a group of frames."""
    draft = replace(
        DRAFTS[0],
        parts=parts,
        rows=rows_of(frames, 1, bodies_offset(len(parts))),
        bodies=[one.body for one in frames],
        frame_keys=[one.key for one in frames],
        audit=AUDIT_LEAF.encode() + leaf.encode(),
    )
    return decode_group(DEFAULT, group_bytes(draft), 0, 1, bytes(32))


def test_an_access_journal_holds_audit_events_only() -> None:
    check_access_group(group_of(AUDIT_FRAME))
    for wrong in (
        group_of(AUDIT_FRAME, STATE_FRAME),
        group_of(AUDIT_FRAME, parts=[PartFile(b"p" * 16, 5000)]),
        group_of(AUDIT_FRAME, leaf=HEAD.live_set()),
        group_of(AUDIT_FRAME, leaf=AuditEntry(LeafKind.SUBJECTS, 1, bytes(32))),
    ):
        with pytest.raises(FieldInvalid) as refused:
            check_access_group(wrong)
        assert refused.value.facts == {"structure": Structure.JOURNAL_GROUP, "rule": 13}


@pytest.mark.parametrize("keys", [[], [b"x"], [PUBLIC, PUBLIC], [PUBLIC[:-1]]])
def test_a_vault_has_one_inbox(keys: list[bytes]) -> None:
    def vault(values: Sequence[bytes]) -> Superblock:
        return replace(SUPERBLOCK, public_keys=[PublicKey(SIGNER, b""), *(PublicKey(INBOX_KEY, one) for one in values)])

    assert vault([PUBLIC]).inbox() == PUBLIC
    with pytest.raises(FieldInvalid) as refused:
        vault(keys).inbox()
    assert refused.value.facts == {"structure": Structure.SUPERBLOCK, "rule": 4}


def test_public_keys_have_the_length_that_the_format_states() -> None:
    assert len(PUBLIC) == DEFAULT.public_key_size

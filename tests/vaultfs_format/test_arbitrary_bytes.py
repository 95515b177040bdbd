"""Whatever a decoder is given, it returns what was written, in its one encoding, or raises a typed error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaultfs_format.audit import AuditEntry, check_entries
from vaultfs_format.directory import FrameRow, decode_rows
from vaultfs_format.entries import EntryBlock
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.errors import VaultError
from vaultfs_format.frame import FrameHeader
from vaultfs_format.group import decode_group, group_sizes
from vaultfs_format.head import Head
from vaultfs_format.journal import JournalHeader
from vaultfs_format.keyring import Keyring
from vaultfs_format.keytable import KeyTable
from vaultfs_format.segment import SegmentFooter, SegmentHead
from vaultfs_format.stanza import PassphraseStanza, Stanza
from vaultfs_format.stanzas import parsed
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import Superblock
from vectors.world import with_digest

from tests.vaultfs_format.examples import (
    AUDIT_LEAF,
    EPOCH_ROOT,
    EXAMPLES,
    JOURNAL_KEYS,
    RECORD_FRAME,
    RECORD_SEGMENT,
    ROOT_KEY,
    STANZAS,
    SUPERBLOCK,
    Example,
    rows_of,
    with_chain,
)

ROW = rows_of([RECORD_FRAME], 1, 4096)[0]
BLOCK = EntryBlock(bytes(16), 0, []).encode()
SAMPLES = {example.name: example.data for example in EXAMPLES}


def _decoder(kind: int) -> Callable[[bytes], object]:
    return lambda data: parsed(DEFAULT, Stanza(kind, data))


DECODERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "VAULT": (Superblock.decode, SAMPLES["VAULT"]),
    "stanza": (PassphraseStanza.decode, SUPERBLOCK.stanzas[0].body),
    **{f"stanza {one.kind}": (_decoder(one.kind), one.body) for one in STANZAS},
    "keyring": (Keyring.decode, SAMPLES["keyring"]),
    "epoch secret": (EpochSecret.decode, SAMPLES["epoch secret"]),
    "head": (Head.decode, SAMPLES["head"]),
    "key table": (KeyTable.decode, SAMPLES["key table"]),
    "frame header": (FrameHeader.decode, RECORD_FRAME.header.encode()),
    "entries": (EntryBlock.decode, BLOCK),
    "frame row": (FrameRow.decode, ROW),
    "frame rows": (lambda data: decode_rows(data, 3), ROW * 3),
    "journal header": (JournalHeader.decode, SAMPLES["journal"][:4096]),
    "group sizes": (group_sizes, SAMPLES["group"]),
    "group": (lambda data: decode_group(DEFAULT, data, 0, 1, bytes(32)), SAMPLES["group"]),
    "segment superblock": (SegmentHead.decode, RECORD_SEGMENT[:4096]),
    "segment footer": (lambda data: SegmentFooter.decode(data, len(RECORD_SEGMENT)), RECORD_SEGMENT[-1024:]),
    "audit entry": (AuditEntry.decode, AUDIT_LEAF.encode()),
    "audit entries": (check_entries, AUDIT_LEAF.encode() * 2),
}


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=60)
@given(data=st.data())
def test_arbitrary_bytes_raise_typed_errors_only(name: str, data: st.DataObject) -> None:
    decode, sample = DECODERS[name]
    start = data.draw(st.integers(0, min(len(sample), 300)))
    with suppress(VaultError):
        decode(sample[:start] + data.draw(st.binary(max_size=300)))


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "VAULT": lambda data: Superblock.decode(data).encode(ROOT_KEY)[:-64],
    "keyring": lambda data: Keyring.decode(data).encode()[:-32],
    "epoch secret": lambda data: EpochSecret.decode(data).encode()[:-32],
    "head": lambda data: Head.decode(data).encode(EPOCH_ROOT)[:-64],
    "key table": lambda data: KeyTable.decode(data).encode()[:-32],
    "frame header": lambda data: FrameHeader.decode(data).encode(),
    "frame row": lambda data: FrameRow.decode(data)[0].encode(),
    "journal header": lambda data: JournalHeader.decode(data).encode(JOURNAL_KEYS)[:-64],
    "segment superblock": lambda data: SegmentHead.decode(data).encode()[:-32],
    "segment footer": lambda data: SegmentFooter.decode(data, len(RECORD_SEGMENT)).encode()[:-32],
    "audit entry": lambda data: AuditEntry.decode(data).encode(),
}
"""Decodes and encodes again, up to the digests and codes at the end."""


def fitted(name: str, data: bytes) -> bytes:
    """Return a changed sample with its digest made to fit, where it has one."""
    if name == "journal header":
        return data[:-64] + DEFAULT.digest(data[:-64]) + data[-32:]
    return data if name in ("frame header", "frame row", "audit entry") else with_digest(data)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_byte_that_is_accepted_is_encoded_again_as_it_was(name: str) -> None:
    """Each of the first 400 bytes set to other values, under a digest that fits: refused, or kept."""
    _, sample = DECODERS[name]
    accepted = 0
    for at in range(min(len(sample), 400)):
        for value in {0, 1, 2, 0x7F, 0x80, 0xFF, sample[at] ^ 1, sample[at] ^ 0x10}:
            data = fitted(name, sample[:at] + bytes([value]) + sample[at + 1 :])
            with suppress(VaultError):
                again = ENCODERS[name](data)
                assert again == data[: len(again)]
                accepted += 1
    assert accepted


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
@settings(max_examples=150)
@given(data=st.data())
def test_mutations_under_a_digest_that_fits_raise_typed_errors_only(example: Example, data: st.DataObject) -> None:
    changed = bytearray(example.data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    fit = example.forge or with_chain
    with suppress(VaultError):
        example.check(fit(bytes(changed).ljust(64, b"\0")))

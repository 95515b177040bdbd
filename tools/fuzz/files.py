"""Targets: the file prefix, and the files that are one structure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vaultfs_format import act, copymark, epoch, head, journal, keyring, keytable, segment, superblock, witness
from vaultfs_format.act import Act
from vaultfs_format.copymark import CopyMark
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.errors import Structure
from vaultfs_format.handover import Handover
from vaultfs_format.head import Head
from vaultfs_format.keyring import Compartment, Keyring
from vaultfs_format.keystanza import KeyStanza
from vaultfs_format.keytable import KeyTable
from vaultfs_format.prefix import PREFIX, check_prefix, prefix
from vaultfs_format.signing import FIPS_SIGNER, Signer
from vaultfs_format.stanza import Argon2Cost, PassphraseStanza, Stanza
from vaultfs_format.stanzas import parsed
from vaultfs_format.suite import DEFAULT, DIGEST, FIPS
from vaultfs_format.superblock import PublicKey, Superblock
from vaultfs_format.witness import Witnessed
from vectors import world
from vectors.topics import fips, signers
from vectors.world import with_tree

from fuzz import forging
from fuzz.target import KEYED, Target, allowed, must
from tests.vaultfs_format import examples

SAME_BYTES = "encoding what was decoded gives the same bytes"

_HANDED = signers.handed(signers.FIRST, signers.SECOND.signer)

_MAGICS = {
    module.MAGIC: structure
    for module, structure in (
        (superblock, Structure.SUPERBLOCK),
        (epoch, Structure.EPOCH_SECRET),
        (keyring, Structure.KEYRING),
        (head, Structure.HEAD),
        (journal, Structure.JOURNAL_HEADER),
        (segment, Structure.SEGMENT),
        (keytable, Structure.KEY_TABLE),
        (witness, Structure.WITNESS),
        (act, Structure.ACT),
        (copymark, Structure.COPY),
    )
} | {segment.FOOTER_MAGIC: Structure.SEGMENT}

_CHEAP_MEMORY = 1024
"""KiB of Argon2id that a target spends on an input."""


def _prefix(data: bytes) -> None:
    expected = data[:8] if data[:8] in _MAGICS else superblock.MAGIC
    suite = check_prefix(_MAGICS[expected], expected, data)
    must(prefix(expected, suite) == data[: PREFIX.size], SAME_BYTES)


def _vault(data: bytes) -> None:
    found = Superblock.decode(data)
    must(found.encode(examples.ROOT_KEY)[: -2 * DIGEST] == data[: -2 * DIGEST], SAME_BYTES)
    for stanza in found.stanzas:
        with allowed():
            _stanza(bytes([stanza.kind & 0xFF]) + stanza.body)
    with allowed():
        found.suite.seal_to(found.inbox(), examples.JOURNAL_KEY, b"", Structure.SUPERBLOCK)
    with allowed():
        for signer in found.signers():
            must(found.signer(signer.number) == signer, "a signer is found by its number")
        found.check_line()
        must(len(found.handovers()) == len(found.signers()) - 1, "each signer but the first has a handover")
    found.verify(data, examples.ROOT_KEY)


def _stanza(data: bytes) -> None:
    """A stanza behind a byte for its type."""
    suite = FIPS if data[:1] == b"\2" else DEFAULT
    found = parsed(suite, Stanza(data[0] if data else 0, data[1:]))
    if found is None:
        return
    must(found.encode() == data[1:], SAME_BYTES)
    if not isinstance(found, PassphraseStanza):
        key = examples.INBOX if isinstance(found, KeyStanza) else examples.STANZA_SECRET
        root = found.open(DEFAULT, examples.VAULT_ID, key)
        must(root == examples.ROOT_KEY, "a stanza opens to what was sealed in it")
    elif isinstance(found.cost, Argon2Cost) and found.cost.memory_kib * found.cost.passes <= _CHEAP_MEMORY:
        root = found.open(DEFAULT, examples.VAULT_ID, examples.PASSPHRASE)
        must(root == examples.ROOT_KEY, "a stanza opens to what was sealed in it")


def _signer(data: bytes) -> None:
    suite = FIPS if len(data) == FIPS_SIGNER.size else DEFAULT
    found = Signer.decode(suite, data)
    must(found.encode() == data, SAME_BYTES)
    for verify, signature in (
        (found.verify_segment, examples.RECORD_FOOTER.signature),
        (found.verify_head, examples.HEAD.signatures),
    ):
        with allowed():
            verify(b"a statement that nobody has signed", signature)
            must(False, "a signature is of one statement")


def _handover(data: bytes) -> None:
    found = Handover.decode(data)
    must(found.encode() == data, SAME_BYTES)
    with allowed():
        found.verify(world.VAULT_ID, signers.FIRST.signer, signers.SECOND.signer)
        must(data == _HANDED.encode(), "a handover that is signed is the one that was signed")


def _epoch_secret(data: bytes) -> None:
    must(EpochSecret.decode(data).encode() == data, SAME_BYTES)


def _keyring(data: bytes) -> None:
    found = Keyring.decode(data)
    must(found.encode() == data, SAME_BYTES)
    for compartment in Compartment:
        with allowed():
            values = found.open(examples.EPOCH_ROOT, compartment)
            must(values == examples.KEYRING_VALUES[compartment], "a compartment opens to what was sealed in it")


def _key_table(data: bytes) -> None:
    found = KeyTable.decode(data)
    must(found.encode() == data, SAME_BYTES)
    for number in range(len(found.blocks)):
        with allowed():
            keys = found.open_block(found.table_key(examples.EPOCH_ROOT), number)
            must(keys == examples.KEYS, "a block opens to what was sealed in it")


def _head(data: bytes) -> None:
    found = Head.decode(data)
    must(found.encode(examples.EPOCH_ROOT)[: -2 * DIGEST] == data[: -2 * DIGEST], SAME_BYTES)
    found.live_set()
    with allowed():
        found.verify_signatures(examples.SIGNING.signer)
        must(found.statement() == examples.HEAD.statement(), "a head that is signed is the one that was signed")
    found.verify(data, examples.EPOCH_ROOT)


def _witness(data: bytes) -> None:
    found = Witnessed.decode(data)
    must(found.encode() == data, SAME_BYTES)
    found.verify(examples.SIGNING.signer)
    must(found.statement() == examples.HEAD.statement(), "a witnessed head is of the head that was signed")


def _act(data: bytes) -> None:
    must(Act.decode(data).encode() == data, SAME_BYTES)


def _mark(data: bytes) -> None:
    must(CopyMark.decode(data).encode() == data, SAME_BYTES)


def _sample(name: str) -> Callable[[], list[bytes]]:
    return lambda: [example.data for example in examples.EXAMPLES if example.name == name]


def _vaults() -> list[bytes]:
    inbox, signer = DEFAULT.public_key(examples.INBOX), examples.SIGNING.signer.encode()
    keys = [PublicKey(superblock.INBOX, inbox), PublicKey(superblock.SIGNER, signer)]
    whole = replace(examples.SUPERBLOCK, public_keys=keys)
    approved = [
        PublicKey(superblock.INBOX, FIPS.public_key(fips.INBOX_KEY)),
        PublicKey(superblock.SIGNER, _signers()[1]),
    ]
    other = replace(whole, suite=FIPS, stanzas=[fips.PASSPHRASE_STANZA], public_keys=approved)
    several = signers.vault_file([signers.FIRST.signer, signers.SECOND.signer], [_HANDED])
    return [*(one.encode(examples.ROOT_KEY) for one in (examples.SUPERBLOCK, whole, other)), several]


def _signers() -> list[bytes]:
    return [one.signer.encode() for one in (examples.SIGNING, fips.SIGNING, fips.WITHOUT_LATTICE)]


def _stanzas() -> list[bytes]:
    return [bytes([one.kind]) + one.body for one in (examples.SUPERBLOCK.stanzas[0], *examples.STANZAS)]


def _heads() -> list[bytes]:
    empty = with_tree(replace(examples.HEAD, journals=[], segments=[]))
    pruned = with_tree(replace(empty, first_leaf=3, pruned=(b"p" * 32, b"q" * 32)), [bytes(32)] * 6)
    return [one.encode(examples.EPOCH_ROOT) for one in (examples.HEAD, empty, pruned)]


TARGETS = [
    Target("prefix", _prefix, lambda: [prefix(magic, DEFAULT) for magic in _MAGICS], forge=forging.with_prefix),
    Target("vault", _vault, _vaults, KEYED, forging.with_digest),
    Target("stanza", _stanza, _stanzas, KEYED),
    Target("signer", _signer, _signers),
    Target("handover", _handover, lambda: [_HANDED.encode()]),
    Target("epoch-secret", _epoch_secret, _sample("epoch secret"), forge=forging.with_digest),
    Target("keyring", _keyring, _sample("keyring"), forge=forging.with_digest),
    Target("key-table", _key_table, _sample("key table"), forge=forging.with_digest),
    Target("head", _head, _heads, KEYED, forging.head),
    Target("act", _act, _sample("act"), KEYED, forging.with_digest),
    Target("copy-mark", _mark, _sample("copy mark"), forge=forging.with_digest),
    Target("witnessed-head", _witness, _sample("witnessed head"), KEYED, forging.with_digest),
]

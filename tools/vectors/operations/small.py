"""Sections 1.1, 4, 5, 6 and 15: the prefix, VAULT, epoch secrets, keyrings, key tables, and signatures."""

from __future__ import annotations

from vaultfs_format import prefix as prefixes
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.errors import CommitmentMismatch, Structure
from vaultfs_format.handover import Handover
from vaultfs_format.keyring import Compartment, Keyring, table_keys
from vaultfs_format.keytable import DISPOSED, KeyTable
from vaultfs_format.registry import own_names
from vaultfs_format.signing import Signer
from vaultfs_format.stanza import PassphraseStanza, StanzaType
from vaultfs_format.suite import FIPS
from vaultfs_format.superblock import Superblock

from vaultfs.keys.recipients import Passphrase
from vectors.operations.registry import Facts, operation, suite_numbered

KINDS = {
    "V": Structure.SUPERBLOCK,
    "E": Structure.EPOCH_SECRET,
    "K": Structure.KEYRING,
    "H": Structure.HEAD,
    "J": Structure.JOURNAL_HEADER,
    "S": Structure.SEGMENT,
    "F": Structure.SEGMENT,
    "T": Structure.KEY_TABLE,
    "W": Structure.WITNESS,
    "A": Structure.ACT,
    "C": Structure.COPY,
}
"""The structure that a file of each letter is."""


@operation
def prefix(kind: str, data: bytes) -> Facts:
    """The prefix of a file of this kind."""
    suite = prefixes.check_prefix(KINDS[kind], prefixes.file_magic(kind), data)
    return {"version": prefixes.VERSION, "suite": suite.id, "features": 0}


@operation
def superblock(data: bytes, root_key: bytes | None = None) -> Facts:
    """VAULT; with its root key, the MAC too."""
    found = Superblock.decode(data)
    if root_key is not None:
        found.verify(data, root_key)
    return {
        "vault_id": found.vault_id,
        "generation": found.generation,
        "stanzas": [{"type": one.kind, "length": len(one.body)} for one in found.stanzas],
        "public_keys": [{"type": one.purpose, "length": len(one.value)} for one in found.public_keys],
        "superblock_digest": found.suite.digest(data),
    }


@operation
def registry(data: bytes) -> Facts:
    """The value of tag 3 of the data compartment."""
    kinds, media_types = own_names(data)
    return {"kinds": kinds, "media_types": media_types}


@operation
def inbox_key(data: bytes) -> Facts:
    """The inbox key of VAULT."""
    found = Superblock.decode(data)
    return {"public_digest": found.suite.digest(found.inbox())}


@operation
def signers(data: bytes) -> Facts:
    """The signers of VAULT."""
    return {"signers": [_about(one) for one in Superblock.decode(data).signers()]}


@operation
def handover(data: bytes) -> Facts:
    """A handover, by the value of its item in VAULT."""
    return _of_handover(Handover.decode(data))


@operation
def line_of_signers(data: bytes) -> Facts:
    """The signers of VAULT and their handovers, each of which the signer before has signed."""
    found = Superblock.decode(data)
    found.check_line()
    handovers = [_of_handover(one) for one in found.handovers()]
    return {"signers": [_about(one) for one in found.signers()], "handovers": handovers}


def _of_handover(found: Handover) -> Facts:
    return {name: getattr(found, name) for name in ("vault_id", "number", "tree_size", "tree_root", "fingerprint")}


@operation
def unlock(data: bytes, passphrase: bytes) -> Facts:
    """The root key of VAULT, opened through a stanza; its MAC is checked with it."""
    found = Superblock.decode(data)
    root_key = Passphrase(passphrase).unlock(found)
    found.verify(data, root_key)
    return {"root_key": root_key}


@operation
def stanza(data: bytes, vault_id: bytes, passphrase: bytes, suite: int | None = None) -> Facts:
    """The root key, out of one passphrase stanza."""
    chosen = suite_numbered(suite)
    kind = StanzaType.PBKDF2 if chosen is FIPS else StanzaType.PASSPHRASE
    return {"root_key": PassphraseStanza.decode(data, kind).open(chosen, vault_id, passphrase)}


@operation
def signer(data: bytes, suite: int | None = None) -> Facts:
    """A signer, by the value of its public key in VAULT."""
    return _about(Signer.decode(suite_numbered(suite), data))


def _about(found: Signer) -> Facts:
    return {"number": found.number, "fingerprint": found.fingerprint}


@operation
def check_signature(signer: bytes, purpose: str, statement: bytes, signature: bytes, suite: int | None = None) -> Facts:
    """Whether a signer has signed a statement: of a segment, or of a head with all its signatures."""
    found = Signer.decode(suite_numbered(suite), signer)
    verify = found.verify_segment if purpose == "segment" else found.verify_head
    verify(statement, signature)
    return {"signed": True}


@operation
def epoch_secret(data: bytes) -> Facts:
    """An epoch secret."""
    found = EpochSecret.decode(data)
    return {"vault_id": found.vault_id, "epoch": found.epoch, "secret": found.secret}


@operation
def keyring(data: bytes, epoch_root: bytes, compartments: list[int]) -> Facts:
    """A keyring, and the items of these of its compartments, by compartment and tag."""
    found = Keyring.decode(data)
    return {
        "vault_id": found.vault_id,
        "epoch": found.epoch,
        "sealed": sorted(found.compartments),
        "items": {str(one): dict(sorted(found.open(epoch_root, Compartment(one)).items())) for one in compartments},
        "keyring_digest": found.suite.digest(data),
    }


@operation
def key_table(data: bytes, epoch_root: bytes, keyring: bytes = b"") -> Facts:
    """A key table, all blocks opened; with a keyring, by the key that is in force in its epoch."""
    found = KeyTable.decode(data)
    key = found.table_key(epoch_root)
    ring = Keyring.decode(keyring) if keyring else None
    if ring is not None and ring.epoch != found.epoch:
        held = table_keys(ring.open(epoch_root, Compartment.DATA))
        if found.segment_id not in held:
            raise CommitmentMismatch(structure=Structure.KEY_TABLE)
        key = held[found.segment_id]
    keys = [one for block in range(len(found.blocks)) for one in found.open_block(key, block)]
    return {
        "vault_id": found.vault_id,
        "segment_id": found.segment_id,
        "epoch": found.epoch,
        "keys": len(keys),
        "disposed": keys.count(DISPOSED),
        "keys_digest": found.suite.digest(b"".join(keys)),
        "table_digest": data[-32:],
    }

"""Access journals: how the audit events of a process that only reads reach the one that writes.

A reader draws a random journal key and seals it to the vault's inbox key, so that it needs no key of the current epoch
to go on, and the writer needs none of an old epoch to read it. The keys of the file are made from the journal key and
the access key in the keyring: whoever knows the public key alone cannot make a journal that is believed.
"""

from __future__ import annotations

from dataclasses import replace

from vaultfs_format import labels
from vaultfs_format.audit import ENTRY, LeafKind
from vaultfs_format.errors import Structure
from vaultfs_format.frame import FrameClass
from vaultfs_format.group import Group
from vaultfs_format.journal import JournalHeader, JournalKeys
from vaultfs_format.layout import Buffer, require
from vaultfs_format.suite import KEY


def seal_access(header: JournalHeader, inbox: bytes, journal_key: bytes) -> JournalHeader:
    """Return `header` with `journal_key`, 32 random bytes, sealed to the inbox key of the vault.

    Raises
    ------
    FieldInvalid
        The inbox key is no public key.
    """
    sealed = header.suite.seal_to(inbox, journal_key, _info(header), Structure.SUPERBLOCK)
    return replace(header, sealed_key=sealed)


def access_keys(header: JournalHeader, journal_key: bytes, access_key: Buffer) -> JournalKeys:
    """Return the keys of an access journal."""
    return header.keys(header.suite.derive(access_key, labels.ACCESS, journal_key, KEY))


def open_access(header: JournalHeader, private: Buffer, access_key: Buffer) -> JournalKeys:
    """Return the keys of an access journal from its header, with the private half of the inbox key.

    Raises
    ------
    DecryptionFailed
        The key was sealed to another vault, or for another journal.
    FieldInvalid
    """
    journal_key = header.suite.open_from(private, header.sealed_key, _info(header), Structure.JOURNAL_HEADER)
    require(len(journal_key) == KEY, Structure.JOURNAL_HEADER, 9)
    return access_keys(header, journal_key, access_key)


def check_access_group(group: Group) -> None:
    """Check that a group holds what a reader may write: audit events, and nothing else.

    Raises
    ------
    FieldInvalid
    """
    only_audit = all(row.header.frame_class is FrameClass.AUDIT for row in group.rows)
    only_events = set(group.audit[:: ENTRY.size]) <= {LeafKind.EVENT}
    require(only_audit and only_events and not group.parts, Structure.JOURNAL_GROUP, 13)


def _info(header: JournalHeader) -> bytes:
    label = bytes([len(labels.INBOX)]) + labels.INBOX
    return label + header.vault_id + header.journal_id + header.epoch.to_bytes(4, "little") + header.salt

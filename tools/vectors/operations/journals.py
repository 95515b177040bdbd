"""Section 12: journals, their groups, and access journals."""

from __future__ import annotations

from vaultfs_format.access import check_access_group, open_access
from vaultfs_format.errors import FieldInvalid, Structure, TrailingBytes
from vaultfs_format.group import Group, GroupKind, decode_group, verify_group
from vaultfs_format.journal import HEADER_SIZE, JournalHeader, JournalKeys
from vaultfs_format.suite import DEFAULT

from vectors.operations.frames import row_facts
from vectors.operations.registry import Facts, operation


@operation
def journal_header(data: bytes, epoch_root: bytes | None = None) -> Facts:
    """The header of a journal; with the epoch root, its MAC too."""
    found = JournalHeader.decode(data)
    if epoch_root is not None:
        found.verify(data, found.keys(epoch_root))
    return _header(found, data)


def _header(found: JournalHeader, data: bytes) -> Facts:
    names = (
        *("role", "epoch", "vault_id", "journal_id", "predecessor", "predecessor_group", "predecessor_end"),
        *("predecessor_chain", "generation", "incarnation", "first_number", "last_number", "first_leaf"),
    )
    facts: Facts = {name: getattr(found, name) for name in names}
    return facts | {"sealed_key_length": len(found.sealed_key), "first_chain": found.chain(data)}


@operation
def access_header(data: bytes, private: bytes, access_key: bytes) -> Facts:
    """The header of an access journal, with the keys that the private inbox key opens."""
    found = JournalHeader.decode(data)
    keys = open_access(found, private, access_key)
    found.verify(data, keys)
    return _header(found, data) | {"table_key": keys.table, "mac_key": keys.mac}


@operation
def journal_group(
    data: bytes, number: int, chain: bytes, journal_id: bytes, table_key: bytes, mac_key: bytes, access: bool
) -> Facts:
    """One group, which has this number and follows this chain value; of an access journal if `access` says so."""
    group = decode_group(DEFAULT, data, 0, number, chain)
    if group.size != len(data):
        raise TrailingBytes(structure=Structure.JOURNAL_GROUP)
    keys = JournalKeys(table_key, mac_key)
    verify_group(DEFAULT, data, 0, group, journal_id, keys)
    if access:
        check_access_group(group)
    return group_facts(group) | {"frame_keys": group.open_keys(DEFAULT, journal_id, keys)}


def group_facts(group: Group) -> Facts:
    """Return what a group states and holds, keys apart."""
    return {
        "kind": group.kind,
        "number": group.number,
        "last_durable": group.last_durable,
        "first_commit": group.first_commit,
        "commits": group.commits,
        "part_files": [{"segment_id": part.segment_id, "valid_end": part.valid_end} for part in group.parts],
        "frames": [row_facts(row) for row in group.rows],
        "audit_entries": len(group.audit_entries()),
        "chain": group.chain,
    }


@operation
def journal(data: bytes, epoch_root: bytes) -> Facts:
    """A whole journal, all of whose groups are good; zeros at its end are part of nothing."""
    found = JournalHeader.decode(data)
    keys = found.keys(epoch_root)
    found.verify(data, keys)
    return _header(found, data) | _groups(data, found, keys, access=False)


@operation
def access_journal(data: bytes, private: bytes, access_key: bytes) -> Facts:
    """A whole access journal."""
    found = JournalHeader.decode(data)
    keys = open_access(found, private, access_key)
    found.verify(data, keys)
    return _header(found, data) | _groups(data, found, keys, access=True)


def _groups(data: bytes, header: JournalHeader, keys: JournalKeys, *, access: bool) -> Facts:
    groups: list[Group] = []
    at, chain = HEADER_SIZE, header.chain(data)
    while data[at:].strip(b"\0"):
        group = decode_group(DEFAULT, data, at, len(groups) + 1, chain)
        verify_group(DEFAULT, data, at, group, header.journal_id, keys)
        if groups and groups[-1].kind is GroupKind.CLOSING:
            raise FieldInvalid(structure=Structure.JOURNAL_GROUP)
        if access:
            check_access_group(group)
        at, chain = at + group.size, group.chain
        groups.append(group)
    return {"groups": [group_facts(group) for group in groups], "end": at}

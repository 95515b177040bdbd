"""Targets: frame headers and rows, journal headers, groups, audit entries."""

from __future__ import annotations

from dataclasses import replace

from vaultfs_format.access import check_access_group, open_access, seal_access
from vaultfs_format.audit import ENTRY, AuditEntry, check_entries
from vaultfs_format.directory import HERE, body_span, decode_rows, entry_count, split_rows
from vaultfs_format.errors import FormatError
from vaultfs_format.frame import HEADER, FrameHeader
from vaultfs_format.group import TRAILER, Group, GroupDraft, authentic_group, decode_group, verify_group
from vaultfs_format.journal import HEADER_SIZE, JournalHeader
from vaultfs_format.suite import DEFAULT, DIGEST

from fuzz import forging
from fuzz.files import SAME_BYTES
from fuzz.target import Target, allowed, must
from tests.vaultfs_format import examples

_COUNT = 4
_LATER = replace(examples.JOURNAL, predecessor=b"P" * 16, predecessor_group=4, predecessor_end=9000)


def _frame_header(data: bytes) -> None:
    must(FrameHeader.decode(data).encode() == data[: HEADER.size], SAME_BYTES)


def _rows(data: bytes) -> None:
    """Of an input the first bytes are the number of rows."""
    directory = data[_COUNT:]
    rows = decode_rows(directory, int.from_bytes(data[:_COUNT], "little"))
    must([row.encode() for row in rows] == list(split_rows(directory, len(rows))), SAME_BYTES)
    for row in rows:
        encoded, count = row.encode(), row.header.entry_count
        must(entry_count(encoded) == count == len(list(row.commits())), "every entry has a commit number")
        must(body_span(encoded) == (row.body_offset, row.header.body_sealed), "a row tells where its body is")


def _journal_header(data: bytes) -> None:
    header = JournalHeader.decode(data)
    must(header.encode(examples.JOURNAL_KEYS)[: -2 * DIGEST] == data[: HEADER_SIZE - 2 * DIGEST], SAME_BYTES)
    with allowed():
        header.verify(data, header.keys(examples.EPOCH_ROOT))
        must(header in (examples.JOURNAL, _LATER), "a header that is authentic is one that was written")


def _access_header(data: bytes) -> None:
    _journal_header(data)
    header = JournalHeader.decode(data)
    with allowed():
        header.verify(data, open_access(header, examples.INBOX, examples.ACCESS_KEY))


def _group(data: bytes) -> None:
    group = decode_group(DEFAULT, data, 0, 1, bytes(DIGEST))
    directory = data[group.directory_offset : group.keys_offset]
    must(b"".join(row.encode() for row in group.rows) == directory, SAME_BYTES)
    must(b"".join(entry.encode() for entry in group.audit_entries()) == group.audit, SAME_BYTES)
    must(data[group.size - TRAILER :][:DIGEST] == group.chain, "a group states its chain value")
    _check_bodies(group)
    with allowed():
        check_access_group(group)
    for check in (_verified, _known):
        with allowed():
            check(data, group)


def _check_bodies(group: Group) -> None:
    for row in group.rows:
        if row.home == HERE:
            end = row.body_offset + row.header.body_sealed
            must(end <= group.directory_offset, "a body lies within its group")


def _verified(data: bytes, group: Group) -> None:
    journal = examples.JOURNAL.journal_id
    verify_group(DEFAULT, data, 0, group, journal, examples.JOURNAL_KEYS)
    must(len(group.open_keys(DEFAULT, journal, examples.JOURNAL_KEYS)) == len(group.rows), "a frame has a key")


def _known(data: bytes, group: Group) -> None:
    journal = examples.JOURNAL.journal_id
    sizes, chain = authentic_group(DEFAULT, data, 0, 1, bytes(DIGEST), journal, examples.JOURNAL_KEYS)
    must((sizes.total, chain) == (group.size, group.chain), "a group is as it was when it was parsed")


def _audit_entries(data: bytes) -> None:
    """Both ways to look at a section of entries agree."""
    try:
        check_entries(data)
    except FormatError:
        with allowed():
            _each_entry(data)
            must(len(data) % ENTRY.size != 0, "entries that are good are good together")
        raise
    _each_entry(data)


def _each_entry(data: bytes) -> None:
    for at in range(0, len(data) - ENTRY.size + 1, ENTRY.size):
        must(AuditEntry.decode(data, at).encode() == data[at : at + ENTRY.size], SAME_BYTES)


def _journals() -> list[bytes]:
    return [header.encode(examples.JOURNAL_KEYS) for header in (examples.JOURNAL, _LATER)]


def _access() -> list[bytes]:
    sealed = seal_access(examples.ACCESS, DEFAULT.public_key(examples.INBOX), examples.JOURNAL_KEY)
    return [header.encode(examples.ACCESS_KEYS) for header in (examples.ACCESS, sealed)]


def _events_only() -> GroupDraft:
    """Return what a group of an access journal is made of."""
    frame = examples.AUDIT_FRAME
    return replace(
        examples.DRAFTS[0],
        rows=examples.rows_of([frame], 1),
        bodies=[frame.body],
        frame_keys=[frame.key],
        audit=examples.AUDIT_LEAF.encode(),
    )


def access_journal() -> bytes:
    """Return an access journal of one group."""
    header = examples.ACCESS.encode(examples.ACCESS_KEYS)
    chain = examples.ACCESS.chain(header)
    group, _ = _events_only().encode(DEFAULT, examples.ACCESS.journal_id, examples.ACCESS_KEYS, chain)
    return b"".join([header, *group])


def _groups() -> list[bytes]:
    drafts = [replace(draft, number=1, last_durable=0) for draft in examples.DRAFTS]
    return [examples.group_bytes(draft) for draft in (*drafts, _events_only())]


def _directories() -> list[bytes]:
    rows = examples.rows_of(examples.FRAMES, 1)
    return [count.to_bytes(_COUNT, "little") + b"".join(rows[:count]) for count in range(1, len(rows) + 1)]


def _leaves() -> list[bytes]:
    return [examples.AUDIT_LEAF.encode() * 2, examples.LIVE_SET.encode() + examples.AUDIT_LEAF.encode()]


TARGETS = [
    Target("frame-header", _frame_header, lambda: [one.encoded for one in (*examples.FRAMES, examples.BLOB_FRAME)]),
    Target("frame-rows", _rows, _directories),
    Target("journal-header", _journal_header, _journals, forge=forging.journal_header),
    Target("access-journal-header", _access_header, _access, forge=forging.journal_header),
    Target("group", _group, _groups, forge=forging.group),
    Target("audit-entries", _audit_entries, _leaves),
]

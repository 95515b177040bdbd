"""Whole files and whole vaults, written out of the structures of `vectors.world`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vaultfs_format.audit import AuditEntry
from vaultfs_format.directory import HERE, encode_row
from vaultfs_format.frame import FrameClass, SealedFrame
from vaultfs_format.group import GroupDraft, GroupKind, bodies_offset
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.journal import JournalHeader, JournalKeys
from vaultfs_format.keytable import seal_table
from vaultfs_format.segment import SUPERBLOCK_SIZE, SegmentFooter, SegmentHead
from vaultfs_format.signing import SigningKeys
from vaultfs_format.slices import Protector, tree_root
from vaultfs_format.suite import DEFAULT, DIGEST, Suite
from vaultfs_tools.keyless import files as names

from vectors.world import EPOCH_ROOT, ROOT_KEY, SIGNING, SUPERBLOCK, VAULT_ID, keyring, seeded

Run = tuple[int, int]


def doubled(name: str, data: bytes) -> dict[str, bytes]:
    """Return a file and its copy or mirror."""
    return {name: data, names.copy_name(name): data}


def rows_of(frames: Sequence[SealedFrame], runs: Sequence[Sequence[Run]], at: int) -> list[bytes]:
    """Return the rows of frames whose bodies follow each other from `at` on."""
    rows = []
    for one, its_runs in zip(frames, runs, strict=True):
        rows.append(encode_row(one.encoded, one.entries, at, HERE, its_runs))
        at += one.body_sealed
    return rows


def runs_of(frames: Sequence[SealedFrame], commit: int) -> list[list[Run]]:
    """Return runs for frames that are all of one commit."""
    return [[(one.header.entry_count, commit)] for one in frames]


# Segments.


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment, its key table, and what a head says of both."""

    data: bytes
    table: bytes
    row: SegmentRow
    footer: SegmentFooter

    def files(self) -> dict[str, bytes]:
        """Return both under their names, and the copy of the table."""
        return {names.segment_name(self.row): self.data} | doubled(names.table_name(self.row), self.table)


def segment(
    name: str,
    frame_class: FrameClass,
    frames: Sequence[SealedFrame],
    runs: Sequence[Sequence[Run]] | None = None,
    *,
    years: tuple[int, int] = (0, 0),
    audit: Sequence[AuditEntry] = (),
    first_leaf: int = 0,
    generation: int = 1,
    rows: Sequence[bytes] | None = None,
    bodies: bytes | None = None,
    entries: int | None = None,
    inner: Mapping[str, object] | None = None,
    signing: SigningKeys = SIGNING,
    suite: Suite = DEFAULT,
) -> Segment:
    """Return a segment of these frames.

    Parameters
    ----------
    runs
        Of each frame; by default all of commit 1.
    rows, bodies, entries
        What stands in the file in the place of what follows from the frames.
    inner
        Fields of the superblock in the footer that differ from those at the beginning of the file.
    suite
        That of the segment and its key table; the frames are as they are.
    """
    runs = runs_of(frames, 1) if runs is None else runs
    bodies = b"".join(one.body for one in frames) if bodies is None else bodies
    directory = b"".join(rows_of(frames, runs, SUPERBLOCK_SIZE) if rows is None else rows)
    leaves_section = b"".join(one.encode() for one in audit)
    covered = SUPERBLOCK_SIZE + len(bodies) + len(directory) + len(leaves_section)
    segment_id = seeded(f"id of segment {name}", 16)
    head = SegmentHead(suite, frame_class, 0, 1, *years, generation, VAULT_ID, segment_id, covered)
    count = sum(one.header.entry_count for one in frames) if entries is None else entries
    footer = SegmentFooter(
        replace(head, **(inner or {})),  # type: ignore[arg-type] # the fields that a vector changes
        len(bodies),
        len(directory),
        len(leaves_section),
        first_leaf,
        len(frames),
        count,
        bytes(DIGEST),
        bytes(DIGEST),
        signing.signer.number,
    )
    data, footer = protected(head.encode() + bodies + directory + leaves_section, footer, signing)
    keys = [one.key for one in frames]
    table = seal_table(suite, VAULT_ID, segment_id, 1, EPOCH_ROOT, seeded(f"salt of table {name}", 32), keys)
    return Segment(data, table.encode(), _row(footer, table.encode()), footer)


def _row(footer: SegmentFooter, table: bytes) -> SegmentRow:
    head = footer.head
    return SegmentRow(
        head.segment_id,
        head.frame_class,
        head.disposition,
        head.first_year,
        head.last_year,
        1,
        footer.length,
        footer.frames,
        footer.entries,
        footer.root,
        table[-DIGEST:],
    )


def protected(covered: bytes, footer: SegmentFooter, signing: SigningKeys = SIGNING) -> tuple[bytes, SegmentFooter]:
    """Return a whole segment with these covered bytes, and its footer with the roots and the signature."""
    protector = Protector(footer.head)
    protector.update(covered)
    leaves, parity = protector.finish(), protector.parity_leaves
    suite = footer.head.suite
    footer = replace(footer, root=tree_root(suite, leaves), parity_root=tree_root(suite, parity))
    footer = replace(footer, signature=signing.sign_segment(footer.statement()))
    end = b"".join([*leaves, *parity, footer.encode()])
    return covered + end + b"".join(one.data for one in protector.made()) + end, footer


# Journals.


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal, where its groups begin and the last one ends, and the chain value before each and after the last."""

    header: JournalHeader
    data: bytes
    offsets: tuple[int, ...]
    chains: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return f"{names.JOURNALS}/{self.header.journal_id.hex()}.vjrn"

    def files(self) -> dict[str, bytes]:
        """Return it under its name, and its mirror."""
        return doubled(self.name, self.data)


def journal(header: JournalHeader, drafts: Sequence[GroupDraft], keys: JournalKeys | None = None) -> Journal:
    """Return a journal of these groups."""
    keys = keys or header.keys(EPOCH_ROOT)
    data = header.encode(keys)
    offsets, chains = [len(data)], [header.chain(data)]
    for draft in drafts:
        pieces, chain = draft.encode(DEFAULT, header.journal_id, keys, chains[-1])
        data += b"".join(pieces)
        offsets.append(len(data))
        chains.append(chain)
    return Journal(header, data, tuple(offsets), tuple(chains))


def commit_group(
    number: int,
    first_commit: int,
    frames: Sequence[SealedFrame],
    leaves: Sequence[AuditEntry] = (),
    *,
    last_durable: int | None = None,
    **changes: Any,
) -> GroupDraft:
    """Return a group of one commit, whose bodies lie in it."""
    durable = number - 1 if last_durable is None else last_durable
    draft = GroupDraft(
        GroupKind.COMMIT,
        number,
        durable,
        first_commit,
        1,
        seeded(f"salt of group {number} {first_commit}", 16),
        (),
        rows_of(frames, runs_of(frames, first_commit), bodies_offset(0)),
        [one.body for one in frames],
        [one.key for one in frames],
        b"".join(leaf.encode() for leaf in leaves),
    )
    return replace(draft, **changes)


def closing(number: int, **changes: Any) -> GroupDraft:
    """Return a closing record."""
    draft = GroupDraft(GroupKind.CLOSING, number, number - 1, 0, 0, seeded(f"salt of closing {number}", 16))
    return replace(draft, **changes)


# Vaults.


def vault(
    head: Head,
    segments: Sequence[Segment] = (),
    journals: Sequence[Journal] = (),
    extra: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Return the files of a vault, without those that are none of its parts."""
    files = doubled(names.HEAD, head.encode(EPOCH_ROOT))
    files |= doubled(names.superblock_name(1), SUPERBLOCK.encode(ROOT_KEY))
    files |= doubled(names.keyring_name(1), keyring())
    for one in segments:
        files |= one.files()
    for each in journals:
        files |= each.files()
    return files | dict(extra or {})

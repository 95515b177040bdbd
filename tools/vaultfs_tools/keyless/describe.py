"""Describing any file of a vault without keys, field by field as the layouts name them, as far as damage lets it.

A description is a list of sections. What a codec refuses becomes an error in it, and the fields that can be read are
shown all the same. Secrets and sealed keys are withheld.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from vaultfs_format import (
    directory,
    epoch,
    frame,
    group,
    handover,
    head,
    journal,
    keyring,
    keytable,
    segment,
    stanzas,
    superblock,
)
from vaultfs_format.errors import BadMagic, Structure, Truncated, VaultError
from vaultfs_format.layout import RESERVED, Buffer, Layout
from vaultfs_format.prefix import PREFIX
from vaultfs_format.suite import DIGEST

from vaultfs_tools.keyless.files import MAX_SMALL, Reader
from vaultfs_tools.keyless.rows import read_rows
from vaultfs_tools.keyless.sizes import most

Value = int | str
WITHHELD = frozenset(
    {(epoch.FILE.title, "secret"), (epoch.FILE.title, "digest")}
    | {(layout.title, name) for layout in stanzas.LAYOUTS.values() for name in ("sealed_root", "wrapped_secret")}
)
ENUMS: dict[tuple[str, str], type[IntEnum]] = {
    (segment.SUPERBLOCK.title, "class"): frame.FrameClass,
    (head.SEGMENT_ROW.title, "class"): frame.FrameClass,
    (frame.HEADER.title, "class"): frame.FrameClass,
    (journal.HEADER.title, "role"): journal.JournalRole,
    (group.GROUP.title, "kind"): group.GroupKind,
    (keyring.COMPARTMENT.title, "compartment"): keyring.Compartment,
}
_PUBLIC_LAYOUTS = {superblock.HANDOVER: handover.HANDOVER}
"""What is shown of the items of VAULT that are no stanzas."""


@dataclass(frozen=True, slots=True)
class Section:
    """A structure of a file: its title, where it begins, and its fields."""

    title: str
    offset: int
    fields: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a codec refuses, and where."""

    offset: int
    error: VaultError


@dataclass(slots=True)
class Description:
    """What a file is and holds."""

    kind: str
    size: int
    sections: list[Section] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def show(self, layout: Layout, data: Buffer, at: int = 0, base: int = 0, **more: Value) -> bool:
        """Add the fields of `layout` at `at` in `data`, which begins at `base`; return whether all are there."""
        if len(data) - at < layout.size:
            self.refuse(base + at, Truncated(structure=layout.structure, expected=layout.size, got=len(data) - at))
            return False
        self.sections.append(Section(layout.title, base + at, fields_of(layout, data, at) | more))
        return True

    def refuse(self, offset: int, error: VaultError) -> None:
        """Add an error."""
        self.problems.append(Problem(offset, error))

    def judge(self, decode: Callable[[], object], offset: int = 0) -> None:
        """Add the error that a codec raises, if it does."""
        try:
            decode()
        except VaultError as error:
            self.refuse(offset, error)


def fields_of(layout: Layout, data: Buffer, at: int = 0) -> dict[str, Value]:
    """Return the fields of a layout by name, without checking them; bytes as hexadecimal digits."""
    shown: dict[str, Value] = {}
    for one, value in zip(layout.fields, layout.struct.unpack_from(data, at), strict=True):
        if one.name == "prefix":
            shown |= fields_of(PREFIX, value)
        elif one.name not in {RESERVED, "magic", "check"}:
            shown[one.name] = _plain(layout.title, one.name, value)
    return shown


def _plain(title: str, name: str, value: int | bytes) -> Value:
    if (title, name) in WITHHELD:
        return "withheld"
    if isinstance(value, bytes):
        return value.hex()
    known = ENUMS.get((title, name))
    return known(value).name.lower() if known and value in set(known) else value


def describe(file: Reader) -> Description:
    """Describe a file by what it begins with.

    Raises
    ------
    FileUnreadable
    """
    magic = file.read(0, min(PREFIX.size, file.size))[:8]
    for expected, kind, describer in _KINDS:
        if magic == expected:
            about = Description(kind, file.size)
            describer(file, about)
            return about
    about = Description("unknown", file.size)
    about.refuse(0, BadMagic(structure=Structure.PREFIX))
    return about


def _small(file: Reader) -> bytes:
    return file.read(0, min(file.size, MAX_SMALL, most(file.read, file.size)))


def _superblock(file: Reader, about: Description) -> None:
    data = _small(file)
    if about.show(superblock.HEADER, data):
        at, end = superblock.HEADER.size, len(data) - 2 * DIGEST
        left = int(about.sections[0].fields["stanzas"])
        while at < end and about.show(superblock.ITEM, data[:end], at):
            kind, length = (int(about.sections[-1].fields[name]) for name in ("type", "length"))
            at += superblock.ITEM.size
            layout = (stanzas.LAYOUTS if left > 0 else _PUBLIC_LAYOUTS).get(kind)
            if layout is not None and length >= layout.size:
                about.show(layout, data[:end], at)
            at, left = at + length, left - 1
    about.judge(lambda: superblock.Superblock.decode(data))


def _keyring(file: Reader, about: Description) -> None:
    data = _small(file)
    if about.show(keyring.HEADER, data):
        at, end = keyring.HEADER.size, len(data) - DIGEST
        while at < end and about.show(keyring.COMPARTMENT, data[:end], at):
            at += keyring.COMPARTMENT.size + int(about.sections[-1].fields["length"])
    about.judge(lambda: keyring.Keyring.decode(data))


def _head(file: Reader, about: Description) -> None:
    data = _small(file)
    if about.show(head.HEADER, data):
        fields, at = about.sections[0].fields, head.HEADER.size
        for layout, count in ((head.JOURNAL_ROW, fields["journals"]), (head.SEGMENT_ROW, fields["segments"])):
            for _ in range(int(count)):
                if not about.show(layout, data, at):
                    break
                at += layout.size
    about.judge(lambda: head.Head.decode(data))


def _table(file: Reader, about: Description) -> None:
    data = _small(file)
    about.show(keytable.HEADER, data)
    about.judge(lambda: keytable.KeyTable.decode(data))


def _epoch(file: Reader, about: Description) -> None:
    data = _small(file)
    about.show(epoch.FILE, data)
    about.judge(lambda: epoch.EpochSecret.decode(data))


def _segment(file: Reader, about: Description) -> None:
    data = file.read(0, min(segment.SUPERBLOCK_SIZE, file.size))
    about.show(segment.SUPERBLOCK, data)
    about.judge(lambda: segment.SegmentHead.decode(data))
    at = max(0, file.size - segment.FOOTER_SIZE)
    end = file.read(at, file.size - at)
    if end[:8] != segment.FOOTER_MAGIC and about.sections and about.sections[0].fields["epoch"] == 0:
        about.kind = "open blob segment"
        return
    about.show(segment.FOOTER, end, 0, at)
    try:
        footer = segment.SegmentFooter.decode(end, file.size)
        for place, row in read_rows(file.read, footer.directory_offset, footer.directory_length, footer.frames):
            _show_row(about, row, place)
    except VaultError as error:
        about.refuse(at, error)


def _show_row(about: Description, row: directory.FrameRow, place: int) -> None:
    fields: dict[str, Value] = {"body_offset": row.body_offset, "home": row.home}
    fields |= fields_of(frame.HEADER, row.header.encode())
    fields |= {"first_commit": min(row.commits()), "last_commit": max(row.commits())}
    about.sections.append(Section(frame.HEADER.title, place, fields))


def _journal(file: Reader, about: Description) -> None:
    data = file.read(0, min(journal.HEADER_SIZE, file.size))
    about.show(journal.HEADER, data)
    try:
        header = journal.JournalHeader.decode(data)
    except VaultError as error:
        about.refuse(0, error)
        return
    at, number, chain = journal.HEADER_SIZE, 1, header.chain(data)
    try:
        while at < file.size:
            start = file.read(at, min(group.GROUP.size, file.size - at))
            about.show(group.GROUP, start, 0, at)
            group_data = file.read(at, group.group_sizes(start).total)
            found = group.decode_group(header.suite, group_data, 0, number, chain)
            for part in range(len(found.parts)):
                about.show(group.PART, group_data, group.GROUP.size + part * group.PART.size, at)
            place = at + found.directory_offset
            for row in found.rows:
                _show_row(about, row, place)
                place += row.size
            at, number, chain = at + found.size, number + 1, found.chain
    except VaultError as error:
        about.refuse(at, error)


_KINDS: tuple[tuple[bytes, str, Callable[[Reader, Description], None]], ...] = (
    (superblock.MAGIC, "VAULT", _superblock),
    (keyring.MAGIC, "keyring", _keyring),
    (head.MAGIC, "head", _head),
    (journal.MAGIC, "journal", _journal),
    (segment.MAGIC, "segment", _segment),
    (keytable.MAGIC, "key table", _table),
    (epoch.MAGIC, "epoch secret", _epoch),
)

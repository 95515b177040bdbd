"""Healing: writing a good copy over a bad one. Old or new content is there at any time, never a mixture."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vaultfs_format import sha2
from vaultfs_format.act import ActKind
from vaultfs_format.errors import DigestMismatch, SlicesLost, Structure, VaultError
from vaultfs_format.healing import Patch, SlicedFile, examine
from vaultfs_format.healing import heal as heal_segment
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_format.searching import Read
from vaultfs_format.segment import SegmentFooter

from vaultfs_tools.keyless.acts import NOTHING, note
from vaultfs_tools.keyless.durable import replacing, write, write_all
from vaultfs_tools.keyless.errors import FileUnreadable
from vaultfs_tools.keyless.files import COPIES, Reader, VaultFiles, copy_name
from vaultfs_tools.keyless.findings import Combined, Finding, Parity, Remedy, Report, Severity
from vaultfs_tools.keyless.mirrors import Pair, opened
from vaultfs_tools.keyless.naming import id_in
from vaultfs_tools.keyless.salvage import fill
from vaultfs_tools.keyless.segments import Lenient


def heal(files: VaultFiles, report: Report) -> None:
    """Write every bad copy anew for which the report knows a good one; what cannot be written stays an error.

    The caller keeps writers away from the vault.
    """
    mended: dict[str, bool] = {}
    pieces: Counter[str] = Counter()
    for number, finding in enumerate(report.findings):
        if isinstance(finding.remedy, Remedy | Combined):
            report.findings[number] = _healed(files, finding, finding.remedy)
        elif finding.remedy is not None:
            name = finding.remedy.target
            if name not in mended:
                if isinstance(finding.remedy, Parity):
                    mended[name] = mend_segment(files, name, finding.remedy.footer)
                else:
                    mended[name] = mend_mirrored(files, name)
            if mended[name]:
                report.findings[number] = replace(finding, severity=Severity.CORRECTED)
        if finding.remedy is not None and report.findings[number].severity is Severity.CORRECTED:
            pieces[finding.remedy.target] += 1
    if report.vault_id:
        with suppress(OSError):  # the file is healed all the same
            for name, count in pieces.items():
                note(files, report.suite, report.vault_id, ActKind.REPAIRED, id_in(name) or NOTHING, count)


def mend_segment(files: VaultFiles, name: str, footer: SegmentFooter) -> bool:
    """Make a segment, or the mirror of one, whole from its parity and from the other.

    It is written under another name, read back whole, and renamed over it.

    Parameters
    ----------
    footer
        The right one, which says what every byte must be.
    """
    original = name.removeprefix(f"{COPIES}/")
    try:
        with opened(files, original) as pair:
            sides = [pair.file, pair.mirror] if name == original else [pair.mirror, pair.file]
            with replacing(files.root / name) as descriptor:
                _write_mended(descriptor, [side for side in sides if side is not None], footer)
    except (OSError, VaultError):
        return False
    return True


def _write_mended(descriptor: int, sides: Sequence[Reader], footer: SegmentFooter) -> None:
    """Write a segment to an empty file: what the first side gives, what the other has, what parity gives back.

    Raises
    ------
    SlicesLost
        That is not all of it.
    """
    fill(descriptor, sides[:1], footer.length)
    os.ftruncate(descriptor, footer.length)

    def read(offset: int, length: int) -> bytes:
        return os.pread(descriptor, length, offset)

    for side in sides:
        if _mend_with(descriptor, read, footer, Lenient(side)):
            break
    written = SlicedFile(read, footer)
    if not written.right(written.leaves) or examine(written, footer.length):
        raise SlicesLost(structure=Structure.SEGMENT)


def _mend_with(descriptor: int, read: Read, footer: SegmentFooter, spare: Read) -> bool:
    """Write what a copy of a segment, and then parity, gives back over what is damaged; return whether that is all."""
    written, lost = SlicedFile(read, footer, lambda: spare), False
    for one in heal_segment(written, examine(written, footer.length)):
        if isinstance(one, Patch):
            write_all(descriptor, one.data, one.offset)
        else:
            lost = True
    return not lost


def mend_mirrored(files: VaultFiles, name: str) -> bool:
    """Make a journal or an open blob segment whole from its mirror, and the mirror of a journal from it."""
    mend = _mend_part if name.endswith(".part") else _mend_journal
    try:
        with opened(files, name) as pair:
            mend(pair, files.root / name, files.root / copy_name(name))
    except (OSError, VaultError):
        return False
    return True


def _mend_part(pair: Pair, path: Path, mirror: Path) -> None:
    """Make file and mirror as long as the longer. Where they differ only the keys tell which is right."""
    for target, short, long in ((path, pair.file, pair.mirror), (mirror, pair.mirror, pair.file)):
        if long is not None and (short is None or short.size < long.size):
            with replacing(target) as descriptor:
                if fill(descriptor, [short, long], long.size):
                    raise FileUnreadable(structure=Structure.SEGMENT)


@dataclass(frozen=True, slots=True)
class _Walked:
    """The groups of a journal that either of its copies has.

    Parameters
    ----------
    end
        Where they end.
    of_file, of_mirror
        The header and the groups that only the mirror has, and those that only the file has.
    """

    end: int
    of_file: list[Patch]
    of_mirror: list[Patch]


def _mend_journal(pair: Pair, path: Path, mirror: Path) -> None:
    good = _walked(pair)
    if good.of_file or pair.file is None:
        _rewrite(path, [pair.file, pair.mirror], good, good.of_file)
    if good.of_mirror or pair.mirror is None:
        _rewrite(mirror, [pair.mirror, pair.file], good, good.of_mirror if pair.mirror else good.of_file)


def _walked(pair: Pair) -> _Walked:
    beginning = pair.header()
    header = beginning.value
    of_file = [Patch(0, beginning.data)] if beginning.reason is not None else []
    of_mirror = [] if beginning.mirrored or pair.mirror is None else [Patch(0, beginning.data)]
    at, number, chain = HEADER_SIZE, 1, header.chain(beginning.data)
    while at < pair.size:
        try:
            found = pair.group(header.suite, at, number, chain, lambda _: None)
        except VaultError:
            break
        if found.reason is not None:
            of_file.append(Patch(at, found.data))
        if not found.mirrored and pair.mirror is not None:
            of_mirror.append(Patch(at, found.data))
        at, number, chain = at + len(found.data), number + 1, found.value.chain
    return _Walked(at, of_file, of_mirror)


def _rewrite(path: Path, sources: Sequence[Reader | None], good: _Walked, patches: Iterable[Patch]) -> None:
    """Make a journal hold every good group, and behind them what the first source holds there.

    Raises
    ------
    DigestMismatch
        What was written does not hold every group that was good.
    FileUnreadable
        No source gives what follows the good groups: it may hold more of them, and be read another day.
    """
    there = [source for source in sources if source is not None]
    with replacing(path) as descriptor:
        left = fill(descriptor, there, there[0].size)
        for patch in patches:
            write_all(descriptor, patch.data, patch.offset)
        written = _walked(Pair(Reader(descriptor)))
        if written.end < good.end:
            raise DigestMismatch(structure=Structure.JOURNAL_GROUP)
        if any(end > written.end for _, end in left):
            raise FileUnreadable(structure=Structure.JOURNAL_GROUP)


def _healed(files: VaultFiles, finding: Finding, remedy: Remedy | Combined) -> Finding:
    try:
        data = remedy.data if isinstance(remedy, Combined) else files.read(remedy.source)
        if isinstance(remedy, Remedy) and sha2.digest(data) != remedy.digest:
            return finding
        write(files.root / remedy.target, data)
    except (OSError, VaultError):
        return finding
    return replace(finding, severity=Severity.CORRECTED)

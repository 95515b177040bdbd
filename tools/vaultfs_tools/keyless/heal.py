"""Healing: writing a good copy over a bad one. Old or new content is there at any time, never a mixture."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vaultfs_format.act import ActKind
from vaultfs_format.errors import VaultError
from vaultfs_format.head import SegmentRow
from vaultfs_format.healing import Lost, Patch, SlicedFile, examine
from vaultfs_format.healing import heal as heal_segment
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_format.suite import DEFAULT

from vaultfs_tools.keyless.acts import NOTHING, note
from vaultfs_tools.keyless.durable import make_directory, sync_directory, write, write_all
from vaultfs_tools.keyless.files import CHUNK, COPIES, Reader, VaultFiles, copy_name
from vaultfs_tools.keyless.findings import Combined, Finding, Parity, Remedy, Report, Severity
from vaultfs_tools.keyless.mirrors import Pair, opened
from vaultfs_tools.keyless.segments import Doubled, Lenient


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
                    mended[name] = mend_segment(files, name, finding.remedy.row)
                else:
                    mended[name] = mend_mirrored(files, name)
            if mended[name]:
                report.findings[number] = replace(finding, severity=Severity.CORRECTED)
        if finding.remedy is not None and report.findings[number].severity is Severity.CORRECTED:
            pieces[finding.remedy.target] += 1
    if report.vault_id:
        with suppress(OSError):  # the file is healed all the same
            for name, count in pieces.items():
                note(files, report.vault_id, ActKind.REPAIRED, _id_in(name), count)


def _id_in(name: str) -> bytes:
    """Return the id of the segment or journal that a file is of or belongs to, zero for the others."""
    found = re.match("[0-9a-f]{32}", name.rpartition("/")[2])
    return bytes.fromhex(found[0]) if found else NOTHING


def mend_segment(files: VaultFiles, name: str, row: SegmentRow | None = None) -> bool:
    """Make a segment, or the mirror of one, whole from its parity and from the other.

    It is written under another name, read back whole, and renamed over it.

    Parameters
    ----------
    row
        What the head says of it, if that is known.
    """
    path = files.root / name
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    original = name.removeprefix(f"{COPIES}/")
    try:
        with opened(files, original) as pair:
            found = Doubled(pair if name == original else Pair(pair.mirror, pair.file), row)
            sliced = found.sliced()
            if sliced is None:
                return False
            make_directory(path.parent)
            patches = heal_segment(sliced, examine(sliced, found.size))
            if not _write_mended(temporary, sliced, patches):
                return False
        os.rename(temporary, path)
        sync_directory(path.parent)
    except (OSError, VaultError):
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


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
            _write_patched(target, short or long, _beyond(short or long, long))


def _beyond(short: Reader, long: Reader) -> Iterator[Patch]:
    for at in range(short.size, long.size, CHUNK):
        yield Patch(at, long.read(at, min(CHUNK, long.size - at)))


def _mend_journal(pair: Pair, path: Path, mirror: Path) -> None:
    of_file, of_mirror = _of_journal(pair)
    if of_file or pair.file is None:
        _write_patched(path, pair.main, of_file)
    if of_mirror or pair.mirror is None:
        _write_patched(mirror, pair.mirror or pair.main, of_mirror if pair.mirror else of_file)


def _of_journal(pair: Pair) -> tuple[list[Patch], list[Patch]]:
    """Return the header and the groups that only the mirror has, and those that only the file has."""
    beginning = pair.header()
    header = beginning.value
    of_file = [Patch(0, beginning.data)] if beginning.reason is not None else []
    of_mirror = [] if beginning.mirrored else [Patch(0, beginning.data)]
    at, number, chain = HEADER_SIZE, 1, header.chain(beginning.data)
    while at < pair.size:
        try:
            found = pair.group(header.suite, at, number, chain, lambda _: None)
        except VaultError:
            break
        if found.reason is not None:
            of_file.append(Patch(at, found.data))
        if not found.mirrored:
            of_mirror.append(Patch(at, found.data))
        at, number, chain = at + len(found.data), number + 1, found.value.chain
    return of_file, of_mirror


def _write_patched(path: Path, source: Reader, patches: Iterable[Patch]) -> None:
    """Make `path` hold what `source` holds, with patches, durably."""
    make_directory(path.parent)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        read = Lenient(source)
        for at in range(0, source.size, CHUNK):
            write_all(descriptor, read(at, min(CHUNK, source.size - at)), at)
        for patch in patches:
            write_all(descriptor, patch.data, patch.offset)
        os.fsync(descriptor)
        os.rename(temporary, path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def _write_mended(path: Path, sliced: SlicedFile, patches: Iterable[Patch | Lost]) -> bool:
    """Write a whole segment; return whether it is one, byte for byte."""
    footer = sliced.footer
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for at in range(0, footer.length, CHUNK):
            data = sliced.read(at, min(CHUNK, footer.length - at))
            write_all(descriptor, data, at)
        os.ftruncate(descriptor, footer.length)
        for patch in patches:
            if isinstance(patch, Lost):
                return False
            write_all(descriptor, patch.data, patch.offset)
        os.fsync(descriptor)
        found = SlicedFile(lambda offset, length: os.pread(descriptor, length, offset), footer)
        return found.right(found.leaves) and not examine(found, footer.length)
    finally:
        os.close(descriptor)


def _healed(files: VaultFiles, finding: Finding, remedy: Remedy | Combined) -> Finding:
    try:
        data = remedy.data if isinstance(remedy, Combined) else files.read(remedy.source)
        if isinstance(remedy, Remedy) and DEFAULT.digest(data) != remedy.digest:
            return finding
        write(files.root / remedy.target, data)
    except (OSError, VaultError):
        return finding
    return replace(finding, severity=Severity.CORRECTED)

"""Targets: the check without keys, of a file that lies alone and of one among good ones; the description of a file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from vaultfs_format.errors import BadMagic, VaultError
from vaultfs_format.frame import FrameClass
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.keytable import seal_table
from vaultfs_format.segment import SegmentFooter
from vaultfs_format.suite import DEFAULT, DIGEST
from vaultfs_tools.keyless import Report, VaultFiles, check, check_file
from vaultfs_tools.keyless.describe import describe
from vaultfs_tools.keyless.files import HEAD, copy_name, keyring_name, segment_name, superblock_name, table_name
from vectors.world import with_tree

from fuzz import forging
from fuzz.journals import access_journal
from fuzz.target import Target, must
from tests.vaultfs_format import examples

_LONGEST = 32 * 1024
_JOURNAL = f"journal/{examples.JOURNAL.journal_id.hex()}"


@cache
def _vault() -> Mapping[str, bytes]:
    """Return the files of a small vault by name. The first byte of an input chooses one of them."""
    audit = examples.LIVE_SET.encode() + examples.AUDIT_LEAF.encode()
    segments = [
        examples.segment_bytes(FrameClass.RECORD, [examples.RECORD_FRAME], (2001, 2001)),
        examples.segment_bytes(FrameClass.AUDIT, [examples.AUDIT_FRAME], (0, 0), audit, b"h" * 16),
    ]
    tables = [_table(footer) for _, footer in segments]
    rows = [_row(footer, table) for (_, footer), table in zip(segments, tables, strict=True)]
    superblock, keyring = examples.SUPERBLOCK.encode(examples.ROOT_KEY), examples.KEYRING.encode()
    head = _head(rows, superblock, keyring)
    journal = replace(examples.JOURNAL, generation=head.generation, first_leaf=head.tree_size - 1, first_number=900)
    files = {
        HEAD: head.encode(examples.EPOCH_ROOT),
        superblock_name(1): superblock,
        keyring_name(1): keyring,
        f"{_JOURNAL}.vjrn": examples.journal_bytes(journal),
        f"{_JOURNAL}.vacc": access_journal(),
        "secret.1": examples.EPOCH_SECRET.encode(),
    }
    for row, (segment, _), table in zip(rows, segments, tables, strict=True):
        files |= {segment_name(row): segment, table_name(row): table}
    return files


def _table(footer: SegmentFooter) -> bytes:
    about = footer.head
    keys = examples.KEYS[: footer.frames]
    return seal_table(DEFAULT, about.vault_id, about.segment_id, 1, examples.EPOCH_ROOT, b"z" * 32, keys).encode()


def _row(footer: SegmentFooter, table: bytes) -> SegmentRow:
    about = footer.head
    return SegmentRow(
        about.segment_id, about.frame_class, about.disposition, about.first_year, about.last_year, 1, footer.length,
        footer.frames, footer.entries, footer.root, table[-DIGEST:],
    )  # fmt: skip


def _head(rows: list[SegmentRow], superblock: bytes, keyring: bytes) -> Head:
    digests = (DEFAULT.digest(superblock), DEFAULT.digest(keyring))
    head = replace(examples.HEAD, journals=[], segments=rows, superblock_digest=digests[0], keyring_digest=digests[1])
    return with_tree(head)


@cache
def _directory(kind: str) -> tempfile.TemporaryDirectory[str]:
    """Return a directory of this kind that lives as long as this process."""
    made = tempfile.TemporaryDirectory(prefix=kind)
    for name in _vault():
        (Path(made.name) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(made.name) / copy_name(name)).parent.mkdir(parents=True, exist_ok=True)
    return made


def _chosen(data: bytes) -> tuple[str, bytes]:
    names = list(_vault())
    return names[data[0] % len(names)] if data else names[0], data[1:]


def _alone(data: bytes) -> None:
    name, content = _chosen(data)
    path = Path(_directory("alone").name)
    (path / name).write_bytes(content)
    try:
        files = VaultFiles(path)
        _judge(check(files))
        with files.open(name) as file:
            about = describe(file)
        must(about.size == len(content), "a description tells the size of its file")
        _judge(check_file(files, name))
    finally:
        (path / name).unlink()


@cache
def _whole() -> Path:
    """Return a directory with the whole vault in it."""
    path = Path(_directory("whole").name)
    for name, content in _vault().items():
        (path / name).write_bytes(content)
        if not name.endswith((".vseg", ".vjrn", ".vacc")):
            (path / copy_name(name)).write_bytes(content)
    return path


def _among_good_ones(data: bytes) -> None:
    name, content = _chosen(data)
    path = _whole()
    (path / name).write_bytes(content)
    try:
        report = check(VaultFiles(path))
    finally:
        (path / name).write_bytes(_vault()[name])
    _judge(report)
    must(report.vault_id == examples.VAULT_ID or name == HEAD, "a head that is good is taken")


def _judge(report: Report) -> None:
    for finding in report.findings:
        must(isinstance(finding.error, VaultError), "what is found has a code")
        must(bool(finding.error.message()), "what is found can be told")


def _forged(data: bytes) -> bytes:
    """Return a file whose digests stand where those of its kind do."""
    place, (name, content) = data[:1], _chosen(data)
    if name.endswith(".vseg"):
        return place + forging.rehashed(content)
    if name.startswith("journal/"):
        return place + forging.journal(content)
    return place + (forging.head(content) if name == HEAD else forging.with_digest(content))


def _seeds() -> list[bytes]:
    return [bytes([at]) + content for at, content in enumerate(_vault().values())]


TARGETS = [
    Target("keyless-file", _alone, _seeds, (BadMagic,), _forged, longest=_LONGEST),
    Target("keyless-vault", _among_good_ones, _seeds, (), _forged, longest=_LONGEST),
]

"""Whole vaults: the check that needs no key, and what a reader with keys finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crash.places import memory
from vaultfs_format.entries import Entry, Role
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.errors import VaultError
from vaultfs_tools.keyless import Report, Severity, VaultFiles, check
from vaultfs_tools.keyless import check_file as check_one

import vaultfs
from vaultfs.audit.log import read_events
from vaultfs.engine.committing.units import date_fields
from vaultfs.engine.opening.replay import FoundFrame, live_frames, segment_frames
from vaultfs.engine.opening.unlocking import default_store
from vaultfs.model import RecordId
from vaultfs.testing.vfs import FaultyVfs
from vectors.operations.frames import data_facts
from vectors.operations.registry import Directory, Facts, operation

_SEVERITIES = {
    Severity.REMARK: "remark",
    Severity.RECOVERY: "recovery",
    Severity.UNSUPPORTED: "unsupported",
    Severity.ERROR: "damage",
}
_VERDICTS = ("damage", "unsupported", "recovery")


def lay_out(files: Directory, root: Path) -> None:
    """Write the files of a vault below a directory."""
    for place in ("journal", "segments"):
        (root / place).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@operation
def check_vault(vault: Directory, fingerprint: bytes | None = None) -> Facts:
    """The verdict and the findings of a check without keys; with a fingerprint, of who must have signed."""
    with TemporaryDirectory(dir=memory()) as place:
        lay_out(vault, Path(place))
        report = check(VaultFiles(Path(place)), signer=fingerprint)
    return report_facts(report) | {"generation": report.generation, "audit_leaves": report.audit_leaves}


@operation
def check_file(file_name: str, data: bytes) -> Facts:
    """The same of one file by itself."""
    with TemporaryDirectory(dir=memory()) as place:
        (Path(place) / file_name).write_bytes(data)
        return report_facts(check_one(VaultFiles(Path(place)), file_name))


def report_facts(report: Report) -> Facts:
    """Return the verdict and the findings of a check."""
    found = [
        {
            "severity": _SEVERITIES[finding.severity],
            "code": finding.error.code,
            "structure": finding.structure.name.lower() if finding.structure else None,
            "file": finding.file,
        }
        for finding in report.findings
    ]
    severities = {finding["severity"] for finding in found}
    verdict = next((one for one in _VERDICTS if one in severities), "good")
    return {"verdict": verdict, "findings": sorted(found, key=lambda one: (str(one["file"]), str(one["code"])))}


@contextmanager
def _opened(
    files: Directory, passphrase: bytes, secret: bytes, witnessed: bytes | None, *, accept_older: bool
) -> Iterator[vaultfs.Vault]:
    with TemporaryDirectory(dir=memory()) as place:
        path = Path(place) / "vault"
        lay_out(files, path)
        found = EpochSecret.decode(secret)
        store = default_store(path) / found.vault_id.hex()
        store.mkdir(parents=True)
        (store / f"secret.{found.epoch}").write_bytes(secret)
        if witnessed is not None:
            (store / "seen").write_bytes(witnessed)
        unlock = vaultfs.Passphrase(passphrase)
        quick = FaultyVfs(durable=False)  # the copy need not outlive a power cut
        with vaultfs.open(
            path, unlock=unlock, policy=vaultfs.PermitAll(), accept_older=accept_older, vfs=quick
        ) as vault:
            yield vault


@operation
def open_vault(
    vault: Directory,
    passphrase: bytes,
    secret: bytes,
    witnessed: bytes | None = None,
    accept_older: bool | None = None,
) -> Facts:
    """The records and control states that a reader with keys finds in a vault."""
    with _opened(vault, passphrase, secret, witnessed, accept_older=bool(accept_older)) as opened:
        return contents(opened)


def contents(vault: vaultfs.Vault) -> Facts:
    """Return the records, control states and subjects of an open vault."""
    rows = list(_entries(vault))
    numbers = sorted({(row.incarnation, row.number) for _, row in rows if row.role == Role.RECORD})
    ids = [vault.engine.chain.record_id(*number) for number in numbers]
    with vault.session(vaultfs.Principal("reader"), "TREAT") as session:
        records = [_record(session, one) for one in ids]
    return {
        "records": records,
        "states": _states(rows),
        "subjects": sorted({one.hex() for one, _ in rows if any(one)}),
    }


def _entries(vault: vaultfs.Vault) -> Iterator[tuple[bytes, Entry]]:
    for frame in _frames(vault):
        block = frame.entries()
        yield from ((block.subject, entry) for entry in block.entries)


def _frames(vault: vaultfs.Vault) -> Iterator[FoundFrame]:
    for row in vault.engine.head.segments:
        yield from segment_frames(vault.engine, row)
    yield from live_frames(vault.engine)


def _record(session: Any, record_id: RecordId) -> Facts:
    try:
        found = session.get(record_id)
    except VaultError as error:
        return {"record_id": bytes(record_id), "error": error.code}
    info, suite = found.info, session.engine.suite
    precision, offset_minutes, date = date_fields(info.date)
    return {
        "record_id": bytes(record_id),
        "versions": [one.version for one in session.versions(record_id)],
        "version": info.version,
        "subject": bytes(info.subject),
        "kind": info.kind,
        "media_type": info.media_type,
        "precision": precision,
        "offset_minutes": offset_minutes,
        "date": date,
        "commit": info.commit,
        "record": data_facts(found.data, suite),
        "before": data_facts(found.before, suite),
        "after": data_facts(found.after, suite),
    }


def _states(rows: list[tuple[bytes, Entry]]) -> list[Facts]:
    highest: dict[bytes, int] = {}
    for _, row in rows:
        if row.role == Role.STATE:
            highest[row.token] = max(row.version, highest.get(row.token, 0))
    return [{"token": token, "version": version} for token, version in sorted(highest.items())]


@operation
def audit_log(vault: Directory, passphrase: bytes, secret: bytes, count: int) -> Facts:
    """The first events of the audit log, each with the index of its leaf."""
    with _opened(vault, passphrase, secret, None, accept_older=False) as opened:
        return {"events": events(opened, count)}


def events(vault: vaultfs.Vault, count: int | None) -> list[Facts]:
    """Return the first events of the log of an open vault; None: all."""
    return [{"index": index, "type": event.type, "at": event.at} for index, event in islice(read_events(vault), count)]

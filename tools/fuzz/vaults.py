"""Targets: the check without keys of a file, of a directory that holds nothing else, and the description of a file."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from vaultfs_format.errors import BadMagic, VaultError
from vaultfs_tools.keyless import Report, VaultFiles, check, check_file
from vaultfs_tools.keyless.describe import describe

from fuzz import forging
from fuzz.journals import access_journal
from fuzz.target import Target, must
from tests.vaultfs_format import examples

_SEGMENT = examples.RECORD_FOOTER.head.segment_id.hex()
_JOURNAL = examples.JOURNAL.journal_id.hex()
NAMES = {
    "VAULT": "VAULT.1",
    "keyring": "keyring.1",
    "head": "head",
    "key table": f"segments/main/record/2001-2001/{_SEGMENT}.vkey.1",
    "record segment": f"segments/main/record/2001-2001/{_SEGMENT}.vseg",
    "audit segment": f"segments/main/audit/none/{_SEGMENT}.vseg",
    "journal": f"journal/{_JOURNAL}.vjrn",
    "access journal": f"journal/{_JOURNAL}.vacc",
    "epoch secret": "secret.1",
    "witnessed head": "seen",
}
"""Where the examples lie in a vault. The first byte of an input chooses one."""

_PLACES = list(NAMES.values())
_LONGEST = 32 * 1024


@cache
def _vault() -> Path:
    """Return a directory that lives as long as this process."""
    place = Path(_directory().name)
    for name in _PLACES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
    return place


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _file(data: bytes) -> None:
    name = _PLACES[data[0] % len(_PLACES)] if data else _PLACES[0]
    path = _vault() / name
    path.write_bytes(data[1:])
    try:
        files = VaultFiles(_vault())
        _judge(check(files))
        with files.open(name) as file:
            about = describe(file)
        must(about.size == len(data[1:]), "a description tells the size of its file")
        _judge(check_file(files, name))
    finally:
        path.unlink()


def _judge(report: Report) -> None:
    for finding in report.findings:
        must(isinstance(finding.error, VaultError), "what is found has a code")
        must(bool(finding.error.message()), "what is found can be told")


def _forged(data: bytes) -> bytes:
    """Return a file whose digests stand where those of its kind do."""
    place, data = data[:1], data[1:]
    if not place:
        return place
    name = _PLACES[place[0] % len(_PLACES)]
    if name.endswith(".vseg"):
        return place + forging.segment(data)
    if name.startswith("journal/"):
        return place + forging.journal(data)
    return place + (forging.head(data) if name == "head" else forging.with_digest(data))


def _seeds() -> list[bytes]:
    found = {example.name: example.data for example in examples.EXAMPLES}
    found["access journal"] = access_journal()
    return [bytes([at]) + found[name] for at, name in enumerate(NAMES)]


TARGETS = [Target("keyless-file", _file, _seeds, (BadMagic,), _forged, longest=_LONGEST)]

"""Quarantine: what cannot be understood is found, comes back byte for byte, and is tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.vaultfs.migrate.support import MRN, Archive, ndjson, observation, patient
from tests.vaultfs.migrate.test_again import Fails
from vaultfs import NOBODY
from vaultfs.errors import FormatUnknown, Hl7Malformed, JsonMalformed, SourceError, TransactionConflict
from vaultfs.interop import registry
from vaultfs.interop.pieces import Facts, Piece, SourceIdentifier
from vaultfs.migrate import previous, reading
from vaultfs.migrate import redrive as redriving
from vaultfs.migrate.importer import ImportOptions

MARK = b"LEGACY1\n"


class Legacy:
    """An adapter for a format that nobody knew at first: MARK, then lines of number, colon, text."""

    name = "legacy"

    def recognises(self, head: bytes) -> bool:
        return head.startswith(MARK)

    def pieces(self, source: BinaryIO) -> Iterator[Piece]:
        before = source.readline()
        for line in source:
            if line.startswith(b"stop"):
                raise Hl7Malformed
            number, _, _ = line.partition(b":")
            facts = Facts("Basic", "text/plain", identifiers=(SourceIdentifier(MRN, number.decode()),))
            good = number.isdigit()
            yield Piece(before, line, b"", facts if good else None, None if good else JsonMalformed())
            before = b""


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> None:
    def recognise(head: bytes) -> object:
        return Legacy() if Legacy().recognises(head) else registry.recognise(head)

    for module in (reading, previous, redriving):
        monkeypatch.setattr(module, "recognise", recognise)


def quarantined(archive: Archive) -> list[bytes]:
    return [one.data for one in archive.records() if one.info.kind == "vaultfs.quarantine"]


def test_what_is_in_quarantine_is_found_with_its_reason(archive: Archive) -> None:
    archive.write("a.bin", MARK + b"1:one\n")
    archive.write("b.ndjson", ndjson(observation("1", None)) + "{oops\n" + ndjson(observation("2", None)))
    report = archive.take()
    assert report.reasons == {FormatUnknown.code: 1, JsonMalformed.code: 1}
    found = archive.session.find(subject=NOBODY, kind="vaultfs.quarantine")
    assert len(found) == 2
    codes = {archive.session.state("quarantine", bytes(info.id)).value[:2] for info in found}  # type: ignore[index]
    assert {int.from_bytes(code, "little") for code in codes} == {FormatUnknown.code, JsonMalformed.code}


def test_redrive_makes_records_of_what_is_understood_now(
    archive: Archive, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = archive.write("a.bin", MARK + b"1:one\n2:two\n1:more\n")
    archive.write("b.bin", b"\x00\x01")
    archive.write("c.json", patient("1", (MRN, "1")))
    archive.take()
    request.getfixturevalue("learned")
    report = archive.redrive()
    assert (report.outcome("stored"), report.outcome("quarantined")) == (3, 1)
    assert report.reasons == {FormatUnknown.code: 1}
    assert quarantined(archive) == [b"\x00\x01"]
    assert archive.holder("1:one") == archive.holder("1:more") == archive.holder('"Patient"')
    assert archive.holder("2:two") not in (NOBODY, archive.holder("1:one"))
    assert archive.exported(tmp_path / "out")["a.bin"] == path.read_bytes()
    assert archive.take().sources == {"unchanged": 3}
    assert archive.redrive().outcome("stored") == 0


def test_a_line_in_quarantine_is_redriven_alone(
    archive: Archive, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("learned")
    path = archive.write("a.bin", MARK + b"1:one\nx:two\n3:three\n")
    assert archive.take().outcome("quarantined") == 1
    before = {one.info.id for one in archive.records()}
    original = Legacy.pieces

    def better(self: Legacy, source: BinaryIO) -> Iterator[Piece]:
        for piece in original(self, source):
            facts = piece.facts or Facts("Basic", "text/plain")
            yield Piece(piece.before, piece.data, piece.after, facts)

    request.getfixturevalue("monkeypatch").setattr(Legacy, "pieces", better)
    report = archive.redrive(JsonMalformed.code)
    assert (report.outcome("stored"), report.outcome("unchanged"), report.outcome("quarantined")) == (1, 2, 0)
    assert len(before & {one.info.id for one in archive.records()}) == 2
    assert not quarantined(archive)
    assert archive.exported(tmp_path / "out")["a.bin"] == path.read_bytes()


@pytest.mark.parametrize("content", [b"\x00nothing known", MARK + b"1:one\nstop\n", b"{oops\n{}\n"])
def test_redrive_of_what_still_fails_changes_nothing(
    archive: Archive, content: bytes, request: pytest.FixtureRequest
) -> None:
    archive.write("a.bin", content)
    archive.take()
    before = archive.records(own=True)
    request.getfixturevalue("learned")
    report = archive.redrive()
    assert archive.records(own=True) == before
    assert report.outcome("stored") == 0
    assert report.outcome("quarantined") == len(quarantined(archive))


def test_redrive_can_be_limited_to_a_reason(archive: Archive, request: pytest.FixtureRequest) -> None:
    archive.write("a.bin", MARK + b"1:one\n")
    archive.take()
    request.getfixturevalue("learned")
    assert archive.redrive(JsonMalformed.code).outcome("stored") == 0
    assert archive.redrive(FormatUnknown.code).outcome("stored") == 1


def test_redrive_leaves_alone_what_lost_records(archive: Archive, request: pytest.FixtureRequest) -> None:
    archive.write("a.ndjson", ndjson(observation("1", None, "one")) + "{oops\n")
    archive.take()
    with archive.session.transaction() as txn:
        txn.delete(archive.one("one").info.id)
    request.getfixturevalue("learned")
    assert archive.redrive().outcome("stored") == 0
    assert quarantined(archive) == [b"{oops"]


def test_a_redrive_that_was_interrupted_is_done_again(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    path = archive.write("a.bin", MARK + b"".join(b"%d:text\n" % (n % 7) for n in range(40)))
    archive.take()
    request.getfixturevalue("learned")
    options = ImportOptions(window_bytes=100)
    with monkeypatch.context() as patched:
        Fails(patched, 3, TransactionConflict())
        with pytest.raises(TransactionConflict):
            redriving.redrive(archive.vault, archive.session, options)
    assert archive.exported(tmp_path / "between") == {"a.bin": path.read_bytes()}
    redriving.redrive(archive.vault, archive.session, options)
    assert not quarantined(archive)
    assert len(archive.records()) == 40
    assert archive.exported(tmp_path / "out") == {"a.bin": path.read_bytes()}


def test_an_import_after_an_interrupted_redrive_goes_on(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    path = archive.write("a.bin", MARK + b"".join(b"%d:text %d\n" % (n % 7, n) for n in range(40)))
    archive.take()
    request.getfixturevalue("learned")
    with monkeypatch.context() as patched:
        Fails(patched, 3, TransactionConflict())
        with pytest.raises(TransactionConflict):
            redriving.redrive(archive.vault, archive.session, ImportOptions(window_bytes=100))
    archive.take()
    assert not quarantined(archive)
    assert len(archive.records()) == 40
    assert archive.exported(tmp_path / "out") == {"a.bin": path.read_bytes()}


def test_redrive_waits_for_an_import_to_end(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    archive.write(
        "a.ndjson", ndjson(observation("a", None)) + "{oops\n" + ndjson(*(observation(str(n), None) for n in range(20)))
    )
    with monkeypatch.context() as patched:
        Fails(patched, 3, TransactionConflict())
        with pytest.raises(TransactionConflict):
            archive.take(window_bytes=300)
    before = archive.records(own=True)
    assert archive.redrive().outcome("quarantined") == 1
    assert archive.records(own=True) == before


def test_a_source_error_says_nothing_of_the_source(archive: Archive) -> None:
    archive.write("a.json", '{"resourceType": "CANARY')
    report = archive.take()
    assert "CANARY" not in json.dumps(report.as_json()) + report.as_text() + repr(report)
    assert SourceError.code not in report.reasons

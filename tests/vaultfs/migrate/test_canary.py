"""Nothing that a source says is anywhere in plain text: not on disk, not in output, not in logs or errors."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.vaultfs.interop.ccda.documents import document, record_target
from tests.vaultfs.interop.dicom.files import TEXTS, dicom
from tests.vaultfs.migrate.support import Archive, bundle, message, ndjson, observation, patient
from tests.vaultfs.migrate.test_again import Fails
from vaultfs.errors import StorageFull

CANARIES = [
    f"CanaryQ{word}Z"
    for word in ("Given", "Number", "System", "Text", "Ref", "File", "Folder", "Junk", "Hl", "Dicom", "Issuer", "Cda")
]


def spelled(text: str) -> Iterable[bytes]:
    for codec in ("utf-8", "utf-16-le", "utf-16-be"):
        yield text.encode(codec)
        yield text.lower().encode(codec)
    yield text.encode().hex().encode()


def assert_clean(data: bytes, where: str) -> None:
    for canary in CANARIES:
        for form in spelled(canary):
            assert form not in data, f"{canary} in {where}"


def assert_clean_on_disk(*places: Path) -> None:
    count = 0
    for place in places:
        for path in place.rglob("*"):
            assert_clean(str(path.relative_to(place)).encode(), "a name")
            if path.is_file():
                count += 1
                assert_clean(path.read_bytes(), path.name)
    assert count > 5


def everything_of(error: BaseException | None) -> str:
    """Return all that an exception and those that hang on it say, without the frames' source lines."""
    said = ""
    while error is not None:
        said += repr(error) + str(error) + repr(error.args) + repr(getattr(error, "facts", ""))
        said += repr([(frame.name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)])
        said += everything_of(error.__cause__)
        error = error.__context__
    return said


@pytest.fixture
def planted(archive: Archive) -> Archive:
    given, number, system, text, reference, file, folder, junk, hl7, dcm, issuer, cda = CANARIES
    person = patient(f"{reference}1", (f"http://{system}.example/x", number), name=given, birthDate="1970-01-01")
    archive.write(
        f"{folder}/{file}.json",
        bundle(person, observation("1", f"Patient/{reference}1", text), urls=[f"https://{system}.example/{reference}"]),
    )
    archive.write(
        f"{folder}/{file}.ndjson", ndjson(observation("2", f"Patient/{reference}2", text)) + "{" + junk + "\n"
    )
    archive.write(f"{file}.hl7", message(f"{number}^^^{system}", hl7, pid=f"|{given}^{given}"))
    texts = [(tag, vr, dcm) for tag, vr in TEXTS if tag != 0x00080005]
    image = dicom(*texts, (0x00100024, "SQ", [[(0x00400032, "UT", issuer)]]), (0x00091001, "UN", dcm))
    archive.write(f"{file}.dcm", image)
    archive.write(f"{file}-cut.dcm", image[:-5])
    archive.write(f"{file}-charset.dcm", dicom((0x00080005, "CS", dcm), (0x00100020, "LO", dcm.encode() + b"\xff")))
    header = f'<id root="{cda}" extension="{cda}"/><title>{cda}</title><effectiveTime value="{cda}"/>'
    archive.write(f"{file}.xml", document(header, record_target((cda, cda), ("1.2.3", cda)), f"<{cda}/>"))
    archive.write(f"{file}-cut.xml", document(header)[:-5])
    archive.write(f"{file}-type.xml", f'<!DOCTYPE ClinicalDocument SYSTEM "{cda}">' + document(header))
    archive.write(f"{file}.png", f"\x00{junk}" * 100)
    archive.write(f"{file}-large.bin", f"\x00{junk}" * 400_000)
    archive.write(f"{file}-deep.json", '{"' + junk + '":' * 1 + "[" * 500)
    archive.write(f"{file}-strange.json", {"resourceType": junk, "id": number})
    archive.write(f"{file}-field.json", {"resourceType": "Observation", "subject": {"reference": [junk]}})
    (archive.folder / f"{file}-link").symlink_to(junk)
    return archive


def test_nothing_leaks_in_the_life_of_an_import(
    planted: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for number in (1, 2, 4):
        with monkeypatch.context() as patched:
            Fails(patched, number, StorageFull())
            with pytest.raises(StorageFull) as failure:
                planted.take(window_bytes=200)
        said.append(everything_of(failure.value))
        assert_clean_on_disk(tmp_path / "vault", tmp_path / "vault.epoch")
    report = planted.take(window_bytes=200)
    assert report.outcome("quarantined") >= 9
    said += [json.dumps(report.as_json()), report.as_text(), repr(report)]
    said.append(repr(planted.redrive()))
    said += [repr(one) for one in planted.records(own=True)]
    said.append(repr(planted.export(tmp_path / "out")))
    planted.vault.settle()
    assert_clean_on_disk(tmp_path / "vault", tmp_path / "vault.epoch")
    assert_clean("".join(said).encode(), "what was said")
    assert_clean(caplog.text.encode(), "the log")
    manifest = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_bytes().splitlines()]
    assert all(row["source"] for row in manifest)
    exported = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    for canary in CANARIES:
        assert canary.encode() in exported + str(list((tmp_path / "out").rglob("*"))).encode(), "planted"

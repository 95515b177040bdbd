"""Bad input: every source has a coded outcome, the others are imported, and nothing is half written."""

from __future__ import annotations

import os
import socket
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vaultfs.migrate.support import MRN, Archive, files_of, message, ndjson, observation, patient
from vaultfs.errors import (
    ArgumentInvalid,
    FormatUnknown,
    Hl7NoHeader,
    JsonMalformed,
    JsonTooDeep,
    NotAResource,
    PieceTooLarge,
    SourceChanged,
    SourceUnreadable,
)
from vaultfs.migrate.importer import Importer, ImportOptions
from vaultfs.migrate.sources import StableReader

GOOD = ndjson(patient("1", (MRN, "1")), observation("o", "Patient/1"))

FOREIGN = {
    "image.png": (b"\x89PNG\r\n\x1a\n" + zlib.compress(b"pixels"), FormatUnknown),
    "archive.zip": (b"PK\x03\x04" + bytes(100), FormatUnknown),
    "document.xml": (b"<?xml version='1.0'?><ClinicalDocument/>", FormatUnknown),
    "blank.txt": (b"  \r\n", FormatUnknown),
    "zeros.bin": (bytes(4096), FormatUnknown),
    "cut.json": (GOOD.encode()[:50], JsonMalformed),
    "twice.json": (b'{"resourceType":"Bundle","entry":[],"entry":[]}', JsonMalformed),
    "bytes.json": (b'{"resourceType":"Patient","id":"\xff\xfe"}', JsonMalformed),
    "deep.json": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, JsonTooDeep),
    "deep-array.json": (b'[{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}]", JsonTooDeep),
    "strange.json": (b'{"hello":"world"}', NotAResource),
    "headless.hl7": (b"PID|1||1^^^X\rOBX|1\r", Hl7NoHeader),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_cannot_be_read_is_kept_with_a_code(archive: Archive, tmp_path: Path, name: str) -> None:
    data, error = FOREIGN[name]
    archive.write(f"sub/{name}", data)
    archive.write("good.ndjson", GOOD)
    report = archive.take()
    assert report.reasons == {error.code: 1}
    assert (report.outcome("quarantined"), report.outcome("stored")) == (1, 2)
    assert archive.exported(tmp_path / "out") == {f"sub/{name}": data, "good.ndjson": GOOD.encode()}
    assert archive.take().sources == {"unchanged": 2}


def test_an_empty_file_comes_in_and_comes_back(archive: Archive, tmp_path: Path) -> None:
    archive.write("empty", b"")
    report = archive.take()
    assert (report.sources, report.read) == ({"imported": 1}, 0)
    assert archive.exported(tmp_path / "out") == {"empty": b""}


def test_a_folder_that_cannot_be_listed_is_counted(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a wrapper, since root may list everything."""
    archive.write("closed/a.ndjson", GOOD)
    archive.write("good.ndjson", GOOD)
    plain = os.scandir

    def refusing(path: str) -> object:
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "no", path)
        return plain(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert archive.take().sources == {"imported": 1, "failed": 1}


def test_a_file_that_goes_away_in_between_is_counted(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.write("gone.ndjson", GOOD)
    archive.write("good.ndjson", GOOD)
    plain = Path.lstat

    def vanishing(path: Path) -> os.stat_result:
        if path.name == "gone.ndjson":
            path.unlink()
        return plain(path)

    monkeypatch.setattr(Path, "lstat", vanishing)
    assert archive.take().sources == {"imported": 1, "failed": 1}


def test_an_empty_folder_is_nothing(archive: Archive) -> None:
    assert archive.take().read == 0


def test_messages_in_another_character_set_are_messages(archive: Archive, tmp_path: Path) -> None:
    data = message("1^^^X", "Grüße").encode("latin-1")
    archive.write("a.hl7", data)
    assert archive.take().outcome("stored") == 1
    assert archive.exported(tmp_path / "out") == {"a.hl7": data}


def test_a_tail_that_is_cut_off_is_quarantined_and_the_rest_stands(archive: Archive, tmp_path: Path) -> None:
    data = GOOD + GOOD[:40]
    archive.write("a.ndjson", data)
    report = archive.take()
    assert (report.outcome("stored"), report.outcome("quarantined")) == (2, 1)
    assert archive.exported(tmp_path / "out") == {"a.ndjson": data.encode()}


def test_a_record_that_is_too_large_is_kept_whole_by_streaming(archive: Archive, tmp_path: Path) -> None:
    """The records before it are records, but for the last: whether it has ended is not known."""
    start = message("1^^^X", "first") + message("1^^^X", "second", control="2")
    path = archive.write("a.hl7", start + message("1^^^X", "x" * 70_000_000, control="3"))
    report = archive.take()
    assert (report.outcome("stored"), report.outcome("quarantined")) == (1, 1)
    assert report.reasons == {PieceTooLarge.code: 1}
    assert archive.exported(tmp_path / "out")["a.hl7"] == path.read_bytes()
    assert archive.take().sources == {"unchanged": 1}


@pytest.mark.parametrize(
    "name",
    [
        b"line\nbreak.ndjson",
        b"-rf.ndjson",
        b"--passphrase-file",
        b"\xff\xfe.ndjson",
        b"x" * 255,
        b"..ndjson",
        b"...",
        b"~",
        b"$HOME`id`.ndjson",
        b"sp ace\t.ndjson",
        b"d\xff/\xc3\xa4/f",
    ],
)
def test_a_file_of_any_name_comes_back_under_it(archive: Archive, tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(archive.folder) + b"/" + name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GOOD)
    assert archive.take().sources == {"imported": 1}
    assert archive.take().sources == {"unchanged": 1}
    exported = archive.exported(tmp_path / "out")
    expected = os.fsdecode(name)[:247]
    assert exported == {expected: GOOD.encode()}


def test_deep_folders_come_back_although_the_path_grows_too_long(archive: Archive, tmp_path: Path) -> None:
    here = os.open(archive.folder, os.O_RDONLY)
    for _ in range(18):
        os.mkdir("d" * 220, dir_fd=here)
        below = os.open("d" * 220, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("f.ndjson", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, GOOD.encode())
    os.close(file)
    os.close(here)
    archive.write("good.ndjson", GOOD)
    report = archive.take()
    assert report.sources["imported"] + report.sources["failed"] == 2
    if report.sources["imported"] == 2:
        assert sorted(archive.exported(tmp_path / ("o" * 200)).values()) == [GOOD.encode()] * 2


def test_what_is_no_file_is_counted_and_passed_over(archive: Archive, tmp_path: Path) -> None:
    """Pipes do not block, links are not followed, loops do not loop."""
    archive.write("good.ndjson", GOOD)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.ndjson").write_text(GOOD)
    os.mkfifo(archive.folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(archive.folder)
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    (archive.folder / "loop").symlink_to(archive.folder)
    (archive.folder / "self").symlink_to("self")
    (archive.folder / "dangling").symlink_to("nowhere")
    (archive.folder / "out").symlink_to(outside)
    (archive.folder / "file").symlink_to(outside / "secret.ndjson")
    report = archive.take()
    assert report.sources == {"imported": 1, "failed": 7}
    assert report.reasons == {SourceUnreadable.code: 7}


@pytest.mark.parametrize("name", ["half a pair \ud800", "a zero \0"])
def test_what_can_be_no_path_is_counted(archive: Archive, name: str) -> None:
    report = archive.take(archive.write("good.ndjson", GOOD), archive.folder / name)
    assert report.sources == {"imported": 1, "failed": 1}
    assert report.reasons == {SourceUnreadable.code: 1}


def test_a_source_may_itself_be_a_link_or_be_named_twice(archive: Archive, tmp_path: Path) -> None:
    path = archive.write("good.ndjson", GOOD)
    link, folder = tmp_path / "link.ndjson", tmp_path / "folder"
    link.symlink_to(path)
    folder.symlink_to(archive.folder)
    assert archive.take(link).outcome("stored") == 2
    assert archive.take(folder, folder, folder / "good.ndjson").sources == {"imported": 1}


def test_a_pipe_that_is_named_fails_at_once(archive: Archive) -> None:
    os.mkfifo(archive.folder / "pipe")
    assert archive.take(archive.folder / "pipe").sources == {"failed": 1}


@pytest.mark.parametrize("which", ["vault", "parent", "inside", "link"])
def test_a_vault_is_not_imported_into_itself(archive: Archive, tmp_path: Path, which: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "vault")
    places = {"vault": "vault", "parent": ".", "inside": "vault/index", "link": "link"}
    with pytest.raises(ArgumentInvalid):
        archive.take(tmp_path / places[which])


def test_a_file_that_nobody_may_read_is_counted(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a wrapper, since root may read everything."""
    archive.write("bad.ndjson", GOOD)
    archive.write("good.ndjson", GOOD)
    plain = os.open

    def refusing(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if os.fspath(path).endswith("bad.ndjson"):
            raise PermissionError(13, "no", path)
        return plain(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)
    report = archive.take()
    assert report.sources == {"imported": 1, "failed": 1}
    assert report.reasons == {SourceUnreadable.code: 1}


def test_a_file_that_fails_while_it_is_read_is_counted(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.write("a.ndjson", GOOD)
    plain = os.preadv

    def failing(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if offset:
            raise OSError(5, "broken disk")
        return plain(descriptor, [buffers[0][:40]], offset)

    monkeypatch.setattr(os, "preadv", failing)
    assert archive.take().reasons == {SourceUnreadable.code: 1}
    assert not archive.records(own=True)


# Files that change while they are read.

LINES = [patient("1", (MRN, "2")), *(observation(str(n), "Patient/1", f"v{n}." * 50) for n in range(60))]


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"resourceType":"Basic"}\n')


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def overwrite(path: Path) -> None:
    """Same size, and the time of change set back to what it was."""
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"v59.", b"w59."))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [grow, shrink, touch, overwrite])
@pytest.mark.parametrize("name", ["a.ndjson", "a.bin"])
@pytest.mark.parametrize("window", [1000, 1 << 20])
def test_a_file_that_changes_while_it_is_read_fails_and_can_be_imported_again(
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    name: str,
    window: int,
) -> None:
    path = archive.write(name, ndjson(*LINES) if name.endswith("json") else b"\x00" + ndjson(*LINES).encode())
    archive.write("good.ndjson", GOOD)
    plain = StableReader.readinto
    changed = threading.Event()

    def slowly(reader: StableReader, buffer: memoryview) -> int:
        if reader.size > 1000 and reader.position > 3000 and not changed.is_set():
            changed.set()
            change(path)
        return plain(reader, memoryview(buffer)[:1500])

    monkeypatch.setattr(StableReader, "readinto", slowly)
    report = archive.take(window_bytes=window)
    assert changed.is_set()
    assert report.sources == {"imported": 1, "failed": 1}
    assert report.reasons == {SourceChanged.code: 1}
    report = archive.take(window_bytes=window)
    assert not report.failed
    assert archive.exported(tmp_path / "out") == {name: path.read_bytes(), "good.ndjson": GOOD.encode()}
    data = [one.data for one in archive.records()]
    assert len(data) == len(set(data))


def test_a_file_under_way_is_exported_as_partial(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive.write("a.ndjson", ndjson(*LINES))
    monkeypatch.setattr(
        StableReader, "check", lambda self, *, ended: (_ for _ in ()).throw(SourceChanged()) if ended else None
    )
    importer = Importer(archive.vault, archive.session, ImportOptions(window_bytes=4000))
    assert importer.run([archive.folder]).failed == 1
    archive.export(tmp_path / "out")
    ((name, data),) = files_of(tmp_path / "out").items()
    assert name == "a.ndjson.partial"
    assert path.read_bytes().startswith(data)

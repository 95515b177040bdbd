"""vaultfs-rescue: what it refuses, writes, says, and never says."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from vaultfs_tools import cli, rescue
from vaultfs_tools.keyless.files import VaultFiles

import vaultfs
from tests.vaultfs.migrate.support import MRN, ndjson, observation, patient
from tests.vaultfs_tools import vaults
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.migrate.importer import Importer
from vaultfs.testing.canary import Canaries
from vaultfs.testing.watch import Watch

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command with the passphrase; returns code, output and errors."""
    secret = tmp_path / "passphrase"
    secret.write_bytes(vaults.SECRET + b"\n")
    secret.chmod(0o600)

    def call(*words: object) -> tuple[int, str, str]:
        code = rescue.main([*map(str, words), f"--passphrase-file={secret}"])
        return code, *capsys.readouterr()

    return call


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# What is written.


def test_the_output_is_private_and_named_after_ids(run: Run, vault: Path, tmp_path: Path) -> None:
    code, output, errors = run(vault, tmp_path / "out")
    assert (code, errors) == (0, "")
    assert "19 versions of records" in output
    assert output.endswith("nothing that is known of is missing\n")
    places = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in places if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in places if path.is_file()} == {0o600}
    with vaults.opened(vault) as opened, opened.session(vaults.WHO, "TREAT") as session:
        for row in _lines(tmp_path / "out/manifest.jsonl"):
            record = session.get(vaultfs.RecordId(bytes.fromhex(str(row["record"]))))
            assert row["file"] == f"records/{row['record']}.1"
            assert (tmp_path / "out" / str(row["file"])).read_bytes() == record.data
            assert (row["kind_name"], row["media_type"]) == (record.info.kind, record.info.media_type)
            assert row["length"] == record.info.length


def test_of_a_log_that_was_pruned_nothing_is_missing(run: Run, vault: Path, tmp_path: Path) -> None:
    with vaults.opened(vault) as opened:
        opened.settle()
        first = opened.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0)).first
    code, output, _ = run(vault, tmp_path / "out")
    assert (code, first > 0) == (0, True)
    assert output.endswith("nothing that is known of is missing\n")
    told = [event["name"] for event in _lines(tmp_path / "out/events.jsonl")]
    assert told[:2] == ["LOG_PRUNED", "SETTLED"]


def test_an_empty_directory_is_taken_and_made_private(run: Run, vault: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o755)
    assert run(vault, tmp_path / "out")[0] == 0
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_json_has_every_number(run: Run, vault: Path, tmp_path: Path) -> None:
    for part in vault.rglob("*.part"):
        part.unlink()
    code, output, _ = run(vault, tmp_path / "out", "--json")
    assert code == cli.Exit.DAMAGED
    events = len(_lines(tmp_path / "out/events.jsonl"))
    assert json.loads(output) == {
        "vault_id": vaults.head_of(vault).vault_id.hex(),
        "head": True,
        "record_ids": True,
        "records": 18,
        "bytes": 16 * len(b'{"n":0,"text":"%s"}' % (b"compressible " * 20)) + 2 * 90_000,
        "states": 4,
        "events": events,
        "diverged": 0,
        "disposed": 0,
        "missing": {"record": 1},
    }


def test_dates_kinds_and_identifiers_are_told_as_they_are_stored(run: Run, tmp_path: Path) -> None:
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=1)))
    with (
        vaultfs.create(
            tmp_path / "v",
            recipients=[vaults.unlocking()],
            policy=vaultfs.PermitAll(),
            kinds=["acme.note"],
            media_types=["text/acme"],
        ) as vault,
        vault.session(vaults.WHO, "TREAT") as session,
        session.transaction() as txn,
    ):
        one = txn.subject(vaults.PATIENT)
        other = txn.new_subject()
        txn.identify(one, vaultfs.Identifier("urn:weak", "J\u00f6"), weak=True)
        txn.link(one, other)
        txn.put(b"note", kind="acme.note", subject=one, media_type="text/acme", date=moment)
    assert run(tmp_path / "v", tmp_path / "out")[0] == 0
    (row,) = _lines(tmp_path / "out/manifest.jsonl")
    assert (row["kind"], row["kind_name"], row["media_type"]) == (32_768, "acme.note", "text/acme")
    clock = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)  # that of the place, whatever its offset is
    assert row["date"] == {"milliseconds": 1000 * clock.timestamp(), "precision": 6, "offset_minutes": 60}
    subjects = _lines(tmp_path / "out/subjects.jsonl")
    named = {(row["system"], row["value"], row["weak"]) for row in subjects if "system" in row}
    assert named == {(vaults.PATIENT.system, vaults.PATIENT.value, False), ("urn:weak", "J\u00f6", True)}
    (link,) = [row for row in subjects if "other" in row]
    assert {link["subject"], link["other"]} == {one.hex(), other.hex()}
    assert link["same"] is True


def test_recipes_and_gaps_of_imports_are_records_like_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "legacy").mkdir()
    source = "\n\n" + ndjson(patient("1", (MRN, "1")), observation("o", "Patient/1"))
    (tmp_path / "legacy" / "export.ndjson").write_text(source)
    with vaultfs.create(
        tmp_path / "v", recipients=[vaults.unlocking()], policy=vaultfs.PermitAll()
    ) as vault, vault.session(vaults.WHO, "HSYSADMIN") as session:  # fmt: skip
        Importer(vault, session).run([tmp_path / "legacy"])
    assert run(tmp_path / "v", tmp_path / "out")[0] == 0
    kinds = {row["kind_name"] for row in _lines(tmp_path / "out/manifest.jsonl")}
    assert {"Patient", "Observation", "vaultfs.recipe"} <= kinds


# What opens it.


def test_another_passphrase_opens_nothing(vault: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"incorrect horse battery")
    wrong.chmod(0o600)
    assert rescue.main([str(vault), str(tmp_path / "out"), f"--passphrase-file={wrong}"]) == cli.Exit.FAILED
    assert capsys.readouterr().err.startswith("vaultfs-rescue: VFS-1210: ")
    assert not (tmp_path / "out").exists()


def test_the_epoch_secret_may_lie_elsewhere(run: Run, vault: Path, tmp_path: Path) -> None:
    store = vault.with_name(vault.name + ".epoch").rename(tmp_path / "medium")
    code, _, errors = run(vault, tmp_path / "out")
    assert (code, "VFS-9202" in errors) == (cli.Exit.FAILED, True)
    assert not (tmp_path / "out").exists()
    assert run(vault, tmp_path / "one", f"--epoch-store={store}")[0] == 0
    (secret,) = store.rglob("secret.1")
    shutil.copy(secret, tmp_path / "note")
    assert run(vault, tmp_path / "two", f"--epoch-secret={tmp_path / 'note'}")[0] == 0
    assert run(vault, tmp_path / "three", f"--epoch-secret={tmp_path / 'nothing'}")[0] == cli.Exit.FAILED


def test_without_any_good_vault_file_nothing_is_done(run: Run, vault: Path, tmp_path: Path) -> None:
    for place in ("VAULT.1", "copies/VAULT.1"):
        vaults.flip(vault / place, 100)
    code, _, errors = run(vault, tmp_path / "out")
    assert (code, "VFS-9201" in errors) == (cli.Exit.FAILED, True)
    assert run(tmp_path / "nothing", tmp_path / "out")[0] == cli.Exit.FAILED
    assert not (tmp_path / "out").exists()


def test_two_vaults_in_one_directory_are_told_apart_by_whoever_runs_it(run: Run, vault: Path, tmp_path: Path) -> None:
    other = vaults.make(tmp_path / "other.vault")
    shutil.copy(other / "VAULT.1", vault / "VAULT.2")
    code, _, errors = run(vault, tmp_path / "out")
    assert (code, "VFS-9203" in errors) == (cli.Exit.FAILED, True)


# Where it may write.


def test_a_directory_with_something_in_it_is_refused(run: Run, vault: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").touch()
    (tmp_path / "file").touch()
    for place in (tmp_path / "out", tmp_path / "file"):
        code, _, errors = run(vault, place)
        assert (code, "VFS-9204" in errors) == (cli.Exit.FAILED, True)


def test_nothing_is_written_into_the_vault(run: Run, vault: Path) -> None:
    before = sorted(vault.rglob("*"))
    for place in (vault, vault / "out", vault / "segments" / "x" / "y"):
        code, _, errors = run(vault, place)
        assert (code, "VFS-9205" in errors) == (cli.Exit.FAILED, True)
    assert sorted(vault.rglob("*")) == before


def test_wrong_usage_is_told(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], [str(vault)], [str(vault), "out", "--strange"]):
        with pytest.raises(SystemExit) as ended:
            rescue.main(words)
        assert ended.value.code == cli.Exit.USAGE
    assert "usage: vaultfs-rescue" in capsys.readouterr().err


# Files that cannot be read.


def test_bytes_that_the_device_does_not_give_are_damage(
    run: Run, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parity makes good a block of a segment; of a journal whose copies fail alike, all but one group come out."""
    segment = max(vault.rglob("*.vseg"), key=lambda path: path.stat().st_size)
    journal = vaults.journals_of(vault)[-1]
    failing = dict.fromkeys(vaults.both(journal), vaults.groups_of(journal)[1] + 10)
    bad, real = {os.stat(path).st_ino: at for path, at in ({segment: 9000} | failing).items()}, os.preadv

    def preadv(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        at = bad.get(os.fstat(descriptor).st_ino, -1)
        if offset <= at < offset + len(buffers[0]):
            raise OSError(errno.EIO, "I/O error")
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    code, _, errors = run(vault, tmp_path / "out")
    assert (code, errors) == (cli.Exit.DAMAGED, "")
    missing = _lines(tmp_path / "out/missing.jsonl")
    assert [row["journal"] for row in missing if row["what"] == "stretch"] == [journal.stem]
    assert not any("segment" in row for row in missing if row["what"] != "part_file")


def test_files_that_may_not_be_read_are_listed_without_a_name(
    run: Run, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (vault / "Jane Doe.pdf").write_bytes(b"not of the vault")
    journal = vaults.journals_of(vault)[0]
    real = os.open

    def refuse(path: object, *arguments: int, **more: int) -> int:
        if str(path) in (str(vault / "Jane Doe.pdf"), str(journal)):
            raise PermissionError(errno.EACCES, "no", str(path))
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    code, output, errors = run(vault, tmp_path / "out")
    assert (code, errors) == (cli.Exit.DAMAGED, "")
    missing = _lines(tmp_path / "out/missing.jsonl")
    assert {(row["what"], row.get("kind")) for row in missing} >= {("file", None), ("file", "journal")}
    assert "Jane" not in output + (tmp_path / "out/missing.jsonl").read_text()


def test_directories_that_cannot_be_listed_are_told_of(
    run: Run, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(place: object) -> object:
        if str(place).endswith("copies"):
            raise OSError(errno.EIO, "I/O error")
        return real(place)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scandir)
    assert run(vault, tmp_path / "out")[0] == cli.Exit.DAMAGED
    assert [row["what"] for row in _lines(tmp_path / "out/missing.jsonl")] == ["file"]


def test_special_files_do_not_hang_it(run: Run, vault: Path, tmp_path: Path) -> None:
    (vault / "keyring.1").unlink()
    os.mkfifo(vault / "keyring.1")
    os.mkfifo(vault / "stranger")
    assert run(vault, tmp_path / "out")[0] == 0


# What it never says.


def test_nothing_of_a_patient_is_in_names_or_in_what_it_says(tmp_path: Path) -> None:
    planted = Canaries(77)
    secret = _AtAnyCost(planted.text("passphrase").encode(), vaults.unlocking().cost)
    who = vaultfs.Identifier(planted.text("system"), planted.text("value"))
    with vaultfs.create(
        tmp_path / "v", recipients=[secret], policy=vaultfs.PermitAll()
    ) as vault, vault.session(vaultfs.Principal(planted.text("principal")), "TREAT") as session:  # fmt: skip
        for number in range(3):
            with session.transaction() as txn:
                moment = planted.moment + timedelta(days=number)
                txn.put(planted.data(f"data{number}", 3000), kind="Observation", subject=who, date=moment)
                txn.put(planted.data(f"blob{number}", 90_000), kind="Binary", subject=who)
            if number < 2:
                vault.settle()
    for path in [*(tmp_path / "v").rglob("*.vseg"), *(tmp_path / "v").rglob("*.vjrn")]:
        data = bytearray(path.read_bytes())
        data[4200:4300] = bytes(100)
        data[-2000:-1000] = bytes(1000)
        path.write_bytes(data)
    (tmp_path / "v" / planted.plain("stranger")).write_bytes(b"of nobody")
    word = tmp_path / "passphrase"
    word.write_bytes(secret.secret)
    word.chmod(0o600)
    watch = Watch(planted)
    with watch:
        for place, options in ((tmp_path / "v", ()), (tmp_path / "v", ("--json",)), (tmp_path / "gone", ())):
            out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
            watch.command(rescue.main, place, out, f"--passphrase-file={word}", *options)
    watch.assert_silent()
    outs = [path for path in tmp_path.iterdir() if path.name.startswith("out")]
    _, leaks = planted.search(*outs)
    assert {leak.channel for leak in leaks} == {"file"}
    assert not {leak.place for leak in leaks} & {"missing.jsonl"}
    lists = {f"{name}.jsonl" for name in ("manifest", "subjects", "events")}
    assert {leak.place.partition("/")[0] for leak in leaks} <= {"records"} | lists


def test_it_needs_no_engine() -> None:
    loaded = "[name for name in sys.modules if name.partition('.')[0] in ('vaultfs', 'lmdb')]"
    program = f"import sys; from vaultfs_tools import rescue; print({loaded})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_walk_goes_on_behind_a_directory_that_cannot_be_listed(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[OSError] = []
    (vault / "copies").rename(vault.parent / "copies")
    assert VaultFiles(vault / "nothing").walk(seen.append) == []
    assert [error.errno for error in seen] == [errno.ENOENT]

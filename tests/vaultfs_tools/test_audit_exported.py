"""Exported logs checked: against the vault, and without one, with the first leaf that is wrong and where it lies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from vaultfs_tools import audit

from tests.vaultfs.engine.years import kept_apart
from tests.vaultfs.support import MRN, OTHER, PASSPHRASE, create, put, reopen, session
from tests.vaultfs_tools.vaults import flip, secret_file
from vaultfs.audit.view import LogView, export

ROW = 50


class Shown(NamedTuple):
    """A vault, what was exported of it twice, and the keys of its log."""

    vault: Path
    log: Path
    keys: Path
    given: Path
    size: int


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    place = tmp_path_factory.mktemp("shown")
    with create(place / "v") as vault:
        put(vault)
        export(vault, place / "log")
        with session(vault) as s, s.transaction() as txn:
            for number in range(520):
                txn.put(b"", kind="Observation", subject=OTHER if number % 2 else MRN)
        size, _ = export(vault, place / "log")
        keys = place / "log.keys"
        keys.write_text("".join(f"{key.encode()}\n" for key in LogView(vault).keys))
    return Shown(place / "v", place / "log", keys, secret_file(place / "given", PASSPHRASE.secret), size)


@pytest.fixture
def log(made: Shown, tmp_path: Path) -> Path:
    """Return a copy of what was exported, for a test to change."""
    return Path(shutil.copytree(made.log, tmp_path / "log"))


Check = Callable[[Path], tuple[int, dict[str, Any]]]


@pytest.fixture(params=["alone", "against the vault"])
def check(request: pytest.FixtureRequest, made: Shown, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return what checks an exported log, in either way."""

    def run(path: Path) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        words = ["verify-export", str(path), "--keys", str(made.keys), "--json"]
        if request.param != "alone":
            words = ["verify", str(made.vault), "--exported", str(path), "--json", f"--passphrase-file={made.given}"]
        code = audit.main(words)
        return code, json.loads(capsys.readouterr().out)

    return run


def places(shown: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return index, file and offset of each finding."""
    return [(one["index"], one["file"], one["offset"]) for one in shown["findings"]]


def bundle(log: Path, number: int) -> Path:
    """Return a bundle of the newest size."""
    return max((log / "tile" / "entries").glob(f"{number:03d}*"), key=lambda path: path.suffix == "")


def test_what_was_exported_is_good(check: Check, log: Path) -> None:
    code, shown = check(log)
    assert (code, shown["findings"]) == (0, [])


def test_who_checks_an_exported_log_counts_its_files(
    made: Shown, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (log / "notes.txt").write_text("mine")
    assert audit.main(["verify-export", str(log), "--keys", str(made.keys)]) == 0
    assert f"good: {made.size:,} entries" in (shown := capsys.readouterr().out)
    assert "1 foreign" in shown


@pytest.mark.parametrize(("entry", "byte"), [(0, 0), (0, 2), (3, 17), (255, 49)])
def test_an_entry_that_was_changed_is_told(check: Check, log: Path, entry: int, byte: int) -> None:
    flip(log / "tile/entries/001", entry * ROW + byte)
    code, shown = check(log)
    (index, file, offset), *_ = places(shown)
    assert code == 4
    assert (index, file, offset // ROW) == (256 + entry, "tile/entries/001", entry)
    assert len(shown["findings"]) == 1


def test_a_hash_that_was_changed_is_told(check: Check, log: Path) -> None:
    flip(log / "tile/0/001", 32 * 7 + 3)
    code, shown = check(log)
    assert code == 4
    ((index, file, offset),) = places(shown)
    assert (index, file, offset // 32) == (256 + 7, "tile/0/001", 7)


def test_a_hash_of_a_higher_level_stands_for_its_first_leaf(check: Check, log: Path) -> None:
    flip(log / "tile/1/000.p/2", 32)
    assert places(check(log)[1])[0][:2] == (256, "tile/1/000.p/2")


def test_an_old_partial_tile_is_looked_at_too(check: Check, log: Path) -> None:
    (old,) = (path for path in log.glob("tile/entries/000.p/*") if path.is_file())
    flip(old, ROW + 20)
    assert (1, str(old.relative_to(log))) in [found[:2] for found in places(check(log)[1])]


@pytest.mark.parametrize("name", ["tile/entries/001", "tile/0/000", "tile/1/000.p/2", "checkpoint"])
def test_a_file_that_is_missing_is_told(check: Check, log: Path, name: str) -> None:
    (log / name).unlink()
    code, shown = check(log)
    assert code == 4
    assert name in [found[1] for found in places(shown)]
    assert [one["error"]["code"] for one in shown["findings"]] == [2681]


@pytest.mark.parametrize("name", ["tile/entries/001", "tile/0/000", "tile/1/000.p/2"])
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda _: b""])
def test_a_file_of_another_length_is_told(check: Check, log: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    data = (log / name).read_bytes()
    (log / name).write_bytes(change(data))
    code, shown = check(log)
    ((_, file, offset),) = places(shown)
    assert (code, file) == (4, name)
    assert offset <= len(data)


def test_a_fifo_in_the_place_of_a_tile_does_not_hang(check: Check, log: Path) -> None:
    (log / "tile/0/001").unlink()
    os.mkfifo(log / "tile/0/001")
    assert places(check(log)[1])[0][:2] == (256, "tile/0/001")


def test_a_checkpoint_that_was_changed_is_told(check: Check, log: Path) -> None:
    lines = (log / "checkpoint").read_text().split("\n")
    lines[2] = "A" * 43 + "="
    (log / "checkpoint").write_text("\n".join(lines))
    code, shown = check(log)
    assert code == 4
    assert places(shown)[0][1] == "checkpoint"


def test_entries_and_hashes_that_were_both_changed_do_not_give_the_signed_root(check: Check, log: Path) -> None:
    flip(bundle(log, 1), 5 * ROW + 30)
    flip(log / "tile/0/001", 32 * 5)
    code, shown = check(log)
    assert code == 4
    assert 256 + 5 in [found[0] for found in places(shown)]


def test_a_log_without_hashes_beside_a_lost_bundle_is_checked_as_far_as_it_goes(check: Check, log: Path) -> None:
    (log / "tile/entries/001").unlink()
    (log / "tile/0/001").unlink()
    code, shown = check(log)
    assert code == 4
    assert (256, "tile/entries/001", None) in places(shown)
    assert {found[0] for found in places(shown)} == {256}


def test_a_checkpoint_of_a_size_that_nobody_has_is_no_reason_to_look_for_long(
    made: Shown, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with create(tmp_path / "other") as other:
        export(other, tmp_path / "small")
    shutil.copy(log / "checkpoint", tmp_path / "small" / "checkpoint")
    assert audit.main(["verify-export", str(tmp_path / "small"), "--keys", str(made.keys), "--json"]) == 4
    shown = json.loads(capsys.readouterr().out)
    assert shown["findings"]
    assert shown["files"] < 20


def test_tiles_beyond_the_checkpoint_are_of_an_export_that_was_interrupted(
    made: Shown, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = Path(shutil.copytree(made.vault, tmp_path / "v"))
    shutil.copytree(made.vault.with_name("v.epoch"), tmp_path / "v.epoch")
    before = (log / "checkpoint").read_bytes()
    with reopen(vault) as opened:
        put(opened)
        export(opened, log)
    (log / "checkpoint").write_bytes(before)
    assert audit.main(["verify-export", str(log), "--keys", str(made.keys), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["beyond"] > 0


def test_a_vault_that_was_put_back_is_told_and_nothing_else_of_a_sound_export(
    made: Shown, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = Path(shutil.copytree(made.vault, tmp_path / "v"))
    shutil.copytree(made.vault.with_name("v.epoch"), tmp_path / "v.epoch")
    with reopen(vault) as opened:
        put(opened)
        size, _ = export(opened, log)
    for name in ("tile/0/002.p", "tile/1/000.p", "tile/entries/002.p"):
        for old in sorted((log / name).iterdir(), key=lambda file: int(file.name))[:-1]:
            old.unlink()  # an export of that size alone
    assert size > made.size
    words = ["verify", str(made.vault), "--exported", str(log), f"--passphrase-file={made.given}", "--json"]
    assert audit.main(words) == 4
    shown = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["index"], one["error"]["code"]) for one in shown["findings"]] == [
        ("checkpoint", None, 2216)
    ]
    flip(log / "tile/entries/000", ROW)
    assert audit.main(words) == 4
    shown = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["index"]) for one in shown["findings"]] == [("checkpoint", None), ("tile/entries/000", 1)]


def test_the_log_of_another_vault_is_told(made: Shown, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with create(tmp_path / "other") as other:
        export(other, tmp_path / "log")
    assert audit.main(["verify-export", str(tmp_path / "log"), "--keys", str(made.keys)]) == 4
    words = ["verify", str(made.vault), "--exported", str(tmp_path / "log"), f"--passphrase-file={made.given}"]
    capsys.readouterr()
    assert audit.main(words) == 4
    shown = capsys.readouterr().out
    assert "wrong: " in shown
    assert "exported from leaf 0 on, tile/" in shown
    assert "exported, checkpoint: VFS-2216" in shown


class TestPruned:
    """What was exported of a log that was pruned: it begins with the tiles that straddle its first entry."""

    @pytest.fixture(scope="class")
    @classmethod
    def pruned(cls, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shown, int]:
        """Return such a vault with its export and keys, and the first entry that it has."""
        place = tmp_path_factory.mktemp("pruned")
        with kept_apart(), create(place / "v") as vault:
            for puts in (300, 400):
                with session(vault) as s, s.transaction() as txn:
                    for number in range(puts):
                        txn.put(b"", kind="Observation", subject=OTHER if number % 2 else MRN)
                vault.settle()
                if puts == 300:
                    first = vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0)).first
            size, _ = export(vault, place / "log")
            keys = place / "log.keys"
            keys.write_text("".join(f"{key.encode()}\n" for key in LogView(vault).keys))
        assert first % 256
        assert first > 256
        return Shown(place / "v", place / "log", keys, secret_file(place / "given", PASSPHRASE.secret), size), first

    @pytest.fixture
    def log(self, pruned: tuple[Shown, int], tmp_path: Path) -> Path:
        return Path(shutil.copytree(pruned[0].log, tmp_path / "log"))

    @pytest.fixture(params=["alone", "against the vault"])
    def check(
        self, request: pytest.FixtureRequest, pruned: tuple[Shown, int], capsys: pytest.CaptureFixture[str]
    ) -> Check:
        made, first = pruned

        def run(path: Path) -> tuple[int, dict[str, Any]]:
            capsys.readouterr()
            words = ["verify-export", str(path), "--keys", str(made.keys), "--json", f"--first={first}"]
            if request.param != "alone":
                words = [
                    "verify",
                    str(made.vault),
                    "--exported",
                    str(path),
                    "--json",
                    f"--passphrase-file={made.given}",
                ]
            code = audit.main(words)
            return code, json.loads(capsys.readouterr().out)

        return run

    def test_it_is_whole_without_the_tiles_that_may_be_missing(self, check: Check, log: Path) -> None:
        assert not (log / "tile/entries/000").exists()
        code, shown = check(log)
        assert (code, shown["findings"]) == (0, [])

    def test_who_is_not_told_where_it_begins_is_made_attentive(
        self, pruned: tuple[Shown, int], log: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["verify-export", str(log), "--keys", str(pruned[0].keys)]
        assert audit.main(words) == 1
        assert "it begins at entry 256: those before were pruned, or taken away" in capsys.readouterr().out
        for first in ("0", "-1", "255"):
            assert audit.main([*words, f"--first={first}"]) == 4
            assert "tile/entries/000" in capsys.readouterr().out

    @pytest.mark.parametrize("change", ["entry", "gone entry", "hash", "gone hash"])
    def test_what_was_changed_is_told(self, check: Check, log: Path, change: str) -> None:
        """In the part of a straddling tile that was pruned, too."""
        file, at = {
            "entry": ("tile/entries/001", 255 * ROW + 20),
            "gone entry": ("tile/entries/001", 3 * ROW + 20),
            "hash": ("tile/0/001", 255 * 32),
            "gone hash": ("tile/0/001", 3 * 32),
        }[change]
        flip(log / file, at)
        code, shown = check(log)
        ((index, name, offset),) = places(shown)
        width = ROW if "entry" in change else 32
        assert (code, name, index, offset // width) == (4, file, 256 + at // width, at // width)

    def test_a_peak_that_was_changed_is_told(self, check: Check, log: Path) -> None:
        (tile,) = (log / "tile/1").glob("000.p/*")
        flip(tile, 3)
        code, shown = check(log)
        assert code == 4
        assert {file for _, file, _ in places(shown)} <= {"checkpoint", str(tile.relative_to(log))}

    @pytest.mark.parametrize("name", ["tile/entries/001", "tile/0/001", "tile/1/000.p/*", "checkpoint"])
    def test_a_file_that_must_be_there_is_told(self, check: Check, log: Path, name: str) -> None:
        (file,) = log.glob(name)
        file.unlink()
        code, shown = check(log)
        assert code == 4
        assert [(one["file"], one["error"]["code"]) for one in shown["findings"]] == [
            (str(file.relative_to(log)), 2681)
        ]

    def test_a_first_part_that_was_taken_away_beyond_it_is_told(self, check: Check, log: Path) -> None:
        for name in ("tile/entries/001", "tile/0/001"):
            (log / name).unlink()
        code, shown = check(log)
        assert code == 4
        assert (256, "tile/entries/001", None) in places(shown)


def test_who_checks_an_exported_log_loads_no_engine(made: Shown) -> None:
    program = (
        "import sys\nfrom vaultfs_tools import audit\n"
        f"code = audit.main(['verify-export', {str(made.log)!r}, '--keys', {str(made.keys)!r}])\n"
        "sys.exit(code or 'vaultfs' in sys.modules or 'lmdb' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

"""vaultfs-dump: every kind of file described without keys, damaged ones as far as they go, secrets never."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from golden import __main__ as golden
from golden import archives
from vaultfs_format.epoch import EpochSecret
from vaultfs_format.superblock import Superblock
from vaultfs_tools import dump

from tests.vaultfs_tools import vaults
from vaultfs.engine.opening.unlocking import default_store


def _json(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, dict[str, object]]:
    code = dump.main([str(path), "--json"])
    return code, json.loads(capsys.readouterr().out)


def _files(vault: Path) -> dict[str, Path]:
    return {
        "VAULT": vault / "VAULT.1",
        "keyring": vault / "keyring.1",
        "head": vault / "head",
        "journal": vaults.journals_of(vault)[-1],
        "segment": next(vault.rglob("*.vseg")),
        "open blob segment": next(vault.rglob("*.part")),
        "key table": next(vault.rglob("*.vkey.1")),
        "epoch secret": next(path for path in default_store(vault).rglob("*") if path.is_file()),
    }


def test_every_kind_of_file_is_described(pristine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vault_id = vaults.head_of(pristine).vault_id.hex()
    for kind, path in _files(pristine).items():
        code, shown = _json(capsys, path)
        assert (code, shown["kind"], shown["size"], shown["errors"]) == (0, kind, path.stat().st_size, [])
        assert shown["sections"][0]["fields"]["vault_id"] == vault_id  # type: ignore[index]
        assert dump.main([str(path)]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"{kind}, ")
        assert vault_id in text


def test_no_secret_is_shown(pristine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _files(pristine)["epoch secret"]
    secret = EpochSecret.decode(path.read_bytes()).secret
    sealed = Superblock.decode((pristine / "VAULT.1").read_bytes()).stanzas[0].passphrase().seal.sealed_root
    for place in (path, pristine / "VAULT.1"):
        for option in ([], ["--json"]):
            assert dump.main([str(place), *option]) == 0
            text = capsys.readouterr().out
            assert secret.hex() not in text
            assert sealed.hex() not in text
            assert "withheld" in text


def test_handovers_of_signers_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archives.unpack((golden.ROOT / "epochs.tar.xz").read_bytes(), tmp_path)
    (path,) = (tmp_path / "vault").glob("VAULT.*")
    code, shown = _json(capsys, path)
    sections: list[dict[str, object]] = shown["sections"]  # type: ignore[assignment]
    fields = [one["fields"] for one in sections if one["title"] == "handover"]
    superblock = Superblock.decode(path.read_bytes())
    (handover,), signer = superblock.handovers(), superblock.signers()[1]
    assert (code, shown["errors"]) == (0, [])
    assert fields == [
        {
            "vault_id": superblock.vault_id.hex(),
            "number": 2,
            "tree_size": handover.tree_size,
            "tree_root": handover.tree_root.hex(),
            "fingerprint": signer.fingerprint.hex(),
        }
    ]
    assert dump.main([str(path)]) == 0
    assert signer.fingerprint.hex() in capsys.readouterr().out


def test_a_handover_that_is_cut_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archives.unpack((golden.ROOT / "epochs.tar.xz").read_bytes(), tmp_path)
    (path,) = (tmp_path / "vault").glob("VAULT.*")
    data = path.read_bytes()
    start = data.index(Superblock.decode(data).handovers()[0].encode())
    path.write_bytes(data[: start + 50] + bytes(64))
    code, shown = _json(capsys, path)
    titles = [one["title"] for one in shown["sections"]]  # type: ignore[attr-defined]
    assert (code, "handover" in titles, len(shown["errors"])) == (4, False, 2)  # type: ignore[arg-type]


def test_groups_frames_and_part_files_of_a_journal_are_listed(
    pristine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = vaults.journals_of(pristine)[-1]
    _, shown = _json(capsys, journal)
    sections: list[dict[str, object]] = shown["sections"]  # type: ignore[assignment]
    groups = [one["offset"] for one in sections if one["title"] == "journal group header"]
    assert groups == vaults.groups_of(journal)[:-1]
    frames = [one["fields"] for one in sections if one["title"] == "frame header"]
    assert {frame["class"] for frame in frames} >= {"record", "blob", "control", "audit"}  # type: ignore[index]
    assert [one["title"] for one in sections].count("journal group: part file") == 1


def test_a_vault_is_listed_without_foreign_names(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (vault / "Doe.pdf").write_bytes(b"x")
    assert dump.main([str(vault)]) == 0
    text = capsys.readouterr().out
    assert "Doe" not in text
    assert "head: head, " in text
    code, shown = _json(capsys, vault)
    files: dict[str, dict[str, object]] = shown["files"]  # type: ignore[assignment]
    assert code == 0
    assert {one["kind"] for one in files.values()} == _files(vault).keys() - {"epoch secret"}


def test_damage_is_told_and_the_rest_is_described(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, path in _files(vault).items():
        vaults.flip(path, 30)
        code, shown = _json(capsys, path)
        assert (code, shown["kind"]) == (4, kind)
        assert shown["sections"]
        assert shown["errors"]
        assert dump.main([str(path)]) == 4
        assert "error at 0: VFS-1106: " in capsys.readouterr().out
    assert dump.main([str(vault)]) == 4


def test_every_truncation_is_described(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, path in _files(vault).items():
        good = path.read_bytes()
        sections: list[dict[str, object]] = _json(capsys, path)[1]["sections"]  # type: ignore[assignment]
        whole = {section["offset"] for section in sections}
        ends = range(len(good)) if len(good) < 1200 else range(0, len(good), len(good) // 97)
        for length in ends:
            path.write_bytes(good[:length])
            if kind == "open blob segment" and length >= 4096:
                continue
            if kind == "journal" and length in whole - {0}:  # the groups before it are whole
                continue
            code, shown = _json(capsys, path)
            assert code == 4, (kind, length)
            assert shown["errors"]
        path.write_bytes(good)


def test_a_footer_that_is_damaged_hides_the_directory_only(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(vault.rglob("*.vseg"))
    vaults.flip(path, path.stat().st_size - 1)
    code, shown = _json(capsys, path)
    sections: list[dict[str, object]] = shown["sections"]  # type: ignore[assignment]
    assert (code, [one["title"] for one in sections]) == (4, ["segment superblock", "segment footer"])


def test_values_outside_an_enumeration_are_shown_as_numbers(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(vault.rglob("*.vseg"))
    vaults.flip(path, 16, 0x40)
    _, shown = _json(capsys, path)
    assert isinstance(shown["sections"][0]["fields"]["class"], int)  # type: ignore[index]


def test_a_newer_file_is_unsupported(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vaults.make_newer(vault / "head")
    code, shown = _json(capsys, vault / "head")
    assert (code, shown["sections"][0]["fields"]["version"]) == (8, 7)  # type: ignore[index]


def test_what_is_no_file_of_a_vault_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "letter.txt"
    other.write_text("Dear Dr. Doe")
    code, shown = _json(capsys, other)
    assert (code, shown["kind"]) == (4, "unknown")
    assert dump.main([str(tmp_path / "missing")]) == 8
    assert capsys.readouterr().err.startswith("vaultfs-dump: VFS-9101: ")

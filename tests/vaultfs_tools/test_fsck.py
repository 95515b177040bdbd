"""vaultfs-fsck: what it finds, heals, refuses and says."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from vaultfs_format.segment import SegmentFooter
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DEFAULT
from vaultfs_tools import fsck
from vaultfs_tools.keyless import files

import vaultfs
from tests.vaultfs_tools import vaults
from vaultfs.engine.log.leaves import segment_at
from vaultfs.engine.opening.unlocking import default_store
from vaultfs.engine.reading import compare


@pytest.fixture
def secret(tmp_path: Path) -> list[str]:
    path = tmp_path / "passphrase"
    path.write_bytes(vaults.SECRET + b"\n")
    path.chmod(0o600)
    return ["--passphrase-file", str(path)]


def _json(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, dict[str, object]]:
    code = fsck.main([*map(str, argv), "--json"])
    return code, json.loads(capsys.readouterr().out)


# Without keys.


def test_a_clean_vault_is_consistent(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = vaults.tree(vault)
    assert fsck.main([str(vault)]) == 0
    shown = capsys.readouterr()
    assert shown.out.endswith("consistent, signer not pinned\n")
    assert shown.err == ""
    code, report = _json(capsys, vault)
    assert (code, report["exit"], report["findings"], report["signed"]) == (0, 0, [], True)
    assert report["vault_id"] == vaults.head_of(vault).vault_id.hex()
    assert report["suite"] == "default"
    assert vaults.tree(vault) == before


def test_a_damaged_copy_is_corrected_once(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = vaults.tree(vault)
    vaults.flip(vault / "head", 40)
    assert fsck.main([str(vault)]) == 1
    shown = capsys.readouterr().out
    assert "corrected: head: VFS-1106: " in shown
    assert shown.endswith("corrected: 1\nconsistent, signer not pinned\n")
    assert vaults.tree(vault) == before
    assert fsck.main([str(vault)]) == 0


def test_check_only_reports_and_writes_nothing(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vaults.flip(vault / "copies/keyring.1", 40)
    before = vaults.tree(vault)
    for option in ("-n", "--check-only"):
        code, report = _json(capsys, vault, option)
        assert code == 4
        assert report["findings"] == [
            {
                "severity": "error",
                "code": 1106,
                "name": "DigestMismatch",
                "message": "VFS-1106: The bytes do not have the digest that is recorded for them. (structure=keyring)",
                "structure": "keyring",
                "detail": {"structure": "keyring"},
                "file": "copies/keyring.1",
                "offset": None,
                "healable": True,
            }
        ]
    assert fsck.main([str(vault), "-n"]) == 4
    assert capsys.readouterr().out.count(" [can be healed]\n") == 1
    assert vaults.tree(vault) == before


def test_the_signer_may_be_given(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fsck.main(["--json", str(vault)]) == 0
    signer = json.loads(capsys.readouterr().out)["signer"]
    assert signer == vaults.signing_of(vault).signer.fingerprint.hex()
    for given in (signer, signer.upper(), ":".join(signer[at : at + 4] for at in range(0, 64, 4))):
        assert fsck.main(["--signer", given, str(vault)]) == 0
        assert capsys.readouterr().out.endswith("\nconsistent\n")
    assert fsck.main(["--signer", "00" * 32, str(vault)]) == 4
    assert "VFS-9119" in capsys.readouterr().out
    for wrong in ("00" * 31, "zz" * 32, ""):
        with pytest.raises(SystemExit) as ended:
            fsck.main(["--signer", wrong, str(vault)])
        assert ended.value.code == 16


def test_what_others_have_signed_is_told(vault: Path) -> None:
    """With right hashes, and digests: a segment, a head, and keys of others in VAULT."""
    head = vaults.head_of(vault)
    row = vaults.rows_of(vault)["RECORD"]
    path = next(vault.rglob(f"{row.segment_id.hex()}.vseg"))
    data = path.read_bytes()
    footer = SegmentFooter.decode(data[-1024:])
    stranger = SigningKeys(DEFAULT, 1, bytes(96))
    forged = dataclasses.replace(footer, signature=stranger.sign_segment(footer.statement())).encode()
    first, last = footer.footer_offsets
    path.write_bytes(data[:first] + forged + data[first + 1024 : last] + forged)
    assert "SignatureInvalid" in vaults.names(vaults.findings(vault))
    path.write_bytes(data)
    assert vaults.findings(vault) == []
    signed = dataclasses.replace(head, signatures=stranger.sign_head(head.statement()))
    for place in ("head", "copies/head"):
        (vault / place).write_bytes(signed.encode(bytes(32)))
    assert vaults.names(vaults.findings(vault)) == ["SignatureInvalid"]


def test_a_segment_by_itself_is_checked_and_healed(vault: Path, tmp_path: Path) -> None:
    """A copy on another medium, of which nothing else is there."""
    source = next(vault.rglob(f"{vaults.rows_of(vault)['RECORD'].segment_id.hex()}.vseg"))
    for name in (source.name, "copy of a segment"):
        path = Path(shutil.copy(source, tmp_path / name))
        assert fsck.main([str(path)]) == 0
        for at in (5, 4500, -3):
            vaults.flip(path, at if at > 0 else path.stat().st_size + at)
        assert fsck.main(["-n", str(path)]) == 4
        assert fsck.main([str(path)]) == 1
        assert path.read_bytes() == source.read_bytes()
        path.write_bytes(source.read_bytes()[:-3000])
        assert fsck.main([str(path)]) == 1
        assert path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["head", "VAULT.1", "keyring.1", "*.vkey.1", "secret.1", "seen"])
def test_a_small_file_by_itself_is_checked(vault: Path, tmp_path: Path, name: str) -> None:
    found = next(path for path in vault.parent.rglob(name) if path.is_file())
    path = Path(shutil.copy(found, tmp_path / "file"))
    assert fsck.main([str(path)]) == 0
    vaults.flip(path, 50)
    assert fsck.main([str(path)]) == 4


def test_a_file_that_is_none_of_a_vault_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"something else", bytes(5000)):
        (tmp_path / "file").write_bytes(data)
        assert fsck.main([str(tmp_path / "file")]) == 8


def test_a_file_by_itself_is_known_by_its_name_when_its_beginning_is_damaged(vault: Path, tmp_path: Path) -> None:
    (tmp_path / "head").write_bytes((vault / "head").read_bytes())
    vaults.flip(tmp_path / "head", 0)
    assert fsck.main([str(tmp_path / "head")]) == 4


def test_damage_without_a_good_copy_is_left(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(vault.rglob("*.vseg")).write_bytes(b"something else")
    vaults.flip(vault / "head", 40)
    assert fsck.main([str(vault)]) == 1 | 4
    assert "\ndamaged; errors that are left: 1\n" in capsys.readouterr().out


def test_a_newer_format_is_unsupported_and_not_damage(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("head", "copies/head"):
        vaults.make_newer(vault / place)
    assert fsck.main([str(vault)]) == 8
    shown = capsys.readouterr().out
    assert "vault unknown" in shown
    assert shown.endswith("not checked: parts of it were written by a newer program\n")


@pytest.mark.parametrize("name", ["VAULT.1", "keyring.1"])
def test_a_newer_file_in_both_places_is_unsupported(vault: Path, name: str) -> None:
    for place in (name, f"copies/{name}"):
        vaults.make_newer(vault / place)
    assert fsck.main([str(vault)]) == 8


def test_nothing_is_healed_beside_what_is_newer(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A newer program may know better what belongs there."""
    vaults.make_newer(vault / "keyring.1")
    vaults.flip(vault / "copies/VAULT.1", 100)
    before = vaults.tree(vault)
    assert fsck.main([str(vault)]) == 4 | 8
    assert "nothing was healed" in capsys.readouterr().out
    assert vaults.tree(vault) == before


def test_recovery_is_told_and_is_no_damage(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = vaults.journals_of(vault)[-1]
    vaults.write(last, last.read_bytes()[:-10])
    assert fsck.main([str(vault)]) == 0
    shown = capsys.readouterr().out
    assert "recovery needed: journal/" in shown
    assert "recovery needed: it happens when the vault is opened for writing" in shown


def test_no_vault_is_an_operational_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter.txt").write_text("x")
    for place in ("nothing", "documents", "documents/letter.txt"):
        assert fsck.main([str(tmp_path / place)]) == 8
        assert capsys.readouterr().err.startswith("vaultfs-fsck: VFS-2202: ")


def test_a_vault_of_which_no_head_is_left_is_damaged_and_not_missing(vault: Path) -> None:
    for place in ("head", "copies/head"):
        (vault / place).unlink()
    assert fsck.main([str(vault)]) == 4
    (vault / "head").mkdir()
    assert fsck.main([str(vault)]) == 4


def test_a_writer_at_work_is_not_taken_for_damage(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with vaults.opened(vault):
        assert fsck.main([str(vault)]) == 8
        assert capsys.readouterr().err.startswith("vaultfs-fsck: VFS-2203: ")
    assert fsck.main([str(vault)]) == 0


def test_checks_share_the_lock_and_healing_does_not(vault: Path) -> None:
    descriptor = os.open(vault / "lock", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    assert fsck.main([str(vault)]) == 0
    vaults.flip(vault / "head", 40)
    assert fsck.main([str(vault), "-n"]) == 4
    assert fsck.main([str(vault)]) == 8
    os.close(descriptor)
    assert fsck.main([str(vault)]) == 1


def test_a_vault_without_a_lock_is_checked(vault: Path) -> None:
    (vault / "lock").unlink()
    vaults.flip(vault / "head", 40)
    assert fsck.main([str(vault)]) == 1
    assert not (vault / "lock").exists()


def test_a_vault_that_cannot_be_written_to_is_checked(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def read_only(path: object, flags: int, *rest: object, **more: object) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(30, "read-only file system")
        return real(path, flags, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", read_only)
    assert fsck.main([str(vault)]) == 0
    vaults.flip(vault / "head", 40)
    assert fsck.main([str(vault)]) == 4


def test_usage_errors_have_their_own_code(vault: Path) -> None:
    for argv in ([], [str(vault), "--unknown"], [str(vault), "-n", "--rebuild-index"]):
        with pytest.raises(SystemExit) as caught:
            fsck.main(argv)
        assert caught.value.code == 16


def test_the_keyless_check_loads_no_engine() -> None:
    program = (
        "import sys, vaultfs_tools.fsck, vaultfs_tools.dump; "
        "print([m for m in sys.modules if m == 'vaultfs' or m.startswith(('vaultfs.', 'lmdb'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_installed_command_runs(vault: Path) -> None:
    command = Path(sys.executable).with_name("vaultfs-fsck")
    done = subprocess.run([command, vault], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_keyless_names_are_those_of_the_engine(vault: Path) -> None:
    layout = vaultfs.engine.files.paths.Layout(vault)
    for row in vaults.head_of(vault).segments:
        assert vault / files.segment_name(row) == layout.segment(row)
        assert vault / files.table_name(row) == layout.key_table(row)
    assert vault / files.part_name(bytes(16)) == layout.part(bytes(16))
    assert vault / files.copy_name(files.HEAD) == layout.copy_of(layout.head)
    assert (vault / files.LOCK, vault / files.INDEX) == (layout.lock, layout.index)
    assert (vault / files.JOURNALS, vault / files.RESERVE) == (layout.journals, layout.reserve)


# With keys.


def test_a_clean_vault_is_consistent_with_keys_too(
    vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fsck.main([str(vault)]) == 0
    assert "opened" not in capsys.readouterr().out
    assert fsck.main([str(vault), *secret]) == 0
    assert "every frame was opened with its key" in capsys.readouterr().out
    assert fsck.main([str(vault), *secret, "--rebuild-index"]) == 0


def test_the_epoch_store_may_lie_elsewhere(vault: Path, secret: list[str], tmp_path: Path) -> None:
    shutil.move(default_store(vault), tmp_path / "elsewhere")
    assert fsck.main([str(vault), *secret]) == 8
    assert fsck.main([str(vault), *secret, "--epoch-store", str(tmp_path / "elsewhere")]) == 0


def test_a_wrong_passphrase_keeps_the_keyless_report(
    vault: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong"
    path.write_bytes(b"wrong horse battery")
    path.chmod(0o600)
    vaults.flip(vault / "head", 40)
    assert fsck.main([str(vault), "--passphrase-file", str(path)]) == 8 | 1
    shown = capsys.readouterr()
    assert "corrected: head" in shown.out
    assert shown.err.startswith("vaultfs-fsck: VFS-1210: ")


def test_rebuilding_the_index_needs_a_passphrase(vault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fsck.main([str(vault), "--rebuild-index"]) == 8
    assert capsys.readouterr().err.startswith("vaultfs-fsck: VFS-9005: ")


def test_a_damaged_vault_is_not_opened(vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    next(vault.rglob("*.vseg")).write_bytes(b"something else")
    before = vaults.tree(vault)
    assert fsck.main([str(vault), *secret]) == 4
    assert "VFS-9164" in capsys.readouterr().out
    assert vaults.tree(vault) == before


def _damage_index(vault: Path, table: str, act: str) -> None:
    with lmdb.open(str(vault / "index"), max_dbs=10, map_size=1 << 38) as env:
        database = env.open_db(table.encode(), create=False)
        with env.begin(write=True, db=database) as txn:
            key, value = next(iter(txn.cursor()))
            if act == "lost" and table != "containers":
                txn.delete(key)
            elif act == "changed" and value and table != "containers":
                txn.put(key, value[:-1] + bytes([value[-1] ^ 1]))
            else:
                txn.put(b"\x00\x00" + b"\xff" * (len(key) - 2), value)


@pytest.mark.parametrize("table", ["frames", "records", "subjects", "aliases", "states", "parts", "containers"])
@pytest.mark.parametrize("act", ["lost", "changed", "added"])
def test_an_index_that_differs_is_reported_and_rebuilt(
    vault: Path, secret: list[str], table: str, act: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _damage_index(vault, table, act)
    code, report = _json(capsys, vault, *secret)
    assert code == 4
    assert [(f["file"], f["code"], f["severity"]) for f in report["findings"]] == [("index", 2302, "error")]  # type: ignore[attr-defined]
    assert fsck.main([str(vault), *secret, "--rebuild-index"]) == 1
    assert fsck.main([str(vault), *secret]) == 0


def test_an_index_that_cannot_be_read_is_made_anew(vault: Path, secret: list[str]) -> None:
    data = vault / "index" / "data.mdb"
    data.write_bytes(data.read_bytes()[:8192] + os.urandom(8 * 4096))
    assert fsck.main([str(vault), *secret, "--rebuild-index"]) in (0, 1)
    assert fsck.main([str(vault), *secret]) == 0


def test_an_index_that_keeps_the_vault_from_opening_is_made_anew(
    vault: Path, secret: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = vaultfs.open

    def refusing(*args: object, **more: object) -> vaultfs.Vault:
        if (vault / "index").exists():
            raise vaultfs.errors.IndexDamaged
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(vaultfs, "open", refusing)
    assert fsck.main([str(vault), *secret]) == 4
    assert fsck.main([str(vault), *secret, "--rebuild-index"]) == 1


def test_an_index_that_fails_while_it_is_compared_is_damaged(
    vault: Path, secret: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> dict[str, int]:
        raise vaultfs.errors.IndexDamaged

    monkeypatch.setattr(compare, "index_differences", failing)
    assert fsck.main([str(vault), *secret]) == 4


def test_a_body_in_a_part_file_that_does_not_open_is_found_with_keys(
    vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Bodies that are not settled yet have no hash: only their keys tell."""
    part = next((vault / "segments").rglob("*.part"))
    vaults.flip_both(part, 6000)
    assert fsck.main([str(vault)]) == 0
    capsys.readouterr()
    code, report = _json(capsys, vault, *secret)
    assert code == 4
    assert [f["code"] for f in report["findings"]] == [1203]  # type: ignore[attr-defined]


def test_a_body_in_a_part_file_that_its_mirror_has_is_healed_with_keys(
    vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    vaults.flip(next((vault / "segments").rglob("*.part")), 6000)
    code, report = _json(capsys, vault, *secret)
    assert code == 1
    severities = [found["severity"] for found in report["findings"]]  # type: ignore[attr-defined]
    assert severities == ["corrected"]
    assert _json(capsys, vault, *secret)[0] == 0


def test_a_head_of_other_keys_is_found_with_keys(
    vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    vaults.put_head(vault, vaults.head_of(vault))
    assert fsck.main([str(vault)]) == 0
    capsys.readouterr()
    code, report = _json(capsys, vault, *secret)
    assert code == 4
    assert [f["code"] for f in report["findings"]] == [1201]  # type: ignore[attr-defined]


def test_a_key_table_of_other_keys_is_found_with_keys(vault: Path) -> None:
    """The engine is asked directly: a table that the head does not name would be healed before."""
    with vaults.opened(vault) as opened:
        row = opened.engine.head.segments[0]
        for path in vault.rglob(f"{row.segment_id.hex()}.vkey.1"):
            path.unlink()
        found = list(compare.frame_errors(opened.engine, lambda _: None))
    assert [one.path.stem for one in found] == [row.segment_id.hex()]


# Heads of subjects.


def test_heads_of_subjects_that_the_events_do_not_give_are_found_with_keys(
    vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with vaults.opened(vault) as opened, monkeypatch.context() as patched:
        patched.setattr("vaultfs.engine.log.subjectheads.root", lambda *_: bytes(32))
        opened.settle()
        leaf = opened.engine.head.tree_size - 2
        row = segment_at(opened.engine, opened.engine.head, leaf)
        assert row is not None
    assert fsck.main([str(vault)]) == 0
    capsys.readouterr()
    code, report = _json(capsys, vault, *secret)
    assert code == 4
    assert [(one["name"], one["file"]) for one in report["findings"]] == [  # type: ignore[attr-defined]
        ("CommitmentMismatch", files.segment_name(row))
    ]


@pytest.mark.parametrize("what", ["rows", "hashes"])
def test_heads_of_subjects_of_the_index_that_the_log_does_not_give_are_found_with_keys(
    vault: Path, secret: list[str], capsys: pytest.CaptureFixture[str], what: str
) -> None:
    with vaults.opened(vault) as opened:
        opened.settle()
        index = opened.engine.index
        with index.writing() as txn:
            through, hashes = index.counted(txn)
            rows = {bucket: found for bucket in range(4096) if (found := index.subject_heads(txn, bucket))}
            assert rows
            if what == "rows":
                rows = {bucket: found[:-1] + b"?" for bucket, found in rows.items()}
            else:
                hashes = bytes(len(hashes))
            index.put_subject_heads(txn, rows, hashes, through, anew=False)
    code, report = _json(capsys, vault, *secret)
    assert code == 4
    assert [one["name"] for one in report["findings"]] == ["IndexDamaged"]  # type: ignore[attr-defined]
    assert fsck.main([str(vault), *secret, "--rebuild-index"]) == 1
    assert fsck.main([str(vault), *secret]) == 0

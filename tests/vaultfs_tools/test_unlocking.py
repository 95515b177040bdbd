"""Every command that opens a vault takes each way to open it, and tells what keeps it from that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from vaultfs_tools import backup, export, fsck, import_, keys, maintain, rescue

import vaultfs
from tests.vaultfs import softhsm
from tests.vaultfs_tools import vaults
from vaultfs.keys import Escrow, PrivateKey

KEY = PrivateKey.generate()
ESCROW = Escrow.draw([(2, 3)], iteration_exponent=0)
WAYS = ("passphrase", "key", "shares", "token")
Words = Mapping[str, list[str]]


def secret(path: Path, data: bytes) -> str:
    """Write a file that its owner alone may read; return its name."""
    return str(vaults.secret_file(path, data))


@pytest.fixture
def words(vault: Path, tmp_path: Path) -> Words:
    """Return the options of each way to open the vault, which it is sealed for."""
    token = softhsm.new_token()
    with vaults.opened(vault) as opened:
        for one in (KEY.public_key, ESCROW, token):
            opened.keys.add(one, unlock=vaults.unlocking())
    shares = [secret(tmp_path / f"share{number}", words.encode()) for number, words in enumerate(ESCROW.groups[0][:2])]
    assert isinstance(token.pin, bytes)
    pin = secret(tmp_path / "pin", token.pin)
    return {
        "passphrase": ["--passphrase-file", secret(tmp_path / "passphrase", vaults.SECRET)],
        "key": ["--key", secret(tmp_path / "key", KEY.secret.hex().encode())],
        "shares": ["--shares", shares[0], "--shares", shares[1]],
        "token": ["--module", str(token.module), "--token", token.label, "--passphrase-file", pin],
    }


def backed_up(vault: Path, out: Path) -> Path:
    """Return a copy of a vault."""
    assert backup.main(["copy", str(vault), str(out)]) == 0
    return out


COMMANDS: dict[str, Callable[[Path, Path, list[str]], int]] = {
    "import": lambda vault, _, more: import_.main([str(vault), "--redrive", *more]),
    "export": lambda vault, out, more: export.main([str(vault), str(out), "--plaintext", *more]),
    "fsck": lambda vault, _, more: fsck.main([str(vault), *more]),
    "maintain": lambda vault, _, more: maintain.main([str(vault), *more]),
    "rescue": lambda vault, out, more: rescue.main([str(vault), str(out), *more]),
    "keys": lambda vault, _, more: keys.main(["list", str(vault), *more]),
    "drill": lambda vault, out, more: backup.main(
        ["drill", str(backed_up(vault, out.with_name("copy"))), str(out), "--epoch-store", f"{vault}.epoch", *more]
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_opens_a_vault_in_each_way(
    command: str, way: str, words: Words, vault: Path, tmp_path: Path
) -> None:
    assert COMMANDS[command](vault, tmp_path / "out", words[way]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_was_wrong(
    command: str, words: Words, vault: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = secret(tmp_path / "stranger", PrivateKey.generate().secret.hex().encode())
    pin = secret(tmp_path / "wrong", b"wrong")
    attempts = {
        1210: ["--key", stranger],
        2228: words["shares"][:2],
        2223: [*words["token"][:4], "--passphrase-file", pin],
    }
    for number, (code, more) in enumerate(attempts.items()):
        out = tmp_path / str(number) / "out"
        out.parent.mkdir()
        capsys.readouterr()
        assert COMMANDS[command](vault, out, [*more, "--json"]) == 8
        error = capsys.readouterr().err.splitlines()[-1]
        assert json.loads(error)["error"]["code"] == code


@pytest.mark.parametrize("way", WAYS)
def test_a_rescue_goes_on_past_an_older_vault_file_that_does_not_open(
    way: str, words: Words, pristine: Path, vault: Path, tmp_path: Path
) -> None:
    """Which of the two was in force is not known."""
    (vault / "#older").write_bytes((pristine / "VAULT.1").read_bytes())
    assert rescue.main([str(vault), str(tmp_path / "out"), *words[way]]) == 0


def test_a_rescue_that_opens_no_vault_file_tells_the_most_it_knows(
    words: Words, pristine: Path, vault: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (vault / "#older").write_bytes((pristine / "VAULT.1").read_bytes())
    assert rescue.main([str(vault), str(tmp_path / "out"), *words["shares"][:2]]) == 8
    assert "VFS-2228" in capsys.readouterr().err


def test_a_file_that_holds_no_key_opens_nothing(vault: Path, tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"no key", b"ab" * 7)):
        wrong = ["--key", secret(tmp_path / str(number), data)]
        assert fsck.main([str(vault), *wrong]) == 8
        assert rescue.main([str(vault), str(tmp_path / "out"), *wrong]) == 8


def test_a_secret_that_others_may_read_is_refused(vault: Path, tmp_path: Path) -> None:
    for option in ("--key", "--shares"):
        path = tmp_path / "open"
        path.touch(0o644)
        assert maintain.main([str(vault), option, str(path)]) == 8


def test_two_ways_at_once_are_not_understood(vault: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        maintain.main([str(vault), "--key", "one", "--shares", "two"])
    assert ended.value.code == 16


def test_a_vault_is_made_for_a_key_and_not_for_shares(tmp_path: Path) -> None:
    key = secret(tmp_path / "key", KEY.secret.hex().encode())
    shares = secret(tmp_path / "shares", ESCROW.groups[0][0].encode())
    assert import_.main([str(tmp_path / "one"), "--create", "--key", key]) == 0
    vaultfs.open(tmp_path / "one", unlock=KEY).close()
    assert import_.main([str(tmp_path / "two"), "--create", "--shares", shares]) == 8
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("way", ["passphrase", "key"])
def test_a_rescue_by_passphrase_or_key_needs_no_engine(way: str, words: Words, vault: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from vaultfs_tools import rescue; code = rescue.main(sys.argv[1:]);"
        "sys.exit(code or any(name.partition('.')[0] in ('vaultfs', 'lmdb') for name in sys.modules))"
    )
    run = [sys.executable, "-c", program, str(vault), str(tmp_path / "out"), *words[way]]
    assert subprocess.run(run, capture_output=True, check=False).returncode == 0

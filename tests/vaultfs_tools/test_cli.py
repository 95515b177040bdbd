"""What the commands share: secrets, exit codes, errors without data, progress."""

from __future__ import annotations

import getpass
import io
import json
import os
import pty
import pwd
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from vaultfs_format.errors import BadMagic, LimitExceeded, MacMismatch, Structure, UnsupportedVersion, VaultError
from vaultfs_tools import cli

import vaultfs.errors


def _parser() -> cli.Parser:
    parser = cli.Parser("vaultfs-x", "A command.", epilog="The end.")
    cli.add_passphrase_options(parser)
    cli.add_who_options(parser)
    return parser


def _args(*argv: str) -> Namespace:
    return _parser().parse_args(argv)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_bytes(b"correct horse \r\n\n")
    path.chmod(0o600)
    return path


# Secrets.


def test_a_passphrase_file_is_read_without_its_line_ends(secret: Path) -> None:
    assert cli.read_passphrase(_args("--passphrase-file", str(secret))) == b"correct horse "


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601])
def test_a_passphrase_file_that_others_can_use_is_refused(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    with pytest.raises(cli.PassphraseExposed):
        cli.read_passphrase(_args("--passphrase-file", str(secret)))


def test_a_passphrase_file_must_be_a_regular_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for place in (fifo, tmp_path):
        with pytest.raises(cli.PassphraseNotRegular):
            cli.read_passphrase(_args("--passphrase-file", str(place)))


def test_a_passphrase_is_at_most_four_kibibytes(secret: Path) -> None:
    secret.write_bytes(b"x" * 4096)
    assert len(cli.read_passphrase(_args("--passphrase-file", str(secret))) or b"") == 4096
    secret.write_bytes(b"x" * 4097)
    with pytest.raises(cli.PassphraseTooLarge):
        cli.read_passphrase(_args("--passphrase-file", str(secret)))


def test_a_passphrase_that_cannot_be_read_says_so_without_the_path(tmp_path: Path) -> None:
    with pytest.raises(cli.PassphraseUnreadable) as caught:
        cli.read_passphrase(_args("--passphrase-file", str(tmp_path / "Doe")))
    assert "Doe" not in str(caught.value)
    assert caught.value.__suppress_context__
    for number in ("9999", "-1"):
        with pytest.raises(cli.PassphraseUnreadable):
            cli.read_passphrase(_args(f"--passphrase-fd={number}"))


def test_a_passphrase_comes_from_a_descriptor() -> None:
    readable, writable = os.pipe()
    os.write(writable, b"from a ")
    os.write(writable, b"pipe\n")
    os.close(writable)
    assert cli.read_passphrase(_args("--passphrase-fd", str(readable))) == b"from a pipe"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_asked_only_where_nothing_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _: "gräßlich")
    assert cli.read_passphrase(_args()) == "gräßlich".encode()
    assert cli.read_passphrase(_args(), prompt=False) is None
    monkeypatch.setattr(getpass, "getpass", lambda _: "")
    with pytest.raises(cli.PassphraseMissing):
        cli.need_passphrase(_args())

    def ended(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(getpass, "getpass", ended)
    assert cli.read_passphrase(_args()) is None
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert cli.read_passphrase(_args()) is None


def test_a_needed_passphrase_is_returned(secret: Path) -> None:
    assert cli.need_passphrase(_args("--passphrase-file", str(secret))) == b"correct horse "


# Arguments.


def test_who_acts_is_the_account_and_the_purpose_is_administration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (_args().who, _args().purpose) == (pwd.getpwuid(os.getuid()).pw_name, "HSYSADMIN")
    given = _args("--as", "dr.house", "--purpose", "TREAT")
    assert (given.who, given.purpose) == ("dr.house", "TREAT")
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999)
    assert cli.account() == "uid-3999999"


def test_values_that_are_not_understood_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--passphrase", "hunter2"], ["--passphrase=hunter2"], ["hunter2"]):
        with pytest.raises(SystemExit) as caught:
            _args(*argv)
        assert caught.value.code == cli.Exit.USAGE
        assert "hunter2" not in "".join(capsys.readouterr())


# Running.


def _run(*argv: str, error: BaseException | None = None, code: int = 0) -> int:
    def body(_: Namespace) -> int:
        if error is not None:
            raise error
        return code

    return cli.run(body, _parser(), argv)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadMagic(structure=Structure.HEAD), 4),
        (MacMismatch(), 4),
        (vaultfs.errors.VaultDamaged(), 4),
        (vaultfs.errors.IndexDamaged(), 4),
        (UnsupportedVersion(version=9), 8),
        (vaultfs.errors.VaultMissing(), 8),
        (vaultfs.errors.WriterBusy(), 8),
        (vaultfs.errors.NoRecipientMatches(), 8),
        (cli.PassphraseMissing(), 8),
        (OSError(5, "Doe"), 8),
        (KeyError("Doe"), 8),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_exit_codes_and_show_no_data(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(error=error) == code
    shown = capsys.readouterr().err
    assert "Doe" not in shown
    assert "Traceback" not in shown
    if isinstance(error, VaultError):
        assert shown.startswith(f"vaultfs-x: VFS-{error.code}: ")
        assert error.advice in shown


def test_errors_are_json_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--json", error=LimitExceeded(structure=Structure.HEAD, size=3)) == 4
    shown = json.loads(capsys.readouterr().err)["error"]
    assert (shown["code"], shown["name"], shown["retryable"]) == (1105, "LimitExceeded", False)
    assert shown["facts"] == {"structure": "head", "size": 3}
    assert _run("--json", error=ZeroDivisionError("Doe")) == 8
    shown = json.loads(capsys.readouterr().err)["error"]
    assert shown["code"] == 9011
    assert shown["place"].startswith("ZeroDivisionError at tests.vaultfs_tools.test_cli:")


def test_what_a_command_returns_is_the_exit_code() -> None:
    assert _run(code=5) == 5


def test_a_reader_that_went_away_is_no_error() -> None:
    program = """
import sys
from vaultfs_tools import cli
sys.exit(cli.run(lambda args: [print("x" * 99) for _ in range(9999)] and 0, cli.Parser("p", "d"), []))
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == cli.Exit.PIPE


def test_what_others_have_named_makes_no_other_line_and_moves_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    cli.emit(_args(), {}, ["a\nproved: all\r\x1b[2K\u2028\x9b\u202e\udcff \u00e9\u4e2d\U0001f600."])
    assert capsys.readouterr().out == "a\\nproved: all\\r\\x1b[2K\\u2028\\x9b\\u202e\\udcff \u00e9\u4e2d\U0001f600.\n"


def test_results_are_text_or_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    report = {"id": b"\x01", "structure": Structure.HEAD, "count": 1}
    cli.emit(_args("--json"), report, ["never"])
    assert json.loads(capsys.readouterr().out) == {"id": "01", "structure": "head", "count": 1}
    with pytest.raises(TypeError):
        cli.emit(_args("--json"), {"path": Path("Doe")}, [])
    cli.emit(_args(), {}, ["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"


# Progress.


def test_sizes_are_for_people() -> None:
    assert [cli.size_text(n) for n in (0, 1023, 1536, 1 << 30, 1 << 70)] == [
        "0 B", "1023 B", "1.5 KiB", "1.0 GiB", "1048576.0 PiB",
    ]  # fmt: skip


def test_progress_is_drawn_on_a_terminal_and_taken_away() -> None:
    stream, now = _Terminal(), iter([0.0, 0.05, 1.0, 1.01, 2.0])
    with cli.Progress(2048, stream=stream, clock=lambda: next(now)) as progress:
        progress.advance(512)
        assert stream.getvalue() == ""
        progress.advance(512)
        assert stream.getvalue() == "\r[############            ]  50%  1.0 KiB of 2.0 KiB  1.0 KiB/s"
        progress.advance(1)
        progress.advance(9999)
    assert "100%" in stream.getvalue()
    assert stream.getvalue().endswith(" \r")


def test_progress_without_a_total_shows_what_is_done() -> None:
    stream, now = _Terminal(), iter([0.0, 2.0])
    cli.Progress(stream=stream, clock=lambda: next(now)).advance(4096)
    assert stream.getvalue() == "\r4.0 KiB  2.0 KiB/s"


def test_progress_is_silent_elsewhere() -> None:
    stream = io.StringIO()
    with cli.Progress(10, stream=stream) as progress:
        progress.advance(10)
    assert stream.getvalue() == ""


def test_progress_finds_the_terminal_by_itself() -> None:
    """On a real pseudo-terminal, as standard error of a program."""
    program = """
from vaultfs_tools import cli
seconds = iter(range(99))
with cli.Progress(9, clock=lambda: next(seconds)) as progress:
    progress.advance(9)
"""
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stderr=theirs, check=True)
    os.close(theirs)
    assert b"100%" in os.read(ours, 4096)
    os.close(ours)

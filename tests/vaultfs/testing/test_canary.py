"""The canary harness finds a leak in every channel and encoding, and nothing where nothing leaked."""

from __future__ import annotations

import base64
import contextlib
import gc
import gzip
import html
import json
import logging
import os
import subprocess
import sys
import threading
import urllib.parse
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard

import vaultfs
from tests.vaultfs.support import create, put
from vaultfs.errors import ArgumentInvalid, VaultMissing
from vaultfs.interop import registry
from vaultfs.testing.canary import Canaries
from vaultfs.testing.surface import Reach, forget_caches, public_callables
from vaultfs.testing.watch import Watch

PLANTED = Canaries(7)
TEXT = PLANTED.text("name")
DATA = PLANTED.data("bytes")

ENCODED: dict[str, bytes] = {
    "utf-8": TEXT.encode(),
    "latin-1": TEXT.encode("latin-1"),
    "utf-16-le": TEXT.encode("utf-16-le"),
    "utf-16-be": TEXT.encode("utf-16-be"),
    "utf-32": TEXT.encode("utf-32-le"),
    "base64": base64.b64encode(TEXT.encode()),
    "base64, one byte on": base64.b64encode(b"\xff" + TEXT.encode()),
    "base64, two bytes on": base64.b64encode(b"\xff\xfe" + TEXT.encode()),
    "base64 of bytes, for URLs": base64.urlsafe_b64encode(DATA),
    "hex": TEXT.encode().hex().encode(),
    "HEX": DATA.hex().upper().encode(),
    "url, quoted": urllib.parse.quote(TEXT).encode(),
    "url, all of it quoted": "".join(f"%{byte:02X}" for byte in TEXT.encode()).encode(),
    "json": json.dumps({"name": TEXT}).encode(),
    "json, all of it escaped": "".join(f"\\u{ord(letter):04x}" for letter in TEXT).encode(),
    "html": html.escape(TEXT).encode(),
    "html, all of it": "".join(f"&#{ord(letter)};" for letter in TEXT).encode(),
    "lower case": TEXT.lower().encode(),
    "upper case": TEXT.upper().encode(),
    "reversed": TEXT[::-1].encode(),
    "repr": repr(TEXT).encode(),
    "repr of UTF-8": repr(TEXT.encode()).encode(),
    "repr of UTF-16": repr(TEXT.encode("utf-16-le")).encode(),
    "repr of bytes": repr(DATA).encode(),
    "bytes": DATA,
    "bytes, deflated": zlib.compress(DATA, 9),
    "bytes, gzip": gzip.compress(DATA),
    "bytes, zstd": zstandard.ZstdCompressor(19).compress(b'{"resourceType":"Patient"}' * 9 + DATA),
    "a date": f"{PLANTED.moment:%Y-%m-%d}".encode(),
    "a date of HL7": f"{PLANTED.moment:%Y%m%d%H%M%S}".encode(),
    "a date, shown": repr(PLANTED.moment).encode(),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_canary_in_a_file_is_found_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(os.urandom(1000) + ENCODED[encoding] + os.urandom(1000))
    count, leaks = PLANTED.search(tmp_path)
    assert count == 1
    assert {(one.channel, one.place) for one in leaks} == {("file", "deep/file")}


def test_a_canary_across_two_reads_of_a_large_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes((4 << 20) - 5) + TEXT.encode())
    assert {(one.form, one.canary) for one in PLANTED.search(tmp_path)[1]} == {("text as UTF-8 or Latin-1", "name")}


@pytest.mark.parametrize("name", [PLANTED.plain("x"), f"a-{PLANTED.word.lower()}.pdf", PLANTED.word.encode().hex()])
@pytest.mark.parametrize("what", ["file", "directory", "link", "target of a link"])
def test_a_canary_in_a_name_is_found(tmp_path: Path, name: str, what: str) -> None:
    match what:
        case "file":
            (tmp_path / name).touch()
        case "directory":
            (tmp_path / name).mkdir()
        case "link":
            (tmp_path / name).symlink_to("nowhere")
        case _:
            (tmp_path / "link").symlink_to(name)
    assert {one.channel for one in PLANTED.search(tmp_path)[1]} == {"file name"}


def test_what_holds_no_canary_is_silent(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(1 << 20) + str(PLANTED.moment.year).encode())
    (tmp_path / "other").write_bytes(Canaries(8).data("name") + Canaries(8).text("name").encode())
    with Watch(PLANTED) as watch:
        sys.stdout.write("nothing")
        logging.getLogger("quiet").warning("nothing %s", 1)
        with watch.failing():
            vaultfs.RecordId(TEXT.encode())
        assert watch.files(tmp_path) == 2
    watch.assert_silent()
    assert watch.codes == {ArgumentInvalid.code}


@dataclass
class Talkative(Exception):
    """An error with an attribute and no message."""

    name: str

    def __str__(self) -> str:
        return "nothing"

    __repr__ = __str__


def _raise(error: BaseException, cause: BaseException | None = None) -> None:
    raise error from cause


def _in_context(*, hidden: bool) -> None:
    try:
        raise ValueError(TEXT)
    except ValueError:
        if hidden:
            raise VaultMissing from None
        raise VaultMissing  # noqa: B904 - what a careless program does


def _noted() -> None:
    error = VaultMissing()
    error.add_note(TEXT)
    raise error


def _in_a_thread() -> None:
    thread = threading.Thread(target=_raise, args=(ValueError(TEXT),))
    thread.start()
    thread.join()


def _while_it_is_given_up() -> None:
    class Careless:
        def __del__(self) -> None:
            raise ValueError(TEXT)

    del [Careless()][0]
    gc.collect()


def _handled() -> None:
    """Nobody but the harness ever sees this one."""
    with contextlib.suppress(VaultMissing):
        _in_context(hidden=True)


RAISED: dict[str, Callable[[], object]] = {
    "message": lambda: _raise(ValueError(TEXT)),
    "args": lambda: _raise(KeyError(3, [DATA])),
    "attribute": lambda: _raise(Talkative(TEXT)),
    "cause": lambda: _raise(VaultMissing(), ValueError(TEXT)),
    "context": lambda: _in_context(hidden=False),
    "hidden context": lambda: _in_context(hidden=True),
    "note": _noted,
    "group": lambda: _raise(ExceptionGroup("two", [VaultMissing(), ValueError(TEXT)])),
    "file name": lambda: _raise(OSError(2, "missing", f"/tmp/{TEXT}")),
    "text that cannot be encoded": (TEXT + "\ud800").encode,
    "module name in the traceback": lambda: exec(compile("1/0", TEXT, "exec"), {}),
}


@pytest.mark.parametrize("how", RAISED)
def test_a_canary_that_an_error_carries_is_found(how: str) -> None:
    with Watch(PLANTED) as watch, watch.failing(Exception):
        RAISED[how]()
    assert {one.channel for one in watch.leaks} == {"exception"}
    with pytest.raises(AssertionError, match="leaks:\nexception") as told:
        watch.assert_silent()
    assert PLANTED.word not in str(told.value)


def test_an_error_that_ends_the_scenario_is_searched_too() -> None:
    with pytest.raises(ValueError, match="Qx"), Watch(PLANTED) as watch:
        raise ValueError(TEXT)
    assert {one.channel for one in watch.leaks} == {"exception"}


def _log(logger: logging.Logger, *args: object, **more: object) -> None:
    logger.error("it is %s", *(args or ("so",)), **more)  # type: ignore[arg-type]


def _log_an_error() -> None:
    try:
        raise ValueError(TEXT)
    except ValueError:
        logging.getLogger("a.b").exception("it failed")


def _log_quietly() -> None:
    logger = logging.getLogger("quiet")
    logger.debug("%s", TEXT)


SAID: dict[str, tuple[str, Callable[[], object]]] = {
    "log message": ("log", lambda: logging.getLogger("host").error(TEXT)),
    "log argument": ("log", lambda: _log(logging.getLogger("host"), TEXT)),
    "log argument that is not shown": ("log", lambda: logging.getLogger("host").error("%.0s", TEXT)),
    "log extra": ("log", lambda: _log(logging.getLogger("host"), extra={"patient": TEXT})),
    "log exception": ("log", _log_an_error),
    "log below the level": ("log", _log_quietly),
    "warning": ("warning", lambda: warnings.warn(TEXT, UserWarning, stacklevel=1)),
    "standard output": ("output", lambda: sys.stdout.write(TEXT)),
    "standard error": ("output", lambda: sys.stderr.write(TEXT)),
    "output below Python": ("output", lambda: os.write(1, TEXT.encode())),
    "output of another process": ("output", lambda: subprocess.run(["/bin/echo", TEXT], check=True)),
    "error in a thread": ("exception", _in_a_thread),
    "error that nobody can catch": ("exception", _while_it_is_given_up),
    "error that is handled": ("exception", _handled),
}


@pytest.mark.parametrize("how", SAID)
@pytest.mark.filterwarnings(
    "ignore:Qx",
    "ignore::pytest.PytestUnhandledThreadExceptionWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_a_canary_that_is_said_is_found(how: str) -> None:
    channel, say = SAID[how]
    logging.getLogger("quiet").setLevel(logging.CRITICAL)
    with Watch(PLANTED) as watch:
        say()
    assert {one.channel for one in watch.leaks} == {channel}


def test_a_warning_that_was_taken_down_is_given_again() -> None:
    with pytest.warns(UserWarning, match="again"), Watch(PLANTED):
        warnings.warn("again", UserWarning, stacklevel=1)


def test_output_under_a_watch_is_still_output(capfd: pytest.CaptureFixture[str]) -> None:
    with Watch(PLANTED):
        terminal = sys.stdout.isatty()
        sys.stdout.write("from Python, ")
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), b"from below")
    assert not terminal
    shown = capfd.readouterr().out
    assert "from Python, " in shown
    assert "from below" in shown


def test_what_should_fail_and_does_not_is_told() -> None:
    with pytest.raises(AssertionError, match="nothing failed"), Watch(PLANTED) as watch, watch.failing():
        vaultfs.RecordId(bytes(16))


def test_cached_functions_are_called_again_when_their_caches_are_forgotten() -> None:
    callables = public_callables("vaultfs.interop")
    for _ in range(2):
        forget_caches("vaultfs.interop")
        with Reach(callables) as reach:
            registry.recognise(b"{}")
        assert "vaultfs.interop.registry.adapters" in reach.reached
    with Reach(callables) as reach:
        registry.recognise(b"{}")
    assert "vaultfs.interop.registry.adapters" not in reach.reached


def test_functions_that_read_the_same_in_two_files_are_told_apart(tmp_path: Path) -> None:
    """On a line of the same number the code of both is equal."""
    functions = {}
    for name in ("one", "two"):
        namespace: dict[str, Callable[[], int]] = {}
        exec(compile("def answer():\n    return 42\n", str(tmp_path / name), "exec"), namespace)
        functions[name] = namespace["answer"]
    with Reach({name: function.__code__ for name, function in functions.items()}) as reach:
        functions["one"]()
    assert (reach.reached, reach.missing) == ({"one"}, ["two"])


def test_a_command_is_searched_for_what_it_prints() -> None:
    def main(arguments: list[str]) -> int:
        sys.stdout.write(" ".join(arguments) + "\n")
        sys.exit(3)

    with Watch(PLANTED) as watch:
        assert watch.command(main, 1, "two") == (3, "1 two\n", "")
        watch.assert_silent()
        watch.command(main, TEXT)
    assert {one.channel for one in watch.leaks} == {"output"}


def test_objects_are_searched_as_a_host_would_print_them() -> None:
    with Watch(PLANTED) as watch:
        watch.said(vaultfs.Identifier(TEXT, TEXT), 3)
        watch.assert_silent()
        watch.said(Path(PLANTED.plain("x")))
    assert {(one.channel, one.form) for one in watch.leaks} == {("object", "text as UTF-8 or Latin-1")}


def test_what_a_public_callable_returns_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callables = public_callables("vaultfs", leave_out=["vaultfs.engine", "vaultfs.testing"])
    with create(tmp_path / "v") as vault, Watch(PLANTED, callables) as watch:
        record = put(vault, DATA, subject=vaultfs.Identifier(TEXT, TEXT))
        with vault.session(vaultfs.Principal("x"), "TREAT") as session:
            assert session.get(record).data == DATA
            watch.assert_silent()
            monkeypatch.setattr(vaultfs.Record, "__repr__", lambda self: repr(self.data))
            session.get(record)
    assert ("object", "Record") in {(one.channel, one.place) for one in watch.leaks}


def test_a_public_callable_is_reached_when_it_was_called_in_any_thread(tmp_path: Path) -> None:
    callables = public_callables("vaultfs", leave_out=["vaultfs.engine", "vaultfs.testing"])
    with Watch(PLANTED, callables) as watch, create(tmp_path / "v") as vault:
        thread = threading.Thread(target=vault.settle)
        thread.start()
        thread.join()
        vault.space()
    assert {"vaultfs.engine.opening.front.create", "vaultfs.engine.vault.Vault.settle"} <= watch.reach.reached
    assert "vaultfs.engine.vault.Vault.space" not in watch.reach.missing
    assert "vaultfs.engine.committing.transaction.Transaction.put" in watch.reach.missing


def test_a_watch_leaves_everything_as_it_was() -> None:
    def state() -> list[object]:
        return [
            logging.getLogRecordFactory(), logging.root.level, sys.stdout, sys.stderr, sys.getprofile(),
            threading.getprofile(), threading.excepthook, sys.unraisablehook, vaultfs.VaultError.__init__,
        ]  # fmt: skip

    before = state()
    with Watch(PLANTED):
        assert state() != before
    assert state() == before


def test_the_public_callables_are_those_that_a_host_can_name() -> None:
    found = public_callables("vaultfs", leave_out=["vaultfs.engine", "vaultfs.testing"])
    assert {
        "vaultfs.engine.opening.front.open",
        "vaultfs.engine.vault.Vault.path",
        "vaultfs.engine.reading.session.Session.find",
        "vaultfs.model.ClinicalDate.of",
        "vaultfs.model.RecordId.__new__",
        "vaultfs.migrate.importer.Importer.run",
        "vaultfs.vfs.converted",
    } <= found.keys()
    assert not [name for name in found if name.rpartition(".")[2].startswith("_") and not name.endswith("__")]
    assert not [name for name in found if name.startswith(("vaultfs.engine.settling.settle", "vaultfs.testing"))]

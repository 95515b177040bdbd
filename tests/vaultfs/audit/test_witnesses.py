"""Witnesses as a vault's host asks them: by its own callable, over a share, and over HTTP from a real server."""

from __future__ import annotations

import ssl
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.tlog.keys import signed_by
from vaultfs_format.tlog.note import Note, NoteSignature
from vaultfs_format.tlog.refusals import LogInconsistent, LogNotTrusted, LogUnknown, RequestMalformed, SizeConflict
from vaultfs_format.tlog.witness import AddCheckpoint
from vaultfs_tools.witnessing import Keeper
from vaultfs_tools.witnessing.share import answer_all

from tests.vaultfs_format.tlog import logs
from tests.vaultfs_tools.witnessing import forks
from tests.vaultfs_tools.witnessing.server import Quiet, handler_of, serving
from vaultfs.audit.httpwitness import HttpWitness
from vaultfs.audit.witnesses import CallbackWitness, FileWitness, Witness
from vaultfs.errors import ArgumentInvalid, StorageFailed, WitnessSilent


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Return a witness that knows the log."""
    found = Keeper.create(tmp_path / "witness", "witness.example")
    found.add_log(logs.log_keys())
    return found


def are_right(signatures: tuple[NoteSignature, ...], keeper: Keeper, size: int = 7) -> bool:
    return len(signed_by(Note(forks.signed(size).text, signatures), keeper.keys)) == len(keeper.keys)


def test_a_callable_of_the_host_carries_requests_and_answers(keeper: Keeper) -> None:
    witness = CallbackWitness(keeper.answer)
    assert are_right(witness.add_checkpoint(forks.request(0, 7)), keeper)
    with pytest.raises(SizeConflict) as refused:
        witness.add_checkpoint(forks.request(0, 9))
    assert refused.value.size == 7


@pytest.mark.parametrize(
    "error", [ConnectionError("https://user:secret@host"), ValueError("secret"), StorageFailed(), RuntimeError()]
)
def test_what_a_callable_raises_is_withheld(error: Exception) -> None:
    def ask(_: bytes) -> bytes:
        raise error

    with pytest.raises(WitnessSilent) as refused:
        CallbackWitness(ask).add_checkpoint(forks.request(0, 7))
    assert refused.value.__context__ is None
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("answer", [b"", b"OK\n", b"\xe2\x80\x94 x\n", b"1" * 2 * MAX_NOTE])
def test_what_is_no_answer_is_silence(answer: bytes) -> None:
    with pytest.raises(WitnessSilent):
        CallbackWitness(lambda _: answer).add_checkpoint(forks.request(0, 7))


def test_somebody_who_stops_the_program_is_heard() -> None:
    def ask(_: bytes) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CallbackWitness(ask).add_checkpoint(forks.request(0, 7))


class TestShare:
    @pytest.fixture
    def share(self, tmp_path: Path) -> tuple[Path, Path]:
        """Return an outbox and an inbox."""
        found = tmp_path / "outbox", tmp_path / "inbox"
        for path in found:
            path.mkdir()
        return found

    def test_the_other_host_answers(self, keeper: Keeper, share: tuple[Path, Path]) -> None:
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.02):
                list(answer_all(keeper, *share))

        other = threading.Thread(target=look)
        other.start()
        try:
            witness = FileWitness(*share)
            assert are_right(witness.add_checkpoint(forks.request(0, 7)), keeper)
            with pytest.raises(SizeConflict):
                witness.add_checkpoint(forks.request(0, 9))
        finally:
            done.set()
            other.join()
        assert not list(share[0].iterdir())

    def test_a_request_is_for_everybody_to_read(
        self, share: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The account of the witness is another one than that of the vault."""
        seen: set[int] = set()

        def look(_: float) -> None:
            seen.update(stat.S_IMODE(path.stat().st_mode) for path in share[0].iterdir())

        monkeypatch.setattr("vaultfs.audit.witnesses.time.sleep", look)
        with pytest.raises(WitnessSilent):
            FileWitness(*share, wait=0.05).add_checkpoint(forks.request(0, 7))
        assert seen == {0o644}

    def test_a_request_without_an_answer_is_withdrawn(self, share: tuple[Path, Path]) -> None:
        with pytest.raises(WitnessSilent):
            FileWitness(*share, wait=0.1).add_checkpoint(forks.request(0, 7))
        assert not list(share[0].iterdir())

    def test_a_share_that_is_not_there_is_silence(self, tmp_path: Path) -> None:
        with pytest.raises(WitnessSilent):
            FileWitness(tmp_path / "no", tmp_path / "where").add_checkpoint(forks.request(0, 7))


class TestHttp:
    def test_a_server_answers_with_the_statuses_of_the_protocol(self, keeper: Keeper) -> None:
        stranger = logs.signer("other.example/log")
        text = forks.head(7, origin=stranger.key.name).encode()
        unknown = AddCheckpoint(0, (), Note(text, (stranger.signature(text, 0),)))
        untrusted = AddCheckpoint(0, (), Note(forks.signed(7).text, forks.signed(7).signatures[:1]))
        with serving(handler_of(keeper)) as port:
            witness: Witness = HttpWitness(f"http://127.0.0.1:{port}/submit/")
            with pytest.raises(LogUnknown):
                witness.add_checkpoint(unknown)
            with pytest.raises(LogNotTrusted):
                witness.add_checkpoint(untrusted)
            assert are_right(witness.add_checkpoint(forks.request(0, 7)), keeper)
            with pytest.raises(SizeConflict) as refused:
                witness.add_checkpoint(forks.request(0, 9))
            assert refused.value.size == 7
            with pytest.raises(LogInconsistent):
                witness.add_checkpoint(forks.request(7, 9, fork=5))
            with pytest.raises(RequestMalformed):
                witness.add_checkpoint(AddCheckpoint(10, (), forks.signed(9)))
            with pytest.raises(WitnessSilent):
                HttpWitness(f"http://127.0.0.1:{port}/elsewhere").add_checkpoint(forks.request(7, 9))
            assert are_right(witness.add_checkpoint(forks.request(7, 9)), keeper, 9)

    @pytest.mark.parametrize("body", [b"", b"Conflict\n", b"<html>409</html>"])
    def test_another_root_of_the_same_size_needs_no_size(self, body: bytes) -> None:
        class Conflicting(Quiet):
            def answer(self) -> None:
                self.body()
                self.reply(409, body)

        with serving(Conflicting) as port:
            witness = HttpWitness(f"http://127.0.0.1:{port}")
            with pytest.raises(SizeConflict) as refused:
                witness.add_checkpoint(forks.request(7, 7, fork=5))
            assert refused.value.size == 7
            with pytest.raises(WitnessSilent):
                witness.add_checkpoint(forks.request(7, 9))

    def test_a_server_that_is_not_there_is_silence(self) -> None:
        with serving(Quiet) as port:
            pass
        with pytest.raises(WitnessSilent):
            HttpWitness(f"http://127.0.0.1:{port}").add_checkpoint(forks.request(0, 7))

    def test_an_answer_that_never_ends_is_cut(self) -> None:
        """A timeout of the socket would begin anew with every byte."""
        gone = threading.Event()

        class Endless(Quiet):
            def answer(self) -> None:
                self.body()
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x")
                        time.sleep(0.02)
                except OSError:
                    gone.set()

        with serving(Endless) as port:
            with pytest.raises(WitnessSilent):
                HttpWitness(f"http://127.0.0.1:{port}", timeout=0.5).add_checkpoint(forks.request(0, 7))
            assert gone.wait(60)

    def test_an_answer_that_is_too_large_is_not_read(self) -> None:
        class Huge(Quiet):
            def answer(self) -> None:
                self.body()
                self.send_response(200)
                self.send_header("Content-Length", str(1 << 40))
                self.end_headers()
                try:
                    for _ in range(64):
                        self.wfile.write(b"1" * 65536)
                except OSError:
                    pass

        with serving(Huge) as port, pytest.raises(WitnessSilent):
            HttpWitness(f"http://127.0.0.1:{port}").add_checkpoint(forks.request(0, 7))

    def test_the_certificate_of_a_server_is_verified(self, keeper: Keeper, tmp_path: Path) -> None:
        pem, key = tmp_path / "pem", tmp_path / "key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
             key, "-out", pem, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"],
            check=True, capture_output=True,
        )  # fmt: skip
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(pem, key)
        with serving(handler_of(keeper), own) as port:
            trusting = ssl.create_default_context(cafile=str(pem))
            witness = HttpWitness(f"https://localhost:{port}/submit", context=trusting)
            assert are_right(witness.add_checkpoint(forks.request(0, 7)), keeper)
            for prefix, context in ((f"https://localhost:{port}", None), (f"https://127.0.0.1:{port}", trusting)):
                with pytest.raises(WitnessSilent):
                    HttpWitness(prefix + "/submit", context=context).add_checkpoint(forks.request(7, 9))

    @pytest.mark.parametrize(
        "prefix",
        [
            *("", "witness.example", "ftp://witness.example", "https://", "http://witness.example", "https://[::1"),
            *("https://user:secret@witness.example", "https://witness.example/?a=b", "https://witness.example/#a"),
            *("https://witness.example:port", "https://witness.example/a b", "https://witness.example/\r\nX: y"),
        ],
    )
    def test_a_prefix_that_is_none_or_not_safe_is_refused(self, prefix: str) -> None:
        with pytest.raises(ArgumentInvalid) as refused:
            HttpWitness(prefix)
        assert "secret" not in str(refused.value)

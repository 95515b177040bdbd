"""vaultfs-witness, and what vaultfs-audit does with it: requests carried as files, over a share, and by a server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.policy import Policy
from vaultfs_format.tlog.witness import AddCheckpoint
from vaultfs_tools import audit, witness
from vaultfs_tools.witnessing import Keeper

from tests.vaultfs.audit.tsa import Authority
from tests.vaultfs.support import PASSPHRASE, create, put, reopen
from tests.vaultfs_format.tlog import logs
from tests.vaultfs_tools.vaults import secret_file
from tests.vaultfs_tools.witnessing.forks import asked
from tests.vaultfs_tools.witnessing.server import handler_of, serving
from vaultfs.audit.view import LogView

Run = Callable[..., tuple[int, dict[str, Any]]]
NAME = "witness.example/one"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command, and returns its code and what it printed."""

    def call(main: Callable[[list[str]], int], *words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main([*map(str, words), "--json"])
        output, errors = capsys.readouterr()
        return code, json.loads(output or errors)

    return call


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return the directory of a witness that knows the log."""
    Keeper.create(tmp_path / "witness", NAME).add_log(logs.log_keys())
    return tmp_path / "witness"


class TestWitness:
    def test_it_is_made_and_prints_its_policy(self, run: Run, tmp_path: Path) -> None:
        code, shown = run(witness.main, "init", tmp_path / "w", "--name", NAME)
        assert code == 0
        policy = Policy.decode(shown["policy"].encode())
        assert [one.key.encode() for one in policy.witnesses] == shown["keys"]
        assert run(witness.main, "keys", tmp_path / "w") == (0, shown)
        assert run(witness.main, "init", tmp_path / "w", "--name", NAME)[0] == 8

    def test_logs_are_added_and_listed(self, run: Run, tmp_path: Path) -> None:
        run(witness.main, "init", tmp_path / "w", "--name", NAME)
        keys = [key.encode() for key in logs.log_keys()]
        assert run(witness.main, "add-log", tmp_path / "w", *keys) == (0, {"origin": logs.ORIGIN, "signers": 1})
        shown = run(witness.main, "logs", tmp_path / "w")
        assert shown == (0, {"logs": [{"origin": logs.ORIGIN, "size": 0, "signers": 1}]})
        assert run(witness.main, "add-log", tmp_path / "w", "no key")[0] == 4

    @pytest.mark.parametrize(
        ("data", "code", "error", "answer"),
        [
            (asked(0, 9), 1, 2674, b"7\n"),
            (asked(7, 9, fork=5), 4, 2675, b"422 Unprocessable Entity\n"),
            (b"", 8, 2671, b"400 Bad Request\n"),
        ],
        ids=["conflict", "fork", "garbage"],
    )
    def test_what_is_refused_is_told_by_the_exit_code_and_the_response(
        self, run: Run, place: Path, tmp_path: Path, data: bytes, code: int, error: int, answer: bytes
    ) -> None:
        request, response = tmp_path / "request", tmp_path / "response"
        request.write_bytes(asked(0, 7))
        assert run(witness.main, "cosign", place, request, response) == (0, {"status": 200, "signatures": 2})
        request.write_bytes(data)
        found, shown = run(witness.main, "cosign", place, request, response)
        assert (found, shown["error"]["code"], response.read_bytes()) == (code, error, answer)

    def test_the_last_checkpoint_is_shown(self, run: Run, place: Path, tmp_path: Path) -> None:
        assert run(witness.main, "show", place, logs.ORIGIN, tmp_path / "note")[1]["error"]["code"] == 2673
        Keeper(place).add_checkpoint(asked(0, 7))
        assert run(witness.main, "show", place, logs.ORIGIN, tmp_path / "note") == (0, {"signatures": 4})
        assert Note.decode((tmp_path / "note").read_bytes()).text == logs.head(7).encode()

    def test_a_share_is_answered(self, run: Run, place: Path, tmp_path: Path) -> None:
        for name in ("outbox", "inbox"):
            (tmp_path / name).mkdir()
        (tmp_path / "outbox" / ("a" * 64 + ".request")).write_bytes(asked(0, 7))
        words = (witness.main, "answer", place, tmp_path / "outbox", tmp_path / "inbox")
        assert run(*words) == (0, {"cosigned": 1, "refused": 0})
        (tmp_path / "outbox" / ("b" * 64 + ".request")).write_bytes(asked(0, 9))
        assert run(*words) == (1, {"cosigned": 0, "refused": 1})

    def test_a_witness_that_is_damaged_cosigns_nothing(self, run: Run, place: Path, tmp_path: Path) -> None:
        (place / "key").chmod(0o644)
        (tmp_path / "request").write_bytes(asked(0, 7))
        code, shown = run(witness.main, "cosign", place, tmp_path / "request", tmp_path / "response")
        assert (code, shown["error"]["code"], shown["error"]["facts"]) == (8, 2677, {"part": "key"})
        assert not (tmp_path / "response").exists()

    @pytest.mark.parametrize("words", [["no-such"], [], ["cosign"]])
    def test_wrong_usage(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            witness.main(words)
        assert ended.value.code == 16

    def test_as_a_command_it_loads_nothing_that_writes_a_vault_and_leaves_no_core(self, tmp_path: Path) -> None:
        program = (
            "import sys\nfrom vaultfs_tools import witness\nfrom vaultfs_format.undumpable import is_undumpable\n"
            "witness.main()\n"
            "print(sorted({'vaultfs', 'lmdb'} & set(sys.modules)), is_undumpable())"
        )
        words = [sys.executable, "-c", program, "init", str(tmp_path / "w"), "--name", "w.example"]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == f"[] {sys.platform == 'linux'}"


class TestAudit:
    """The vault's side."""

    @pytest.fixture
    def vault(self, tmp_path: Path) -> Path:
        """Return a vault whose keys the witness has, with a file for its passphrase and the policies beside it."""
        keeper = Keeper.create(tmp_path / "witness", NAME)
        with create(tmp_path / "v") as vault:
            put(vault)
            keys = LogView(vault).keys
            keeper.add_log(keys)
        from vaultfs_tools.witnessing.keys import policy_of

        text = policy_of(keeper.keys).encode()
        (tmp_path / "witnesses").write_bytes(text)
        (tmp_path / "policy").write_bytes(b"".join(b"log " + key.encode().encode() + b"\n" for key in keys) + text)
        (tmp_path / "keys").write_text("\n".join(key.encode() for key in keys))
        secret_file(tmp_path / "passphrase", PASSPHRASE.secret)
        return tmp_path / "v"

    def test_a_log_is_cosigned_by_files_that_somebody_carries(self, run: Run, vault: Path, tmp_path: Path) -> None:
        unlock = ("--passphrase-file", tmp_path / "passphrase")
        request, response, note = (tmp_path / name for name in ("request", "response", "note"))
        code, shown = run(audit.main, "request", vault, request, *unlock)
        assert (code, shown["old"]) == (0, 0)
        assert run(witness.main, "cosign", tmp_path / "witness", request, response)[0] == 0
        join = ("join", request, response, "--policy", tmp_path / "policy", "--out", note)
        assert run(audit.main, *join) == (0, {"size": shown["size"], "signatures": 4})
        assert run(audit.main, "verify", vault, "--checkpoint", note, *unlock)[0] == 0
        assert run(audit.main, "request", vault, request, "--old", shown["size"], *unlock)[0] == 0
        assert run(witness.main, "cosign", tmp_path / "witness", request, response)[0] == 0
        assert run(audit.main, *join)[0] == 0
        run(witness.main, "cosign", tmp_path / "witness", request, response)
        code, shown = run(audit.main, *join)
        assert (code, shown["error"]["code"]) == (8, 2674)

    def test_a_proof_holds_under_a_policy(self, run: Run, vault: Path, tmp_path: Path) -> None:
        unlock = ("--passphrase-file", tmp_path / "passphrase")
        policy, keys = ("--policy", tmp_path / "policy"), ("--keys", tmp_path / "keys")
        with serving(handler_of(Keeper(tmp_path / "witness"))) as port:
            url = f"http://127.0.0.1:{port}/submit"
            more = ("--policy", tmp_path / "witnesses", "--keep", tmp_path / "kept", "--out", tmp_path / "note")
            code, shown = run(audit.main, "cosign", vault, "--url", url, *more, *unlock)
            assert (code, shown["refused"]) == (0, [])
            code, shown = run(audit.main, "cosign", vault, "--url", url, "--url", url + "/no", *more, *unlock)
            assert (code, shown["witnesses"]) == (1, 2)
            assert [(one["witness"], one["code"]) for one in shown["refused"]] == [(1, 2676)]
        (kept,) = (tmp_path / "kept").iterdir()
        assert kept.read_bytes() == (tmp_path / "note").read_bytes()
        cosigned, alone = tmp_path / "cosigned.tlog-proof", tmp_path / "alone.tlog-proof"
        assert run(audit.main, "prove", vault, 0, cosigned, "--checkpoint", tmp_path / "note", *unlock)[0] == 0
        assert run(audit.main, "prove", vault, 0, alone, *unlock)[0] == 0
        both: list[tuple[object, ...]] = [policy, keys, (*policy, *keys)]
        for given in both:
            assert run(audit.main, "verify-proof", cosigned, *given)[0] == 0
        assert run(audit.main, "verify-proof", alone, *keys)[0] == 0
        refused: list[tuple[Path, tuple[object, ...], int]] = [
            (alone, policy, 1207), (alone, (*policy, *keys), 1207), (cosigned, (), 1206),
        ]  # fmt: skip
        for file, given, error in refused:
            code, shown = run(audit.main, "verify-proof", file, *given)
            assert (code, shown["error"]["code"]) == (4, error)

    def test_an_accounting_holds_under_a_policy(self, run: Run, vault: Path, tmp_path: Path) -> None:
        unlock = ("--passphrase-file", tmp_path / "passphrase")
        policy, keys = ("--policy", tmp_path / "policy"), ("--keys", tmp_path / "keys")
        alone, cosigned, logs_alone = (tmp_path / name for name in ("alone.json", "cosigned.json", "logs"))
        assert run(audit.main, "accounting", vault, f"{1:032x}", "--proof", alone, *unlock)[0] == 0
        found = json.loads(alone.read_bytes())
        note = Note.decode(found["checkpoint"].encode())
        signed = Keeper(tmp_path / "witness").add_checkpoint(AddCheckpoint(0, (), note).encode())
        found["checkpoint"] = replace(note, signatures=(*note.signatures, *signed)).encode().decode()
        cosigned.write_text(json.dumps(found))
        lines = (tmp_path / "policy").read_text().splitlines(keepends=True)
        logs_alone.write_text("".join(line for line in lines if line.startswith("log ")) + "quorum none\n")
        both: list[tuple[object, ...]] = [policy, keys, (*policy, *keys)]
        for given in both:
            code, shown = run(audit.main, "verify-proof", cosigned, *given)
            assert (code, shown["kind"], shown["total"]) == (0, "subject", 1)
        assert run(audit.main, "verify-proof", alone, "--policy", logs_alone)[0] == 0
        found["groups"] = []
        cosigned.write_text(json.dumps(found))
        refused: list[tuple[Path, tuple[object, ...], int, int]] = [
            (alone, policy, 4, 1207), (alone, (*policy, *keys), 4, 1207), (cosigned, policy, 4, 1208),
            (alone, (*keys, "--policy", "/nonexistent"), 8, 9010),
        ]  # fmt: skip
        for file, given, expected, error in refused:
            code, shown = run(audit.main, "verify-proof", file, *given)
            assert (code, shown["error"]["code"]) == (expected, error)

    def test_a_vault_that_was_put_back_is_told_by_the_witness(self, run: Run, vault: Path, tmp_path: Path) -> None:
        unlock = ("--passphrase-file", tmp_path / "passphrase")
        shutil.copytree(vault, tmp_path / "copy" / "v")
        shutil.copytree(tmp_path / "v.epoch", tmp_path / "copy" / "v.epoch")
        with reopen(vault) as opened:
            put(opened)
        with serving(handler_of(Keeper(tmp_path / "witness"))) as port:
            words = ("--url", f"http://127.0.0.1:{port}/submit", "--policy", tmp_path / "witnesses", *unlock)
            assert run(audit.main, "cosign", vault, *words)[0] == 0
            code, shown = run(audit.main, "cosign", tmp_path / "copy" / "v", *words)
        assert (code, shown["error"]["code"]) == (8, 2216)

    def test_a_checkpoint_is_stamped(self, run: Run, tmp_path: Path) -> None:
        pytest.importorskip("rfc3161_client", reason="rfc3161-client is not installed")
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed")
        authority = Authority.make(tmp_path / "tsa")
        note, request, response = (tmp_path / name for name in ("note", "request", "response"))
        note.write_bytes(logs.signed(7).encode())
        assert run(audit.main, "timestamp", note, "--request", request) == (0, {"size": 7})
        response.write_bytes(authority.send(request.read_bytes()))
        words = ("verify-timestamp", note, response, "--ca", authority.place / "root.pem")
        code, shown = run(audit.main, *words, "--request", request)
        assert (code, shown["origin"], shown["size"]) == (0, logs.ORIGIN, 7)
        assert run(audit.main, *words) == (0, shown)
        run(audit.main, "timestamp", note, "--request", request)
        code, shown = run(audit.main, *words, "--request", request)
        assert (code, shown["error"]["code"], shown["error"]["facts"]) == (4, 2678, {"flaw": "nonce"})

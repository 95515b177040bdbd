"""vaultfs-doctor: what it says of a machine and of the place of a vault, and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from vaultfs_format.suite import DEFAULT, FIPS
from vaultfs_tools import cli, doctor
from vaultfs_tools.diagnosing import answers, place
from vaultfs_tools.diagnosing.facts import State

import vaultfs
from tests.vaultfs.provider import installed
from tests.vaultfs_tools import vaults

PROGRAM = "import sys; from vaultfs_tools import doctor; sys.exit(doctor.main())"
Said = tuple[int, dict[str, tuple[str, str]]]
Run = Callable[..., Said]


def facts(output: str) -> dict[str, tuple[str, str]]:
    """Return state and words of every fact of a report, by name."""
    return {one["name"]: (one["state"], one["said"]) for one in json.loads(output)["facts"]}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command here, and returns its exit code and the facts."""

    def call(*words: object) -> Said:
        code = doctor.main(["--json", *map(str, words)])
        return code, facts(capsys.readouterr().out)

    return call


def process(*words: object, environment: dict[str, str] | None = None) -> Said:
    """Run the command in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, "--json", *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, facts(done.stdout)


@pytest.fixture
def provider(tmp_path: Path) -> dict[str, str]:
    """Return the environment in which processes run on the provider that is installed."""
    (tmp_path / "provider").mkdir()
    return installed(tmp_path / "provider")


# The machine. ------------------------------------------------------------------------------------------------------


def test_all_algorithms_of_both_suites_give_the_right_answers(run: Run) -> None:
    _, found = run()
    assert found["suite default"] == ("good", "8 self-tests gave the right answers")
    assert found["suite fips"] == ("good", "10 self-tests gave the right answers")


def test_versions_and_what_is_installed_are_told(run: Run) -> None:
    _, found = run()
    assert found["vaultfs"] == ("note", vaultfs.__version__)
    assert found["openssl"][1].startswith("OpenSSL ")
    for name in ("python", "cryptography", "blake3", "lmdb", "page size", "softhsm", "swap", "openssl_conf"):
        assert name in found
    assert [
        found[name][0] for name in ("lmdb library", "isa-l", "extra hsm", "extra escrow", "extra tsa", "clock")
    ] == ["good"] * 6


def test_core_dumps_are_off_for_commands_and_not_for_who_calls_them(run: Run) -> None:
    _, found = process()
    assert found["core dumps"][0] == "good"
    code, found = run()
    assert found["core dumps"][0] == "concern"
    assert code == cli.Exit.ATTENTION


def test_without_approved_mode_it_fails_where_that_is_asked_for(run: Run) -> None:
    code, found = run("--fips")
    assert code == cli.Exit.FAILED
    assert found["approved mode"][0] == "wrong"
    assert "enforcement" not in found
    assert run()[1]["approved mode"][0] == "note"


def test_what_is_not_approved_is_seen_where_nothing_refuses_it() -> None:
    assert list(answers.not_refused()) == list(answers.NOT_APPROVED)


def test_a_wrong_answer_is_told_whatever_was_asked_for() -> None:
    found = answers.asked(FIPS, [answers.Test("sums", (FIPS,), lambda: False)])
    assert not found.usable
    assert found.fact(needed=False).state is State.WRONG
    assert "sums" in found.fact(needed=False).said


def test_what_a_suite_lacks_is_wrong_where_the_suite_is_needed_alone() -> None:
    def missing() -> bool:
        raise ValueError

    tests = [answers.Test("ours", (FIPS,), missing), answers.Test("of the other suite", (DEFAULT,), lambda: False)]
    found = answers.asked(FIPS, tests)
    assert (found.missing, found.wrong, found.usable) == (("ours",), (), False)
    assert [found.fact(needed=needed).state for needed in (False, True)] == [State.NOTE, State.WRONG]


def test_the_report_calls_nothing_validated_but_a_provider(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.main([])
    assert "validated" not in capsys.readouterr().out.replace("a validated OpenSSL provider where one is installed", "")


# On a provider. ----------------------------------------------------------------------------------------------------


def test_on_a_provider_suite_fips_works_and_all_else_is_refused(provider: dict[str, str]) -> None:
    code, found = process("--fips", environment=provider)
    module = Path(provider["OPENSSL_MODULES"], "fips.so")
    assert code in (cli.Exit.DONE, cli.Exit.ATTENTION), found
    for name in ("approved mode", "provider self-test", "enforcement", "suite fips"):
        assert found[name][0] == "good"
    assert found["suite default"][0] == "note"
    assert f"{module}, SHA-256 {hashlib.sha256(module.read_bytes()).hexdigest()}" in found["provider file"][1]
    assert found["provider version"][1].startswith("name OpenSSL FIPS Provider, version ")
    said = found["provider"][1].replace("a validated OpenSSL provider where one is installed", "")
    assert "validated" not in said


def test_a_vault_of_suite_default_cannot_be_opened_on_a_provider(provider: dict[str, str], vault: Path) -> None:
    code, found = process(vault, environment=provider)
    assert code == cli.Exit.FAILED
    assert found["vault suite"][1] == "default"
    assert found["vault"] == ("wrong", "cannot be opened here: suite default cannot be used")


def test_a_provider_that_was_changed_does_nothing_and_is_found_out(provider: dict[str, str]) -> None:
    module = Path(provider["OPENSSL_MODULES"], "fips.so")
    data = bytearray(module.read_bytes())
    data[len(data) // 2] ^= 1
    module.write_bytes(data)
    code, found = process("--fips", environment=provider)
    assert code == cli.Exit.FAILED
    assert found["provider self-test"][0] == found["suite fips"][0] == "wrong"


# The place of a vault. ---------------------------------------------------------------------------------------------


def test_suite_recipients_and_file_system_of_a_vault_are_told(run: Run, vault: Path, tmp_path: Path) -> None:
    unlock = vaults.unlocking()
    vaultfs.create(tmp_path / "other", recipients=[unlock], suite="fips").close()
    for path, suite, way in ((vault, "default", "passphrase"), (tmp_path / "other", "fips", "pbkdf2")):
        code, found = run(path)
        assert code == cli.Exit.ATTENTION
        assert found["vault suite"] == ("note", suite)
        assert found["vault"] == ("good", f"can be opened here, by one of: {way}")
        assert found["file system"][1] != "not known"


def test_a_vault_whose_heads_are_signed_by_what_is_missing_cannot_be_opened(vault: Path) -> None:
    found = answers.asked(DEFAULT, [])
    without = answers.Answers(found.suite, 0, (), (), lattice=False)
    said = {one.name: one for one in place.facts(vault, vault, {DEFAULT.id: without})}
    assert said["vault"].state is State.WRONG
    assert "ML-DSA-44" in said["vault"].said


def test_a_store_on_the_device_of_the_vault_is_a_concern_and_one_elsewhere_is_not(run: Run, vault: Path) -> None:
    assert run(vault)[1]["epoch store"][0] == "concern"
    assert run(vault, "--epoch-store", "/proc")[1]["epoch store"] == ("good", "on another device")
    assert run(vault, "--epoch-store", vault / "nowhere")[1]["epoch store"][0] == "concern"


def test_directories_that_are_open_to_others_are_a_concern(run: Run, vault: Path) -> None:
    store = vault.with_name(vault.name + ".epoch")
    modes = {"good": (0o750, 0o700), "concern": (0o770, 0o750)}
    for state, (of_vault, of_store) in modes.items():
        vault.chmod(of_vault)
        store.chmod(of_store)
        _, found = run(vault)
        assert (found["vault permissions"][0], found["store permissions"][0]) == (state, state)


def test_a_head_of_tomorrow_tells_of_a_wrong_clock(run: Run, vault: Path) -> None:
    assert "vault clock" not in run(vault)[1]
    head = vault / "head"
    later = head.stat().st_mtime + 86_400
    os.utime(head, (later, later))
    code, found = run(vault)
    assert code == cli.Exit.FAILED
    assert found["vault clock"][0] == "wrong"


def test_a_vault_that_cannot_be_looked_at_is_told_by_a_code(run: Run, vault: Path) -> None:
    for path in vault.rglob("head"):
        path.write_bytes(b"none")
    code, found = run(vault)
    assert code == cli.Exit.FAILED
    assert found["vault"][1].startswith("cannot be looked at: VFS-")


def test_what_is_no_vault_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main([str(tmp_path / "Doe")]) == cli.Exit.FAILED
    said = capsys.readouterr().err
    assert "VFS-" in said
    assert "Doe" not in said

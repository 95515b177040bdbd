"""The fuzzer as a program: every parser keeps its contract for a while, and what breaks one is found, kept and told."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fuzz.__main__ import parser
from fuzz.catalogue import TARGETS
from fuzz.mutator import Mutator
from fuzz.target import LawBroken, Target
from vaultfs_format.errors import ChainBroken, DigestMismatch, NotAuthentic

from tests.tools import broken

pytest.importorskip("atheris", reason="atheris has no wheel for this platform")

EXECUTIONS = 300

FOUND = {
    "audit-events": b"\x0e\0\0\0" + b"s" * 16 + b"\x98\x0a\x00\xc4\x00\xc4\x00\xc4\x00\x00\x00\xc4\x00",
    "scrub-state": b"",
    "control-state": b"\1\0\0\0\xff",
    "identifier": b"\x0d\0\0\0urn:",
    "registry": b"a.B",
}
"""Inputs that broke a contract once."""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in `folder`."""
    command = [sys.executable, "-m", "fuzz", *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the words of the summary of every target, from one short run of them all."""
    done = run("--runs", str(EXECUTIONS), "--seconds", "120", "--seed", "1", folder=tmp_path_factory.mktemp("fuzz"))
    found = {words[0]: words for words in map(str.split, done.stdout.splitlines()) if "executions" in words}
    assert f"{len(TARGETS)} targets" in done.stdout, done.stderr
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_keeps_its_contract_for_a_few_hundred_inputs(name: str, lines: dict[str, list[str]]) -> None:
    _, executions, _, features, _, _, *findings = lines[name]
    assert findings == ["none"]
    assert int(executions.replace(",", "")) >= EXECUTIONS
    assert int(features.replace(",", "")) > 0


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_seeds_are_legal_and_digests_that_fit_are_let_be(target: Target) -> None:
    seeds = target.seeds()
    assert target.forge(seeds[0]) == seeds[0]
    understood = 0
    for seed in seeds:
        assert len(seed) <= target.longest
        target(seed)
        with suppress(*target.errors):
            target.check(seed)
            understood += 1
    assert understood


@pytest.mark.parametrize("name", FOUND)
def test_what_once_broke_a_contract_no_longer_does(name: str) -> None:
    TARGETS[name](FOUND[name])


# What the mutator does.


FILES = {
    "vault": 20,
    "epoch-secret": 20,
    "keyring": 20,
    "key-table": 20,
    "head": 20,
    "witnessed-head": 20,
    "journal-header": 30,
    "segment-superblock": 60,
    "segment-footer": 90,
    "group": 80,
}
"""A byte of an id, a root or a salt, which any value is legal for."""


@pytest.mark.parametrize("name", FILES)
def test_a_change_gets_past_the_digests_that_need_no_key(name: str) -> None:
    target, at = TARGETS[name], FILES[name]
    seed = target.seeds()[0]
    changed = seed[:at] + bytes([seed[at] ^ 1]) + seed[at + 1 :]
    with pytest.raises((DigestMismatch, ChainBroken)):
        target.check(changed)
    with suppress(NotAuthentic):
        target.check(target.forge(changed))


def test_changes_follow_from_the_seed_and_keep_to_the_size() -> None:
    def doubled(data: bytes, longest: int) -> bytes:
        return (data + b"x" + data)[:longest]

    mutator = Mutator(doubled, lambda data: data + b"digest")
    made = [mutator(b"field" * 10, 60, seed) for seed in range(200)]
    assert made == [mutator(b"field" * 10, 60, seed) for seed in range(200)]
    assert max(map(len, made)) <= 60
    assert any(data.endswith(b"digest") for data in made)
    assert any(not data.endswith(b"digest") for data in made)
    assert any(len(data) == 56 and data[-6:] == b"digest" for data in made), "some changes are made in place"


# What is found, and how it is told.


def outcome_of(name: str, folder: Path) -> dict[str, Any]:
    """Return what came of fuzzing a target that breaks its contract."""
    command = [sys.executable, "-m", "tests.tools.broken", name, str(folder)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def test_an_input_that_breaks_a_contract_is_kept_and_breaks_it_again(tmp_path: Path) -> None:
    outcome = outcome_of("broken", tmp_path)
    assert not outcome["good"]
    (kept,) = outcome["findings"]
    with pytest.raises(LawBroken, match="begins with a"):
        broken.TARGETS["broken"][0](Path(kept).read_bytes())
    assert "LawBroken: an input begins with a" in outcome["log"]
    assert kept in outcome["line"]
    assert outcome_of("broken", tmp_path)["findings"] == [kept], "what was found before is told again"


def test_an_error_that_the_contract_allows_is_no_finding(tmp_path: Path) -> None:
    outcome = outcome_of("refusing", tmp_path)
    assert outcome["good"]
    assert outcome["executions"] >= 1000
    assert outcome_of("refusing without leave", tmp_path)["findings"]


@pytest.mark.parametrize(("name", "kind"), [("slow", "timeout-"), ("large", "oom-")])
def test_an_input_that_takes_too_much_time_or_memory_is_found(name: str, kind: str, tmp_path: Path) -> None:
    (kept,) = outcome_of(name, tmp_path)["findings"]
    assert Path(kept).name.startswith(kind)


def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    outcome = outcome_of("deaf", tmp_path)
    assert outcome["ended"] == -signal.SIGKILL
    assert not outcome["good"]


def test_a_corpus_that_is_kept_holds_the_seeds_and_what_reached_something_new(tmp_path: Path) -> None:
    done = run("prefix", "--runs", "200", "--corpus", "corpus", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    kept = {path.read_bytes() for path in (tmp_path / "corpus" / "prefix").iterdir()}
    assert kept > set(TARGETS["prefix"].seeds())


def test_the_command_names_its_targets_and_refuses_others(tmp_path: Path) -> None:
    assert run("--list", folder=tmp_path).stdout.split() == list(TARGETS)
    refused = run("no-such-target", folder=tmp_path)
    assert refused.returncode == 2
    assert "no such target: no-such-target" in refused.stderr


def test_the_commands_of_the_guide_are_those_of_the_program() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "fuzzing.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python -m fuzz (.*)$", guide, re.MULTILINE)
    assert len(commands) > 3
    for command in commands:
        args = parser().parse_args(shlex.split(command, comments=True))
        assert set(args.targets) <= set(TARGETS)


def test_one_file_is_handed_to_one_target(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(TARGETS["head"].seeds()[0])
    done = run("head", "--reproduce", "file", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "the contract holds\n")
    assert run("--reproduce", "file", folder=tmp_path).returncode == 2

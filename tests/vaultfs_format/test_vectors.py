"""The contract vectors: what they expect is what is found, to the last fact, and they are made as they stand."""

from __future__ import annotations

import pytest
from vectors import __main__ as program
from vectors.catalogue import operations

from tests.vaultfs_format import vector_runner

README = (vector_runner.ROOT / "README.md").read_text(encoding="utf-8")
NAMES = vector_runner.names()
MOST_BYTES = 4_200_000


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_is_met(name: str) -> None:
    vector = vector_runner.load(name)
    assert vector_runner.run(vector) == vector["expect"]


def test_vectors_are_made_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--check"]) == 0, capsys.readouterr().out


def test_a_vector_that_differs_is_found(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    name = NAMES[0]
    stored = {f"{name}.json": b"{}"}
    assert f"{name}.json" in program.differences(stored)
    assert "files/head.bin" in program.differences(stored)
    monkeypatch.setattr(program, "content", lambda: stored)
    assert program.main(["--check"]) == 1
    assert f"differs: {name}.json" in capsys.readouterr().out


def test_every_vector_has_the_same_fields_and_expects_one_thing() -> None:
    for name in NAMES:
        vector = vector_runner.load(name)
        assert vector.keys() == vector_runner.EXPECTED, name
        assert vector["comment"].endswith("."), name
        assert ("ok" in vector["expect"]) != ("error" in vector["expect"]), name


def test_there_are_enough_of_them_and_they_stay_small() -> None:
    assert len(NAMES) >= 200
    assert sum(path.stat().st_size for path in vector_runner.ROOT.rglob("*") if path.is_file()) < MOST_BYTES


def test_every_operation_is_used_and_described() -> None:
    used = {vector_runner.load(name)["operation"] for name in NAMES}
    assert used == set(operations())
    for name in operations():
        assert f"\n| `{name}` |" in README, name


def test_numbers_that_programs_would_round_stand_as_text() -> None:
    def numbers(value: object) -> list[int]:
        if isinstance(value, dict):
            return [one for each in value.values() for one in numbers(each)]
        if isinstance(value, list):
            return [one for each in value for one in numbers(each)]
        return [value] if isinstance(value, int) else []

    for name in NAMES:
        assert all(abs(one) < 1 << 53 for one in numbers(vector_runner.load(name))), name


def test_every_file_is_used() -> None:
    texts = "".join((vector_runner.ROOT / f"{name}.json").read_text(encoding="ascii") for name in NAMES)
    shared = {path.relative_to(vector_runner.ROOT).as_posix() for path in vector_runner.ROOT.glob("files/*/*.bin")}
    assert sorted(name for name in shared if f'"{name}"' not in texts) == []

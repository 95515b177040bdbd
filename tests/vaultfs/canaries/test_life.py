"""No plaintext of a patient, a user or a secret anywhere, and no public callable that this was not tried with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vaultfs.canaries import engine, imports
from vaultfs.testing.surface import forget_caches, public_callables
from vaultfs.testing.watch import Watch

CALLABLES = public_callables("vaultfs", leave_out=["vaultfs.engine", "vaultfs.testing"])

LEFT_OUT = {
    "vaultfs_format.errors.registry": "takes nothing, and returns classes",
    "vaultfs.migrate.sources.Tail.readable": "takes nothing, and returns True, as files do",
}
"""Public callables that no scenario calls, and why a canary has no place in them."""


@dataclass(frozen=True)
class Lives:
    """Both scenarios, when they have ended."""

    engine: Watch
    imports: Watch
    folder: Path


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """Run the scenarios once."""
    folder = tmp_path_factory.mktemp("lives")
    for name in ("engine", "stored", "sources", "exported"):
        (folder / name).mkdir()
    lives = Lives(Watch(engine.PLANTED, CALLABLES), Watch(imports.PLANTED, CALLABLES), folder)
    forget_caches("vaultfs")
    with lives.engine:
        engine.live(lives.engine, folder / "engine")
    with lives.imports:
        imports.live(lives.imports, folder / "stored", folder / "sources", folder / "exported")
    return lives


def test_nothing_leaks_in_the_life_of_a_vault(lives: Lives) -> None:
    lives.engine.assert_silent()
    assert len(lives.engine.codes) > 15
    assert lives.engine.files(lives.folder / "engine") > 30


def test_nothing_leaks_in_the_life_of_an_import(lives: Lives) -> None:
    lives.imports.assert_silent()
    assert lives.imports.files(lives.folder / "stored") > 15


def test_an_export_alone_holds_plain_text(lives: Lives) -> None:
    """What was planted comes out of it: the silence everywhere else means something."""
    count, leaks = imports.PLANTED.search(lives.folder / "exported")
    assert count >= 9
    assert {one.channel for one in leaks} == {"file", "file name"}
    written = b"".join(path.read_bytes() for path in (lives.folder / "exported").rglob("*") if path.is_file())
    names = str(sorted((lives.folder / "exported").rglob("*"))).encode()
    for name in ("given", "number", "system", "text", "ref", "file", "folder", "junk", "changed", "url"):
        assert imports.WORD(name).encode() in written + names, name


@pytest.mark.parametrize("name", sorted(CALLABLES.keys() - LEFT_OUT.keys()))
def test_a_public_callable_was_called_with_canaries(lives: Lives, name: str) -> None:
    reached = name in lives.engine.reach.reached or name in lives.imports.reach.reached
    assert reached, f"no scenario with canaries calls {name}"


def test_only_what_exists_is_left_out() -> None:
    assert LEFT_OUT.keys() <= CALLABLES.keys()

"""Every error is reached by something that a host or an operator does, and says nothing of a patient on the way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import error_catalogue
import pytest

import vaultfs
from tests.vaultfs.errors import (
    backups,
    calls,
    deliveries,
    findings,
    lives,
    logs,
    places,
    recipients,
    rescues,
    sources,
    structures,
    witnesses,
)  # fmt: skip
from tests.vaultfs.errors.world import PLANTED, SCENARIOS, World, make
from vaultfs.testing.watch import Watch

ERRORS = {error.__name__: error for error in error_catalogue.defined().values()}
RAISED = [name for name, error in ERRORS.items() if name in SCENARIOS or not error_catalogue.is_group(error)]
TABLES = (
    backups, calls, deliveries, findings, lives, logs, places, recipients, rescues, sources, structures, witnesses,
)  # fmt: skip


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault with canaries that no test may change."""
    return make(tmp_path_factory.mktemp("pristine") / "clinic.vault")


@pytest.fixture
def world(pristine: Path, tmp_path: Path) -> Iterator[World]:
    """Return the world of one scenario."""
    world = World(pristine, tmp_path, Watch(PLANTED))
    yield world
    world.close()


@pytest.mark.parametrize("name", RAISED)
def test_an_error_is_reached_and_nothing_leaks(name: str, world: World) -> None:
    assert name in SCENARIOS, f"no scenario reaches {name}"
    with world.watch:
        try:
            seen = set(SCENARIOS[name](world) or ())
        except vaultfs.VaultError as error:
            world.watch.error(error)
            world.watch.said(error)
            seen = {error.code}
        world.close()
    assert ERRORS[name].code in seen, f"the scenario saw {sorted(seen)}"
    world.watch.files(world.stored)
    world.watch.assert_silent()


def test_scenarios_are_of_errors_that_exist() -> None:
    assert SCENARIOS.keys() <= ERRORS.keys()


def test_the_search_covers_the_vaults_that_scenarios_use(world: World) -> None:
    """The control: what is planted in a scenario's vault comes back out of it, and is not in its files."""
    with world.session() as session:
        (record, *_) = session.find(subject=vaultfs.NOBODY, kind="Binary")
        assert any(PLANTED.found(session.get(record.id).data))
    world.close()
    assert world.watch.files(world.stored) > 30
    world.watch.assert_silent()
    (world.path / "leak").write_bytes(PLANTED.text("value").encode())
    world.watch.files(world.stored)
    assert {one.canary for one in world.watch.leaks} == {"value"}


@pytest.mark.parametrize("table", TABLES)
def test_no_scenario_makes_an_error_itself(table: object) -> None:
    tree = ast.parse(Path(str(table.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    assert not called & ERRORS.keys()
    raised = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    assert all("OSError" in one for one in raised)

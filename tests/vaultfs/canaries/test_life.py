"""No plaintext of a patient, a user or a secret anywhere, and no public callable that this was not tried with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vaultfs.canaries import disk, engine, formats, imports, readers
from vaultfs.interop.dicom import tags
from vaultfs.testing.surface import forget_caches, public_callables
from vaultfs.testing.watch import Watch

CALLABLES = public_callables("vaultfs", leave_out=["vaultfs.engine", "vaultfs.testing"])

LEFT_OUT = {
    "vaultfs_format.errors.registry": "takes nothing, and returns classes",
    "vaultfs_format.undumpable.undumpable": "takes nothing, returns a bool, and changes the process for good",
    "vaultfs.audit.exporting.facts.fields_of": "takes a class of events, when the module is loaded",
    "vaultfs.audit.exporting.facts.is_code": "takes the type of a field, when the module is loaded",
    "vaultfs.migrate.sources.Tail.readable": "takes nothing, and returns True, as files do",
}
"""Public callables that no scenario calls, and why a canary has no place in them."""


@dataclass(frozen=True)
class Lives:
    """All scenarios, when they have ended, each by its name."""

    watches: dict[str, Watch]
    folder: Path


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """Run the scenarios once."""
    folder = tmp_path_factory.mktemp("lives")
    for name in ("engine", "readers", "disk", "stored", "sources", "exported"):
        (folder / name).mkdir()
    found: dict[str, Watch] = {}
    for module in (engine, readers, disk):
        name = module.__name__.rpartition(".")[2]
        found[name] = Watch(module.PLANTED, CALLABLES)
        forget_caches("vaultfs")
        with found[name]:
            module.live(found[name], folder / name)
    found["stored"] = Watch(imports.PLANTED, CALLABLES)
    forget_caches("vaultfs")
    with found["stored"]:
        imports.live(found["stored"], folder / "stored", folder / "sources", folder / "exported")
    return Lives(found, folder)


@pytest.mark.parametrize(
    ("name", "codes", "files"), [("engine", 16, 31), ("readers", 10, 10), ("disk", 1, 10), ("stored", 10, 16)]
)
def test_nothing_leaks_in_a_life(lives: Lives, name: str, codes: int, files: int) -> None:
    watch = lives.watches[name]
    watch.assert_silent()
    assert len(watch.codes) >= codes
    assert watch.files(lives.folder / name) >= files
    watch.assert_silent()


def test_an_export_alone_holds_plain_text(lives: Lives) -> None:
    """What was planted comes out of it: the silence everywhere else means something."""
    count, leaks = imports.PLANTED.search(lives.folder / "exported")
    assert count >= 9
    assert {one.channel for one in leaks} == {"file", "file name"}
    written = b"".join(path.read_bytes() for path in (lives.folder / "exported").rglob("*") if path.is_file())
    names = str(sorted((lives.folder / "exported").rglob("*"))).encode()
    for name in ("given", "number", "system", "text", "ref", "file", "folder", "junk", "changed", "url"):
        assert imports.WORD(name).encode() in written + names, name
    for name in (*formats.dicom_names(), *formats.document_names()):
        assert imports.WORD(name).encode() in written, name


def test_every_element_of_text_that_decides_has_a_canary() -> None:
    numbers = {tags.SAMPLES, tags.PLANAR, tags.ROWS, tags.COLUMNS, tags.BITS_ALLOCATED}
    assert numbers == tags.VALUES - formats.PLANTED


@pytest.mark.parametrize("name", sorted(CALLABLES.keys() - LEFT_OUT.keys()))
def test_a_public_callable_was_called_with_canaries(lives: Lives, name: str) -> None:
    reached = any(name in watch.reach.reached for watch in lives.watches.values())
    assert reached, f"no scenario with canaries calls {name}"


def test_only_what_exists_is_left_out() -> None:
    assert LEFT_OUT.keys() <= CALLABLES.keys()

"""Random damage to random files. Nothing wrong comes out, and what does not come out is accounted for."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaultfs_tools import cli

from tests.vaultfs.support import drop_mirrors
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.rescuing import archive as archives
from tests.vaultfs_tools.rescuing.archive import Archive, check, overwrite, rescued

KEPT = ("lock", "README.txt", "1.zdict", "reserve")


@dataclass(frozen=True)
class Harm:
    """Something that happens to a file: `where` and `much` are shares of its bytes."""

    file: int
    how: str
    where: float
    much: float


harms = st.builds(
    Harm,
    st.integers(0, 10_000),
    st.sampled_from(["flip", "zeros", "noise", "cut", "remove", "move", "copy"]),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 0.3),
)


Copy = Callable[[Path], Archive]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Return what copies an archive of few patients into a folder."""
    small = archives.make(tmp_path_factory.mktemp("small") / "clinic.vault", patients=12)
    return lambda folder: replace(small, path=vaults.copied(small.path, folder / "clinic.vault"))


@settings(max_examples=40, deadline=None)
@given(st.lists(harms, min_size=1, max_size=12), st.booleans())
def test_whatever_happens_nothing_wrong_comes_out_and_nothing_is_passed_over(
    fresh: Copy, done: Sequence[Harm], mirrors: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = fresh(Path(folder))
        if not mirrors:
            drop_mirrors(archive.path)
        good = (archive.path / "VAULT.1").read_bytes()
        for harm in done:
            _happens(archive, harm)
        found = rescued(archive.path)
        if found.code != cli.Exit.FAILED:
            check(archive, found)
        else:
            assert not found.out.exists()
            assert all(path.read_bytes() != good for path in archive.path.rglob("*") if path.is_file())


def _happens(archive: Archive, harm: Harm) -> None:
    """Let a file come to harm, but not to one that nothing could tell of."""
    names = [name for name in vaults.tree(archive.path) if not name.endswith(KEPT)]
    path = archive.path / names[harm.file % len(names)]
    size = path.stat().st_size
    at = int(harm.where * size)
    length = min(int(harm.much * size) + 1, size - at)
    if path.suffix == ".vjrn":
        length = min(length, max(0, size - 700 - at))  # the end of the last journal leaves nothing behind to tell of it
    if not length:
        return
    match harm.how:
        case "flip":
            vaults.flip(path, at, 1 << harm.file % 8)
        case "zeros":
            overwrite(path, at, bytes(length))
        case "noise":
            overwrite(path, at, random.Random(harm.file).randbytes(length))
        case "cut" if path.suffix != ".vjrn":
            path.write_bytes(path.read_bytes()[:at])
        case "remove" if _is_told_of(archive, path):
            path.unlink()
        case "move":
            path.rename(path.with_name(f"moved-{len(names)}-{path.name}"))
        case "copy":
            shutil.copy(path, archive.path / f"copy-{len(names)}")


def _is_told_of(archive: Archive, path: Path) -> bool:
    """Return whether something would still tell of a file: the head of segments, small files have copies."""
    return path.suffix == ".part" or path.name.startswith(("head", "keyring", "VAULT")) or ".vkey." in path.name

"""Places that cannot be, or that nobody may look at, are refused with a coded error, which does not hold their path."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vaultfs
from tests.vaultfs.support import create, get, memory, put, read_only, reopen, session
from vaultfs.errors import VaultError
from vaultfs.migrate.export import Exporter
from vaultfs.migrate.sources import walk

SECRET = "Schmidt-1957"
NOBODY = 65534
BAD = {
    "half of a surrogate pair": SECRET + "\ud800",
    "a null character": SECRET + "\0",
    "a name that is too long": SECRET * 30,
    "a path that is too long": f"{SECRET}/" * 600,
}


def export(vault: Path, directory: str) -> None:
    """Export a vault."""
    with reopen(vault) as opened, session(opened) as s:
        Exporter(s, Path(directory)).run()


PLACES: dict[str, Callable[[Path, str], Any]] = {
    "a new vault": lambda _, bad: create(Path(bad)),
    "a vault": lambda _, bad: reopen(Path(bad)),
    "a vault to read": lambda _, bad: read_only(Path(bad)),
    "an index": lambda good, bad: reopen(good, index=bad),
    "an index below": lambda good, bad: reopen(good, index=f"{bad}/index"),
    "an access log": lambda good, bad: read_only(good, access_log=bad),
    "an epoch store": lambda good, bad: create(good.with_name("w"), epoch_stores=[vaultfs.DirectoryStore(Path(bad))]),
    "an export": export,
}


def said(error: BaseException | None) -> Iterator[str]:
    """Yield what an error and those behind it say."""
    while error is not None:
        yield f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bad", BAD)
def test_a_path_that_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, bad: str
) -> None:
    monkeypatch.chdir(tmp_path)
    good = tmp_path / "v"
    with create(good) as vault:
        record = put(vault)
    with pytest.raises(VaultError) as refused:
        PLACES[place](good, BAD[bad])
    assert not any(SECRET in text for text in said(refused.value))
    with reopen(good) as vault:
        assert get(vault, record) == b"data"


@pytest.fixture
def unsearchable() -> Iterator[Path]:
    """Return a directory that holds a vault and a source and that this process, root or not, may not look into."""
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        place = Path(name) / SECRET
        place.mkdir()
        create(place / "v").close()
        (place / "folder").mkdir()
        (place / "source.hl7").write_bytes(b"MSH|")
        place.chmod(0o400)
        os.chmod(name, 0o711)
        user = os.geteuid()
        if user == 0:
            os.chown(place, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield place
        finally:
            if user == 0:
                os.seteuid(user)
            place.chmod(0o700)


@pytest.mark.parametrize("use", [create, reopen, read_only])
def test_a_vault_that_nobody_may_look_at_is_refused(unsearchable: Path, use: Callable[[Path], Any]) -> None:
    with pytest.raises(VaultError) as refused:
        use(unsearchable / "v")
    assert not any(SECRET in text for text in said(refused.value))


def test_sources_that_nobody_may_look_at_are_counted(unsearchable: Path) -> None:
    assert walk([unsearchable]) == ([], 3 + 1)  # the vault, its epoch store, the folder and the file
    assert walk([unsearchable / "folder"]) == ([], 1)

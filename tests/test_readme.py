"""The custody steps of the README run as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.vaultfs_tools import vaults

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def test_the_custody_steps_run_as_they_are_written(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8").partition("three more steps")[2].partition("\n## ")[0]
    places, *steps = BLOCK.findall(text)
    assert len(steps) == 4
    for name in ("usb", "backup"):
        (tmp_path / name).mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    vaults.make(tmp_path / "my.vault")
    (tmp_path / "my.vault.passphrase").touch(0o600)
    (tmp_path / "my.vault.passphrase").write_bytes(vaults.SECRET)
    media = places.replace("/media/usb", f"{tmp_path}/usb").replace("/mnt/backup", f"{tmp_path}/backup")
    assert str(tmp_path) in media
    program = "\n".join(["set -eu", media, *steps])
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Custody of vault" in done.stdout
    assert "all equal" in done.stdout
    assert "the shares open the vault" in done.stdout
    assert sorted(shown_to_git(tmp_path)) == []


def shown_to_git(place: Path) -> set[str]:
    """Return what the steps have left in a directory or on its media that git would take where the checkout is that."""
    made = [path for folder in (place, place / "usb", place / "backup") for path in folder.iterdir()]
    names = {path.name + "/" * path.is_dir() for path in made} - {"usb/", "backup/"}
    assert {"my.shares/", "drill/", "my.copy/", "my.vault.epoch/", "my.vault.passphrase"} <= names
    asked = "\0".join(sorted(names))
    command = ["git", "check-ignore", "--no-index", "--stdin", "-z"]
    done = subprocess.run(command, input=asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return names - set(done.stdout.split("\0"))

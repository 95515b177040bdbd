"""par2: recovery files beside files, made, compared with and used by par2cmdline-turbo."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.peers.peer import Missing


class Par2:
    """Recovery files for some files, all in one folder.

    Parameters
    ----------
    files
        Names in the folder.

    Raises
    ------
    Missing
    """

    name = "par2"

    def __init__(self, folder: Path, files: Sequence[str]) -> None:
        found = shutil.which(self.name)
        if found is None:
            raise Missing(f"program {self.name}")
        self._found = found
        self._folder = folder
        self._files = files

    def create(self, *options: str) -> None:
        """Make the recovery files. The options say in how many blocks, and how many of them can be lost."""
        self._run("create", *options, "recovery", *self._files)

    def verify(self) -> None:
        """Compare every block with its checksum."""
        self._run("verify", "recovery.par2")

    def repair(self) -> None:
        """Make damaged files whole; par2 keeps the damaged ones beside them."""
        self._run("repair", "recovery.par2")

    def _run(self, what: str, *arguments: str) -> None:
        command = [self._found, what, "-q", "-q", *arguments]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True)

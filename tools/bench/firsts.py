"""What a user meets first: the import of the package, and the import job on the sample that comes with the project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.figures import WHO, Figure, Outcome, Setting, fresh_vault, percentile, scratch
from vaultfs.migrate.importer import Importer


def import_time(_: Setting) -> list[Outcome]:
    """Return the time of ``import vaultfs`` in a fresh interpreter, after one that compiled it."""
    program = "import time; t = time.perf_counter(); import vaultfs; print(time.perf_counter() - t)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program]
    taken = [float(subprocess.check_output(command, env=environment)) for _ in range(8)]
    return [Figure("import vaultfs", 1000 * percentile(taken[1:], 50), "ms", "≤ 100")]


def main_job(_: Setting) -> list[Outcome]:
    """Return the import job on the shipped sample; its own report counts settling, not verification."""
    exported = Path(__file__).parents[2] / "samples" / "legacy-export"
    with scratch() as place, fresh_vault(place / "vault") as vault, vault.session(WHO, "HSYSADMIN") as session:
        report = Importer(vault, session).run([exported])
    return [
        Figure("main job on the sample", report.stored / report.seconds, "records/s"),
        Figure("main job on the sample, source", report.bytes_in / 1e6 / report.seconds, "MB/s"),
        Figure("main job on the sample, source by stored", report.ratio, "to 1"),
    ]

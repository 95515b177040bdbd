"""``python -m vaultfs.testing.synthetic DIRECTORY``: write the sample export of invented patients."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vaultfs.testing.synthetic.sample import PATIENTS, SEED, write_sample


def main() -> None:
    """Parse the command line and write the sample."""
    parser = argparse.ArgumentParser(prog="python -m vaultfs.testing.synthetic", description=__doc__)
    parser.add_argument("directory", type=Path, help="where to write; made if it is missing")
    parser.add_argument("--seed", type=int, default=SEED, help="equal seeds give equal bytes (default: %(default)s)")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="how many, at least 10 (default: %(default)s)")
    chosen = parser.parse_args()
    count = write_sample(chosen.directory, chosen.seed, chosen.patients)
    sys.stdout.write(f"{count} files\n")


if __name__ == "__main__":
    main()

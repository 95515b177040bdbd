"""Write the vectors: `python -m vectors [--check]` in `tools`. With ``--check`` it fails where they differ on disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vectors.catalogue import content
from vectors.world import DRAWN, DRAWN_FILE

ROOT = Path(__file__).resolve().parents[2] / "formats" / "vectors"
BY_HAND = frozenset({".gitattributes", "README.md", "processes.json"})
"""What is written by people."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the files differ")
    check = parser.parse_args(arguments).check
    made = content()
    differing = differences(made)
    if check:
        for name in differing:
            print(f"differs: {name}")
        return int(bool(differing))
    for name in differing:
        path = ROOT / name
        if name in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made[name])
        else:
            path.unlink()
    DRAWN_FILE.write_bytes(DRAWN.encoded())
    print(f"{len(made)} files, {sum(map(len, made.values())):,} bytes, {len(differing)} of them new")
    return 0


def differences(made: dict[str, bytes]) -> list[str]:
    """Return the names of files that are missing, superfluous or other than `made` says."""
    stored = {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*") if path.is_file()}
    there = {name: path.read_bytes() for name, path in stored.items() if name not in BY_HAND}
    return sorted(name for name in there.keys() | made.keys() if there.get(name) != made.get(name))


if __name__ == "__main__":
    sys.exit(main())

"""Write the golden vaults: `python -m golden [--check]` in `tools`. With ``--check`` it fails where they differ."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from crash.places import memory

from golden import archives
from golden.facts import facts
from golden.scenarios import SCENARIOS, Scenario
from golden.site import DRAWN_FILE, Repeatable, Site

ROOT = Path(__file__).resolve().parents[2] / "formats" / "golden"
BY_HAND = frozenset({"README.md", ".gitattributes"})


class Unexpected(Exception):
    """A vault is not what its scenario says."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the files differ")
    check = parser.parse_args(arguments).check
    made, drawn = golden()
    differing = differences(made)
    if check:
        for name in differing:
            print(f"differs: {name}")
        return int(bool(differing))
    ROOT.mkdir(exist_ok=True)
    for name in differing:
        if name in made:
            (ROOT / name).write_bytes(made[name])
        else:
            (ROOT / name).unlink()
    DRAWN_FILE.write_bytes(drawn)
    print(f"{len(made)} files, {sum(map(len, made.values())):,} bytes, {len(differing)} of them new")
    return 0


def golden(scenarios: Sequence[Scenario] = SCENARIOS) -> tuple[dict[str, bytes], bytes]:
    """Return archives and manifests by their names, and what was drawn for them.

    Raises
    ------
    Unexpected
    """
    made, repeatable, everything = {}, Repeatable(), b""
    for scenario in scenarios:
        files, manifest = _made(scenario, repeatable)
        made[f"{scenario.name}.tar.xz"] = archives.pack(files)
        made[f"{scenario.name}.json"] = manifest
        everything += b"".join(data for data in files.values() if isinstance(data, bytes)) + manifest
    return made, repeatable.needed(everything)


def _made(scenario: Scenario, repeatable: Repeatable) -> tuple[archives.Content, bytes]:
    with TemporaryDirectory(dir=memory()) as place:
        site = Site(Path(place), scenario.suite)
        with repeatable(scenario.name):
            credentials = scenario.make(site).manifest()
        files = archives.content(site.result())
        found = facts(archives.pack(files), credentials)
    codes = {one["code"] for one in found["check"]["findings"]}
    if codes != scenario.findings:
        raise Unexpected(f"{scenario.name}: a check finds {sorted(codes)}, not {sorted(scenario.findings)}")
    manifest = {
        "comment": scenario.comment,
        "suite": scenario.suite,
        "opens": credentials,
        "files": {name: _stated(data) for name, data in sorted(files.items())},
        **found,
    }
    return files, (json.dumps(manifest, indent=1) + "\n").encode("ascii")


def _stated(data: bytes | str) -> object:
    """Return what the manifest states of a file or link."""
    return {"link": data} if isinstance(data, str) else [len(data), hashlib.sha256(data).hexdigest()]


def differences(made: dict[str, bytes]) -> list[str]:
    """Return the names of files that are missing, superfluous or other than `made` says.

    What an archive holds stands in its manifest: the bytes of xz are those of its library.
    """
    there = {path.name: path for path in ROOT.iterdir() if path.name not in BY_HAND} if ROOT.is_dir() else {}
    found = set(there.keys() ^ made.keys())
    found |= {name for name in there.keys() & made.keys() if there[name].read_bytes() != made[name]}
    stems = {name.partition(".")[0] for name in found if name.endswith(".json") or name not in there.keys() & made}
    return sorted(name for name in found if name.endswith(".json") or name.partition(".")[0] in stems)


if __name__ == "__main__":
    sys.exit(main())

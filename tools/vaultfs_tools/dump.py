"""vaultfs-dump: describe a file of a vault, or the directory of one, without keys."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vaultfs_format.errors import Unsupported

from vaultfs_tools import cli
from vaultfs_tools.keyless import VaultFiles
from vaultfs_tools.keyless.describe import Description, describe
from vaultfs_tools.keyless.litter import has_structure

PROG = "vaultfs-dump"
EPILOG = "Exit codes, added up: 0 well formed; 4 damage; 8 a format that is not known, or no such file; 16 wrong usage."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.Parser(PROG, "Describe a file of a vault, or a vault, without keys.", epilog=EPILOG)
    parser.add_argument("file", metavar="FILE", type=Path, help="VAULT, keyring, head, journal, segment ... or a vault")
    return cli.run(_dump, parser, argv)


def _dump(args: Namespace) -> int:
    place: Path = args.file
    if not place.is_dir():
        one = _described(VaultFiles(place.parent), place.name)
        cli.emit(args, _as_json(one), _as_text(one))
        return _exit_code([one])
    files = VaultFiles(place)
    found = {name: _described(files, name) for name in files.walk() if has_structure(name)}
    cli.emit(args, {"files": {name: _as_json(one) for name, one in found.items()}}, _listed(found))
    return _exit_code(found.values())


def _described(files: VaultFiles, name: str) -> Description:
    with files.open(name) as file:
        return describe(file)


def _exit_code(found: Iterable[Description]) -> int:
    errors = [problem.error for one in found for problem in one.problems]
    unknown = any(isinstance(error, Unsupported) for error in errors)
    damaged = any(not isinstance(error, Unsupported) for error in errors)
    return (cli.Exit.FAILED if unknown else 0) | (cli.Exit.DAMAGED if damaged else 0)


def _as_json(one: Description) -> dict[str, object]:
    return {
        "kind": one.kind,
        "size": one.size,
        "sections": [{"title": s.title, "offset": s.offset, "fields": s.fields} for s in one.sections],
        "errors": [{"offset": p.offset} | cli.described(p.error) for p in one.problems],
    }


def _as_text(one: Description) -> Iterator[str]:
    yield f"{one.kind}, {one.size:,} bytes"
    for section in one.sections:
        yield f"{section.title} at {section.offset}"
        width = max(map(len, section.fields))
        for name, value in section.fields.items():
            yield f"  {name:<{width}}  {value}"
    yield from _errors(one)


def _listed(found: Mapping[str, Description]) -> Iterator[str]:
    for name, one in found.items():
        titles = Counter(section.title for section in one.sections)
        yield f"{name}: {one.kind}, {one.size:,} bytes: " + ", ".join(f"{n:,} {title}" for title, n in titles.items())
        yield from _errors(one)


def _errors(one: Description) -> Iterator[str]:
    for problem in one.problems:
        yield f"error at {problem.offset}: {problem.error.message()}"

"""Write docs/errors.md from the error classes: what each code means, what to do, and what a host may catch."""

from __future__ import annotations

import argparse
import functools
import importlib
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import vaultfs_format
import vaultfs_tools
from vaultfs_format.errors import VaultError, registry

import vaultfs

CATALOGUE = Path(__file__).resolve().parents[1] / "docs" / "errors.md"

AREAS = {
    10: ("Every error", "The root of the tree: `except VaultError` catches all that VaultFS raises on purpose."),
    11: ("The format", "Bytes that are not what the format says, or that a newer program wrote."),
    12: ("Authenticity", "Bytes that are well formed, and were not written with the keys that were given."),
    20: ("The call", "What the host asked for cannot be asked for, or not in this way. Correct the program."),
    21: ("What is asked for", "The call is right; the answer is that it cannot be given."),
    22: ("The vault as a place", "Files, locks, secrets and the operating system."),
    23: ("Damage", "What the engine found that should not be; `vaultfs-fsck` tells it in detail."),
    25: ("The life of keys", "A key is in a state, or at an age, in which it is not used so."),
    26: ("The log", "What keeps the audit log from being pruned, or shown after it was."),
    50: ("Sources", "Why an import put a source, or a piece of one, into quarantine, or could not read it."),
    51: ("Destinations", "What keeps an export from being written in plain text where it should be."),
    90: ("The commands", "What keeps a command from its work before the vault is touched."),
    91: (
        "Findings of a check",
        "What `vaultfs-fsck` reports of the vault as a whole, beside the errors of the format.",
    ),
    92: ("Rescue", "What keeps `vaultfs-rescue` from its work, and why something is in its list of what is missing."),
    93: ("Backup", "What keeps `vaultfs-backup` from copying a vault, or from restoring a copy."),
}
"""The hundreds of the codes: a title, and what is in them."""

PREFACE = """\
# Errors

<!-- Made by tools/error_catalogue.py from the classes: change those, then run it. -->

Every error of VaultFS has a number that never changes, and a message without data: `VFS-2203: Another process or handle
writes to the vault.` Numbers, sizes and names of structures may follow in brackets; text of a patient, a path or a
passphrase never does, so that a message can be logged and mailed as it is.

- *Catch* lists the classes by which a host may catch it, most special first; beside VaultFS' own, those of Python.
- *Retry: yes* means that the same call may succeed when it is simply made again, at once or later. Everything else
  needs what *What to do* says first. In code: `error.code`, `error.facts`, `error.retryable`, `error.advice`.
- A *group* is there to be caught; what is raised is one of the errors in it.
- Commands print message and advice to standard error, or with `--json` all of it as one object, and end with 4 where
  it tells of damage and with 8 otherwise.
"""


@functools.cache
def load() -> None:
    """Import every module of the distribution, so that all errors are in the registry."""
    for package in (vaultfs_format, vaultfs, vaultfs_tools):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def defined() -> dict[int, type[VaultError]]:
    """Return every error of the distribution by its code; not those that a host or a test has added."""
    load()
    own = {package.__name__ for package in (vaultfs_format, vaultfs, vaultfs_tools)}
    return {code: error for code, error in registry().items() if error.__module__.partition(".")[0] in own}


def is_group(error: type[VaultError]) -> bool:
    """Return whether an error is there to be caught only: whether others derive from it."""
    return any(error in other.__bases__ for other in defined().values())


def meaning(error: type[VaultError]) -> str:
    """Return what an error says of itself."""
    return (error.__doc__ or "").partition("\n")[0]


def bases(error: type[VaultError]) -> Iterator[str]:
    """Yield the names by which an error can be caught, most special first."""
    for base in error.__mro__:
        if issubclass(base, Exception) and base is not Exception:
            module = "" if base.__module__ == "builtins" else f"{home(base).__name__}."
            yield f"`{module}{base.__name__}`"


def home(error: type[BaseException]) -> ModuleType:
    """Return the module from which a host imports an error."""
    public: ModuleType = importlib.import_module("vaultfs.errors")
    return public if getattr(public, error.__name__, None) is error else sys.modules[error.__module__]


def entry(error: type[VaultError]) -> Iterator[str]:
    """Yield the lines of one error."""
    yield f"### VFS-{error.code} {error.__name__}"
    yield ""
    yield meaning(error) + (" (A group.)" if is_group(error) else "")
    yield ""
    yield f"- What to do: {error.advice}"
    yield f"- Retry: {'yes' if error.retryable else 'no'}"
    yield f"- Catch: {', '.join(bases(error))}"
    yield ""


def catalogue() -> str:
    """Return the text of docs/errors.md.

    Raises
    ------
    KeyError
        A code is in a hundred that has no title.
    """
    lines, area = [PREFACE], 0
    for code, error in defined().items():
        if code // 100 != area:
            area = code // 100
            title, about = AREAS[area]
            lines += [f"## {area * 100}-{area * 100 + 99}: {title}", "", about, ""]
        lines += entry(error)
    return "\n".join(lines).rstrip("\n") + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where docs/errors.md differs")
    check = parser.parse_args(arguments).check
    made = catalogue()
    if check and (not CATALOGUE.exists() or CATALOGUE.read_text(encoding="utf-8") != made):
        print("docs/errors.md differs from the classes: run tools/error_catalogue.py")
        return 1
    if not check:
        CATALOGUE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

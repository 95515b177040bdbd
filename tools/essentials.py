"""README.txt of a vault, made of `essentials.txt` and of what the code says; `spec_tables.py` writes and checks it.

In the template `{layout: title}` is the fields of a layout with their sizes, `{label: NAME}` what a label has behind
what all have in common, `{limit: NAME}` a limit, and any other name in braces one of `facts`. Lines from ``%name`` to
``%end``, or to another ``%name``, are of the suite of that name. Lines that are not indented are filled.
"""

from __future__ import annotations

import hashlib
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from struct import Struct

from vaultfs_format import epoch, labels, limits
from vaultfs_format.compression import DICTIONARY
from vaultfs_format.entries import Role
from vaultfs_format.layout import Layout
from vaultfs_format.prefix import VERSION
from vaultfs_format.registry import MEDIA_TYPES, OWN, builtin_kinds
from vaultfs_format.segment import FOOTER_SIZE, SUPERBLOCK_SIZE
from vaultfs_format.suite import SUITES, Suite

TEMPLATE = Path(__file__).with_suffix(".txt")
PACKAGE = Path(__file__).resolve().parents[1] / "formats" / "vaultfs_format"
WIDTH = 79
MOST = 12_800
"""Bytes that the page should not exceed: somebody is to read all of it."""

_HANGING = " " * 5
_PLACE = re.compile(r"\{(?:(\w+): )?([\w :-]+)\}")
_COMMON = os.path.commonpath(value.decode() for value in vars(labels).values() if isinstance(value, bytes)) + "/"


def pages(spec: str, layouts: Mapping[str, Layout]) -> dict[Path, str]:
    """Return README.txt of every suite, by where the package keeps it.

    Parameters
    ----------
    spec
        The text of SPEC.md.

    Raises
    ------
    KeyError, AttributeError
        The template names what does not exist.
    ValueError
        A page is too long, or not plain ASCII.
    """
    template = TEMPLATE.read_text(encoding="ascii")
    return {PACKAGE / "readmes" / f"{s.name}.txt": _page(template, spec, layouts, s) for s in SUITES.values()}


def _page(template: str, spec: str, layouts: Mapping[str, Layout], suite: Suite) -> str:
    stated = facts(spec, suite)

    def made(place: re.Match[str]) -> str:
        kind, name = place[1], place[2]
        if kind == "layout":
            return ", ".join(f"{one.name} {Struct('<' + one.code).size}" for one in layouts[name].fields)
        if kind == "label":
            return f'"{getattr(labels, name).decode().removeprefix(_COMMON)}"'
        return str(getattr(limits, name)) if kind == "limit" else stated[name]

    lines = (_PLACE.sub(made, line) for line in _of_suite(template, suite.name))
    page = "\n".join(_filled(lines)) + "\n"
    if len(page) > MOST or not page.isascii():
        raise ValueError(f"README.txt of suite {suite.name} has {len(page)} characters, or some that are not ASCII")
    return page


def facts(spec: str, suite: Suite) -> dict[str, str]:
    """Return what the page states beside layouts, labels and limits."""
    dictionary = (files("vaultfs_format") / "dictionaries" / f"{DICTIONARY}.zdict").read_bytes()
    kinds = builtin_kinds()
    return {
        "version": str(VERSION),
        "suite": str(suite.id),
        "name": suite.name,
        "spec": hashlib.sha256(spec.encode()).hexdigest(),
        "label prefix": _COMMON,
        "dictionary": hashlib.sha256(dictionary).hexdigest(),
        "dictionary number": str(DICTIONARY),
        "segment signature": "Ed25519" if suite.id == 1 else "ECDSA P-256",
        "epoch bytes": str(epoch.FILE.size),
        "superblock bytes": str(SUPERBLOCK_SIZE),
        "footer bytes": str(FOOTER_SIZE),
        "passphrase type": str(suite.id),
        "roles": ", ".join(f"{role.value} {role.name}" for role in Role),
        "own kinds": str(kinds[OWN[0]]),
        "media types": ", ".join(MEDIA_TYPES),
    }


def _of_suite(template: str, name: str) -> Iterator[str]:
    """Yield the lines that are of a suite."""
    section = "end"
    for line in template.splitlines():
        if line.startswith("%"):
            section = line[1:]
        elif section in ("end", name):
            yield line


def _filled(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines of which those that are not indented are filled as paragraphs, and the others broken where long."""
    for indented, group in groupby(lines, lambda line: (line[:1] == " ", not line)):
        if any(indented):
            yield from (part for line in group for part in _wrapped(line) or [""])
        else:
            yield from _wrapped(" ".join(group))


def _wrapped(line: str) -> list[str]:
    indent = _HANGING if line.startswith(" ") else ""
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)

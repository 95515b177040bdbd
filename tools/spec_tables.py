"""Write the tables of SPEC.md from the code: `python tools/spec_tables.py [--check]` in a checkout.

A block between ``<!-- table: name -->`` and ``<!-- end -->`` is replaced by what the code says of `name`. Every layout
of the codecs must stand in SPEC.md once. README.txt of vaults is written, too: it states the digest of SPEC.md. With
``--check`` nothing is written, and the program fails where a file and the code differ.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import essentials
import vaultfs_format
from audit_calls import CALLS
from msgspec import inspect as types
from vaultfs_format import errors, labels, limits
from vaultfs_format.compression import DICTIONARY
from vaultfs_format.entries import FIELDS_OF, Role
from vaultfs_format.errors import Structure
from vaultfs_format.events.codec import CLASSES
from vaultfs_format.events.disclosures import Basis
from vaultfs_format.frame import ROLES_OF
from vaultfs_format.layout import Layout
from vaultfs_tools.keyless.errors import CheckError
from vaultfs_tools.keyless.findings import Severity, severity_of

from vaultfs import kinds

SPEC = Path(__file__).resolve().parents[1] / "SPEC.md"
COMMON = 2
"""Fields that every event has after its type: time and session."""

BLOCK = re.compile(r"(<!-- table: ([\w :-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = 118

RULES = {
    Structure.PREFIX: "PFX",
    Structure.SUPERBLOCK: "VLT",
    Structure.STANZA: "STZ",
    Structure.EPOCH_SECRET: "EPS",
    Structure.KEYRING: "KRG",
    Structure.FRAME: "FRM",
    Structure.ENTRIES: "ENT",
    Structure.DIRECTORY: "DIR",
    Structure.JOURNAL_HEADER: "JNL",
    Structure.JOURNAL_GROUP: "GRP",
    Structure.SEGMENT: "SEG",
    Structure.KEY_TABLE: "KTB",
    Structure.AUDIT_ENTRY: "AUD",
    Structure.HEAD: "HED",
    Structure.DICTIONARY: "CMP",
    Structure.SIGNER: "SGN",
    Structure.WITNESS: "WIT",
    Structure.ACT: "ACT",
    Structure.COPY: "CPY",
    Structure.REPORT: "RPT",
    Structure.NOTE: "NTE",
    Structure.CHECKPOINT: "CKP",
    Structure.TILE: "TIL",
    Structure.LOG_PROOF: "LPR",
    Structure.SUBJECT_PROOF: "SPR",
    Structure.LOG_BASE: "LGB",
    Structure.DISCLOSURE: "DSC",
    Structure.LOG_POLICY: "LPO",
    Structure.LOG_WITNESS: "LWI",
}
"""The letters of the rules that SPEC.md has for a structure."""


def layouts() -> dict[str, Layout]:
    """Return the layouts of all codecs by their titles."""
    found = {}
    for module in pkgutil.iter_modules(vaultfs_format.__path__):
        for value in vars(importlib.import_module(f"vaultfs_format.{module.name}")).values():
            if isinstance(value, Layout):
                found[value.title] = value
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def limits_table() -> str:
    """Return every limit that has a docstring, with its value."""
    body = ast.parse(Path(limits.__file__).read_text(encoding="utf-8")).body
    rows = []
    for item, following in pairwise(body):
        target = item.targets[0] if isinstance(item, ast.Assign) else None
        text = following.value if isinstance(following, ast.Expr) else None
        if isinstance(target, ast.Name) and isinstance(text, ast.Constant):
            rows.append((target.id, f"{getattr(limits, target.id):,}", str(text.value).replace("`", "")))
    return table(("limit", "value", "meaning"), rows)


def labels_table() -> str:
    """Return the derivation labels."""
    return table(("name", "label"), [(n, f"`{v.decode()}`") for n, v in vars(labels).items() if isinstance(v, bytes)])


def errors_table() -> str:
    """Return the errors of the codecs with their codes."""
    rows = [
        (code, error.__name__, (error.__doc__ or "").partition("\n")[0])
        for code, error in errors.registry().items()
        if error.__module__ == errors.__name__
    ]
    return table(("code", "error", "meaning"), rows)


def findings_table() -> str:
    """Return what only a check of the whole vault finds, with its severity."""
    rows = []
    for code, error in errors.registry().items():
        if error.__module__ == CheckError.__module__ and not error.__subclasses__():
            severity = severity_of(error())
            shown = "damage" if severity is Severity.ERROR else severity.name.lower()
            rows.append((code, error.__name__, shown, (error.__doc__ or "").partition("\n")[0]))
    return table(("code", "finding", "severity", "meaning"), rows)


def roles_table() -> str:
    """Return the fields and the frame classes of every role."""
    rows = []
    for role in Role:
        classes = ", ".join(c.name.lower() for c, roles in ROLES_OF.items() if role in roles)
        rows.append((int(role), role.name, classes, ", ".join(FIELDS_OF[role])))
    return table(("role", "name", "class of frame", "fields it has"), rows)


def dictionaries_table() -> str:
    """Return the built-in dictionaries with their digests."""
    rows = []
    for number in range(1, DICTIONARY + 1):
        data = (files("vaultfs_format") / "dictionaries" / f"{number}.zdict").read_bytes()
        rows.append((number, len(data), f"`{sha256(data).hexdigest()}`"))
    return table(("number", "bytes", "SHA-256"), rows)


_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"^(\w[\w, ]*)\n((?: +.*(?:\n|\Z))+)", re.MULTILINE)


def parameters(found: type) -> dict[str, str]:
    """Return the meaning of each field of a class, as it and those that it stands on document them."""
    told: dict[str, str] = {}
    for one in reversed(found.__mro__):
        for block in _PARAMETERS.findall(inspect.cleandoc(one.__dict__.get("__doc__") or "")):
            for listed, text in _PARAMETER.findall(block + "\n"):
                meaning = " ".join(text.split()).replace("`", "")
                told |= dict.fromkeys(listed.split(", "), meaning[:1].lower() + meaning[1:].rstrip("."))
    return told


def _shape(kind: types.Type) -> str:
    """Return what a field of an event is in MessagePack."""
    match kind:
        case types.UnionType():
            return f"{_shape(next(one for one in kind.types if not isinstance(one, types.NoneType)))}, or nil"
        case types.VarTupleType(item_type=item, max_length=most):
            return f"array of at most {most} times {_shape(item)}"
        case types.StructType():
            return f"array: {', '.join(f'{field.name} ({_shape(field.type)})' for field in kind.fields)}"
        case types.EnumType():
            return ", ".join(str(one.value) for one in kind.cls)
    return _scalar(kind)


def _scalar(kind: types.Type) -> str:
    match kind:
        case types.BytesType(min_length=least, max_length=most):
            return f"{most} bytes" if least == most else f"{least} to {most:,} bytes"
        case types.StrType(max_length=most):
            return f"text of 1 to {most:,} characters"
        case types.BoolType():
            return "boolean"
        case types.IntType(le=most):
            return "integer" if most is None else f"integer, at most {most:,}"
    raise ValueError(kind)


def events_table() -> str:
    """Return the types of audit events with the fields that each has after time and session."""
    rows: list[Sequence[object]] = []
    for number, found in CLASSES.items():
        told = parameters(found)
        rows.append((f"**{int(number)}**", f"**{number.name}**", "", (found.__doc__ or "").partition("\n")[0]))
        described = types.type_info(found)
        fields = described.fields if isinstance(described, types.StructType) else ()
        rows += [
            (position, field.name, _shape(field.type), told[field.name])
            for position, field in enumerate(fields[COMMON:], 1 + COMMON)
        ]
    return table(("position", "field", "type", "meaning"), rows)


def bases_table() -> str:
    """Return the grounds of disclosures."""
    rows = []
    for basis in Basis:
        shown = "is excepted" if basis.excepted else "may be suspended" if basis.suspendable else ""
        rows.append((int(basis), basis.name, basis.paragraph, shown))
    return table(("number", "ground", "45 CFR", "accounting"), rows)


def calls_table() -> str:
    """Return which events every call of a host leaves."""
    rows = []
    for name, row in CALLS.items():
        if row.internal:
            continue
        ends = ((row.done, "" if not row.each else "any number of "), (row.denied, ""), (row.failed, ""))
        cells = ["" if names is None else each + (", ".join(names) or "none") for names, each in ends]
        rows.append((name, *cells, row.why))
    return table(("call", "done", "denied", "failed", "remark"), rows)


def structures_table() -> str:
    """Return the letters of the rules of each structure."""
    return table(("structure", "rules"), [(structure.name.lower(), letters) for structure, letters in RULES.items()])


def names(first: int, listed: Sequence[str], prefix: str = "") -> str:
    """Return names that are numbered from `first` on, as wrapped text."""
    lines, line = [], f"{first} to {first + len(listed) - 1}:"
    for name in listed:
        word = f" {prefix}{name}"
        if len(line) + len(word) > WIDTH:
            lines.append(line)
            line = word.strip()
        else:
            line += word
    return "\n".join([*lines, line])


TABLES: dict[str, Callable[[], str]] = {
    "limits": limits_table,
    "labels": labels_table,
    "errors": errors_table,
    "findings": findings_table,
    "roles": roles_table,
    "dictionaries": dictionaries_table,
    "events": events_table,
    "bases": bases_table,
    "calls": calls_table,
    "structures": structures_table,
    "kinds: FHIR": lambda: names(1, kinds.FHIR),
    "kinds: HL7v2": lambda: names(1001, kinds.HL7V2, "hl7v2."),
    "kinds: own": lambda: names(30_001, kinds.OWN),
    "media types": lambda: names(1, kinds.MEDIA_TYPES),
}


def renewed(text: str) -> str:
    """Return the text of SPEC.md with all blocks made anew.

    Raises
    ------
    KeyError
        A block names what does not exist.
    ValueError
        A layout stands nowhere, or twice.
    """
    known = {title: layout.table for title, layout in layouts().items()}
    used = [name for _, name, _ in BLOCK.findall(text)]
    wrong = sorted(name for name in known.keys() | TABLES.keys() if used.count(name) != 1)
    if wrong:
        raise ValueError(f"not in SPEC.md exactly once: {', '.join(wrong)}")
    return BLOCK.sub(lambda match: f"{match[1]}{(known | TABLES)[match[2]]()}\n{match[3]}", text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where SPEC.md differs")
    check = parser.parse_args(arguments).check
    spec = renewed(SPEC.read_text(encoding="utf-8"))
    differing = False
    for path, text in {SPEC: spec, **essentials.pages(spec, layouts())}.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{path.name} differs from the code: run tools/spec_tables.py")
            differing = True
    return int(differing)


if __name__ == "__main__":
    sys.exit(main())

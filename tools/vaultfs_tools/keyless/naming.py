"""Which names the files of a vault may have. Any other name may hold data: it is never shown."""

from __future__ import annotations

import re

_ID = "[0-9a-f]{32}"
_RANGE = r"segments/main/(record|blob|control|audit|terminology)/(none|\d{4}-\d{4})"
_KNOWN = re.compile(
    rf"(copies/)?(head|copy|VAULT\.\d+|keyring\.\d+)|lock|README\.txt|\d+\.zdict|acts/{_ID}\.vact|journal/(reserve|{_ID}\.vacc)"
    rf"|(copies/)?journal/{_ID}\.vjrn|(copies/)?segments/main/blob/{_ID}\.part"
    rf"|(copies/)?{_RANGE}/{_ID}\.vseg|(copies/)?{_RANGE}/{_ID}\.vkey\.\d+|(copies/)?retired/{_ID}\.vkey\.\d+\.\d+"
)
_UNFINISHED = re.compile(
    rf"(copies/)?(head|copy|VAULT\.\d+|keyring\.\d+)(\.\d+)?\.tmp|(README\.txt|\d+\.zdict)(\.\d+)?\.tmp"
    rf"|(copies/)?journal/{_ID}(\.vjrn\.\d+)?\.tmp|acts/{_ID}\.vact\.\d+\.tmp"
    rf"|(copies/)?segments/main/blob/{_ID}(\.part\.\d+)?\.tmp"
    rf"|(copies/)?{_RANGE}/{_ID}((\.vkey\.\d+|\.vseg)(\.\d+)?)?\.tmp"
    rf"|(copies/)?retired/{_ID}\.vkey\.\d+\.\d+(\.\d+)?\.tmp"
)
_DIRECTORY = re.compile(
    rf"acts|copies|(copies/)?(journal|retired|segments(/main(/blob|/record|/control|/audit|/terminology)?)?|{_RANGE})"
)
_ALONE = re.compile(rf"{_ID}\.(vseg|vkey\.\d+|vjrn|vacc|vact|part)|index|\.")
_SEGMENT = re.compile(rf"{_RANGE}/({_ID})\.vseg")


def is_known(name: str) -> bool:
    """Return whether a file of this name is one of a vault, and finished."""
    return _KNOWN.fullmatch(name) is not None


def is_unfinished(name: str) -> bool:
    """Return whether an interrupted write has left a file of this name: it counts for nothing."""
    return _UNFINISHED.fullmatch(name) is not None


def segment_in(name: str) -> str:
    """Return the id of the segment that has this name, as digits; empty where none has."""
    found = _SEGMENT.fullmatch(name)
    return found[3] if found else ""


def shown(name: str) -> str:
    """Return a name that holds no data: the name itself, or the directory where something else lies."""
    if is_known(name) or is_unfinished(name) or _DIRECTORY.fullmatch(name) or _ALONE.fullmatch(name):
        return name
    return directory_of(name)


def directory_of(name: str) -> str:
    """Return the nearest directory above a file whose name follows the vault's pattern."""
    directory = name.rpartition("/")[0]
    while directory and not _DIRECTORY.fullmatch(directory):
        directory = directory.rpartition("/")[0]
    return directory or "."


def id_in(name: str) -> bytes:
    """Return the id of the segment or journal that a file is of or belongs to; empty for the others."""
    found = re.match(_ID, name.rpartition("/")[2])
    return bytes.fromhex(found[0]) if found else b""

"""The operations by name, and how what stands in a file becomes what they take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NewType, TypeVar, get_type_hints

from vaultfs_format.errors import Structure
from vaultfs_format.suite import Suite, suite_of

Facts = dict[str, Any]
"""What an operation finds: numbers, texts, bytes, lists and mappings of these."""

Operation = Callable[..., Facts]

Directory = NewType("Directory", dict[str, bytes])
"""The files of a vault by their names."""

EXACT = 1 << 53
"""From here on a number stands in the files as decimal text: many readers of JSON keep no more bits."""

OPERATIONS: dict[str, Operation] = {}

T = TypeVar("T", bound=Operation)


def operation(function: T) -> T:
    """Add a function to the operations, under its name with hyphens."""
    OPERATIONS[function.__name__.replace("_", "-")] = function
    return function


def suite_numbered(number: int | None) -> Suite:
    """Return the suite with a number: suite 1 where a vector gives none."""
    return suite_of(number or 1, Structure.PREFIX)


def parameters(name: str) -> dict[str, Any]:
    """Return the types of an operation's parameters; those that may be left out are ``T | None``."""
    function = OPERATIONS[name]
    hints = get_type_hints(function)
    return {one: hints[one] for one in inspect.signature(function).parameters}


def plain(value: Any) -> Any:
    """Return facts as they stand in a file: bytes as hexadecimal digits, numbers beyond `EXACT` as text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -EXACT < value < EXACT else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value

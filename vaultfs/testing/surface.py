"""The public callables of a package, and which of them a scenario has called."""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Self


def public_callables(package: str, *, leave_out: Sequence[str] = ()) -> dict[str, CodeType]:
    """Return what a host can call in a package: functions, constructors, methods and properties, by qualified name.

    Public is what a module that has no underscore defines or names in its ``__all__`` without one. What a class gets
    from a generator, as a dataclass its constructor, is left out; so are protocols, which have no code, and exceptions.

    Parameters
    ----------
    package
        Its name.
    leave_out
        Modules, with all below them, that are not public by themselves; what others name in ``__all__`` still is.
    """
    found: dict[str, CodeType] = {}
    for module in _modules(package, leave_out):
        for value in _public(module):
            if inspect.isclass(value):
                found.update(_of_class(value))
            else:
                found.update(_of_function(value))
    return found


def _modules(package: str, leave_out: Sequence[str]) -> Iterator[ModuleType]:
    top = importlib.import_module(package)
    yield top
    for one in pkgutil.walk_packages(top.__path__, f"{package}."):
        private = any(part.startswith("_") for part in one.name.split("."))
        if not private and not any(one.name == left or one.name.startswith(f"{left}.") for left in leave_out):
            yield importlib.import_module(one.name)


def _public(module: ModuleType) -> Iterator[Any]:
    listed = getattr(module, "__all__", None)
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if name in listed if listed is not None else own and not name.startswith("_"):
            yield value


def _of_class(kind: type) -> Iterator[tuple[str, CodeType]]:
    if getattr(kind, "_is_protocol", False) or issubclass(kind, BaseException):
        return
    for name, member in vars(kind).items():
        constructs = name in {"__init__", "__new__", "__post_init__"} and not issubclass(kind, Enum)
        if name.startswith("_") and not constructs:
            continue
        yield from _of_function(_plain(member))


def _plain(member: object) -> object:
    """Return the function behind what a class holds under a name."""
    match member:
        case staticmethod() | classmethod():
            return member.__func__
        case property():
            return member.fget
        case functools.cached_property():
            return member.func
    return member


def _of_function(value: object) -> Iterator[tuple[str, CodeType]]:
    function = inspect.unwrap(value) if callable(value) else value
    # What a generator of code has made stands in no file.
    if isinstance(function, FunctionType) and not function.__code__.co_filename.startswith("<"):
        yield f"{function.__module__}.{function.__qualname__}", function.__code__


def forget_caches(package: str) -> None:
    """Empty the caches of all functions of a package that are loaded, so that they are called and not remembered."""
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            for value in vars(module).values():
                clear = getattr(value, "cache_clear", None)
                if callable(clear) and getattr(value, "__module__", None) == name:
                    clear()


_CRASHES = sys.version_info < (3, 11, 7)
"""CPython 3.11.2 crashes if garbage is collected while a generator begins under a profile function; 3.11.7 does not."""


class Reach:
    """Notes which callables are called, in this thread and in those that are started meanwhile.

    Parameters
    ----------
    callables
        As `public_callables` returns them.
    returned
        Is given everything that they return.

    Attributes
    ----------
    reached
        Names of the callables that were called so far. A `Reach` may be entered more than once.
    """

    def __init__(
        self, callables: Mapping[str, CodeType], returned: Callable[[object], object] = lambda _: None
    ) -> None:
        # By identity: code of two files that reads the same, on lines of the same number, is equal.
        self._names = {id(code): name for name, code in callables.items()}
        self._callables = callables
        self.returned = returned
        self.reached: set[str] = set()
        self._before: tuple[Any, Any] = (None, None)
        self._paused = False

    @property
    def missing(self) -> list[str]:
        """Names of the callables that nothing has called."""
        return sorted(self._callables.keys() - self.reached)

    def __enter__(self) -> Self:
        self._before = sys.getprofile(), threading.getprofile()
        self._paused = _CRASHES and gc.isenabled()
        if self._paused:
            gc.disable()
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        own, started = self._before
        sys.setprofile(own)
        threading.setprofile(started)
        if self._paused:
            gc.enable()

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event not in {"call", "return"}:
            return
        name = self._names.get(id(frame.f_code))
        if name is None:
            return
        self.reached.add(name)
        if event == "return" and argument is not None:
            self.returned(argument)

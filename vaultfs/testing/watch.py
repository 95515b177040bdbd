"""A watch over everything that a scenario says while canaries are planted, and over the files that it leaves.

Under a watch every log record, warning, line of output, error and exception that nobody caught is taken down, and every
object of VaultFS that one of its public callables returns; at the end all of it is searched. Files are searched where
the scenario says, since only it knows which are meant to hold plain text: an export is.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import CodeType
from typing import Any, BinaryIO, Self, TextIO

from vaultfs.errors import VaultError
from vaultfs.testing.canary import Canaries, Leak
from vaultfs.testing.surface import Reach

_CONTAINERS = (list, tuple, set, frozenset)


class Watch:
    """Watches what is said while it is entered.

    Parameters
    ----------
    canaries
        What to look for.
    callables
        Whose calls to note, as `public_callables` returns them.

    Attributes
    ----------
    leaks
        What was found so far; complete once the watch has ended and all files were searched.
    codes
        Codes of all VaultFS errors that were made, those that were handled inside included.
    reach
        Which callables were called.
    """

    def __init__(self, canaries: Canaries, callables: Mapping[str, CodeType] | None = None) -> None:
        self.canaries = canaries
        self.leaks: list[Leak] = []
        self.codes: set[int] = set()
        self.reach = Reach(callables or {}, self._returned)
        self._errors: list[BaseException] = []
        self._records: list[logging.LogRecord] = []
        self._stack = ExitStack()

    # What a scenario calls.

    def said(self, *values: object) -> None:
        """Search what a host would see of values that it prints or logs; of text and bytes, these themselves."""
        for value in values:
            if isinstance(value, (str, bytes, bytearray, memoryview)):
                self._look("object", type(value).__name__, bytes(value) if not isinstance(value, str) else value)
            else:
                self._look("object", type(value).__name__, f"{value!r}\n{value!s}\n{value}")

    def error(self, error: BaseException) -> None:
        """Search an error and all that hangs on it, when the watch ends."""
        self._errors.append(error)

    @contextmanager
    def failing(self, *kinds: type[BaseException]) -> Iterator[None]:
        """Expect one of some errors, by default any of VaultFS, and search it.

        Raises
        ------
        AssertionError
            Nothing failed.
        """
        expected = kinds or (VaultError,)
        try:
            yield
        except expected as error:
            self.error(error)
        else:
            raise AssertionError("nothing failed")

    def command(self, main: Callable[[list[str]], int], *arguments: object) -> tuple[int, str, str]:
        """Run a command in this process; search what it prints, and return its exit code, output and error output."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = int(main([*map(str, arguments)]))
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 1
        for printed in (out, err):
            self._look("output", f"{main.__module__}.{main.__name__}", printed.getvalue())
        return code, out.getvalue(), err.getvalue()

    def files(self, *places: Path) -> int:
        """Search all files below some directories, and their names; return how many there were."""
        count, leaks = self.canaries.search(*places)
        self.leaks += leaks
        return count

    def assert_silent(self) -> None:
        """Check that nothing was found.

        Raises
        ------
        AssertionError
            It was; the message names where, and not what.
        """
        if self.leaks:
            shown = [f"{one.channel} {one.place}: canary {one.canary or '?'}, {one.form}" for one in self.leaks]
            raise AssertionError(f"{len(shown)} leaks:\n" + "\n".join(dict.fromkeys(shown)))

    # Looking and listening.

    def _look(self, channel: str, place: str, said: str | bytes) -> None:
        self.leaks += [Leak(channel, place, *one) for one in self.canaries.found(said)]

    def _returned(self, value: object) -> None:
        """Look at what VaultFS returns; text and bytes are what the host has asked for."""
        values = value if isinstance(value, _CONTAINERS) else (value,)
        self.said(*(one for one in values if type(one).__module__.partition(".")[0] == "vaultfs"))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_warnings(self._look))
            stack.enter_context(_output(self._look))
            stack.enter_context(_records(self._records))
            stack.enter_context(_uncaught(self.error))
            stack.enter_context(_made(self._made))
            stack.enter_context(self.reach)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stack.close()
        if error is not None:
            self.error(error)
        for record in self._records:
            self._look("log", record.name, said_by_record(record))
        seen: set[int] = set()
        for one in self._errors:
            for said in said_by_error(one, seen):
                self._look("exception", type(one).__name__, said)
        self._errors.clear()
        self._records.clear()

    def _made(self, error: VaultError) -> None:
        self.codes.add(error.code)
        self._errors.append(error)


def said_by_record(record: logging.LogRecord) -> str:
    """Return all that a log record holds: its message, its arguments, its exception, and what was added to it."""
    said = [record.getMessage(), repr(record.args), repr(vars(record))]
    if record.exc_info and record.exc_info[1] is not None:
        said += said_by_error(record.exc_info[1], set())
    return "\n".join(said)


def said_by_error(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """Yield all that an exception says: rendered, its arguments and attributes, and so on for all that hang on it.

    Parameters
    ----------
    seen
        Identities of exceptions that are left out; those that were looked at are added.
    """
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield "".join(traceback.format_exception(error))
    yield f"{error!r}\n{error!s}\n{error.args!r}\n{getattr(error, '__notes__', '')!r}"
    for name in dir(error):
        if not name.startswith("__"):
            value = getattr(error, name, None)
            if not callable(value):
                yield f"{value!r}\n{value!s}"
    # What `raise ... from None` hides is not shown, and still there for whoever looks.
    following = [error.__cause__, error.__context__]
    if isinstance(error, BaseExceptionGroup):
        following += error.exceptions
    for one in following:
        yield from said_by_error(one, seen)


# Channels. ---------------------------------------------------------------------------------------------------------

Look = Callable[[str, str, str], None]


@contextmanager
def _records(records: list[logging.LogRecord]) -> Iterator[None]:
    """Take down every record of every logger, whatever its level and handlers."""
    plain, disabled = logging.getLogRecordFactory(), logging.root.manager.disable
    loggers = [
        logging.root,
        *(one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)),
    ]
    levels = [(logger, logger.level, logger.disabled) for logger in loggers]

    def make(*args: Any, **more: Any) -> logging.LogRecord:
        record = plain(*args, **more)
        records.append(record)
        return record

    logging.setLogRecordFactory(make)
    logging.disable(logging.NOTSET)
    for logger in loggers:
        logger.setLevel(1)
        logger.disabled = False
    try:
        yield
    finally:
        logging.setLogRecordFactory(plain)
        logging.disable(disabled)
        for logger, level, off in levels:
            logger.setLevel(level)
            logger.disabled = off


@contextmanager
def _warnings(look: Look) -> Iterator[None]:
    """Take down every warning; those that were given are given again afterwards."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        look("warning", one.category.__name__, f"{one.message!r}\n{one.message!s}\n{one.filename}")
    for one in caught:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno, source=one.source)


class _Tee(io.TextIOBase):
    """Text output that is kept and passed on."""

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self.kept: list[str] = []

    def write(self, text: str) -> int:
        self.kept.append(text)
        return self._target.write(text)

    def flush(self) -> None:
        self._target.flush()

    def fileno(self) -> int:
        return self._target.fileno()

    def isatty(self) -> bool:
        return self._target.isatty()


@contextmanager
def _output(look: Look) -> Iterator[None]:
    """Take down standard output and error: what Python writes, and what anything else in or below the process does."""
    out, err = _Tee(sys.stdout), _Tee(sys.stderr)
    with ExitStack() as stack:
        kept = [stack.enter_context(_descriptor(number)) for number in (1, 2)]
        with redirect_stdout(out), redirect_stderr(err):
            yield
        out.flush()
        err.flush()
        for name, tee, file in (("stdout", out, kept[0]), ("stderr", err, kept[1])):
            look("output", name, "".join(tee.kept))
            file.seek(0)
            look("output", f"{name} of the process", file.read().decode("utf-8", "surrogateescape"))


@contextmanager
def _descriptor(number: int) -> Iterator[BinaryIO]:
    """Send what is written to a file descriptor to a file, and afterwards to where it should have gone."""
    saved = os.dup(number)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), number)
        try:
            yield file
        finally:
            os.dup2(saved, number)
            file.seek(0)
            while data := file.read(1 << 16):
                os.write(saved, data)
            os.close(saved)


@contextmanager
def _uncaught(note: Callable[[BaseException], None]) -> Iterator[None]:
    """Take down exceptions that end a thread, and those that cannot be raised."""
    threads, others = threading.excepthook, sys.unraisablehook

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            note(args.exc_value)
        threads(args)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        if args.exc_value is not None:
            note(args.exc_value)
        others(args)

    threading.excepthook, sys.unraisablehook = in_thread, unraisable
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = threads, others


@contextmanager
def _made(note: Callable[[VaultError], None]) -> Iterator[None]:
    """Take down every error of VaultFS that is made, whether anybody ever sees it or not."""
    plain = VaultError.__init__

    def noting(self: VaultError, **facts: Any) -> None:
        plain(self, **facts)
        note(self)

    VaultError.__init__ = noting  # type: ignore[method-assign] # there is no other place that sees them all
    try:
        yield
    finally:
        VaultError.__init__ = plain  # type: ignore[method-assign]

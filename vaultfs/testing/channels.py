"""The ways in which a program says something, and how each is listened to. What `Watch` is made of."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, BinaryIO, TextIO

from vaultfs.errors import VaultError

Look = Callable[[str, str, str], None]
"""Takes a channel, a place in it, and what was said there."""


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


@contextmanager
def records(taken: list[logging.LogRecord]) -> Iterator[None]:
    """Take down every record of every logger, whatever its level and handlers."""
    plain, disabled = logging.getLogRecordFactory(), logging.root.manager.disable
    loggers = [
        logging.root,
        *(one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)),
    ]
    levels = [(logger, logger.level, logger.disabled) for logger in loggers]

    def make(*args: Any, **more: Any) -> logging.LogRecord:
        record = plain(*args, **more)
        taken.append(record)
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
def warned(look: Look) -> Iterator[None]:
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
def printed(look: Look) -> Iterator[None]:
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
def uncaught(note: Callable[[BaseException], None]) -> Iterator[None]:
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
def errors(note: Callable[[VaultError], None]) -> Iterator[None]:
    """Take down every error of VaultFS that is made, whether anybody ever sees it or not."""
    plain = VaultError.__init__

    def noting(self: VaultError, **facts: Any) -> None:
        plain(self, **facts)
        note(self)

    VaultError.__init__ = noting  # type: ignore[method-assign] # there is no other place that sees them all
    try:
        yield
    finally:
        VaultError.__init__ = plain  # type: ignore[method-assign] # and back

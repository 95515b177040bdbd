"""A watch over everything that a scenario says while canaries are planted, and over the files that it leaves.

Under a watch every log record, warning, line of output, error and exception that nobody caught is taken down, and every
object of VaultFS that one of its public callables returns; at the end all of it is searched. Files are searched where
the scenario says, since only it knows which are meant to hold plain text: an export is.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import CodeType
from typing import Self

from vaultfs.errors import VaultError
from vaultfs.testing import channels
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
            stack.enter_context(channels.warned(self._look))
            stack.enter_context(channels.printed(self._look))
            stack.enter_context(channels.records(self._records))
            stack.enter_context(channels.uncaught(self.error))
            stack.enter_context(channels.errors(self._made))
            stack.enter_context(self.reach)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stack.close()
        if error is not None:
            self.error(error)
        for record in self._records:
            self._look("log", record.name, channels.said_by_record(record))
        seen: set[int] = set()
        for one in self._errors:
            for said in channels.said_by_error(one, seen):
                self._look("exception", type(one).__name__, said)
        self._errors.clear()
        self._records.clear()

    def _made(self, error: VaultError) -> None:
        self.codes.add(error.code)
        self._errors.append(error)

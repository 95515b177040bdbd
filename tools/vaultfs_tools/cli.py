"""What the commands share: arguments, secrets, exit codes, errors without data, JSON or text, progress.

Standard library and format only. One set of exit codes for all commands, after e2fsck(8): `Exit`.
"""

from __future__ import annotations

import argparse
import getpass
import json
import math
import os
import pwd
import stat
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, IntEnum
from types import TracebackType
from typing import NoReturn, Self, TextIO

from vaultfs_format.errors import Fact, FileId, FormatError, NotAuthentic, VaultError
from vaultfs_format.secret import Secret
from vaultfs_format.undumpable import undumpable

MAX_PASSPHRASE = 4096
"""Largest passphrase file in bytes."""

MEGABYTE = 1_000_000

PURPOSE = "HSYSADMIN"
"""HL7 v3 PurposeOfUse (code system v3-ActReason) of operators, below HOPERAT: health system administration."""

_DAMAGE = frozenset({2301, 2302})
"""Codes of the engine that tell of damage: vault, index. The format's are told by their class."""


class Exit(IntEnum):
    """How a command ends. Bits 1, 4, 8 and 16 as in e2fsck(8)."""

    DONE = 0
    """Everything was done; nothing is wrong."""
    ATTENTION = 1
    """Done, and the report tells of something: damage that was corrected, sources that were quarantined."""
    DAMAGED = 4
    """Damage that was not corrected."""
    FAILED = 8
    """The command could not do its work: no vault, writer busy, wrong passphrase, unsupported format, full disk."""
    USAGE = 16
    """The arguments are not understood."""
    INTERRUPTED = 130
    """Interrupted at the terminal."""
    PIPE = 141
    """Whoever read the output has stopped reading."""


# 9000-9099: the commands. ------------------------------------------------------------------------------------------


class PassphraseExposed(VaultError):
    """The passphrase file can be read by others than its owner."""

    code = 9001
    advice = "Take the permissions of group and others away (chmod 600)."


class PassphraseNotRegular(VaultError):
    """The passphrase file is not a regular file."""

    code = 9002
    advice = "Use --passphrase-fd for pipes."


class PassphraseTooLarge(VaultError):
    """The passphrase is larger than 4 KiB."""

    code = 9003
    advice = "Check that the file is the passphrase's: no passphrase that a vault takes is that long."


class PassphraseUnreadable(VaultError, OSError):
    """The passphrase cannot be read."""

    code = 9004
    advice = "Check that it exists, or that the descriptor is open, and may be read by this account."


class PassphraseMissing(VaultError):
    """A passphrase is needed, and none was given."""

    code = 9005
    advice = "Use --passphrase-file, --passphrase-fd, or a terminal."


class SystemFailed(VaultError, OSError):
    """The operating system refused something."""

    code = 9010
    advice = "Look up the errno; check permissions, limits and free space where the command reads and writes."


class InternalError(VaultError):
    """The program has a fault; what it says is withheld, because it may hold data."""

    code = 9011
    advice = "Report the code and the place."


# Arguments. --------------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser with the exit code of usage errors, which never shows a value that it does not know."""

    def __init__(self, prog: str, description: str, *, epilog: str = "") -> None:
        super().__init__(prog=prog, description=description, epilog=epilog or None, allow_abbrev=False)
        self.add_argument("--json", action="store_true", help="print one JSON object instead of text")

    def parse_args(  # type: ignore[override] # the namespace is always ours
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return the arguments; of unknown ones only the names of options are told: a value may be a secret."""
        # Intermixed: options may stand between the vault and its sources.
        found, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            options = [word.partition("=")[0] for word in unknown if word.startswith("--")]
            self.error("not understood: " + (" ".join(options) or f"{len(unknown)} arguments"))
        return found

    def error(self, message: str) -> NoReturn:
        """End the program with the usage."""
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")


def add_passphrase_options(parser: argparse.ArgumentParser) -> None:
    """Add the ways to give a passphrase. Never an argument or the environment: both can be seen by others."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--passphrase-file", metavar="FILE", help="file with the passphrase, readable by you alone")
    group.add_argument(
        "--passphrase-fd", metavar="N", type=int, help="open file descriptor to read the passphrase from"
    )


def read_passphrase(args: argparse.Namespace, *, prompt: bool = True) -> Secret | None:
    """Return the passphrase as `add_passphrase_options` lets it be given, without line ends at its end.

    Parameters
    ----------
    prompt
        Whether to ask on the terminal, where standard input is one, if nothing was given.

    Returns
    -------
    Secret or None
        None where nothing was given and nobody could be asked.

    Raises
    ------
    PassphraseExposed, PassphraseNotRegular, PassphraseTooLarge, PassphraseUnreadable
    """
    if args.passphrase_file is not None:
        return secret_of_file(args.passphrase_file)
    if args.passphrase_fd is not None:
        return _passphrase_of(args.passphrase_fd)
    if prompt and sys.stdin.isatty():
        try:
            typed = getpass.getpass("Passphrase: ")
        except EOFError:
            return None
        return Secret(typed.encode(errors="surrogateescape")) or None
    return None


def need_passphrase(args: argparse.Namespace) -> Secret:
    """Return the passphrase, as `read_passphrase` does.

    Raises
    ------
    PassphraseMissing
    """
    passphrase = read_passphrase(args)
    if passphrase is None:
        raise PassphraseMissing
    return passphrase


def secret_of_file(path: str) -> Secret:
    """Return what is in a file that the caller alone may read, without line ends at its end.

    Raises
    ------
    PassphraseExposed, PassphraseNotRegular, PassphraseTooLarge, PassphraseUnreadable
    """
    try:
        # Not blocking: opening a FIFO that nobody writes to would hang before it can be refused.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        error.filename = None  # it stays reachable as the context of the coded error
        raise PassphraseUnreadable(errno=error.errno) from None
    about = os.fstat(descriptor)
    try:
        if not stat.S_ISREG(about.st_mode):
            raise PassphraseNotRegular
        if about.st_mode & 0o077:
            raise PassphraseExposed(mode=stat.S_IMODE(about.st_mode))
    except VaultError:
        os.close(descriptor)
        raise
    return _passphrase_of(descriptor)


def _passphrase_of(descriptor: int) -> Secret:
    data, length = Secret(MAX_PASSPHRASE + 1), 0
    room = memoryview(data)
    try:
        with open(descriptor, "rb", buffering=0) as file:
            while length <= MAX_PASSPHRASE and (count := file.readinto(room[length:])):
                length += count
    except (OSError, ValueError) as error:
        raise PassphraseUnreadable(errno=error.errno if isinstance(error, OSError) else None) from None
    if length > MAX_PASSPHRASE:
        raise PassphraseTooLarge(limit=MAX_PASSPHRASE)
    while length and data[length - 1] in b"\r\n":
        length -= 1
    return Secret(room[:length])


def add_who_options(parser: argparse.ArgumentParser) -> None:
    """Add who acts and why, which the audit log records: ``args.who`` and ``args.purpose``."""
    parser.add_argument(
        "--as", dest="who", metavar="WHO", default=account(), help="who acts, for the audit log; default: your account"
    )
    parser.add_argument(
        "--purpose",
        metavar="CODE",
        default=PURPOSE,
        help=f"purpose of use, a code of HL7 v3 PurposeOfUse; default: {PURPOSE} (health system administration)",
    )


def add_rate_option(parser: argparse.ArgumentParser) -> None:
    """Add how much is read at most: ``args.rate``, in bytes a second, None where nothing was given."""
    parser.add_argument("--rate", type=_rate, metavar="MB", help="megabytes a second that are read at most")


def _rate(text: str) -> float:
    try:
        rate = float(text) * MEGABYTE
    except ValueError:
        rate = 0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError("a number greater than 0")
    return rate


def account() -> str:
    """Return the name of the account that runs the program, or its number where it has no name."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid-{number}"


# Running. ----------------------------------------------------------------------------------------------------------


def words(argv: Sequence[str] | None) -> list[str]:
    """Return the arguments after the program's name, for a command that looks at them before they are parsed.

    Parameters
    ----------
    argv
        As of `run`.
    """
    if argv is None:
        undumpable()
        return sys.argv[1:]
    return list(argv)


def run(body: Callable[[argparse.Namespace], int], parser: Parser, argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, run the command, and return its exit code. Errors are shown as codes, never as tracebacks.

    Parameters
    ----------
    body
        Does the work and returns an `Exit`, or raises `VaultError`.
    argv
        The arguments after the program's name; by default those of the process, which is then the command's own, and
        made undumpable.
    """
    args = parser.parse_args(words(argv))
    try:
        code = body(args)
        sys.stdout.flush()
    except VaultError as error:
        show_error(parser.prog, error, as_json=args.json)
        return exit_code(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # What is still buffered would fail again when the interpreter flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.PIPE
    except OSError as error:
        show_error(parser.prog, SystemFailed(errno=error.errno), as_json=args.json)
        return Exit.FAILED
    except Exception as error:  # noqa: BLE001 - whatever it says may hold data: only its kind and place are shown
        show_error(parser.prog, InternalError(), as_json=args.json, place=_place(error))
        return Exit.FAILED
    return code


def exit_code(error: VaultError) -> Exit:
    """Return the exit code for an error: damage, or anything else that keeps a command from its work."""
    damage = isinstance(error, (FormatError, NotAuthentic)) or error.code in _DAMAGE
    return Exit.DAMAGED if damage else Exit.FAILED


def described(error: VaultError) -> dict[str, object]:
    """Return an error as the JSON object in which every command shows it."""
    return {
        "code": error.code,
        "name": type(error).__name__,
        "message": error.message(),
        "facts": {name: _fact(value) for name, value in error.facts.items()},
        "retryable": error.retryable,
        "advice": error.advice,
    }


def _fact(value: Fact) -> object:
    if isinstance(value, FileId):
        return str(value)
    return _plain(value) if isinstance(value, Enum) else value


def show_error(prog: str, error: VaultError, *, as_json: bool, place: str = "") -> None:
    """Print an error to standard error."""
    if as_json:
        shown = {"error": described(error) | ({"place": place} if place else {})}
        print(json.dumps(shown), file=sys.stderr)
        return
    print(f"{prog}: {error.message()}" + (f" [{place}]" if place else ""), file=sys.stderr)
    if error.advice:
        print(f"{prog}: {error.advice}", file=sys.stderr)


def emit(args: argparse.Namespace, report: Mapping[str, object], text: Iterable[str]) -> None:
    """Print a command's result: `report` as one JSON object where ``--json`` was given, else the lines of `text`.

    What others have named may stand in a line: it is printed so that it makes no other line, nor moves the terminal.
    """
    if args.json:
        print(json.dumps(report, default=_plain))
        return
    for line in text:
        print(printable(line))


def printable(text: str) -> str:
    """Return a text with escapes, as Python writes them, for the characters that are not printed as themselves."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _plain(value: object) -> str:
    """Return ids as hexadecimal digits and enum members as their names in lower case."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return value.hex()
    if isinstance(value, Enum):
        return value.name.lower()
    raise TypeError


def _place(error: BaseException) -> str:
    """Return the kind of an exception and the line of code that raised it: neither holds data."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        place = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"


# Progress. ---------------------------------------------------------------------------------------------------------

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_WIDTH = 24
_INTERVAL = 0.1


def size_text(count: float) -> str:
    """Return a number of bytes for people: ``1.5 MiB``."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


class Progress:
    """A line on a terminal that shows how far the work is; silent anywhere else.

    Parameters
    ----------
    total
        Bytes that are to be done; 0: not known.
    stream
        Where to draw; by default standard error.
    clock
        Seconds, for the rate.
    """

    def __init__(
        self, total: int = 0, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.done = 0
        self._stream = stream or sys.stderr
        self._clock = clock
        self._visible = self._stream.isatty()
        self._began = clock()
        self._drawn = self._began
        self._length = 0

    def advance(self, count: int) -> None:
        """Count `count` bytes more as done. Cheap: the line is drawn ten times a second at most."""
        self.done += count
        if self._visible and (now := self._clock()) - self._drawn >= _INTERVAL:
            self._drawn = now
            self._draw(now)

    def close(self) -> None:
        """Take the line away."""
        if self._length:
            self._stream.write("\r" + " " * self._length + "\r")
            self._stream.flush()
            self._length = 0

    def _draw(self, now: float) -> None:
        rate = size_text(self.done / max(now - self._began, 1e-9)) + "/s"
        line = f"{size_text(self.done)}  {rate}"
        if self.total:
            share = min(self.done / self.total, 1.0)
            bar = "#" * round(share * _WIDTH)
            line = f"[{bar:<{_WIDTH}}] {share:4.0%}  {size_text(self.done)} of {size_text(self.total)}  {rate}"
        self._stream.write("\r" + line.ljust(self._length))
        self._stream.flush()
        self._length = max(self._length, len(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

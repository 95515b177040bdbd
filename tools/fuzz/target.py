"""What a target is: a parser with its contract, and where to begin looking for bytes that break it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from vaultfs_format.errors import FormatError, NotAuthentic, Unsupported, VaultError

CODED: tuple[type[VaultError], ...] = (FormatError, Unsupported)
"""What whoever reads bytes without keys may be told of them."""

KEYED: tuple[type[VaultError], ...] = (*CODED, NotAuthentic)
"""What whoever has keys may be told."""


class LawBroken(AssertionError):
    """A parser took bytes in, and what it made of them is wrong."""


def must(condition: bool, law: str) -> None:
    """Raise `LawBroken` unless `condition` holds."""
    if not condition:
        raise LawBroken(law)


@contextmanager
def allowed(*errors: type[VaultError]) -> Iterator[None]:
    """Go on where one of `errors`, or of `KEYED` if none is named, is raised inside."""
    with suppress(*(errors or KEYED)):
        yield


def unchanged(data: bytes) -> bytes:
    """Return what has no digest to be made to fit."""
    return data


@dataclass(frozen=True, slots=True)
class Target:
    """A parser under test.

    Parameters
    ----------
    name
        What the command and the directories of findings call it.
    check
        Takes any bytes; raises one of `errors`, returns, or has found something.
    seeds
        Returns legal inputs, and some that are nearly so.
    errors
        Errors that `check` may end with.
    forge
        Makes the unkeyed digests of a changed input fit again, as somebody without keys could.
    words
        What the input is made of, for the mutator to put in.
    longest
        Most bytes of an input.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    errors: tuple[type[VaultError], ...] = CODED
    forge: Callable[[bytes], bytes] = unchanged
    words: Sequence[bytes] = ()
    longest: int = 8192

    def __str__(self) -> str:
        return self.name

    def __call__(self, data: bytes) -> None:
        """Hand `data` to the parser.

        Raises
        ------
        LawBroken
            It was taken in, and a law does not hold.
        Exception
            Whatever else is not in the contract.
        """
        with suppress(*self.errors):
            self.check(data)

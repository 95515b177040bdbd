"""Journals and open blob segments in their two copies: what one of them lacks the other may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Generic, NamedTuple, TypeVar

from vaultfs_format.errors import Unsupported, VaultError
from vaultfs_format.group import GROUP, Group, decode_group, group_sizes
from vaultfs_format.journal import HEADER_SIZE, JournalHeader
from vaultfs_format.suite import Suite

from vaultfs_tools.keyless.files import Reader, VaultFiles, copy_name
from vaultfs_tools.keyless.findings import FileMissing

T = TypeVar("T")

Check = Callable[[Group], object]


class Found(NamedTuple, Generic[T]):
    """A header or group.

    Parameters
    ----------
    reason
        Why the file is not good here; None where it is.
    in_mirror
        Whether the mirror has these bytes.
    """

    value: T
    data: bytes
    reason: VaultError | None
    in_mirror: bool


class Pair(NamedTuple):
    """A file and its mirror, either of which may be missing, but not both."""

    file: Reader | None
    mirror: Reader | None = None

    @property
    def main(self) -> Reader:
        """The file, or else its mirror."""
        found = self.file or self.mirror
        if found is None:
            raise FileMissing
        return found

    def header(self) -> Found[JournalHeader]:
        """Return the header of a journal from whichever copy is good. Raises as `_first_good` does."""

        def decoded(reader: Reader) -> tuple[JournalHeader, bytes]:
            data = reader.read(0, min(HEADER_SIZE, reader.size))
            return JournalHeader.decode(data), data

        return self._first_good(0, decoded)

    def group(self, suite: Suite, offset: int, number: int, chain: bytes, check: Check) -> Found[Group]:
        """Return a group of a journal from whichever copy is good. Raises as `_first_good` does."""

        def decoded(reader: Reader) -> tuple[Group, bytes]:
            data = reader.read(offset, group_sizes(reader.read(offset, GROUP.size)).total)
            group = decode_group(suite, data, 0, number, chain)
            check(group)
            return group, data

        return self._first_good(offset, decoded)

    def _first_good(self, offset: int, act: Callable[[Reader], tuple[T, bytes]]) -> Found[T]:
        """Return what `act` makes of the file, or else of its mirror.

        Raises
        ------
        FormatError, Unsupported, FileUnreadable
            What is wrong with the file, where neither is good.
        """
        reason: VaultError = FileMissing()
        try:
            if self.file is not None:
                value, data = act(self.file)
                return Found(value, data, None, _has(self.mirror, data, offset))
        except Unsupported:
            raise  # whatever the mirror is, this program must not go on from it
        except VaultError as error:
            reason = error
        if self.mirror is not None:
            with suppress(VaultError):
                value, data = act(self.mirror)
                return Found(value, data, reason, in_mirror=True)
        raise reason

    @property
    def size(self) -> int:
        """Bytes of the longer one."""
        return max(reader.size for reader in self if reader is not None)


def _has(reader: Reader | None, data: bytes, offset: int) -> bool:
    try:
        return reader is not None and reader.read(offset, len(data)) == data
    except VaultError:
        return False


@contextmanager
def opened(files: VaultFiles, name: str) -> Iterator[Pair]:
    """Open a file and its mirror.

    Raises
    ------
    FileMissing, NotRegular, FileUnreadable
        Neither can be opened.
    """
    with ExitStack() as stack:
        found: list[Reader | None] = []
        failures: list[VaultError] = []
        for place in (name, copy_name(name)):
            try:
                found.append(stack.enter_context(files.open(place)))
            except VaultError as error:
                failures.append(error)
                found.append(None)
        if len(failures) == len(found):
            raise failures[0]
        yield Pair(*found)

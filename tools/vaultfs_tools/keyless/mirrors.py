"""Journals and open blob segments in their two copies: what one of them lacks the other may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Generic, NamedTuple, TypeVar

from vaultfs_format.errors import DigestMismatch, Structure, Unsupported, VaultError
from vaultfs_format.group import GROUP, Group, decode_group, group_sizes
from vaultfs_format.journal import HEADER_SIZE, JournalHeader
from vaultfs_format.suite import Suite

from vaultfs_tools.keyless.errors import FileMissing
from vaultfs_tools.keyless.files import Reader, VaultFiles, copy_name

T = TypeVar("T")

Check = Callable[[Group], object]


class Found(NamedTuple, Generic[T]):
    """A header or group.

    Parameters
    ----------
    reason
        Why the file is not good here; None where it is.
    mirrored
        Whether the mirror is good here, too.
    differs
        Whether both are, and differ: only the keys tell which is right.
    """

    value: T
    data: bytes
    reason: VaultError | None
    mirrored: bool
    differs: bool = False


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

        found = self._first_good(0, decoded)
        if found.differs and self.mirror is not None and not self._begins(found):
            # No digest covers the MAC, but the chain of the groups does.
            other = Found(*decoded(self.mirror), DigestMismatch(structure=Structure.JOURNAL_HEADER), mirrored=True)
            if self._begins(other):
                return other
        return found

    def _begins(self, found: Found[JournalHeader]) -> bool:
        """Return whether the first group follows a header."""
        header = found.value
        try:
            self.group(header.suite, HEADER_SIZE, 1, header.chain(found.data), lambda _: None)
        except VaultError:
            return False
        return True

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
                return Found(value, data, None, *self._compared(data, offset, act))
        except Unsupported:
            raise  # whatever the mirror is, this program must not go on from it
        except VaultError as error:
            reason = error
        if self.mirror is not None:
            with suppress(VaultError):
                value, data = act(self.mirror)
                return Found(value, data, reason, mirrored=True)
        raise reason

    def _compared(self, data: bytes, offset: int, act: Callable[[Reader], object]) -> tuple[bool, bool]:
        """Return whether the mirror is good where the file has these bytes, and whether it differs."""
        if self.mirror is None:
            return False, False
        with suppress(VaultError):
            if self.mirror.read(offset, len(data)) == data:
                return True, False
            act(self.mirror)
            return True, True
        return False, False

    @property
    def size(self) -> int:
        """Bytes of the longer one."""
        return max(reader.size for reader in self if reader is not None)


@contextmanager
def opened(files: VaultFiles, name: str) -> Iterator[Pair]:
    """Open a file and its mirror; a journal of another id is not the mirror.

    Raises
    ------
    FileMissing, NotRegular, FileUnreadable
        Neither can be opened.
    """
    with ExitStack() as stack:
        file: Reader | None = None
        mirror: Reader | None = None
        failure: VaultError = FileMissing()
        try:
            file = stack.enter_context(files.open(name))
        except VaultError as error:
            failure = error
        with suppress(VaultError):
            found = stack.enter_context(files.open(copy_name(name)))
            mirror = None if _of_another(found, name) else found
        if file is None and mirror is None:
            raise failure
        yield Pair(file, mirror)


def _of_another(mirror: Reader, name: str) -> bool:
    """Return whether a good header says that the mirror is that of a journal which is not named so."""
    try:
        header = JournalHeader.decode(mirror.read(0, min(HEADER_SIZE, mirror.size)))
    except VaultError:
        return False
    return header.journal_id.hex() not in name

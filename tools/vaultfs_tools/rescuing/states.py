"""Control states: what the vault and its hosts remember beside records. Every version that opens comes out."""

from __future__ import annotations

from collections.abc import Sequence

from vaultfs_format.entries import Entry, Role
from vaultfs_format.errors import VaultError

from vaultfs_tools.rescuing.bodies import Bodies
from vaultfs_tools.rescuing.frames import Frame, Harvest, Row, loss
from vaultfs_tools.rescuing.writing import Output

_START = 4
"""Bytes before the namespace that state its length, and that of the key (SPEC section 10, STATE)."""

Copy = tuple[Frame, Entry, int]
"""A frame that has a state, its entry there, and the number of its commit."""


class States:
    """The control states in frames.

    Attributes
    ----------
    written, diverged
        How many lines were written, and how many versions have more than one content.
    """

    def __init__(self, harvest: Harvest, bodies: Bodies, output: Output) -> None:
        self._bodies = bodies
        self._output = output
        self._copies: dict[bytes, dict[int, list[Copy]]] = {}
        self.missing: list[Row] = []
        self.written = self.diverged = 0
        for frame in harvest.frames.values():
            for entry, commit in zip(frame.block.entries, frame.commits(), strict=True):
                if entry.role == Role.STATE:
                    versions = self._copies.setdefault(entry.token, {})
                    versions.setdefault(entry.version, []).append((frame, entry, commit))

    def write(self) -> None:
        """Write everything that opens; what does not is in `missing` then."""
        for versions in self._copies.values():
            for version, copies in sorted(versions.items()):
                self._version(copies, current=version == max(versions))

    def _version(self, copies: list[Copy], *, current: bool) -> None:
        copies.sort(key=lambda copy: (copy[0].proof, -copy[2]))
        contents: dict[bytes, Copy] = {}
        lengths: set[int] = set()
        lost: dict[int, tuple[Copy, VaultError]] = {}
        for copy in copies:
            frame, entry, _ = copy
            try:
                data = self._bodies.open(frame)[entry.offset : entry.offset + entry.length]
            except VaultError as error:
                lost.setdefault(entry.length, (copy, error))
                continue
            contents.setdefault(data, copy)
            lengths.add(entry.length)
        self.diverged += len(contents) > 1
        for data, copy in contents.items():
            self._line(copy, data, current=current, diverged=len(contents) > 1)
        for (frame, entry, _), failure in (one for length, one in lost.items() if length not in lengths):
            self.missing.append(loss("state", failure, version=entry.version, **frame.facts()))

    def _line(self, copy: Copy, data: bytes, *, current: bool, diverged: bool) -> None:
        frame, entry, commit = copy
        namespace, key, value = _parts(data)
        row = {"namespace": namespace.decode(errors="backslashreplace"), "key": key.hex(), "value": value.hex()}
        told = {"version": entry.version, "current": current, "diverged": diverged}
        self._output.line("states", row | told | frame.vouched(commit))
        self.written += 1


def _parts(data: bytes) -> Sequence[bytes]:
    """Return namespace, key and value."""
    name_end = _START + int.from_bytes(data[:2], "little")
    key_end = name_end + int.from_bytes(data[2:_START], "little")
    return data[_START:name_end], data[name_end:key_end], data[key_end:]

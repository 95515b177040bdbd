"""How bytes stand in a vector: as digits, as a file that several share, or as such a file with edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vectors.operations.registry import plain

INLINE = 600
"""Longer bytes stand in a file."""

_MOST_EDITED = 400
"""Bytes of edits from which on a file of its own is clearer."""

_STEP = 64


class Files:
    """The binary files of all vectors.

    Parameters
    ----------
    shared
        Files that vectors refer to, by their paths below ``files``, and directories of vaults by theirs.

    Attributes
    ----------
    content
        Every file by its path.
    """

    def __init__(self, shared: Mapping[str, bytes], vaults: Mapping[str, Mapping[str, bytes]]) -> None:
        self._vaults = vaults
        self.content = {f"files/{name}": data for name, data in shared.items()}
        for vault, files in vaults.items():
            self.content |= {f"files/{vault}/{name}": data for name, data in files.items()}
        self._names = {data: name for name, data in reversed(self.content.items())}
        self._bases = [f"files/{name}" for name in shared]

    def written(self, value: Any, name: str) -> Any:
        """Return what stands for `value`, which is given to the vector `name`."""
        if isinstance(value, bytes):
            return self._bytes(value, name)
        if isinstance(value, list):
            return [self.written(one, f"{name}-{at}") for at, one in enumerate(value)]
        if isinstance(value, Mapping):
            if "head" in value or "copies/head" in value:
                return self._directory(value, name)
            return {key: self.written(one, f"{name}-{key}") for key, one in value.items()}
        return plain(value)

    def _bytes(self, data: bytes, name: str) -> Any:
        if len(data) <= INLINE:
            return data.hex()
        if data in self._names:
            return {"file": self._names[data]}
        edited = self._edited(data, self._bases)
        return edited if edited is not None else {"file": self._added(data, name)}

    def _added(self, data: bytes, name: str) -> str:
        path = f"files/{name}.bin"
        if path in self.content:
            raise ValueError(path)
        self.content[path] = data
        self._names[data] = path
        return path

    def _edited(self, data: bytes, bases: list[str]) -> Any:
        """Return a file with edits that give `data`, the fewest there are; None where they would be many."""
        best: tuple[int, Any] = (_MOST_EDITED, None)
        for path in bases:
            base = self.content[path]
            if base[:8] != data[:8] and base[-8:] != data[-8:]:
                continue
            found = list(edits(base, data))
            size = sum(len(one) + 8 for _, one in found)
            if size < best[0]:
                reference: dict[str, Any] = {"file": path, "edits": [[at, one.hex()] for at, one in found]}
                best = size, reference | ({"length": len(data)} if len(data) != len(base) else {})
        return best[1]

    def _directory(self, files: Mapping[str, bytes], name: str) -> Any:
        """Return a directory that is stored, and what a vector has otherwise."""

        def differing(vault: str) -> dict[str, bytes | None]:
            base = self._vaults[vault]
            return {
                one: files.get(one) for one in sorted(base.keys() | files.keys()) if base.get(one) != files.get(one)
            }

        vault = min(self._vaults, key=lambda one: sum(len(data or b"") + 40 for data in differing(one).values()))
        changes = {}
        for one, data in differing(vault).items():
            base = f"files/{vault}/{one}"
            edited = self._edited(data, [base]) if data is not None and base in self.content else None
            inline = data is None or len(data) <= INLINE
            changes[one] = (
                None
                if data is None
                else data.hex()
                if inline
                else edited or self._bytes(data, f"{name}-{one.replace('/', '-')}")
            )
        return {"directory": f"files/{vault}"} | ({"with": changes} if changes else {})


def edits(base: bytes, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield runs of bytes, with their offsets, that make `data` of `base`, which is cut or filled with zeros first."""
    start = base[: len(data)].ljust(len(data), b"\0")
    run: int | None = None
    end = 0
    for block in range(0, len(data), _STEP):
        if start[block : block + _STEP] == data[block : block + _STEP]:
            continue
        for at in range(block, min(block + _STEP, len(data))):
            if start[at] == data[at]:
                continue
            if run is not None and at - end > 4:
                yield run, data[run:end]
                run = None
            run, end = at if run is None else run, at + 1
    if run is not None:
        yield run, data[run:end]

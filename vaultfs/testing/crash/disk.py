"""A disk on which recorded changes are made one after the other: what of it is certain, and what is pending."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias

from vaultfs.testing.crash.recording import Change
from vaultfs.testing.vfs import Operation

MAX_STALE = 16
"""Removed files whose blocks may turn up in others."""


class FileNode:
    """A file: what it holds for certain, what it shows, and the changes in between."""

    def __init__(self) -> None:
        self.certain = b""
        self.data = bytearray()
        self.pending: list[Change] = []

    def apply(self, change: Change) -> None:
        """Make a change, which is not certain yet."""
        self.pending.append(change)
        applied(self.data, change)

    def sync(self) -> None:
        """Make all changes certain."""
        self.certain = bytes(self.data)
        self.pending = []


@dataclass(eq=False, slots=True)
class NameChange:
    """A change of what a directory lists: names to what they then name, None where nothing.

    Parameters
    ----------
    addition
        For a name that moves to another directory, the change there: without it, this one is not made.
    """

    edits: tuple[tuple[str, Node | None], ...]
    addition: tuple[DirectoryNode, NameChange] | None = None


class DirectoryNode:
    """A directory: what it lists for certain, what it shows, and the changes in between."""

    def __init__(self) -> None:
        self.certain: dict[str, Node] = {}
        self.names: dict[str, Node] = {}
        self.pending: list[NameChange] = []

    def apply(self, change: NameChange) -> None:
        """Make a change, which is not certain yet."""
        self.pending.append(change)
        edited(self.names, change)

    def sync(self) -> None:
        """Make all changes certain, and the other halves of moves away from here."""
        self.certain = dict(self.names)
        for change in self.pending:
            if change.addition is not None:
                target, addition = change.addition
                if addition in target.pending:
                    edited(target.certain, addition)
                    target.pending.remove(addition)
        self.pending = []


Node: TypeAlias = FileNode | DirectoryNode


def edited(names: dict[str, Node], change: NameChange) -> None:
    """Make a change of names in `names`."""
    for name, node in change.edits:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def applied(data: bytearray, change: Change) -> None:
    """Make a change of a file in `data`."""
    if change.kind is Operation.TRUNCATE:
        del data[change.offset :]
    end = change.offset + len(change.data)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    data[change.offset : end] = change.data


@dataclass(frozen=True)
class Image:
    """What a cut has left.

    Parameters
    ----------
    content
        Bytes by relative name, None for a directory.
    """

    content: dict[str, bytes | None]

    def digest(self) -> bytes:
        """Return a hash of all names and bytes: images with the same are the same."""
        total = hashlib.blake2b(digest_size=20)
        for name, data in self.content.items():
            total.update(b"%d %d " % (len(name), -1 if data is None else len(data)) + name.encode())
            total.update(data or b"")
        return total.digest()

    def write(self, target: Path) -> None:
        """Write the image into the directory `target`, which must not exist."""
        target.mkdir(mode=0o700)
        for name, data in self.content.items():
            if data is None:
                (target / name).mkdir(mode=0o700)
                continue
            with (target / name).open("wb") as file:
                if data.count(0) == len(data):
                    file.truncate(len(data))
                else:
                    file.write(data)


class Cut(Protocol):
    """Decides what becomes of what is pending."""

    def keeps(self, change: NameChange) -> bool:
        """Return whether a change of names is there."""
        ...

    def content(self, file: FileNode) -> bytes:
        """Return what a file holds."""
        ...


class Disk:
    """A disk on which recorded changes are made one after the other, and which may lose power at any time.

    Attributes
    ----------
    stale
        What was in files that have been removed: it may turn up in blocks that are used again.
    """

    def __init__(self) -> None:
        self._root = DirectoryNode()
        self._files: dict[int, FileNode] = {}
        self.stale: list[bytes] = []

    def make(self, change: Change) -> None:
        """Make one change."""
        match change.kind:
            case Operation.CREATE:
                node = self._files[change.file] = FileNode()
                self._rename(change.path, node)
            case Operation.MOVE:
                self._move(change.path, change.target)
            case Operation.UNLINK:
                self._note_stale(change.path)
                self._rename(change.path, None)
            case Operation.ADD_DIRECTORY:
                if PurePosixPath(change.path).name not in self._parent(change.path).names:
                    self._rename(change.path, DirectoryNode())
            case Operation.SYNC_DIRECTORY:
                self._directory(change.path).sync()
            case Operation.SYNC:
                self._files[change.file].sync()
            case _:
                self._files[change.file].apply(change)

    def _rename(self, path: str, node: Node | None) -> None:
        self._parent(path).apply(NameChange(((PurePosixPath(path).name, node),)))

    def _move(self, path: str, target: str) -> None:
        source, destination = self._parent(path), self._parent(target)
        old, new = PurePosixPath(path).name, PurePosixPath(target).name
        node = source.names[old]
        if source is destination:
            source.apply(NameChange(((old, None), (new, node))))
            return
        addition = NameChange(((new, node),))
        destination.apply(addition)
        source.apply(NameChange(((old, None),), (destination, addition)))

    def _note_stale(self, path: str) -> None:
        node = self._parent(path).names[PurePosixPath(path).name]
        if isinstance(node, FileNode) and node.data.count(0) < len(node.data):
            self.stale = [*self.stale[1 - MAX_STALE :], bytes(node.data)]

    def _parent(self, path: str) -> DirectoryNode:
        return self._directory(PurePosixPath(path).parent.as_posix())

    def _directory(self, path: str) -> DirectoryNode:
        found = self._root
        for name in PurePosixPath(path).parts:
            step = found.names[name]
            assert isinstance(step, DirectoryNode)  # noqa: S101 - the recording is of a file system
            found = step
        return found

    def pending(self) -> tuple[list[NameChange], list[FileNode]]:
        """Return the changes of names, and the files with changes, that a cut decides about."""
        names: list[NameChange] = []
        files: list[FileNode] = []
        for node in self._nodes(self._root, set()):
            if isinstance(node, DirectoryNode):
                names += node.pending
            elif node.pending:
                files.append(node)
        return names, files

    def _nodes(self, node: Node, met: set[Node]) -> Iterator[Node]:
        if node in met:
            return
        met.add(node)
        yield node
        if isinstance(node, DirectoryNode):
            below = [*node.certain.values(), *(new for change in node.pending for _, new in change.edits if new)]
            for one in below:
                yield from self._nodes(one, met)

    def left_by(self, cut: Cut) -> Image:
        """Return what is left when `cut` has decided."""
        content: dict[str, bytes | None] = {}
        _fill(content, self._root, "", cut)
        return Image(content)


def _fill(content: dict[str, bytes | None], directory: DirectoryNode, prefix: str, cut: Cut) -> None:
    names = dict(directory.certain)
    for change in directory.pending:
        if _kept(change, cut):
            edited(names, change)
    for name, node in sorted(names.items()):
        if isinstance(node, FileNode):
            content[prefix + name] = cut.content(node) if node.pending else node.certain
        else:
            content[prefix + name] = None
            _fill(content, node, f"{prefix}{name}/", cut)


def _kept(change: NameChange, cut: Cut) -> bool:
    if change.addition is not None:
        target, addition = change.addition
        if addition in target.pending and not cut.keeps(addition):
            return False
    return cut.keeps(change)

"""Putting records together from frames: every version, the parts of blobs, and the identifiers of subjects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from vaultfs_format.entries import NO_OFFSET, NO_SUBJECT, WEAK, Entry, PartRow, Role
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.frame import FrameClass

from vaultfs_tools.rescuing.bodies import Bodies
from vaultfs_tools.rescuing.errors import PartLost, VersionLost
from vaultfs_tools.rescuing.frames import Frame, Harvest, Row, loss
from vaultfs_tools.rescuing.keys import Names
from vaultfs_tools.rescuing.writing import Output

_LENGTH = 4
"""Bytes before the system of an identifier that state its length (SPEC section 10, ALIAS)."""

Number = tuple[int, int]
"""Incarnation and number of a record."""

_VERSIONS = frozenset({Role.RECORD, Role.DELETE, Role.UNDELETE})
_LINKS = frozenset({Role.LINK, Role.UNLINK})


@dataclass(frozen=True, slots=True, repr=False)
class _Copy:
    """A copy of an entry: in one frame of several that may have it."""

    frame: Frame
    entry: Entry
    commit: int

    @property
    def number(self) -> Number:
        return self.entry.incarnation, self.entry.number

    @property
    def meaning(self) -> tuple[object, ...]:
        """What copies of an entry have in common, in whatever frame each of them is."""
        return self.frame.block.subject, self.entry._replace(offset=0)


class Records:
    """The records and subjects in frames.

    Where frames state a version differently all of what they state is written: the best proof first, and then the
    highest commit number.

    Attributes
    ----------
    diverged
        How many versions have more than one content.
    """

    def __init__(self, harvest: Harvest, bodies: Bodies, names: Names, output: Output) -> None:
        self._bodies = bodies
        self._names = names
        self._output = output
        self._versions: dict[Number, dict[int, list[_Copy]]] = {}
        self._parts: dict[tuple[bytes, PartRow], list[Frame]] = {}
        self._aliases: dict[tuple[object, ...], list[_Copy]] = {}
        self._links: dict[tuple[object, ...], _Copy] = {}
        self.missing: list[Row] = []
        for frame in harvest.frames.values():
            self._sort(frame)
        for copies in self._every():
            copies.sort(key=lambda one: (one.frame.proof, -one.commit))
        self.diverged = sum(len(_distinct(copies)) > 1 for copies in self._every())

    def _sort(self, frame: Frame) -> None:
        subject = frame.block.subject
        for entry, commit in zip(frame.block.entries, frame.commits(), strict=True):
            one = _Copy(frame, entry, commit)
            if entry.role in _VERSIONS:
                self._versions.setdefault(one.number, {}).setdefault(entry.version, []).append(one)
            elif entry.role == Role.PART:
                self._parts.setdefault((subject, PartRow(entry.token, entry.length)), []).append(frame)
            elif entry.role == Role.ALIAS:
                self._aliases.setdefault(one.meaning, []).append(one)
            elif entry.role in _LINKS:
                self._links.setdefault((one.meaning, commit), one)

    def _every(self) -> Iterator[list[_Copy]]:
        for versions in self._versions.values():
            yield from versions.values()
        yield from self._aliases.values()

    def write(self) -> None:
        """Write everything that opens; what does not is in `missing` then."""
        waiting: dict[int, list[_Copy]] = {}
        for one in chain.from_iterable(map(_distinct, self._every())):
            if not self._without_body(one):
                waiting.setdefault(id(one.frame), []).append(one)
        for together in waiting.values():
            frame = together[0].frame
            if frame.header.frame_class is FrameClass.BLOB:
                for one in together:
                    self._blob(one)
            else:
                self._small(frame, together)
        for one in self._links.values():
            self._subject(one, {"other": one.entry.token.hex(), "same": one.entry.role == Role.LINK})
        for versions in self._versions.values():
            self._gaps(versions)

    # Records.

    def _without_body(self, one: _Copy) -> bool:
        """Write the line of a deletion or its undoing, which has no bytes; return whether it was one."""
        if one.entry.role in (Role.DELETE, Role.UNDELETE):
            self._line(one, "", 0, 0)
            return True
        return False

    def _small(self, frame: Frame, together: Sequence[_Copy]) -> None:
        """Write entries that share a body; those that do not open here may in another frame that has them."""
        body = self._opened(frame)
        for one in together:
            copy, held = (one, body) if isinstance(body, bytes) else self._elsewhere(one, body)
            if isinstance(held, bytes):
                self._piece(copy, held)
            else:
                self._missed(one, held)

    def _opened(self, frame: Frame) -> bytes | VaultError:
        try:
            return self._bodies.open(frame)
        except VaultError as error:
            return error

    def _elsewhere(self, one: _Copy, error: VaultError) -> tuple[_Copy, bytes | VaultError]:
        """Return another frame with the same entry, and its body; the error where there is none that opens."""
        for other in self._alike(one)[1:]:
            body = self._opened(other.frame)
            if isinstance(body, bytes):
                return other, body
        return one, error

    def _alike(self, one: _Copy) -> Sequence[_Copy]:
        """Return all copies of an entry, the best first."""
        if one.entry.role == Role.ALIAS:
            return self._aliases[one.meaning]
        return [other for other in self._versions[one.number][one.entry.version] if other.meaning == one.meaning]

    def _piece(self, one: _Copy, body: bytes) -> None:
        entry = one.entry
        if entry.role == Role.ALIAS:
            data = body[entry.offset : entry.offset + entry.length]
            end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
            system, value = (part.decode(errors="backslashreplace") for part in (data[_LENGTH:end], data[end:]))
            named = {"system": system, "value": value, "weak": bool(entry.flags & WEAK), "date": _date(entry)}
            self._subject(one, named)
            return
        data = body[entry.offset : entry.offset + entry.before + entry.length + entry.after]
        self._whole(one, iter([data]))

    def _blob(self, one: _Copy) -> None:
        """Write a record of parts, one after the other; nothing of it is left where one of them does not open."""
        errors: list[VaultError] = []
        for other in self._alike(one):
            try:
                self._whole(other, self._pieces(other))
            except VaultError as error:
                errors.append(error)
            else:
                return
        self._missed(one, errors[0])

    def _pieces(self, one: _Copy) -> Iterator[bytes]:
        block = one.frame.block
        for part in block.parts:
            yield self._part(block.subject, part)
        yield self._bodies.open(one.frame)

    def _part(self, subject: bytes, part: PartRow) -> bytes:
        error: VaultError = PartLost(structure=Structure.FRAME)
        for frame in self._parts.get((subject, part), ()):
            try:
                return self._bodies.open(frame)
            except VaultError as failure:
                error = failure
        raise error

    def _whole(self, one: _Copy, pieces: Iterator[bytes]) -> None:
        entry = one.entry
        file = self._output.record(self._stem(one), (entry.before, entry.length, entry.after), pieces)
        self._line(one, file, entry.before, entry.after)

    def _stem(self, one: _Copy) -> str:
        """Return the name of a version; the second content of it, and further ones, are numbered."""
        entry = one.entry
        record_id = self._names.record_id(entry.incarnation, entry.number)
        name = record_id.hex() if record_id else f"{entry.incarnation}-{entry.number}"
        meanings = [other.meaning for other in _distinct(self._versions[one.number][entry.version])]
        number = 1 + meanings.index(one.meaning)
        return f"{name}.{entry.version}" + (f"-{number}" if number > 1 else "")

    def _line(self, one: _Copy, file: str, before: int, after: int) -> None:
        entry, frame = one.entry, one.frame
        versions = self._versions[one.number]
        self._output.line(
            "manifest",
            self._identity(entry)
            | {
                "role": Role(entry.role).name.lower(),
                "kind": entry.kind,
                "kind_name": self._names.kinds.get(entry.kind),
                "media_type": self._names.media_types.get(entry.media),
                "date": _date(entry),
                "subject": None if frame.block.subject == NO_SUBJECT else frame.block.subject.hex(),
                "length": entry.length,
                "before": before,
                "after": after,
                "file": file or None,
                "hidden": all(last.entry.role == Role.DELETE for last in versions[max(versions)]),
                "diverged": len(_distinct(versions[entry.version])) > 1,
            }
            | frame.vouched(one.commit),
        )

    def _identity(self, entry: Entry) -> dict[str, object]:
        record_id = self._names.record_id(entry.incarnation, entry.number)
        return {
            "record": record_id.hex() or None,
            "incarnation": entry.incarnation,
            "number": entry.number,
            "version": entry.version,
        }

    # Subjects.

    def _subject(self, one: _Copy, facts: dict[str, object]) -> None:
        subject = {"subject": one.frame.block.subject.hex()}
        self._output.line("subjects", subject | facts | one.frame.vouched(one.commit))

    # What is missing.

    def _missed(self, one: _Copy, error: VaultError) -> None:
        frame = one.frame
        if one.entry.role == Role.ALIAS:
            self.missing.append(loss("identifier", error, subject=frame.block.subject, **frame.facts()))
        else:
            self.missing.append(loss("record", error, **self._identity(one.entry), **frame.facts()))

    def _gaps(self, versions: dict[int, list[_Copy]]) -> None:
        """Note versions of which a later one tells: they count from 1."""
        before = 0
        for version in sorted(versions):
            if version > before + 1:
                entry = versions[version][0].entry
                facts = self._identity(entry) | {"version": before + 1, "to_version": version - 1}
                self.missing.append(loss("versions", VersionLost(structure=Structure.ENTRIES), **facts))
            before = version


def _distinct(copies: Sequence[_Copy]) -> list[_Copy]:
    """Return the best copy of each meaning, in order."""
    best: dict[tuple[object, ...], _Copy] = {}
    for one in copies:
        best.setdefault(one.meaning, one)
    return list(best.values())


def _date(entry: Entry) -> dict[str, int | None] | None:
    """Return a date as it is stored (SPEC section 9): milliseconds on the clock of the place, and its precision."""
    if not entry.precision:
        return None
    offset = None if entry.offset_minutes == NO_OFFSET else entry.offset_minutes
    return {"milliseconds": entry.date, "precision": entry.precision, "offset_minutes": offset}

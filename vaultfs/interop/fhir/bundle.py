"""Bundles taken apart: where each resource lies, and what its entry says of it.

One pass over the text; entries are let go as they are done. The text around the resources is checked too, with
``null`` in their place: if that text and every resource are well formed, so is the whole.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from vaultfs.errors import FieldMalformed, JsonMalformed, NotAResource, SourceError
from vaultfs.interop.fhir.cursor import Cursor
from vaultfs.interop.fhir.facts import describe
from vaultfs.interop.fhir.values import fields, text_of, well_formed
from vaultfs.interop.joiner import Slot
from vaultfs.interop.window import Window

_OBJECT, _ARRAY = 0x7B, 0x5B


def bundle(cursor: Cursor, gap: int) -> Generator[Slot, None, str | None]:
    """Move over an object, yielding the resources of its entries as those end; return its resource type.

    The type may stand behind the entries. So an object without a type yet is read as a Bundle; if the type that is
    returned is another one, what was yielded is void.

    Parameters
    ----------
    cursor
        At the object.
    gap
        Where the bytes begin that belong to the first resource.

    Raises
    ------
    JsonMalformed, JsonTooDeep
        The text is ill-formed, or says ``entry``, ``resource`` or ``fullUrl`` twice, so that readers would differ.
    FieldMalformed
        The entries of a Bundle are no list of objects.
    """
    window = cursor.window
    cursor.peek()
    around, copied = b"", cursor.at
    kind: str | None = None
    seen: set[bytes] = set()
    odd = False
    first = gap
    for name in cursor.members():
        key = _once(name, seen, (b"resourceType", b"entry"))
        if key == b"entry" and cursor.peek() == _ARRAY and kind in (None, "Bundle"):
            around += window.part(copied, cursor.at + 1)
            for at in cursor.items():
                slots = _entry(cursor, at if first < 0 else first)
                odd |= slots is None
                for slot in slots or ():
                    first = -1
                    yield slot
            copied = cursor.at - 1
            continue
        start, end = cursor.skip(1)
        if key == b"resourceType":
            kind = text_of(window.part(start, end))
        odd |= key == b"entry" and window.part(start, end) != b"null"
    if not well_formed(around + window.part(copied, cursor.at)):
        raise JsonMalformed(offset=copied)
    if odd and kind == "Bundle":
        raise FieldMalformed
    return kind


def resource(window: Window, gap: int, start: int, end: int, full_url: str | None = None) -> list[Slot]:
    """Return the slot of a value that stands where a resource should, or for a Bundle those of its entries.

    Those have the place of the Bundle as their scope.
    A Bundle that holds no resource is a record itself.

    Raises
    ------
    JsonMalformed, JsonTooDeep, FieldMalformed
        As in `bundle`.
    """
    text = window.part(start, end)
    if text[0] != _OBJECT:
        if not well_formed(text):
            raise JsonMalformed(offset=start)
        return [Slot(gap, start, end, None, NotAResource())]
    members = fields(text)
    if members is None:
        raise JsonMalformed(offset=start)
    if "entry" in members and text_of(members.get("resourceType")) == "Bundle":
        inner = list(bundle(Cursor(Window(None, len(text), data=text, base=start), start), gap))
        if inner:
            return [_inside(slot, start + 1) for slot in inner]
    found = describe(text, members, full_url)
    if isinstance(found, SourceError):
        return [Slot(gap, start, end, None, found)]
    return [Slot(gap, start, end, found)]


def _inside(slot: Slot, scope: int) -> Slot:
    """Return the slot of a record inside a Bundle that is itself inside of the source; the innermost one counts."""
    if slot.facts is None or slot.facts.scope:
        return slot
    return replace(slot, facts=replace(slot.facts, scope=scope))


def _entry(cursor: Cursor, gap: int) -> list[Slot] | None:
    """Move over an entry; return its resources, or None if it is no object."""
    window = cursor.window
    if cursor.peek() != _OBJECT:
        start, end = cursor.skip()
        if not well_formed(window.part(start, end)):
            raise JsonMalformed(offset=start)
        return None
    begin = cursor.at
    full_url: str | None = None
    start = end = begin
    seen: set[bytes] = set()
    for name in cursor.members():
        key = _once(name, seen, (b"resource", b"fullUrl"))
        place = cursor.skip()
        if key == b"resource":
            start, end = place
        elif key == b"fullUrl":
            full_url = text_of(window.part(*place))
    filler = b"null" if start > begin else b""
    if not well_formed(window.part(begin, start) + filler + window.part(end, cursor.at)):
        raise JsonMalformed(offset=begin)
    if start == begin or window.part(start, end) == b"null":
        return []
    return resource(window, gap, start, end, full_url)


def _once(name: bytes, seen: set[bytes], single: tuple[bytes, ...]) -> bytes:
    """Return a member's name without quotes and escapes.

    Raises
    ------
    JsonMalformed
        It is one of `single` and among the names seen before.
    """
    key = name[1:-1]
    if b"\\" in key:
        key = (text_of(name) or "").encode()
    if key in single:
        if key in seen:
            raise JsonMalformed
        seen.add(key)
    return key

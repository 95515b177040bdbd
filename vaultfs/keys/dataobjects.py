"""Data objects in a token: named values that only who has its PIN can see. Of a name the newest counts.

PKCS#11 cannot replace an object by another in one step. A new one is made before those of its name are destroyed, under
the next number, so that a process or a token that stops in between leaves the newer one beside the older, never none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from pkcs11 import Object, Session

T = TypeVar("T")

APPLICATION = "VaultFS"
"""What the objects have as CKA_APPLICATION."""

_LOOKS = 8
"""How often objects are looked for while others replace some of them."""

_DIGITS = 19
"""Most digits of a number."""


class _Found(NamedTuple):
    name: str
    number: int
    object: Object


def names(session: Session) -> set[str]:
    """Return the names under which values are kept."""
    return {one.name for one in _steady(lambda: list(_all(session)))}


def value_of(session: Session, name: str) -> bytes | None:
    """Return the newest value of a name; None where there is none."""
    return _steady(lambda: _newest(session, name))


def _newest(session: Session, name: str) -> bytes | None:
    from pkcs11 import Attribute

    found = _of(session, name)
    return bytes(found[-1].object[Attribute.VALUE]) if found else None


def keep(session: Session, name: str, value: bytes) -> None:
    """Keep a value in the place of all others of its name."""
    from pkcs11 import Attribute, ObjectClass

    before = _steady(lambda: _of(session, name))
    number = before[-1].number + 1 if before else 1
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.APPLICATION: APPLICATION,
            Attribute.LABEL: f"{name}.{number}",
            Attribute.VALUE: value,
        }
    )
    _destroy(before)


def destroy(session: Session, name: str) -> None:
    """Destroy all values of a name, the oldest first; do nothing where there is none."""
    _destroy(_steady(lambda: _of(session, name)))


def _destroy(found: list[_Found]) -> None:
    from pkcs11 import ObjectHandleInvalid

    for one in found:
        with suppress(ObjectHandleInvalid):  # somebody else has done it
            one.object.destroy()


def _of(session: Session, name: str) -> list[_Found]:
    """Return the objects of a name, the newest last."""
    return sorted((one for one in _all(session) if one.name == name), key=lambda one: one.number)


def _steady(look: Callable[[], T]) -> T:
    """Return what a look gives; one during which an object goes, because others replace it, is taken again."""
    from pkcs11 import ObjectHandleInvalid

    for _ in range(_LOOKS - 1):
        with suppress(ObjectHandleInvalid):
            return look()
    return look()


def _all(session: Session) -> Iterator[_Found]:
    from pkcs11 import Attribute, ObjectClass

    wanted = {
        Attribute.CLASS: ObjectClass.DATA,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.APPLICATION: APPLICATION,
    }
    # All at once: while a search goes on a session can do nothing else.
    for one in list(session.get_objects(wanted)):
        name, _, number = str(one[Attribute.LABEL]).rpartition(".")
        if number.isdecimal() and len(number) <= _DIGITS:
            yield _Found(name, int(number), one)

"""The registries of record kinds and media types of one vault: the built-in names and those that it has added.

Numbers are stored and never change; names are what hosts use. The built-in ones are the format's
(`vaultfs_format.registry`).
"""

from __future__ import annotations

from collections.abc import Sequence

from vaultfs_format.registry import (
    FHIR,
    HL7V2,
    MAX_HOST_NAMES,
    MAX_NAME,
    MEDIA_TYPES,
    OWN,
    builtin_kinds,
    builtin_media_types,
    named,
    numbered,
    own_names,
    well_formed,
)

from vaultfs.errors import ArgumentInvalid, KindUnknown

__all__ = [
    "FHIR",
    "HL7V2",
    "MAX_HOST_NAMES",
    "MAX_NAME",
    "MEDIA_TYPES",
    "OWN",
    "Registry",
    "builtin_kinds",
    "builtin_media_types",
    "decode_names",
    "encode_names",
]


class Registry:
    """Names and numbers of one registry, the built-in ones and the vault's own.

    Parameters
    ----------
    builtin
        Number by name.
    own
        The vault's names, in the order in which they were registered.
    """

    def __init__(self, builtin: dict[str, int], own: Sequence[str]) -> None:
        self._numbers = numbered(builtin, own)
        self._names = named(builtin, own)

    def number(self, name: str) -> int:
        """Return the number of a name.

        Raises
        ------
        KindUnknown
        """
        number = self._numbers.get(name)
        if number is None:
            raise KindUnknown
        return number

    def name(self, number: int) -> str:
        """Return the name of a number."""
        name = self._names.get(number)
        if name is None:
            raise KindUnknown(number=number)
        return name


def encode_names(kinds: Sequence[str], media_types: Sequence[str]) -> bytes:
    """Return the vault's own names as the keyring keeps them: two lists of lines with a blank line between.

    Raises
    ------
    ArgumentInvalid
        A name is empty, too long, built in or there twice, or has other than printable ASCII characters.
    """
    for names, builtin in ((kinds, builtin_kinds()), (media_types, builtin_media_types())):
        if not well_formed(names) or set(names) & set(builtin):
            raise ArgumentInvalid(names=len(names))
    return "\n".join([*kinds, "", *media_types]).encode()


def decode_names(data: bytes) -> tuple[Registry, Registry]:
    """Return the registries of kinds and media types of a vault with these own names.

    A name that is built in is let be: it may not have been when the vault was created.

    Raises
    ------
    FieldInvalid
    """
    kinds, media_types = own_names(data)
    return Registry(builtin_kinds(), kinds), Registry(builtin_media_types(), media_types)

"""From identifiers as a source states them to identifiers of the vault: an authority becomes a system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vaultfs.errors import ArgumentInvalid
from vaultfs.interop import authorities
from vaultfs.interop.pieces import SourceIdentifier
from vaultfs.model import MAX_IDENTIFIER_CHARS, Identifier

RESERVED = "urn:vaultfs:"
"""Beginning of the systems that an import makes itself; a source that states one states a local name."""


def namespace_of(root: bytes) -> str:
    """Return the namespace of a source that was given none: its own, so that equal numbers of two never meet."""
    return f"{RESERVED}source:{root.hex()}"


@dataclass(frozen=True, slots=True)
class Authorities:
    """How authorities of a source become identifier systems.

    Parameters
    ----------
    namespace
        URI under which identifiers without an authority, and authorities with a local name, are kept apart.
    same
        Authority as stated (OID, HD name, IssuerOfPatientID ...; empty for none), to the system that it is the same as.

    Raises
    ------
    ArgumentInvalid
        A system is empty or too long to be one.
    """

    namespace: str = field(repr=False)
    same: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        for system in (self.namespace, *self.same.values()):
            if not 0 < len(system) <= MAX_IDENTIFIER_CHARS // 2:
                raise ArgumentInvalid(length=len(system))
        spelled = {authorities.canonical(name): authorities.canonical(system) for name, system in self.same.items()}
        local = {authorities.local(name): system for name, system in spelled.items()}
        object.__setattr__(self, "same", local | spelled)

    def identifier(self, stated: SourceIdentifier) -> tuple[Identifier, bool] | None:
        """Return the identifier and whether it is strong; None where it is too long to be one.

        Where an authority is mapped to one whose numbers are weak by nature, the identifier is weak.
        """
        system = self.same.get(stated.authority)
        strong = stated.strong
        if system is None:
            system = self._system(stated.authority)
        elif strong:
            mapped = authorities.identifier(system, stated.value, frozenset())
            strong = mapped is not None and mapped.strong
        try:
            return Identifier(system, stated.value), strong
        except ArgumentInvalid:
            return None

    def _system(self, authority: str) -> str:
        if not authority:
            return self.namespace
        if authority.lower().startswith(RESERVED):
            authority = authorities.local(authority)
        return authority if ":" in authority else f"{self.namespace}:{authority}"

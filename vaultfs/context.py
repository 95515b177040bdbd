"""In which context somebody acts, and what they have signed for it: kept with the event that opens a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from vaultfs_format.events.session import CareSetting, PersonSignature, SignatureScheme, statement_of

from vaultfs.model import MAX_IDENTIFIER_CHARS, check_text

__all__ = [
    "UNSTATED",
    "Attest",
    "CareSetting",
    "Context",
    "ContextTokens",
    "PersonSignature",
    "SignatureScheme",
    "statement_of",
]

Attest = Callable[[bytes], PersonSignature]
"""Given the statement of a session, has the acting person sign it; what it raises ends the opening of the session."""


@dataclass(frozen=True, slots=True)
class Context:
    """In which context somebody acts.

    Parameters
    ----------
    encounter, order
        The host's identifiers of the encounter and of the order. Tokens of them are kept, which nobody can make after
        the epoch has ended.
    """

    care_setting: CareSetting = CareSetting.UNSTATED
    encounter: str | None = field(default=None, repr=False)
    order: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for text in (self.encounter, self.order):
            if text is not None:
                check_text(text, MAX_IDENTIFIER_CHARS)


UNSTATED = Context()
"""Of a session whose host says nothing of it."""


class ContextTokens(NamedTuple):
    """What stands for a context in the audit events of the present epoch; None for what is not stated."""

    encounter: bytes | None
    order: bytes | None

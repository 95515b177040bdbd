"""The policy seam: one question, one answer. Denials are audited by the engine."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

import msgspec

from vaultfs.model import Principal, SubjectId


class Action(IntEnum):
    """What is asked for."""

    READ = 1
    SEARCH = 2
    WRITE = 3
    DELETE = 4
    UNDELETE = 5
    LINK = 6
    READ_STATE = 7
    WRITE_STATE = 8
    EXPORT = 9
    ADMINISTER = 10


class Request(msgspec.Struct, frozen=True, gc=False):
    """One access that needs a decision.

    Parameters
    ----------
    purpose
        Purpose of use, a code of the host's choice; HL7 PurposeOfUse (v3-ActReason) codes are usual: TREAT, HPAYMT ...
    kind
        Kind of the record, None where the request is not about one.
    subject
        The subject, None where the request is not about one.
    """

    principal: Principal
    purpose: str
    action: Action
    kind: str | None = None
    subject: SubjectId | None = None

    def __repr__(self) -> str:
        return f"Request({self.action.name})"


class Policy(Protocol):
    """Decides requests. Called on every access, so it must be quick; it must not call the vault.

    Threads call it at the same time, and hold no lock of the vault's. What it raises reaches whoever asked for access,
    and permits nothing.
    """

    def permits(self, request: Request) -> bool:
        """Return whether the request is permitted."""
        ...


class DenyAll:
    """Permits nothing: what a vault does until its host says otherwise."""

    def permits(self, request: Request) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return False."""
        return False


class PermitAll:
    """Permits everything: for programs that the holder of the vault's keys runs on purpose."""

    def permits(self, request: Request) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return True."""
        return True

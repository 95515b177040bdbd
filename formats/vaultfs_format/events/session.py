"""The event that opens a session: who acts, why, in which context, and what the acting person has signed."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from vaultfs_format import labels, limits
from vaultfs_format.events.base import Event, EventType, Id, Outcome

Name = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PRINCIPAL)]
Purpose = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PURPOSE)]


class CareSetting(IntEnum):
    """Where somebody is cared for. Source: HL7 v3 ActEncounterCode, by its concepts."""

    UNSTATED = 0
    AMB = 1
    EMER = 2
    FLD = 3
    HH = 4
    IMP = 5
    ACUTE = 6
    NONAC = 7
    OBSENC = 8
    PRENC = 9
    SS = 10
    VR = 11


class SignatureScheme(IntEnum):
    """How a person has signed; names of the registries in which the schemes are."""

    ED25519 = 1
    ECDSA_P256_SHA256 = 2
    RSASSA_PSS_SHA256 = 3
    ML_DSA_44 = 4
    ML_DSA_65 = 5
    ML_DSA_87 = 6
    CMS = 7
    JWS = 8
    WEBAUTHN = 9


class PersonSignature(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What the acting person has signed the statement of a session with.

    Parameters
    ----------
    scheme
        How it was signed.
    key_id
        What the host knows the person's key by.
    signature
        As the scheme has it.
    """

    scheme: SignatureScheme
    key_id: Annotated[bytes, Meta(min_length=1, max_length=limits.MAX_PERSON_KEY_ID)]
    signature: Annotated[bytes, Meta(min_length=1, max_length=limits.MAX_PERSON_SIGNATURE)]

    def __repr__(self) -> str:
        return f"<PersonSignature {self.scheme}>"


class SessionOpened(Event, frozen=True, tag=EventType.SESSION_OPENED.value):
    """A session was opened.

    Parameters
    ----------
    principal
        The host's id of who acts.
    roles
        The roles that the host vouches for, in ascending order.
    purpose
        Purpose of use.
    strict
        Whether data are returned only once the event of the read is durable.
    care_setting
        0 not stated, 1 AMB, 2 EMER, 3 FLD, 4 HH, 5 IMP, 6 ACUTE, 7 NONAC, 8 OBSENC, 9 PRENC, 10 SS, 11 VR
        (HL7 v3 ActEncounterCode).
    encounter, order
        Tokens of the encounter and of the order, of the epoch (section 16.3); nil where none is stated.
    signature
        Scheme, key id and signature of the acting person (section 16.4); nil where there is none.
    outcome
        Failed where the person's signature was asked for and not given: there was no session.
    """

    principal: Name
    roles: Annotated[tuple[Name, ...], Meta(max_length=limits.MAX_ROLES)]
    purpose: Purpose
    strict: bool = False
    care_setting: CareSetting = CareSetting.UNSTATED
    encounter: Id | None = None
    order: Id | None = None
    signature: PersonSignature | None = None
    outcome: Outcome = Outcome.DONE


_encode = msgspec.msgpack.Encoder().encode


def statement_of(vault_id: bytes, event: SessionOpened) -> bytes:
    """Return what the acting person has signed: the label, and an array of what the session is."""
    said = (
        *(vault_id, event.session, event.at, event.principal, event.roles, event.purpose, event.strict),
        *(int(event.care_setting), event.encounter, event.order),
    )
    return bytes([len(labels.SESSION)]) + labels.SESSION + _encode(said)

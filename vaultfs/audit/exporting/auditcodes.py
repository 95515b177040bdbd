"""How each type of event is coded as a FHIR AuditEvent: pattern, type, subtype and action; one row a type.

Sources, by the words in the rows:

- *BALP*: IHE ITI Basic Audit Log Patterns 1.1, volume 3 section 5.7.3 (RESTful activities) and 5.7.7 (disclosures).
- *PS3.15*: DICOM PS3.15 appendix A.5.3, by the name of the message; its codes are PS3.16 CID 400 and 401.
- *ISO*: ISO TS 21089:2017 record lifecycle events, as HL7's code system iso-21089-lifecycle has them.
- *REST*: the code system restful-interaction of FHIR R4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from vaultfs_format.events.base import Event, EventType
from vaultfs_format.events.codec import CLASSES
from vaultfs_format.events.records import AccessDenied, RecordPut, RecordsSearched, StateSet

from vaultfs.access.policy import Action

DCM = "http://dicom.nema.org/resources/ontology/DCM"
THO = "http://terminology.hl7.org/CodeSystem/"
RESTFUL = "http://hl7.org/fhir/restful-interaction"
LIFECYCLE = THO + "iso-21089-lifecycle"
PARTICIPATION = THO + "v3-ParticipationType"


class Coding(NamedTuple):
    """A code and the system that it is of, with the words that the system has for it."""

    system: str
    code: str
    display: str | None = None


_SOURCE = Coding(DCM, "110153", "Source Role ID")
_DESTINATION = Coding(DCM, "110152", "Destination Role ID")
_RECIPIENT = Coding(PARTICIPATION, "IRCP", "information recipient")
_AUTHOR = Coding(PARTICIPATION, "AUT", "author (originator)")


class Pattern(Enum):
    """Who takes part in an event, as which agent: the host's application, the vault, and the acting person.

    The last is the profile of BALP, without and with a patient; none where BALP has none.
    """

    READ = (_DESTINATION, _SOURCE, _RECIPIENT, ("Read", "PatientRead"))
    QUERY = (_SOURCE, _DESTINATION, _RECIPIENT, ("Query", "PatientQuery"))
    CREATE = (_SOURCE, _DESTINATION, _AUTHOR, ("Create", "PatientCreate"))
    UPDATE = (_SOURCE, _DESTINATION, _AUTHOR, ("Update", "PatientUpdate"))
    DELETE = (
        Coding(DCM, "110150", "Application"),
        Coding(THO + "provenance-participant-type", "custodian", "Custodian"),
        _AUTHOR,
        ("Delete", "PatientDelete"),
    )
    DISCLOSURE = (
        Coding(DCM, "110150", "Application"),
        _SOURCE,
        Coding(PARTICIPATION, "PPRF", "primary performer"),
        (None, None),  # PrivacyDisclosure.Source names the recipient, who stands only in the sealed statement
    )
    OTHER = (
        Coding(DCM, "110151", "Application Launcher"),
        Coding(DCM, "110150", "Application"),
        Coding(PARTICIPATION, "PPRF", "primary performer"),
        (None, None),
    )

    def __init__(
        self, application: Coding, vault: Coding, person: Coding, profiles: tuple[str | None, str | None]
    ) -> None:
        self.application, self.vault, self.person, self.profiles = application, vault, person, profiles


@dataclass(frozen=True, slots=True)
class Row:
    """How a type of event is coded.

    Parameters
    ----------
    source
        Where it says so.
    fits
        Whether an event that is done follows the profiles of its pattern.
    failed
        The outcome of one that is not done: 4, as for a response 4xx, or 8, where something is wrong with the vault.
    """

    pattern: Pattern
    type: Coding
    subtype: Coding
    action: str
    source: str
    fits: bool = True
    failed: str = "4"


_REST = Coding(THO + "audit-event-type", "rest", "RESTful Operation")


def _rest(pattern: Pattern, interaction: str, action: str, source: str = "BALP", *, fits: bool = True) -> Row:
    return Row(pattern, _REST, Coding(RESTFUL, interaction), action, source, fits)


_MESSAGES = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110106": "Export",
    "110107": "Import",
    "110110": "Patient Record",
    "110113": "Security Alert",
    "110114": "User Authentication",
}
_DETAILS = {
    "110120": "Application Start",
    "110121": "Application Stop",
    "110122": "Login",
    "110129": "Security Configuration",
    "110131": "Software Configuration",
    "110132": "Use of Restricted Function",
    "110135": "Object Security Attributes Changed",
    "110137": "User Security Attributes Changed",
}


def _dicom(message: str, detail: str, action: str = "E", *, failed: str = "4") -> Row:
    known = _DETAILS.get(detail)
    subtype = Coding(DCM, detail, known) if known else Coding(LIFECYCLE, detail)
    source = f"PS3.15 {_MESSAGES[message]}{'' if known else ', ISO'}"
    return Row(Pattern.OTHER, Coding(DCM, message, _MESSAGES[message]), subtype, action, source, failed=failed)


_ACTIVITY, _LOG_USED, _IMPORT, _ALERT = "110100", "110101", "110107", "110113"
_CONFIGURED, _RESTRICTED, _ATTRIBUTES, _USERS = "110129", "110132", "110135", "110137"
_DISCLOSED = replace(_dicom("110106", "disclose", "R"), pattern=Pattern.DISCLOSURE, source="BALP")

TABLE: Mapping[EventType, Row] = MappingProxyType(
    {
        EventType.VAULT_CREATED: _dicom(_ACTIVITY, "110120"),
        EventType.VAULT_OPENED: _dicom(_ACTIVITY, "110120"),
        EventType.VAULT_CLOSED: _dicom(_ACTIVITY, "110121"),
        EventType.RECOVERED: _dicom(_ACTIVITY, "restore"),
        EventType.SETTLED: _dicom(_ACTIVITY, "archive"),
        EventType.ACCESS_MERGED: _dicom(_ACTIVITY, "receive"),
        EventType.ROLLBACK_ACCEPTED: _dicom(_ALERT, _RESTRICTED),
        EventType.SEGMENT_REPAIRED: _dicom(_ALERT, "restore", failed="8"),
        EventType.READER_OPENED: _dicom(_ACTIVITY, "110120"),
        EventType.SESSION_OPENED: _dicom("110114", "110122"),
        EventType.REPAIR_CLAIMED: _dicom(_ALERT, "restore"),
        EventType.COPY_CLAIMED: _dicom("110106", "archive", "R"),
        EventType.RESTORE_CLAIMED: _dicom(_IMPORT, "restore", "C"),
        EventType.MIRRORING_SET: _dicom(_ALERT, "110131"),
        EventType.RECIPIENT_ADDED: _dicom(_ALERT, _USERS),
        EventType.ESCROW_DRILLED: _dicom(_ALERT, _RESTRICTED),
        EventType.RECIPIENT_REMOVED: _dicom(_ALERT, _USERS),
        EventType.RECIPIENT_RENEWED: _dicom(_ALERT, _USERS),
        EventType.RECORD_PUT: _rest(Pattern.UPDATE, "update", "U"),
        EventType.RECORD_DELETED: _rest(Pattern.DELETE, "delete", "D"),
        EventType.RECORD_UNDELETED: _rest(Pattern.UPDATE, "update", "U"),
        EventType.RECORD_READ: _rest(Pattern.READ, "read", "R"),
        EventType.RECORDS_SEARCHED: _rest(Pattern.QUERY, "search-type", "E"),
        EventType.VERSIONS_LISTED: _rest(Pattern.READ, "history-instance", "R", "REST", fits=False),
        EventType.RECORDS_READ: _rest(Pattern.READ, "read", "R"),
        EventType.SUBJECT_CREATED: _rest(Pattern.CREATE, "create", "C"),
        EventType.SUBJECT_SEARCHED: _rest(Pattern.QUERY, "search-type", "E"),
        EventType.IDENTIFIER_ASSERTED: _rest(Pattern.UPDATE, "update", "U"),
        EventType.SUBJECTS_LINKED: _rest(Pattern.UPDATE, "update", "U"),
        EventType.SUBJECTS_UNLINKED: _rest(Pattern.UPDATE, "update", "U"),
        EventType.SUBJECTS_COMPARED: _rest(Pattern.READ, "read", "R"),
        EventType.IDENTIFIERS_LISTED: _rest(Pattern.READ, "read", "R"),
        EventType.SUBJECTS_LISTED: _rest(Pattern.QUERY, "search-type", "E"),
        EventType.STATE_SET: _rest(Pattern.UPDATE, "update", "U"),
        EventType.STATE_READ: _rest(Pattern.READ, "read", "R"),
        EventType.SUBJECT_EXPORTED: _DISCLOSED,
        EventType.SOURCE_COMPARED: _dicom(_IMPORT, "verify", "R"),
        EventType.SUBJECT_ACCOUNTED: _dicom(_LOG_USED, "report", "R"),
        EventType.LOG_EXPORTED: _dicom(_LOG_USED, "extract", "R"),
        EventType.SUBJECT_DISCLOSED: _DISCLOSED,
        EventType.LOG_PRUNED: _dicom(_LOG_USED, "destroy", "D"),
        EventType.LOG_REPORTED: _dicom(_LOG_USED, "report", "R"),
        EventType.ACCESS_DENIED: _dicom(_ALERT, _RESTRICTED),
        EventType.EPOCH_TURNING: _dicom(_ALERT, _CONFIGURED),
        EventType.SUBJECT_DISPOSED: _dicom("110110", "destroy", "D"),
        EventType.EPOCH_TURNED: _dicom(_ALERT, _CONFIGURED),
        EventType.SECRETS_DESTROYED: _dicom(_ALERT, _ATTRIBUTES),
        EventType.COPY_KEYS_CONFIRMED: _dicom(_ALERT, _ATTRIBUTES),
        EventType.COPY_GIVEN_UP: _dicom(_ALERT, _ATTRIBUTES),
        EventType.KEY_STATE_SET: _dicom(_ALERT, _ATTRIBUTES),
        EventType.CRYPTOPERIOD_SET: _dicom(_ALERT, _CONFIGURED),
        EventType.SECRET_KEPT: _dicom(_ALERT, _ATTRIBUTES),
        EventType.KEY_STATE_PASSED: _dicom(_ALERT, _ATTRIBUTES),
        EventType.KEY_REFUSED: _dicom(_ALERT, _RESTRICTED),
        EventType.KEY_RISK_ACCEPTED: _dicom(_ALERT, _RESTRICTED),
        EventType.SIGNER_ADDED: _dicom(_ALERT, _CONFIGURED),
        EventType.REENCRYPTION_BEGUN: _dicom(_ALERT, "encrypt"),
        EventType.SEGMENTS_REENCRYPTED: _dicom(_ALERT, "encrypt"),
        EventType.REENCRYPTION_ENDED: _dicom(_ALERT, "encrypt"),
        EventType.UNLOCK_FAILED: _dicom("110114", "110122"),
    }
)
"""The row of every type."""

CHECKPOINT = _dicom(_LOG_USED, "attest", "R")
"""How a checkpoint is coded."""

UNKNOWN = _dicom(_ACTIVITY, _RESTRICTED)
"""What is said of a type that is not known: no more than the type, and who takes part."""

_FIRST = _rest(Pattern.CREATE, "create", "C")
_ANY = _rest(Pattern.QUERY, "search-system", "E")
_DENIED: Mapping[int, Row] = {
    Action.READ: _rest(Pattern.READ, "read", "R"),
    Action.SEARCH: _rest(Pattern.QUERY, "search-type", "E"),
    Action.WRITE: _rest(Pattern.UPDATE, "update", "U"),
    Action.DELETE: _rest(Pattern.DELETE, "delete", "D"),
    Action.UNDELETE: _rest(Pattern.UPDATE, "update", "U"),
    Action.LINK: _rest(Pattern.UPDATE, "update", "U"),
    Action.READ_STATE: _rest(Pattern.READ, "read", "R"),
    Action.WRITE_STATE: _rest(Pattern.UPDATE, "update", "U"),
    Action.EXPORT: _DISCLOSED,
}
_ROWS: Mapping[type[Event], Row] = {CLASSES[kind]: row for kind, row in TABLE.items()}


def row_of(event: Event) -> Row | None:
    """Return how an event is coded: as its type, or as what was done in it; None of a type that is not known."""
    match event:
        case RecordPut(version=1) | StateSet(version=1):
            return _FIRST
        case RecordsSearched(kind=0):
            return _ANY
        case AccessDenied(action=action) if action in _DENIED:
            return _DENIED[action]
    return _ROWS.get(type(event))

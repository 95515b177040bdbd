"""VaultFS: an embedded archive engine for healthcare records.

`create` or `open` a vault, or `open_reader` beside the process that writes it; open a session with a principal and a
purpose, and work in transactions. SPEC.md describes what lies on disk.
"""

from typing import TYPE_CHECKING

from vaultfs.access.policy import Action, PermitAll, Policy, Request
from vaultfs.audit.events import Event, EventType, Outcome
from vaultfs.context import CareSetting, Context, PersonSignature, SignatureScheme, statement_of
from vaultfs.disclosing import Basis, Disclosure, Suspension
from vaultfs.engine.committing.transaction import Transaction
from vaultfs.engine.engine import Condition, Options
from vaultfs.engine.log.merging import Merged
from vaultfs.engine.opening.front import create, open
from vaultfs.engine.reading.records import Record, RecordInfo
from vaultfs.engine.reading.session import Session
from vaultfs.engine.reading.state import State
from vaultfs.engine.vault import Vault
from vaultfs.errors import VaultError
from vaultfs.keys.recipients import Passphrase
from vaultfs.keys.stores import DirectoryAnchor, DirectoryStore
from vaultfs.model import (
    NOBODY,
    ClinicalDate,
    Identifier,
    NewRecord,
    PixelData,
    Precision,
    Principal,
    RecordId,
    SubjectId,
)

if TYPE_CHECKING:
    from vaultfs.engine.reader import Reader, open_reader


def __getattr__(name: str) -> object:
    """Return what costs time to import, when it is asked for: the version, and what only reading processes need."""
    if name == "__version__":
        from importlib.metadata import version

        return version("vaultfs")
    if name in ("Reader", "open_reader"):
        from vaultfs.engine import reader

        return getattr(reader, name)
    raise AttributeError(name)


__all__ = [
    "NOBODY",
    "Action",
    "Basis",
    "CareSetting",
    "ClinicalDate",
    "Condition",
    "Context",
    "DirectoryAnchor",
    "DirectoryStore",
    "Disclosure",
    "Event",
    "EventType",
    "Identifier",
    "Merged",
    "NewRecord",
    "Options",
    "Outcome",
    "Passphrase",
    "PermitAll",
    "PersonSignature",
    "PixelData",
    "Policy",
    "Precision",
    "Principal",
    "Reader",
    "Record",
    "RecordId",
    "RecordInfo",
    "Request",
    "Session",
    "SignatureScheme",
    "State",
    "SubjectId",
    "Suspension",
    "Transaction",
    "Vault",
    "VaultError",
    "create",
    "open",
    "open_reader",
    "statement_of",
]

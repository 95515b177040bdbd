"""What anybody can see of the recipients of a vault who has its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from vaultfs_format.escrowstanza import EscrowStanza
from vaultfs_format.keystanza import KeyStanza
from vaultfs_format.stanza import PassphraseStanza, Stanza, StanzaType
from vaultfs_format.stanzas import AnyStanza, parsed, stanza_id
from vaultfs_format.suite import Suite
from vaultfs_format.tokenstanza import TokenStanza


@dataclass(frozen=True, slots=True)
class RecipientInfo:
    """A recipient, as the vault states it.

    Parameters
    ----------
    id
        Names the stanza: 16 hexadecimal digits.
    type
        `StanzaType`, or a number that this version does not know.
    about
        Costs, fingerprints, ids, names and thresholds, by their names: none of it is a secret.
    """

    id: str
    type: int
    about: Mapping[str, object]


def listed(suite: Suite, stanza: Stanza) -> RecipientInfo:
    """Return what is public about a stanza.

    Raises
    ------
    FormatError
    """
    found = parsed(suite, stanza)
    kind = stanza.kind if found is None else StanzaType(stanza.kind)
    return RecipientInfo(stanza_id(suite, stanza).hex(), kind, {} if found is None else _about(found))


def _about(stanza: AnyStanza) -> dict[str, object]:
    match stanza:
        case PassphraseStanza(cost):
            return asdict(cost)
        case KeyStanza(fingerprint):
            return {"fingerprint": fingerprint.hex()}
        case TokenStanza(mechanism, key_id):
            return {"mechanism": mechanism.name, "key_id": key_id.hex()}
        case EscrowStanza(plan):
            groups = [tuple(group) for group in plan.groups]
            return {"identifier": plan.identifier, "group_threshold": plan.group_threshold, "groups": groups}
        case _:
            return {"name": stanza.name}

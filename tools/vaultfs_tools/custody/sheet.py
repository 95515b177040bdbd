"""The custody sheet: who can open a vault, where its epoch secret and its copies are, on paper and without a secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import vaultfs
from vaultfs.engine.custody.copies import known_copies
from vaultfs.keys import RecipientInfo, TokenStore
from vaultfs_tools.custody.recipients import as_json, as_text
from vaultfs_tools.reports import time_text

_KINDS = {vaultfs.DirectoryStore: "directory", TokenStore: "token"}
_BLANKS = "holder ______________ place ______________ date __________ signature ______________"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the vault that is known.

    Parameters
    ----------
    made
        When it was brought up to date, in microseconds since 1970-01-01T00:00Z.
    waits
        Whether it lacks the keys of this epoch, so that secrets of earlier ones are kept for it.
    """

    id: bytes
    made: int
    waits: bool


@dataclass(frozen=True, slots=True)
class Custody:
    """What a custody sheet says.

    Parameters
    ----------
    now
        When it was made, in microseconds since 1970-01-01T00:00Z.
    stores
        How many epoch stores of each kind the vault was opened with.
    """

    vault_id: bytes
    now: int
    epoch: int
    recipients: Sequence[RecipientInfo]
    stores: Mapping[str, int]
    copies: Sequence[Copy]

    @classmethod
    def of(cls, vault: vaultfs.Vault) -> Custody:
        """Return that of an open vault.

        Raises
        ------
        VaultDamaged, Closed
        """
        engine = vault.engine
        stores = Counter(_KINDS.get(type(one), "other") for one in engine.stores)
        copies = [
            Copy(copy, known.made, known.opens <= engine.chain.turn.time)
            for copy, known in sorted(known_copies(engine).items())
        ]
        recipients = vault.keys.recipients()
        return cls(vault.id, engine.options.clock(), engine.head.epoch, recipients, stores, copies)

    def as_json(self) -> dict[str, object]:
        """Return it as what ``--json`` prints."""
        return {
            "vault": self.vault_id,
            "epoch": self.epoch,
            "recipients": [as_json(one) for one in self.recipients],
            "epoch_stores": dict(self.stores),
            "copies": [{"id": copy.id, "made": copy.made, "waits": copy.waits} for copy in self.copies],
        }

    def as_text(self) -> Iterator[str]:
        """Yield its lines, with blanks for who has what, and where."""
        yield f"Custody of vault {self.vault_id.hex()}, epoch {self.epoch}, {time_text(self.now)}"
        yield ""
        yield "Each of these opens the vault, together with the epoch secret:"
        for one in self.recipients:
            yield f"  {as_text(one)}"
            yield from _holders(one)
        yield ""
        yield "The epoch secret, without which nobody opens it:"
        for kind, count in self.stores.items():
            for number in range(1, count + 1):
                yield f"  store {number} of {count}, {kind}"
                yield f"    {_BLANKS}"
        yield ""
        yield "Copies of the vault:" if self.copies else "Copies of the vault: none is known"
        for copy in self.copies:
            waits = ", not since this epoch began" if copy.waits else ""
            yield f"  {copy.id.hex()}, brought up to date {time_text(copy.made)}{waits}"
            yield f"    {_BLANKS}"


def _holders(one: RecipientInfo) -> Iterator[str]:
    """Yield a line to fill in for the recipient, or for each share of an escrow."""
    groups = one.about.get("groups")
    if not isinstance(groups, list):
        yield f"    {_BLANKS}"
        return
    for number, (_, shares) in enumerate(groups, start=1):
        for share in range(1, shares + 1):
            yield f"    group {number} share {share}: {_BLANKS}"

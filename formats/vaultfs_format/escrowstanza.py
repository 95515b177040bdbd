"""Stanzas for escrow: the secret is shared among people by SLIP-39, in groups, and enough of them together open it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vaultfs_format import limits
from vaultfs_format.errors import LimitExceeded, Structure
from vaultfs_format.layout import RESERVED, Buffer, Field, Layout, require, require_size
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import SEAL, RootSeal
from vaultfs_format.suite import Suite

ESCROW = Layout(
    Structure.STANZA,
    "escrow stanza",
    Field("identifier", "H", "identifier of the shares, 15 bits"),
    Field("iteration_exponent", "B", "cost of the shares' passphrase"),
    Field("group_threshold", "B", "groups that are needed"),
    Field("groups", "B", "number of groups"),
    Field(RESERVED, "3s"),
    *SEAL,
)
"""What comes before the groups."""

GROUP = Layout(
    Structure.STANZA,
    "escrow group",
    Field("threshold", "B", "shares of the group that are needed"),
    Field("shares", "B", "shares of the group"),
)
_IDENTIFIERS = 1 << 15


class Group(NamedTuple):
    """A group of people with a share each: so many of so many are needed."""

    threshold: int
    shares: int


@dataclass(frozen=True, slots=True)
class SharePlan:
    """How a secret is shared: what all of its shares state, and who is needed.

    Parameters
    ----------
    identifier
        15 random bits that all shares of one secret begin with.
    iteration_exponent
        Cost of the passphrase of the shares: 10,000 times two to the power of it, in iterations of PBKDF2.
    group_threshold
        How many of the groups are needed.
    """

    identifier: int
    iteration_exponent: int
    group_threshold: int
    groups: Sequence[Group]

    def check(self) -> None:
        """Refuse what no secret can be shared by, before anything is computed.

        Raises
        ------
        LimitExceeded, FieldInvalid
        """
        exponent, count = self.iteration_exponent, len(self.groups)
        most = max((group.shares for group in self.groups), default=0)
        if exponent > limits.MAX_ESCROW_EXPONENT or count > limits.MAX_ESCROW_GROUPS or most > limits.MAX_ESCROW_SHARES:
            raise LimitExceeded(structure=Structure.STANZA, exponent=exponent, groups=count, shares=most)
        require(0 <= self.identifier < _IDENTIFIERS and exponent >= 0, Structure.STANZA, 7)
        require(1 <= self.group_threshold <= count, Structure.STANZA, 8)
        for threshold, shares in self.groups:
            require(1 <= threshold <= shares and (threshold > 1 or shares == 1), Structure.STANZA, 9)


@dataclass(frozen=True, slots=True)
class EscrowStanza:
    """The root key under a secret that is shared."""

    plan: SharePlan
    seal: RootSeal

    def encode(self) -> bytes:
        """Return the body of the stanza."""
        plan = self.plan
        own = plan.identifier, plan.iteration_exponent, plan.group_threshold, len(plan.groups)
        return ESCROW.pack(*own, *self.seal.fields()) + b"".join([GROUP.pack(*group) for group in plan.groups])

    @classmethod
    def decode(cls, body: Buffer) -> EscrowStanza:
        """Parse the body of a stanza; what the shares cost is bounded here, before it runs.

        Raises
        ------
        Truncated, TrailingBytes, LimitExceeded, FieldInvalid
        """
        identifier, exponent, threshold, count, *seal = ESCROW.unpack(body)
        require_size(body, ESCROW.size + count * GROUP.size, Structure.STANZA)
        groups = [Group(*GROUP.unpack(body, ESCROW.size + number * GROUP.size)) for number in range(count)]
        plan = SharePlan(identifier, exponent, threshold, groups)
        plan.check()
        return cls(plan, RootSeal(*seal))

    def open(self, suite: Suite, vault_id: bytes, secret: Buffer) -> Secret:
        """Return the root key by the secret that shares have given.

        Raises
        ------
        CommitmentMismatch
            It is another secret: shares of another one, or another passphrase of the shares.
        DecryptionFailed
        """
        return self.seal.open(suite, vault_id, secret)

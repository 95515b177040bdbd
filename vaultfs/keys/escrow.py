"""Escrow: a vault is opened by enough people together, each of whom has a share in words (SLIP-39).

Shares are asked for in groups: of three administrators two, or of five trustees three. Nothing of a vault opens by
fewer. A set of shares is good if it leads to the secret that the vault commits to, which is the only proof: words that
belong together give a secret whatever passphrase they are read with.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, islice, product
from operator import attrgetter
from typing import TYPE_CHECKING

from vaultfs_format.escrowstanza import EscrowStanza, Group, SharePlan
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.stanza import Stanza, StanzaType, seal_root
from vaultfs_format.suite import KEY, Suite
from vaultfs_format.superblock import Superblock

from vaultfs.errors import ArgumentInvalid, CommitmentMismatch, NoRecipientMatches
from vaultfs.keys.errors import Extra, ExtraMissing, ShareInvalid, SharesMissing

if TYPE_CHECKING:
    from shamir_mnemonic import EncryptedMasterSecret, Share

MAX_MNEMONIC = 1000
"""Characters of a share, far more than the 33 words of one take."""

_MAX_TRIES = 256
"""Sets of shares that are tried where more were given than are needed, and some of them are wrong."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares that people have brought together, to unlock a vault. More than are needed are welcome.

    Parameters
    ----------
    mnemonics
        The words of each share, with blanks between them.
    passphrase
        That of the shares, if they were drawn with one.
    """

    mnemonics: Sequence[str] = field(repr=False)
    passphrase: bytes = field(default=b"", repr=False)

    def unlock(self, superblock: Superblock) -> Secret:
        """Return the root key. Errors are those of `opened`."""
        return self.opened(superblock)[1]

    def opened(self, superblock: Superblock) -> tuple[Stanza, Secret]:
        """Return the stanza that the shares open, and the root key.

        Raises
        ------
        SharesMissing
            They are not enough.
        ShareInvalid
            They are not enough, and one of them is misspelt.
        NoRecipientMatches
            The vault has no escrow; or the shares, or their passphrase, are of another secret.
        ExtraMissing
        """
        stanza, _, root_key = self._opened(superblock)
        return stanza, root_key

    def escrow(self, superblock: Superblock) -> Escrow:
        """Return the escrow that they are shares of, as recipient: all shares of it that are out stay good.

        Errors are those of `opened`. Its `groups` are one, with the shares that were brought.
        """
        stanza, secret, _ = self._opened(superblock)
        return Escrow(EscrowStanza.decode(stanza.body).plan, [self.mnemonics], secret, self.passphrase)

    def _opened(self, superblock: Superblock) -> tuple[Stanza, bytes, Secret]:
        """Return the stanza that the shares open, their secret, and the root key."""
        stanzas = [one for one in superblock.stanzas if one.kind == StanzaType.ESCROW]
        if not stanzas:
            raise NoRecipientMatches
        shares, wrong = self._read()
        enough = False
        for stanza in stanzas:
            found = EscrowStanza.decode(stanza.body)
            for secret in _secrets(found.plan, shares, self.passphrase):
                enough = True
                with suppress(CommitmentMismatch):
                    return stanza, secret, found.open(superblock.suite, superblock.vault_id, secret)
        if enough:
            raise NoRecipientMatches
        if wrong:
            raise ShareInvalid(share=wrong)
        raise SharesMissing(shares=len(shares))

    def _read(self) -> tuple[list[Share], int]:
        """Return the shares that are well formed, and the number of the first that is not; 0 if all are."""
        _need_slip39()
        from shamir_mnemonic import MnemonicError, Share

        shares, wrong = [], 0
        for number, mnemonic in enumerate(self.mnemonics, 1):
            if len(mnemonic) <= MAX_MNEMONIC:
                with suppress(MnemonicError):
                    shares.append(Share.from_mnemonic(mnemonic))
                    continue
            wrong = wrong or number
        return shares, wrong


@dataclass(frozen=True, slots=True)
class Escrow:
    """A secret that is shared out, as recipient of a vault. `draw` makes one.

    Parameters
    ----------
    groups
        The shares, by group: the words of each, to be written down and handed out. Nothing gives them again.
    """

    plan: SharePlan
    groups: Sequence[Sequence[str]] = field(repr=False)
    secret: bytes = field(repr=False)
    passphrase: bytes = field(default=b"", repr=False)

    @classmethod
    def draw(
        cls,
        groups: Sequence[tuple[int, int]],
        group_threshold: int = 1,
        *,
        passphrase: bytes = b"",
        iteration_exponent: int = 1,
    ) -> Escrow:
        """Draw a secret, and share it out.

        Parameters
        ----------
        groups
            Of each group how many shares are needed, and how many there are: at most 16 groups of 16.
        group_threshold
            How many groups are needed.
        passphrase
            Printable ASCII, which is needed beside the shares: forgotten, they open nothing.
        iteration_exponent
            Cost of the passphrase: 10,000 iterations times two to the power of it.

        Raises
        ------
        FieldInvalid, LimitExceeded
            Nothing can be shared in this way.
        ArgumentInvalid
            The passphrase has other characters.
        ExtraMissing
        """
        plan = SharePlan(0, iteration_exponent, group_threshold, tuple(Group(*group) for group in groups))
        plan.check()
        if not (passphrase.isascii() and passphrase.decode("ascii").isprintable()):
            raise ArgumentInvalid(length=len(passphrase))
        _need_slip39()
        from shamir_mnemonic import Share, generate_mnemonics

        secret = os.urandom(KEY)
        made = generate_mnemonics(group_threshold, plan.groups, secret, passphrase, True, iteration_exponent)
        identifier = Share.from_mnemonic(made[0][0]).identifier
        return cls(replace(plan, identifier=identifier), tuple(map(tuple, made)), secret, passphrase)

    @property
    def shares(self) -> Shares:
        """All of the shares, as what unlocks."""
        return Shares([share for group in self.groups for share in group], self.passphrase)

    def stanza(self, suite: Suite, vault_id: bytes, root_key: Buffer, salt: bytes) -> Stanza:
        """Return the stanza that lets enough shares open `root_key`."""
        sealed = EscrowStanza(self.plan, seal_root(suite, vault_id, root_key, self.secret, salt))
        return Stanza(StanzaType.ESCROW, sealed.encode())

    def unlock(self, superblock: Superblock) -> Secret:
        """Return the root key, by the shares.

        Raises
        ------
        NoRecipientMatches
        """
        return self.shares.unlock(superblock)


def _need_slip39() -> None:
    """Refuse to go on without the library for SLIP-39.

    Raises
    ------
    ExtraMissing
    """
    with suppress(ImportError):
        import shamir_mnemonic  # noqa: F401 - whether it can be

        return
    raise ExtraMissing(extra=Extra.ESCROW)


def _secrets(plan: SharePlan, shares: Sequence[Share], passphrase: bytes) -> Iterator[bytes]:
    """Yield the secrets that sufficient sets of shares give, each once: one, unless some shares are forged.

    What the passphrase costs is that of the plan, which is bounded: shares that state another are of another secret.
    """
    seen: set[bytes] = set()
    for chosen in islice(_sufficient(plan, shares), _MAX_TRIES):
        encrypted = _combined(chosen)
        if encrypted is not None and encrypted.ciphertext not in seen:
            seen.add(encrypted.ciphertext)
            yield encrypted.decrypt(passphrase)


def _sufficient(plan: SharePlan, shares: Sequence[Share]) -> Iterator[list[Share]]:
    """Yield sets of shares that are just enough, as the library wants them: any, if none of them is forged."""
    members: defaultdict[int, set[Share]] = defaultdict(set)
    stated = plan.identifier, True, plan.iteration_exponent, plan.group_threshold, len(plan.groups)
    for share in shares:
        if share.common_parameters() == stated and len(share.value) == KEY:
            members[share.group_index].add(share)
    groups = [_choices(group.threshold, members[number]) for number, group in enumerate(plan.groups)]
    for chosen in combinations(filter(None, groups), plan.group_threshold):
        together = [[group[number % len(group)] for group in chosen] for number in range(max(map(len, chosen)))]
        for sets in chain(together, product(*chosen)):
            yield [share for one in sets for share in one]


def _choices(threshold: int, members: Iterable[Share]) -> list[tuple[Share, ...]]:
    """Return choices of as many shares of a group as are needed; a few of them leave out whichever one is forged."""
    fitting = sorted((one for one in members if one.member_threshold == threshold), key=attrgetter("index", "value"))
    both_ways = zip(combinations(fitting, threshold), combinations(fitting[::-1], threshold), strict=True)
    return list(islice(chain.from_iterable(both_ways), _MAX_TRIES))


def _combined(shares: Sequence[Share]) -> EncryptedMasterSecret | None:
    """Return what shares give together, None where they do not belong together."""
    from shamir_mnemonic import MnemonicError, recover_ems
    from shamir_mnemonic.shamir import ShareGroup

    groups: defaultdict[int, ShareGroup] = defaultdict(ShareGroup)
    with suppress(MnemonicError):
        for share in shares:
            groups[share.group_index].add(share)
        return recover_ems(groups)
    return None

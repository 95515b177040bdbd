"""Recipients under another root key: who stays, who goes, who is new, and that nobody is lost by accident.

Nothing but a recipient itself, or its public key, makes its stanza. So whoever stays is given again, and proves of
which old stanza it is: it opens it, or is the public key of its fingerprint. The new stanza is as the old one was: by
the same key of a token, for the same shares, at the same cost unless the one that is given is dearer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from vaultfs_format import limits
from vaultfs_format.keystanza import KeyStanza, fingerprint_of
from vaultfs_format.layout import Buffer
from vaultfs_format.stanza import Argon2Cost, Stanza, StanzaType
from vaultfs_format.suite import same
from vaultfs_format.superblock import Superblock
from vaultfs_format.tokenstanza import TokenStanza

from vaultfs.errors import ArgumentInvalid, NoRecipientMatches, NotFound
from vaultfs.keys.errors import RecipientsUnheld, SharesMissing, TokenKeyMissing
from vaultfs.keys.escrow import Shares
from vaultfs.keys.listing import RecipientInfo, listed
from vaultfs.keys.publickeys import RecipientKey
from vaultfs.keys.recipients import MIN_ARGON_MEMORY, Passphrase, Recipient, Unlocker, sealed_for
from vaultfs.keys.tokens import Token

Given = Recipient | Unlocker
"""What stands for a recipient that stays: itself, what opens it, or its public key."""


@dataclass(frozen=True, slots=True)
class Succession:
    """A VAULT under another root key.

    Parameters
    ----------
    superblock
        Of the next generation.
    renewed
        Of each recipient that stays, the new stanza and the old one.
    """

    superblock: Superblock
    root_key: Buffer = field(repr=False)
    renewed: Sequence[tuple[RecipientInfo, RecipientInfo]]
    removed: Sequence[RecipientInfo]
    added: Sequence[RecipientInfo]


@dataclass(frozen=True, slots=True)
class Changes:
    """What is asked for.

    Parameters
    ----------
    unlock
        What has opened the vault: it stays without being given again, unless its stanza is removed.
    staying
        Who stays beside it.
    removed
        Ids of stanzas, as they are listed.
    added
        New recipients.
    """

    unlock: Unlocker
    staying: Sequence[Given] = ()
    removed: Collection[str] = ()
    added: Sequence[Recipient] = ()


def succession(old: Superblock, old_key: Buffer, root_key: Buffer, changes: Changes) -> Succession:
    """Return what takes the place of VAULT.

    Parameters
    ----------
    old, old_key
        VAULT as it is, proved authentic, and its root key.
    root_key
        The new one, 32 random bytes.

    Raises
    ------
    NotFound
        Somebody is to be removed who is not there.
    RecipientsUnheld
        Nobody stands for a stanza that is not removed.
    NoRecipientMatches
        Somebody is to stay who is not there; or a recipient cannot open its own new stanza.
    ArgumentInvalid
        Nobody would be left, or more than a vault can have.
    VaultError
        What opening a stanza, or sealing for a recipient, raises.
    """
    before = [(listed(old.suite, one), one) for one in old.stanzas]
    if not set(changes.removed) <= {about.id for about, _ in before}:
        raise NotFound
    kept = [(about, one) for about, one in before if about.id not in changes.removed]
    count = len(kept) + len(changes.added)
    if not 0 < count <= limits.MAX_STANZAS:
        raise ArgumentInvalid(recipients=count)
    staying = _matched(old, old_key, kept, changes)
    made = [sealed_for(one, old.suite, old.vault_id, root_key) for one in [*staying, *changes.added]]
    new = [listed(old.suite, one) for one in made]
    return Succession(
        replace(old, generation=old.generation + 1, stanzas=made),
        root_key,
        list(zip(new[: len(kept)], (about for about, _ in kept), strict=True)),
        [about for about, _ in before if about.id in changes.removed],
        new[len(kept) :],
    )


def _matched(
    old: Superblock, old_key: Buffer, kept: Sequence[tuple[RecipientInfo, Stanza]], changes: Changes
) -> list[Recipient]:
    """Return for each stanza the recipient that it is made for again."""
    idle = list(changes.staying)
    found: list[Recipient] = []
    unheld: list[str] = []
    for about, stanza in kept:
        for one in (*changes.staying, changes.unlock):
            recipient = _standing(one, old, old_key, stanza)
            if recipient is not None:
                found.append(recipient)
                idle = [other for other in idle if other is not one]
                break
        else:
            unheld.append(about.id)
    if unheld:
        raise RecipientsUnheld.of(unheld)
    # One that was given twice stands for what it is, though nothing was left to be made for it.
    if not all(any(_standing(one, old, old_key, stanza) for _, stanza in kept) for one in idle):
        raise NoRecipientMatches
    return found


def _standing(one: Given, old: Superblock, old_key: Buffer, stanza: Stanza) -> Recipient | None:
    """Return the recipient that a stanza is made for again; None if what was given is not of this stanza."""
    alone = replace(old, stanzas=[stanza])
    if isinstance(one, RecipientKey):
        return one if _is_for(one, old, stanza) else None
    with suppress(NoRecipientMatches, SharesMissing, TokenKeyMissing):
        if isinstance(one, Shares):
            return one.escrow(alone)
        if isinstance(one, Unlocker) and isinstance(one, Recipient) and same(one.unlock(alone), old_key):
            return _as_it_was(one, stanza)
    return None


def _is_for(key: RecipientKey, old: Superblock, stanza: Stanza) -> bool:
    if stanza.kind != StanzaType.PUBLIC_KEY:
        return False
    return KeyStanza.decode(old.suite, stanza.body).fingerprint == fingerprint_of(old.suite, key.public)


def _as_it_was(one: Recipient, stanza: Stanza) -> Recipient:
    match one:
        case Passphrase():
            cost = stanza.passphrase().cost
            if isinstance(cost, Argon2Cost):
                return replace(one, cost=max(cost, one.cost, key=_dearness))
            return replace(one, pbkdf2=max(cost, one.pbkdf2, key=lambda each: each.iterations))
        case Token():
            return replace(one, key_id=TokenStanza.decode(stanza.body).key_id)
        case _:
            return one


def _dearness(cost: Argon2Cost) -> tuple[bool, int]:
    return cost.memory_kib >= MIN_ARGON_MEMORY, cost.memory_kib * cost.passes

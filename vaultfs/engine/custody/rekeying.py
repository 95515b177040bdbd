"""Who can open a vault: listed, added, removed, and escrow shares tried out; and its epochs.

Removing is another root key, in force by a turn of the epoch. Adding is a rewrap: the same root key, sealed once more,
in a VAULT of the next generation. Order: the event; VAULT in both copies; the head that names it; then the VAULT before
goes. A crash at any point leaves the one or the other in force, and what is not in force is litter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from vaultfs_format import limits
from vaultfs_format.events.keys import (
    EpochTurned,
    EpochTurning,
    EscrowDrilled,
    KeyRefused,
    RecipientAdded,
    RecipientRemoved,
    RecipientRenewed,
    SecretKept,
    SignerAdded,
    SubjectDisposed,
    UnlockFailed,
)
from vaultfs_format.handover import Handover
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.layout import Buffer
from vaultfs_format.secret import Secret
from vaultfs_format.signing import Signer, SigningKeys, draw_seeds
from vaultfs_format.suite import KEY
from vaultfs_format.superblock import HANDOVER, SIGNER, PublicKey, Superblock

from vaultfs.audit.events import NOBODYS_SESSION, Event, Outcome, encoded
from vaultfs.engine.custody.epochs import Destruction, present_secret, retire
from vaultfs.engine.custody.reencrypting import Reencrypted, reencrypt
from vaultfs.engine.custody.turning import Replacement, Turned, turn
from vaultfs.engine.engine import Engine
from vaultfs.engine.files.heads import read_superblock, witness
from vaultfs.engine.files.pairs import drop_copy, keep_pair
from vaultfs.engine.settling.litter import sweep
from vaultfs.engine.settling.settle import as_it_is
from vaultfs.errors import (
    ArgumentInvalid,
    IndexDamaged,
    KeyExpired,
    KeyNotUsable,
    LimitExceeded,
    StorageFull,
    Structure,
    VaultDamaged,
    VaultError,
    VaultMissing,
)
from vaultfs.keys.escrow import Shares
from vaultfs.keys.lifecycle import KeyKind, KeyRef
from vaultfs.keys.listing import RecipientInfo, listed
from vaultfs.keys.recipients import Recipient, Unlocker, sealed_for
from vaultfs.keys.stores import EpochStore, put_in_all
from vaultfs.keys.succession import Changes, Given, Succession, succession
from vaultfs.metrics import Timing, timed
from vaultfs.model import SubjectId

if TYPE_CHECKING:
    from vaultfs.engine.vault import Vault


class Settle(Protocol):
    """Settles a vault into a head that is amended, and seals segments anew."""

    def __call__(self, amended: Callable[[Head], Head], renewing: Sequence[SegmentRow] = ()) -> int: ...


class Keys:
    """The recipients of an open vault.

    Parameters
    ----------
    settle
        Called under the lock of the vault's engine.
    """

    def __init__(self, vault: Vault, settle: Settle) -> None:
        self._vault = vault
        self._engine = vault.engine
        self._settle = settle

    def recipients(self) -> list[RecipientInfo]:
        """Return all recipients, as the vault states them.

        Raises
        ------
        VaultDamaged, Closed
        """
        with self._engine.lock:
            self._engine.check()
            superblock, _ = self._read()
        return [listed(superblock.suite, stanza) for stanza in superblock.stanzas]

    def add(self, recipient: Recipient, *, unlock: Unlocker) -> RecipientInfo:
        """Let one more recipient open the vault; durable and in force when this returns.

        Parameters
        ----------
        unlock
            Any that opens the vault now: an open vault does not keep its root key.

        Raises
        ------
        NoRecipientMatches
            `unlock` does not open this vault; or the new recipient could not open its own stanza.
        ArgumentInvalid
            There are as many recipients as a vault can have.
        StorageFull
            All is as it was.
        VaultDamaged, VaultMissing
            The new VAULT is not what was written: all is as it was.
        StorageFailed, WriterPoisoned, Closed, VaultError
            What sealing for the recipient raises, or unlocking.
        """
        engine = self._engine
        with engine.maintained():  # nobody else replaces VAULT; others go on writing while a PIN is asked for
            old, root_key = self._unlocked(unlock)
            if len(old.stanzas) >= limits.MAX_STANZAS:
                raise ArgumentInvalid(recipients=len(old.stanzas) + 1)
            stanza = sealed_for(recipient, old.suite, old.vault_id, root_key)
            new = replace(old, generation=old.generation + 1, stanzas=[*old.stanzas, stanza])
            added = listed(old.suite, stanza)
            with engine.lock:
                engine.check_writable()
                self._record(_added(added, self._now()))
                try:
                    self._replace(new, root_key)
                except (StorageFull, VaultDamaged, VaultMissing):
                    if not engine.poisoned:  # else a head may be there that names it
                        _remove(engine, new.generation)
                        with suppress(VaultError):
                            self._record(_added(added, self._now(), Outcome.FAILED))
                    raise
                _remove(engine, old.generation)
        return added

    def turn(self, unlock: Unlocker, dispose: Iterable[SubjectId] = (), *, new_signer: bool = False) -> Turned:
        """Begin another epoch, and with it dispose of all that is kept of subjects: no key opens it from then on.

        Old copies of the vault do not help: the secret of the epoch before is destroyed, at once or when every copy
        that is known was brought up to date. Settles first.

        Parameters
        ----------
        unlock
            Any that opens the vault now: an open vault does not keep its root key.
        dispose
            Subjects, each with all identifiers and records of its own.
        new_signer
            Sign with new keys from now on. Those of signers before stay in VAULT, for what they have signed.

        Raises
        ------
        LimitExceeded
            There are as many signers as a vault can have.
        NotFound
            There is no such subject.
        NoRecipientMatches
        EpochSecretMissing
            A store does not give back the new secret.
        VaultDamaged, FormatError, NotAuthentic
            A key table, or something else that must be carried over, is damaged.
        StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned
        """
        with self._engine.maintained():
            old, root_key = self._unlocked(unlock)
            if not new_signer:
                return self._turn(root_key, dispose)
            coming = _drawn_signer(old)
            signer = coming.signer
            added = SignerAdded(self._now(), NOBODYS_SESSION, signer.number, signer.fingerprint)
            self._vault.record([added], durable=True)  # the signer before signs that it names this one
            self._vault.commit(self._vault.lives.began(KeyRef.signer(signer.number)))
            return self._turn(root_key, dispose, lambda: _handed_over(self._engine, old, coming))

    def rekey(
        self,
        *,
        unlock: Unlocker,
        staying: Sequence[Given] = (),
        removed: Collection[str] = (),
        added: Sequence[Recipient] = (),
        dispose: Iterable[SubjectId] = (),
    ) -> tuple[list[RecipientInfo], Turned]:
        """Put another root key in force, for those who stay and those who are added, and begin another epoch.

        Who is removed, and has kept the root key and the epoch secret, cannot open what the vault is then.

        Parameters
        ----------
        unlock
            Any that opens the vault now; it stays, unless its stanza is removed.
        staying
            Whoever stays beside it, as nothing else makes a stanza again: what opens it, or its public key; of an
            escrow enough shares, and all that are out stay good.
        removed
            Ids, as `recipients` lists them.
        dispose
            As of `turn`.

        Returns
        -------
        tuple
            The recipients in force, those that stay in their order first; and what the turn did.

        Raises
        ------
        NotFound
            There is no such recipient to remove, or no such subject.
        RecipientsUnheld
            Somebody would be lost who was not named in `removed`.
        KeyExpired, KeyNotUsable
            Somebody would stay whose key may protect nothing any more; the facts name the recipient.
        NoRecipientMatches
            `unlock` does not open this vault, or somebody in `staying` is no recipient of it that stays.
        ArgumentInvalid
            Nobody would be left, or more than a vault can have.
        EpochSecretMissing, VaultDamaged, FormatError, NotAuthentic, StorageFull, StorageReadOnly, StorageFailed
        WriterPoisoned, VaultError
            As of `turn`, or what sealing for a recipient raises: those before are in force, unless the writer is
            poisoned, when that is in doubt.
        """
        with self._engine.maintained():
            old, root_key = self._unlocked(unlock)
            with self._vault.guard.recording(lambda: KeyKind.RECIPIENT):
                self._vault.lives.check_staying(old, removed)
            made = succession(old, root_key, Secret(os.urandom(KEY)), Changes(unlock, staying, removed, added))
            self._vault.lives.inherit(made.renewed)
            changes = list(_changes(made, self._now()))
            turned = self._turn(made.root_key, dispose, lambda: Replacement(made.superblock), changes)
        return [listed(made.superblock.suite, one) for one in made.superblock.stanzas], turned

    def _turn(
        self,
        root_key: Buffer,
        dispose: Iterable[SubjectId],
        replacement: Callable[[], Replacement | None] = lambda: None,
        added: Sequence[Event] = (),
    ) -> Turned:
        """Turn the epoch, under a root key; the events are in the commit that does it.

        Parameters
        ----------
        replacement
            Returns another VAULT, if there is to be one, when everything is settled.
        """
        engine, vault = self._engine, self._vault
        subjects = sorted({bytes(subject) for subject in dispose})
        with engine.lock:
            engine.check_writable()
            vault.note(EpochTurning, len(subjects))
            vault.settle()
            other, now = replacement(), self._now()
            disposed = (SubjectDisposed(now, NOBODYS_SESSION, subject) for subject in subjects)
            sealed = encoded(engine.suite, *disposed, *added, EpochTurned(now, NOBODYS_SESSION, len(subjects)))
            with timed(engine.metrics, Timing.TURN):
                try:
                    turned = turn(engine, root_key, subjects, sealed, other)
                except IndexDamaged:
                    vault.rebuild_index()
                    turned = turn(engine, root_key, subjects, sealed, other)
            sweep(engine)
            vault.retire()
            return turned

    def reencrypt(self, seconds: float | None = None) -> Reencrypted:
        """Seal everything anew under keys that were never used. Parameters and errors are those of `reencrypt`."""
        return reencrypt(self._vault, lambda rows: self._settle(as_it_is, rows), seconds)

    def keep_secret(self, store: EpochStore, *, unlock: Unlocker) -> Destruction:
        """Put the secret of this epoch into one more store, and show it the head: for a holder elsewhere, say.

        The secrets of earlier epochs in it are destroyed, as in the stores of the vault. It has the secret of this
        epoch only: after each turn it has to be given the next one, or to be among the stores with which the vault is
        opened.

        Parameters
        ----------
        unlock
            Any that opens the vault now: it proves which secret is the right one.

        Returns
        -------
        Destruction
            What became of the secrets of earlier epochs in this store.

        Raises
        ------
        NoRecipientMatches
        EpochSecretMissing
            No store of the vault has the secret, or this one does not give it back.
        StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned, Closed
        """
        engine = self._engine
        with engine.maintained():
            _, root_key = self._unlocked(unlock)
            with engine.lock:
                engine.check_writable()
                put_in_all([store], present_secret(engine, root_key))
                witness([store], engine.head, engine.metrics)
                retired, now = retire(engine, store), self._now()
                kept = SecretKept(now, NOBODYS_SESSION, engine.head.epoch)
                self._vault.record([kept, *(one.event(now) for one in retired.receipts)], durable=True)
        return retired

    def drill(self, shares: Shares) -> RecipientInfo:
        """Prove that escrow shares still open the vault, and change nothing; that it was tried is audited, durably.

        Returns
        -------
        RecipientInfo
            The escrow that they are shares of.

        Raises
        ------
        NoRecipientMatches, SharesMissing, ShareInvalid, ExtraMissing
            They do not.
        """
        engine = self._engine
        engine.check_writable()
        with engine.lock:
            superblock, data = self._read()
        try:
            stanza, root_key = shares.opened(superblock)
            superblock.verify(data, root_key)
        except VaultError:
            self._record(EscrowDrilled(self._now(), NOBODYS_SESSION, None, 0, Outcome.FAILED))
            raise
        found = listed(superblock.suite, stanza)
        self._record(EscrowDrilled(self._now(), NOBODYS_SESSION, bytes.fromhex(found.id), found.type, Outcome.DONE))
        return found

    def _read(self) -> tuple[Superblock, bytes]:
        engine = self._engine
        return read_superblock(engine.vfs, engine.layout, engine.head)

    def _unlocked(self, unlock: Unlocker) -> tuple[Superblock, Buffer]:
        """Return the superblock in force, proved authentic, and the root key."""
        superblock, data = self._read()
        try:
            root_key = self._vault.lives.unlocked(superblock, unlock)
            superblock.verify(data, root_key)
        except (KeyExpired, KeyNotUsable):
            self._record(KeyRefused(self._now(), NOBODYS_SESSION, KeyKind.RECIPIENT))
            raise
        except VaultError:
            self._record(UnlockFailed(self._now(), NOBODYS_SESSION))
            raise
        return superblock, root_key

    def _record(self, event: Event) -> None:
        self._vault.record([event], durable=True)

    def _now(self) -> int:
        return self._engine.options.clock()

    def _replace(self, new: Superblock, root_key: Buffer) -> None:
        """Put another VAULT in force."""
        engine = self._engine
        data = new.encode(root_key)
        keep_pair(engine.vfs, engine.layout, engine.layout.superblock(new.generation), data, engine.metrics)
        digest = new.suite.digest(data)
        self._settle(lambda head: replace(head, superblock_generation=new.generation, superblock_digest=digest))


@dataclass(frozen=True, slots=True, repr=False)
class _Coming:
    """A signer that is to follow, and its private keys."""

    signer: Signer
    seeds: Secret


def _drawn_signer(old: Superblock) -> _Coming:
    """Return a new signer.

    Raises
    ------
    LimitExceeded
        There is no room in VAULT for it.
    """
    needed = len(old.public_keys) + 2
    if needed > limits.MAX_PUBLIC_KEYS:
        raise LimitExceeded(structure=Structure.SUPERBLOCK, keys=needed)
    seeds = draw_seeds(old.suite, os.urandom)
    return _Coming(SigningKeys(old.suite, old.signers()[-1].number + 1, seeds).signer, seeds)


def _handed_over(engine: Engine, old: Superblock, coming: _Coming) -> Replacement:
    """Return a VAULT in which the signer hands over to the next, with all that it has signed of the log."""
    head, signer = engine.head, coming.signer
    handover = Handover(old.vault_id, signer.number, head.tree_size, head.tree_root, signer.fingerprint)
    added = [PublicKey(SIGNER, signer.encode()), PublicKey(HANDOVER, handover.signed(engine.signing).encode())]
    new = replace(old, generation=old.generation + 1, public_keys=[*old.public_keys, *added])
    return Replacement(new, (signer.number, coming.seeds))


def _added(about: RecipientInfo, now: int, outcome: Outcome = Outcome.DONE) -> RecipientAdded:
    return RecipientAdded(now, NOBODYS_SESSION, bytes.fromhex(about.id), about.type, outcome)


def _changes(made: Succession, now: int) -> Iterator[Event]:
    """Yield what the log says of every recipient before and after."""
    for new, old in made.renewed:
        yield RecipientRenewed(now, NOBODYS_SESSION, bytes.fromhex(new.id), new.type, bytes.fromhex(old.id))
    for about in made.removed:
        yield RecipientRemoved(now, NOBODYS_SESSION, bytes.fromhex(about.id), about.type)
    for about in made.added:
        yield _added(about, now)


def _remove(engine: Engine, generation: int) -> None:
    """Remove a VAULT file that is not in force, and its copy; what cannot be removed stays litter."""
    path = engine.layout.superblock(generation)
    with suppress(VaultError):
        drop_copy(engine.vfs, engine.layout, path, engine.metrics)
        engine.vfs.unlink(path)

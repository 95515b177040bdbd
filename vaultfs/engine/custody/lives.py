"""The lives of the keys of a vault: kept as control states, and asked before a key is used.

What can be decided here is what this library does. Who has a key and another program is not kept from anything: that
takes another key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from vaultfs_format.events.keys import CryptoperiodSet, KeyStatePassed, KeyStateSet
from vaultfs_format.layout import Buffer
from vaultfs_format.stanzas import stanza_id
from vaultfs_format.superblock import Superblock

from vaultfs.audit.events import NOBODYS_SESSION, Event, encoded
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.committing.grouping import Intent
from vaultfs.engine.engine import Engine, View
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.indexing.index import Stamp
from vaultfs.engine.reading.state import State
from vaultfs.errors import (
    ArgumentInvalid,
    IndexDamaged,
    KeyExpired,
    KeyNotUsable,
    NoRecipientMatches,
    NotFound,
    StorageFull,
    TransitionInvalid,
)
from vaultfs.keys.errors import KeyServiceFailed, ShareInvalid, SharesMissing, StanzaName, TokenKeyMissing
from vaultfs.keys.lifecycle import (
    FOLLOWING,
    NEVER,
    Cryptoperiod,
    KeyKind,
    KeyRef,
    KeyState,
    Life,
    OnExpiry,
    Reason,
    Use,
)
from vaultfs.keys.listing import RecipientInfo
from vaultfs.keys.recipients import Unlocker

NAMESPACE = "vaultfs.keys"
_PERIOD = b"cryptoperiod"

_OPENS_NONE = (NoRecipientMatches, KeyServiceFailed, ShareInvalid, SharesMissing, TokenKeyMissing)
"""What unlocking ends in by what opens none of these stanzas, but maybe another one."""

ReadState = Callable[[str, bytes], State]


class Lives:
    """The lives of the keys of a vault that is open.

    Parameters
    ----------
    read
        Returns a control state.
    """

    def __init__(self, engine: View, read: ReadState) -> None:
        self._view = engine
        self._read = read
        self._risk_accepted = False
        self._seen: tuple[Stamp | None, Life] | None = None
        """The life of the key of the epoch, and the stamp of the index when it was read."""

    def period(self, kind: KeyKind = KeyKind.EPOCH) -> Cryptoperiod:
        """Return for how long each key of a kind protects: those of epochs, or of signers."""
        value = self._read(NAMESPACE, _PERIOD + bytes([kind])).value
        return Cryptoperiod() if value is None else Cryptoperiod.decode(value)

    def life(self, ref: KeyRef) -> Life:
        """Return the life of a key; one of which nothing was ever said is active.

        Raises
        ------
        ArgumentInvalid
            There was no such epoch.
        """
        return self._following(ref, self._kept(ref))

    def _kept(self, ref: KeyRef) -> Life:
        """Return the life of a key as it was set, without what follows from a period."""
        value = self._read(NAMESPACE, ref.state_key).value
        return Life() if value is None else Life.decode(value)

    def _following(self, ref: KeyRef, life: Life, period: Cryptoperiod | None = None) -> Life:
        """Return a life with what follows from the epoch in force, and from a period, by default that of its kind."""
        if ref.kind is KeyKind.RECIPIENT:
            return life
        if ref.kind is KeyKind.SIGNER:
            return life.limited(life.active_from, period or self.period(ref.kind))
        if not 0 < ref.number <= self._view.head.epoch:
            raise ArgumentInvalid(epoch=ref.number)
        began = self._view.chain.turn.time
        if ref.number == self._view.head.epoch:
            return life.limited(began, period or self.period(ref.kind))
        ended = life.state in {KeyState.COMPROMISED, KeyState.DESTROYED}
        return life if ended else replace(life, state=KeyState.DEACTIVATED, changed=began)

    def check_process(self) -> None:
        """Refuse to open anything with a key that must not be used for that.

        Raises
        ------
        KeyExpired, KeyNotUsable
        """
        life = self._present()
        if not life.unlimited:
            life.check(Use.PROCESS, self._view.options.clock(), risk_accepted=self._risk_accepted)

    def _present(self) -> Life:
        """Return the life of the key of this epoch; it is read again when anything was committed."""
        stamp = None
        with suppress(IndexDamaged):  # another takes its place: what reads the state below waits for it
            stamp = self._view.index.stamp()
        if self._seen is None or stamp is None or self._seen[0] != stamp:
            self._seen = stamp, self.life(KeyRef.epoch(self._view.head.epoch))
        return self._seen[1]

    def accept_risk(self) -> bool:
        """Go on reading by keys that are suspended, compromised or past their dates; return whether there are any."""
        self._risk_accepted = True
        return self._barred(KeyRef.epoch(self._view.head.epoch)) is not None

    def _barred(self, ref: KeyRef) -> KeyExpired | KeyNotUsable | None:
        """Return why a key may not be used to open anything, None where it may."""
        life = self.life(ref)
        if life.unlimited:
            return None
        try:
            life.check(Use.PROCESS, self._view.options.clock())
        except (KeyExpired, KeyNotUsable) as error:
            return error
        return None

    def unlocked(self, superblock: Superblock, unlock: Unlocker) -> Buffer:
        """Return the root key, by recipients that may be used; by others, too, where the risk was accepted.

        Raises
        ------
        KeyExpired, KeyNotUsable
            Only a recipient that may not be used opens it.
        NoRecipientMatches, VaultError
            What unlocking raises.
        """
        barred = {number: why for number, why in self._restrictions(superblock) if not self._risk_accepted}
        permitted = [stanza for number, stanza in enumerate(superblock.stanzas) if number not in barred]
        try:
            return unlock.unlock(replace(superblock, stanzas=permitted))
        except _OPENS_NONE:
            for number, why in barred.items():
                with suppress(*_OPENS_NONE):
                    unlock.unlock(replace(superblock, stanzas=[superblock.stanzas[number]]))
                    raise why from None
            raise

    def _restrictions(self, superblock: Superblock) -> Iterator[tuple[int, KeyExpired | KeyNotUsable]]:
        """Yield the stanzas, by their numbers, whose recipients may not be used, and why not."""
        for number, stanza in enumerate(superblock.stanzas):
            why = self._barred(KeyRef(KeyKind.RECIPIENT, stanza_id(superblock.suite, stanza)))
            if why is not None:
                yield number, why

    def restricted(self, superblock: Superblock) -> bool:
        """Return whether a recipient may not be used to open the vault."""
        return any(True for _ in self._restrictions(superblock))


class KeptLives(Lives):
    """The lives of the keys of a vault that is open for writing.

    Parameters
    ----------
    commit
        Commits an intent.
    """

    def __init__(self, engine: Engine, read: ReadState, commit: Callable[[Intent], int]) -> None:
        super().__init__(engine, read)
        self._engine = engine
        self._commit = commit
        self._known: tuple[tuple[KeyRef, KeyRef], Life, Life] | None = None
        """The present epoch and signer, and their lives; None where they must be read."""
        self._noted: set[tuple[KeyRef, KeyState]] = set()
        """What was recorded of keys in use since the vault was opened."""

    def set_period(self, period: Cryptoperiod, kind: KeyKind = KeyKind.EPOCH) -> None:
        """Say for how long each key of a kind protects, the present one included.

        It counts from when the epoch began or the signer was made; from now on where that is not known, as of the
        first ones of a vault. A present one whose period is over stays deactivated: a turn begins the next.

        Raises
        ------
        ArgumentInvalid
            Recipients have no period.
        """
        if kind is KeyKind.RECIPIENT:
            raise ArgumentInvalid(kind=kind)
        with self._engine.lock:
            period = replace(period, since=self.period(kind).since or self._now())
            self._end(next(one for one in self._refs() if one.kind is kind), period)
            event = CryptoperiodSet(self._now(), NOBODYS_SESSION, kind, period.microseconds)
            self._set(_PERIOD + bytes([kind]), period.encode(), event)

    def set_state(self, ref: KeyRef, state: KeyState, reason: Reason = Reason.UNSPECIFIED) -> Life:
        """Set the state of a key.

        Raises
        ------
        TransitionInvalid
        ArgumentInvalid
            There was no such epoch.
        NotFound
            There is no such recipient, or was no such signer.
        """
        with self._engine.lock:
            self._check_there(ref)
            life = self.life(ref).moved(state, self._now(), reason)
            self._keep(ref, replace(life, protect_until=self._kept(ref).protect_until))
            return life

    def set_dates(
        self, ref: KeyRef, *, active_from: int = NEVER, protect_until: int = NEVER, process_until: int = NEVER
    ) -> Life:
        """Set the dates of a key, in microseconds since 1970, all of them.

        Raises
        ------
        TransitionInvalid
            They do not ascend; or the key would be deactivated and active again, or active and pre-active.
        ArgumentInvalid
            There was no such epoch; or a date is so late that it cannot be kept.
        NotFound
            There is no such recipient, or was no such signer.
        """
        with self._engine.lock:
            self._check_there(ref)
            life, now = self.life(ref), self._now()
            dated = replace(
                life, changed=now, active_from=active_from, protect_until=protect_until, process_until=process_until
            )
            state, present = self._following(ref, dated).at(now), life.at(now)
            comes_late = present is not KeyState.PRE_ACTIVE and active_from > max(now, life.active_from)
            if comes_late or (state is not present and state not in FOLLOWING[present]):
                raise TransitionInvalid(state=present, to=KeyState.PRE_ACTIVE if comes_late else state)
            return self._keep(ref, replace(dated, recorded=dated.at(now)))

    def _check_there(self, ref: KeyRef) -> None:
        """Refuse a recipient or a signer that the vault does not have; epochs are refused by their lives."""
        engine = self._engine
        if ref.kind is KeyKind.SIGNER:
            there = 0 < ref.number <= engine.signing.signer.number
        elif ref.kind is KeyKind.RECIPIENT:
            superblock, _ = read_superblock(engine.vfs, engine.layout, engine.head)
            there = ref.id in {stanza_id(superblock.suite, one) for one in superblock.stanzas}
        else:
            there = True
        if not there:
            raise NotFound

    def _end(self, ref: KeyRef, period: Cryptoperiod) -> None:
        """Keep that a key was deactivated by a date, if another period would make it active again."""
        life, now = self.life(ref), self._now()
        if life.at(now) is KeyState.DEACTIVATED is not self._following(ref, self._kept(ref), period).at(now):
            self._keep(ref, replace(life, state=KeyState.DEACTIVATED, changed=now, recorded=KeyState.DEACTIVATED))

    def record_passed(self, superblock: Superblock) -> None:
        """Record what dates have made of keys since that was recorded last: of those in use, and of recipients."""
        recipients = (KeyRef(KeyKind.RECIPIENT, stanza_id(superblock.suite, one)) for one in superblock.stanzas)
        with self._engine.lock:
            self.record_passed_in_use()
            if all(self.life(ref).at(self._now()) is KeyState.ACTIVE for ref in self._refs()):
                for ref in recipients:
                    self._record_passed(ref)

    def _record_passed(self, ref: KeyRef) -> None:
        state, kept = self.life(ref).at(self._now()), self._kept(ref)
        if state is not kept.recorded:
            with suppress(StorageFull):  # it is recorded when there is space
                self._set(ref.state_key, replace(kept, recorded=state).encode(), self._passed(ref, state))

    def record_passed_in_use(self) -> None:
        """Record it of the keys of the epoch and of the signer: an event alone, which may be under any key."""
        with self._engine.lock:
            for ref in self._refs():
                state = self.life(ref).at(self._now())
                if state is not self._kept(ref).recorded and (ref, state) not in self._noted:
                    self._noted.add((ref, state))
                    self._commit(Intent([], encoded(self._engine.suite, self._passed(ref, state))))

    def _passed(self, ref: KeyRef, state: KeyState) -> Event:
        return KeyStatePassed(self._now(), NOBODYS_SESSION, ref.kind, ref.id, state)

    def _refs(self) -> tuple[KeyRef, KeyRef]:
        """Return the keys of the epoch and of the signer that are in force."""
        return KeyRef.epoch(self._engine.head.epoch), KeyRef.signer(self._engine.signing.signer.number)

    def check_protect(self) -> None:
        """Refuse to protect anything with a key that must not be used for that any more. Call under the lock.

        Raises
        ------
        KeyExpired, KeyNotUsable
        """
        _, *lives = self._in_force()
        for life in lives:
            if not life.unlimited:
                life.check(Use.PROTECT, self._now())

    def check_staying(self, superblock: Superblock, removed: Collection[str]) -> None:
        """Refuse to seal a new root key for a recipient that nothing may be sealed for any more.

        Parameters
        ----------
        removed
            Ids of those that nothing is sealed for.

        Raises
        ------
        KeyExpired, KeyNotUsable
            The facts name the recipient.
        """
        for stanza in superblock.stanzas:
            ref = KeyRef(KeyKind.RECIPIENT, stanza_id(superblock.suite, stanza))
            if ref.id.hex() not in removed:
                try:
                    self.life(ref).check(Use.PROTECT, self._now())
                except (KeyExpired, KeyNotUsable) as error:
                    raise type(error)(**error.facts, recipient=StanzaName(ref.id.hex(), 16)) from None

    def expired_signer(self) -> bool:
        """Return whether it is the signer that may protect nothing any more."""
        try:
            self._in_force()[2].check(Use.PROTECT, self._now())
        except (KeyExpired, KeyNotUsable):
            return True
        return False

    def refusing(self) -> KeyKind:
        """Return which key it is, of those in force, that may protect nothing any more."""
        return KeyKind.SIGNER if self.expired_signer() else KeyKind.EPOCH

    def rotates(self) -> bool:
        """Return whether a commit turns the epoch, or has another signer, when its period is over."""
        return self.period(self.refusing()).on_expiry is OnExpiry.ROTATE

    def inherit(self, renewed: Sequence[tuple[RecipientInfo, RecipientInfo]]) -> None:
        """Give recipients whose stanzas are made anew, each the new one and the old one, the lives that they have."""
        for new, old in renewed:
            kept = self._read(NAMESPACE, KeyRef.recipient(old.id).state_key).value
            if kept is not None:
                self._keep(KeyRef.recipient(new.id), Life.decode(kept))

    def began(self, ref: KeyRef) -> Intent:
        """Return what keeps that a key is in use from now on."""
        life = Life(active_from=self._now(), changed=self._now())
        return self._intent(ref.state_key, life.encode(), self._event(ref, life))

    def _present(self) -> Life:
        return self._in_force()[1]

    def _in_force(self) -> tuple[tuple[KeyRef, KeyRef], Life, Life]:
        keys = self._refs()
        if self._known is None or self._known[0] != keys:
            self._known = keys, self.life(keys[0]), self.life(keys[1])
        return self._known

    def _now(self) -> int:
        return self._engine.options.clock()

    def _keep(self, ref: KeyRef, life: Life) -> Life:
        self._set(ref.state_key, life.encode(), self._event(ref, life))
        return life

    @staticmethod
    def _event(ref: KeyRef, life: Life) -> Event:
        return KeyStateSet(life.changed, NOBODYS_SESSION, ref.kind, ref.id, life.recorded, life.reason)

    def _set(self, key: bytes, value: bytes, event: Event) -> None:
        with self._engine.lock:
            self._commit(self._intent(key, value, event))
            self._known = None

    def _intent(self, key: bytes, value: bytes, event: Event) -> Intent:
        version = self._read(NAMESPACE, key).version
        return control_intent(self._engine, NAMESPACE, key, value, version, encoded(self._engine.suite, event))

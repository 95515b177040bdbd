"""Events of keys: recipients, epochs, signers, the states of their lives, disposal and re-encryption."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from vaultfs_format.events.base import Code, Count, Event, EventType, Id, Number, Outcome

StanzaId = Annotated[bytes, Meta(min_length=8, max_length=8)]
"""What names the stanza of a recipient."""

KeyId = Annotated[bytes, Meta(min_length=4, max_length=8)]
"""The number of an epoch or of a signer, or the id of a stanza (section 18.3)."""


Fingerprint = Annotated[bytes, Meta(min_length=32, max_length=32)]


class _Recipient(Event, frozen=True):
    """A recipient.

    Parameters
    ----------
    stanza
        What names the stanza.
    stanza_type
        Type of the stanza.
    """

    stanza: StanzaId
    stanza_type: Code


class RecipientAdded(_Recipient, frozen=True, tag=EventType.RECIPIENT_ADDED.value):
    """Somebody else can open the vault from the next head on.

    Parameters
    ----------
    outcome
        Failed where that was taken back, as there was no space for it.
    """

    outcome: Outcome = Outcome.DONE


class RecipientRemoved(_Recipient, frozen=True, tag=EventType.RECIPIENT_REMOVED.value):
    """Somebody cannot open the vault any more from this epoch on."""


class RecipientRenewed(_Recipient, frozen=True, tag=EventType.RECIPIENT_RENEWED.value):
    """A recipient stays, under another root key.

    Parameters
    ----------
    before
        What named the stanza before.
    """

    before: StanzaId


class EscrowDrilled(Event, frozen=True, tag=EventType.ESCROW_DRILLED.value):
    """It was tried whether escrow shares open the vault.

    Parameters
    ----------
    stanza
        What names the stanza of the escrow; nil where they are shares of none.
    stanza_type
        Type of the stanza; 0 where there is none.
    outcome
        Failed where they do not.
    """

    stanza: StanzaId | None
    stanza_type: Code
    outcome: Outcome


class EpochTurning(Event, frozen=True, tag=EventType.EPOCH_TURNING.value):
    """Another epoch is about to begin.

    Parameters
    ----------
    subjects
        How many subjects are to be disposed of.
    """

    subjects: Count


class SubjectDisposed(Event, frozen=True, tag=EventType.SUBJECT_DISPOSED.value):
    """All that was kept of a subject is gone with this epoch's keys.

    Parameters
    ----------
    subject
        Surrogate of the subject.
    """

    subject: Id


class EpochTurned(Event, frozen=True, tag=EventType.EPOCH_TURNED.value):
    """The next epoch has begun.

    Parameters
    ----------
    subjects
        How many subjects were disposed of.
    """

    subjects: Count


class SecretsDestroyed(Event, frozen=True, tag=EventType.SECRETS_DESTROYED.value):
    """The secret of an earlier epoch was destroyed in a store.

    Parameters
    ----------
    store
        The number of the store, in the order in which the vault was given them, from 1; 0 for another one.
    epoch
        Whose secret it was.
    """

    store: Number
    epoch: Number


class SecretKept(Event, frozen=True, tag=EventType.SECRET_KEPT.value):
    """The secret of the present epoch was put into another store.

    Parameters
    ----------
    epoch
        Whose secret it is.
    """

    epoch: Number


class _KeyState(Event, frozen=True):
    """A key, and the state that it has.

    Parameters
    ----------
    key_kind
        1 epoch, 2 recipient, 3 signer.
    key
        Number of the epoch or signer (`u32`), or what names the stanza.
    state
        Number of the state (section 18.3).
    """

    key_kind: Code
    key: KeyId
    state: Code


class KeyStateSet(_KeyState, frozen=True, tag=EventType.KEY_STATE_SET.value):
    """The state or the dates of a key were set.

    Parameters
    ----------
    reason
        Number of the reason (section 18.3).
    """

    reason: Code


class KeyStatePassed(_KeyState, frozen=True, tag=EventType.KEY_STATE_PASSED.value):
    """A date has changed the state of a key."""


class CryptoperiodSet(Event, frozen=True, tag=EventType.CRYPTOPERIOD_SET.value):
    """It was said for how long keys of a kind protect.

    Parameters
    ----------
    key_kind
        1 epoch, 3 signer.
    period
        Microseconds; 0: without an end.
    """

    key_kind: Code
    period: Count


class KeyRefused(Event, frozen=True, tag=EventType.KEY_REFUSED.value):
    """A key was not to be used, and was not.

    Parameters
    ----------
    key_kind
        1 epoch, 2 recipient, 3 signer.
    """

    key_kind: Code

    @property
    def outcome(self) -> Outcome:
        return Outcome.DENIED


class KeyRiskAccepted(Event, frozen=True, tag=EventType.KEY_RISK_ACCEPTED.value):
    """The vault was opened though a key was not to be used."""


class SignerAdded(Event, frozen=True, tag=EventType.SIGNER_ADDED.value):
    """Another signer is named, which signs from the next epoch on. The settling that follows is the last one before it.

    Parameters
    ----------
    signer
        Its number.
    fingerprint
        What names it outside of the vault.
    """

    signer: Number
    fingerprint: Fingerprint


class ReencryptionBegun(Event, frozen=True, tag=EventType.REENCRYPTION_BEGUN.value):
    """All that is there is about to be sealed anew."""


class SegmentsReencrypted(Event, frozen=True, tag=EventType.SEGMENTS_REENCRYPTED.value):
    """Some segments are about to be sealed anew, under the next head.

    Parameters
    ----------
    segments
        How many.
    """

    segments: Count


class ReencryptionEnded(Event, frozen=True, tag=EventType.REENCRYPTION_ENDED.value):
    """All that was to be sealed anew is."""


class UnlockFailed(Event, frozen=True, tag=EventType.UNLOCK_FAILED.value):
    """Something that needs the root key of a vault that is open was asked for, and nothing that was given opens it."""

    @property
    def outcome(self) -> Outcome:
        return Outcome.FAILED

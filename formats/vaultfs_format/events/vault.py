"""Events of the vault itself: its life, its copies, and what keeps its files whole."""

from __future__ import annotations

from vaultfs_format.events.base import Count, Event, EventType, Id, Outcome, Time


class VaultCreated(Event, frozen=True, tag=EventType.VAULT_CREATED.value):
    """The vault was created, and opened."""


class VaultOpened(Event, frozen=True, tag=EventType.VAULT_OPENED.value):
    """The vault was opened for writing."""


class VaultClosed(Event, frozen=True, tag=EventType.VAULT_CLOSED.value):
    """The vault was closed by the process that wrote it."""


class Recovered(Event, frozen=True, tag=EventType.RECOVERED.value):
    """What a crash had left unfinished at the end of a journal was passed over.

    Parameters
    ----------
    void
        Bytes behind the last good group.
    """

    void: Count


class Settled(Event, frozen=True, tag=EventType.SETTLED.value):
    """The journals are about to be turned into segments, under the next head."""


class AccessMerged(Event, frozen=True, tag=EventType.ACCESS_MERGED.value):
    """The events of a reader, which follow this one in its commit, were taken into the log.

    Parameters
    ----------
    journal
        Id of the access journal.
    events
        How many follow.
    """

    journal: Id
    events: Count


class RollbackAccepted(Event, frozen=True, tag=EventType.ROLLBACK_ACCEPTED.value):
    """The vault was opened though it is older than it was.

    Parameters
    ----------
    generation
        Of the newest head that was seen.
    """

    generation: Count


class SegmentRepaired(Event, frozen=True, tag=EventType.SEGMENT_REPAIRED.value):
    """Damage to a segment was found, and healed as far as it could be.

    Parameters
    ----------
    segment
        Its id.
    healed
        Slices that are whole again.
    lost
        Slices that are not.
    outcome
        Failed where any is lost.
    """

    segment: Id
    healed: Count
    lost: Count
    outcome: Outcome


class ReaderOpened(Event, frozen=True, tag=EventType.READER_OPENED.value):
    """A process has opened the vault for reading alone."""


class RepairClaimed(Event, frozen=True, tag=EventType.REPAIR_CLAIMED.value):
    """A program without keys has left word that it repaired a file. Nobody has proved it.

    Parameters
    ----------
    file
        Id of the segment or journal, nil for other files.
    pieces
        Pieces of the file.
    """

    file: Id | None
    pieces: Count


class CopyClaimed(Event, frozen=True, tag=EventType.COPY_CLAIMED.value):
    """A program without keys has left word that it made a copy of the vault. Nobody has proved it.

    Parameters
    ----------
    copy
        Id of the copy, nil where it has none.
    size
        Bytes that were copied.
    """

    copy: Id | None
    size: Count


class RestoreClaimed(Event, frozen=True, tag=EventType.RESTORE_CLAIMED.value):
    """A program without keys has left word that it restored the vault, or word that cannot be read. It is not proved.

    Parameters
    ----------
    size
        Bytes that were restored; 0 where that is not known.
    """

    size: Count


class MirroringSet(Event, frozen=True, tag=EventType.MIRRORING_SET.value):
    """It was decided whether segments have mirrors.

    Parameters
    ----------
    on
        Whether they do from now on.
    """

    on: bool


class CopyKeysConfirmed(Event, frozen=True, tag=EventType.COPY_KEYS_CONFIRMED.value):
    """Somebody has said that a bundle of the present keys lies with a copy.

    Parameters
    ----------
    copy
        Its id.
    """

    copy: Id


class CopyGivenUp(Event, frozen=True, tag=EventType.COPY_GIVEN_UP.value):
    """A copy was given up: it keeps no secrets of earlier epochs any more.

    Parameters
    ----------
    copy
        Its id.
    """

    copy: Id


class SubjectAccounted(Event, frozen=True, tag=EventType.SUBJECT_ACCOUNTED.value):
    """What the log has about a subject was given out (45 CFR 164.528).

    Parameters
    ----------
    subject
        Surrogate of the subject.
    """

    subject: Id


class LogExported(Event, frozen=True, tag=EventType.LOG_EXPORTED.value):
    """The clear entries of the log were shown to strangers, an entry proved with its event, or events delivered.

    Parameters
    ----------
    entries
        How many entries; their events are not among them.
    events
        How many events.
    """

    entries: Count
    events: Count


class LogPruned(Event, frozen=True, tag=EventType.LOG_PRUNED.value):
    """The oldest part of the log is about to be removed, under the next head.

    Parameters
    ----------
    first
        Index of the first leaf that is kept.
    leaves
        How many leaves are removed.
    since
        Every event of this time and later is kept.
    """

    first: Count
    leaves: Count
    since: Time


class LogReported(Event, frozen=True, tag=EventType.LOG_REPORTED.value):
    """A report on the log was made: who has acted how often, on whom and why, and what became of keys and copies.

    Parameters
    ----------
    since, until
        Microseconds since 1970-01-01T00:00Z of the time that it is about; the second is the first that is not in it.
    """

    since: Time
    until: Time

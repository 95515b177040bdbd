"""Events of what is done in a session: with records, subjects and control states, and what was denied."""

from __future__ import annotations

from vaultfs_format.events.base import Code, Count, Event, EventType, Id, Outcome


class _Record(Event, frozen=True):
    """A record.

    Parameters
    ----------
    subject
        Surrogate of the subject, zero for records that belong to none; nil where it is not known.
    kind
        Number of the record's kind; 0 where it is not known.
    record
        Id of the record; nil where what was asked for is no id.
    version
        Version of the record; 0 where there is none.
    outcome
        Failed where there was no such record, it was deleted, or it could not be read.
    """

    subject: Id | None
    kind: Code
    record: Id | None
    version: Count
    outcome: Outcome


class RecordPut(_Record, frozen=True, tag=EventType.RECORD_PUT.value):
    """A record, or a version of one, was stored."""


class RecordDeleted(_Record, frozen=True, tag=EventType.RECORD_DELETED.value):
    """A record was hidden."""


class RecordUndeleted(_Record, frozen=True, tag=EventType.RECORD_UNDELETED.value):
    """A hidden record was shown again."""


class RecordRead(_Record, frozen=True, tag=EventType.RECORD_READ.value):
    """A record, or what is known of it, was given out."""


class VersionsListed(Event, frozen=True, tag=EventType.VERSIONS_LISTED.value):
    """The versions of a record were listed.

    Parameters
    ----------
    subject
        Surrogate of the subject, zero for records that belong to none; nil where it is not known.
    kind
        Number of the kind of the newest version; 0 where it is not known.
    record
        Id of the record; nil where what was asked for is no id.
    versions
        How many there are.
    outcome
        Failed where there was no such record, or it could not be read.
    """

    subject: Id | None
    kind: Code
    record: Id | None
    versions: Count
    outcome: Outcome


class _Records(Event, frozen=True):
    """Records of one subject.

    Parameters
    ----------
    subject
        Surrogate of the subject, zero for records that belong to none; nil where it is not known.
    """

    subject: Id | None


class RecordsRead(_Records, frozen=True, tag=EventType.RECORDS_READ.value):
    """Records of one subject and one kind were given out together.

    Parameters
    ----------
    kind
        Number of their kind; 0 where it is not known.
    records
        How many.
    outcome
        Failed where one of those that were asked for was not there, or could not be read; then none was given out.
    """

    kind: Code
    records: Count
    outcome: Outcome


class RecordsSearched(_Records, frozen=True, tag=EventType.RECORDS_SEARCHED.value):
    """The records of a subject were searched.

    Parameters
    ----------
    kind
        Number of the kind that was asked for; 0 for any.
    records
        How many were found, of this subject and those linked to it.
    outcome
        Failed where there was no such subject, more than one, or no such kind, or they could not be read.
    """

    kind: Code
    records: Count
    outcome: Outcome


class SubjectCreated(Event, frozen=True, tag=EventType.SUBJECT_CREATED.value):
    """A subject was created.

    Parameters
    ----------
    subject
        Surrogate of the subject.
    identifiers
        How many identifiers it was created by, none or one, which have no event of their own.
    """

    subject: Id
    identifiers: Count


class SubjectSearched(Event, frozen=True, tag=EventType.SUBJECT_SEARCHED.value):
    """Subjects were looked for by an identifier; an event for each that was found, in a transaction once.

    Parameters
    ----------
    subject
        Surrogate of the subject; nil where none was found.
    outcome
        Failed where nobody has the identifier, or several who are not linked, and one was to be found; where a
        subject was to be identified or linked that is not there; or where it could not be read.
    """

    subject: Id | None
    outcome: Outcome


class IdentifiersListed(Event, frozen=True, tag=EventType.IDENTIFIERS_LISTED.value):
    """The identifiers of a subject were given out.

    Parameters
    ----------
    subject
        Surrogate of the subject.
    identifiers
        How many there are.
    outcome
        Failed where there was no such subject, or they could not be read.
    """

    subject: Id
    identifiers: Count
    outcome: Outcome


class SubjectsListed(Event, frozen=True, tag=EventType.SUBJECTS_LISTED.value):
    """All subjects of the vault were listed.

    Parameters
    ----------
    subjects
        How many there are.
    outcome
        Failed where they could not be read.
    """

    subjects: Count
    outcome: Outcome


class IdentifierAsserted(Event, frozen=True, tag=EventType.IDENTIFIER_ASSERTED.value):
    """An identifier was asserted for a subject.

    Parameters
    ----------
    subject
        Surrogate of the subject.
    weak
        Whether the identifier may be shared or mistyped.
    """

    subject: Id
    weak: bool


class _Link(Event, frozen=True):
    """Two subjects. There is an event for each of them.

    Parameters
    ----------
    subject, other
        Surrogates of the subjects.
    """

    subject: Id
    other: Id


class SubjectsLinked(_Link, frozen=True, tag=EventType.SUBJECTS_LINKED.value):
    """Two subjects were stated to be one person."""


class SubjectsUnlinked(_Link, frozen=True, tag=EventType.SUBJECTS_UNLINKED.value):
    """Two subjects were stated not to be one person."""


class SubjectsCompared(_Link, frozen=True, tag=EventType.SUBJECTS_COMPARED.value):
    """It was asked whether two subjects are stated to be one person.

    Parameters
    ----------
    outcome
        Failed where it could not be read.
    """

    outcome: Outcome


class _State(Event, frozen=True):
    """A control state.

    Parameters
    ----------
    state
        Token of its name, of the epoch (section 16.3).
    version
        Version of the state; 0 where there is none.
    """

    state: Id
    version: Count


class StateSet(_State, frozen=True, tag=EventType.STATE_SET.value):
    """A control state was set."""


class StateRead(_State, frozen=True, tag=EventType.STATE_READ.value):
    """A control state was given out.

    Parameters
    ----------
    outcome
        Failed where it could not be read.
    """

    outcome: Outcome


class SubjectExported(Event, frozen=True, tag=EventType.SUBJECT_EXPORTED.value):
    """Records of a subject are about to leave the vault (45 CFR 164.528).

    Parameters
    ----------
    subject
        Surrogate of the subject, zero for records that belong to none.
    records
        How many.
    """

    subject: Id
    records: Count


class SourceCompared(Event, frozen=True, tag=EventType.SOURCE_COMPARED.value):
    """What was imported was compared with its source.

    Parameters
    ----------
    files
        How many files of the source are in the vault as they are.
    outcome
        Failed where there are others.
    """

    files: Count
    outcome: Outcome


class AccessDenied(Event, frozen=True, tag=EventType.ACCESS_DENIED.value):
    """The policy did not permit an access, and there was none.

    Parameters
    ----------
    subject
        Surrogate of the subject; nil where it was asked for none, or is not known.
    kind
        Number of the kind of record that was asked for; 0 for none.
    action
        1 read, 2 search, 3 write, 4 delete, 5 undelete, 6 link, 7 read a state, 8 write a state, 9 export,
        10 administer.
    """

    subject: Id | None
    kind: Code
    action: Code

    @property
    def outcome(self) -> Outcome:
        return Outcome.DENIED

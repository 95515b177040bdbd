"""Which records a search finds: those of some people, of a kind, within some time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vaultfs_format.entries import Role

from vaultfs.engine.engine import View
from vaultfs.engine.reading.records import Located, RecordInfo, find_version, info_of
from vaultfs.engine.reading.subjects import linked, one_subject, subjects_of
from vaultfs.errors import Deleted, IndexDamaged, NotFound
from vaultfs.model import ClinicalDate, Identifier, RecordId, SubjectId


def people(engine: View, subject: Identifier | SubjectId, *, follow_links: bool) -> list[SubjectId]:
    """Return the subject that is meant, and, if links are followed, those that are linked to it.

    Raises
    ------
    NotFound
        Nobody has claimed the identifier.
    SubjectAmbiguous
    """
    if isinstance(subject, Identifier):
        one = one_subject(engine, subjects_of(engine, subject))
        if one is None:
            raise NotFound
        subject = one
    return linked(engine, subject) if follow_links else [subject]


def records_of(
    engine: View, subject: SubjectId, kind: int | None, since: ClinicalDate | None, until: ClinicalDate | None
) -> Iterator[RecordInfo]:
    """Yield the records of a subject as they are now.

    Parameters
    ----------
    kind
        Number of the kind that is sought; None: every kind.
    since, until
        Only dated records that begin at or after, and before this instant.
    """
    for located in _versions_of(engine, subject, kind, _frames_of(engine, subject, since, until)):
        info = _visible(engine, located)
        if info is not None and _within(info.date, since, until):
            yield info


def ids_of(engine: View, subject: SubjectId, kind: int) -> list[RecordId]:
    """Return the ids of a subject's records of which any version is of a kind, of deleted ones too."""
    found = _versions_of(engine, subject, kind, _frames_of(engine, subject, None, None))
    return list(dict.fromkeys(engine.chain.record_id(one.entry.incarnation, one.entry.number) for one in found))


def _versions_of(engine: View, subject: SubjectId, kind: int | None, handles: Iterable[int]) -> Iterator[Located]:
    """Yield the versions of records in frames of a subject, confirmed to be its own."""
    for handle in handles:
        frame = engine.store.load(handle)
        if frame.block.subject != subject:
            raise IndexDamaged
        for row, entry in enumerate(frame.block.entries):
            if entry.role == Role.RECORD and kind in (None, entry.kind):
                number = entry.incarnation.to_bytes(4, "big") + entry.number.to_bytes(8, "big")
                yield Located(number, frame, entry, frame.commits[row])


def _frames_of(engine: View, subject: bytes, since: ClinicalDate | None, until: ClinicalDate | None) -> Iterator[int]:
    with engine.index.reading() as txn:
        frames = engine.index.frames_of(txn, subject)
    for handle, first, last in frames:
        # A year's slack: the index keeps wall-clock years, the search compares instants.
        early = since is not None and last < since.instant().year - 1
        late = until is not None and first > until.instant().year + 1
        if not early and not late:
            yield handle


def _visible(engine: View, located: Located) -> RecordInfo | None:
    """Return the record if this is the version that is to be seen now."""
    try:
        current = find_version(engine, located.number, None)
    except Deleted:
        return None
    same = current.entry.version == located.entry.version
    return info_of(engine, located) if same else None


def _within(date: ClinicalDate | None, since: ClinicalDate | None, until: ClinicalDate | None) -> bool:
    if since is None and until is None:
        return True
    if date is None:
        return False
    instant = date.instant()
    return (since is None or instant >= since.instant()) and (until is None or instant < until.instant())

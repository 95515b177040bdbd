"""Who a record belongs to: from identifiers to subjects, through aliases and links."""

from __future__ import annotations

from collections.abc import Iterable

from vaultfs_format.entries import Role

from vaultfs.engine.engine import View
from vaultfs.errors import IndexDamaged, NotFound, SubjectAmbiguous
from vaultfs.model import NOBODY, Identifier, SubjectId


def subjects_of(engine: View, identifier: Identifier) -> list[SubjectId]:
    """Return the subjects for which an identifier is asserted, confirmed against sealed entries."""
    token = engine.chain.identifier_token(identifier)
    with engine.index.reading() as txn:
        found = engine.index.aliases_of(txn, engine.chain.alias_key(token))
    subjects = []
    for subject, address in found:
        frame = engine.store.load(address)
        asserted = any(e.role == Role.ALIAS and e.token == token for e in frame.block.entries)
        if frame.block.subject != subject or not asserted:
            raise IndexDamaged
        subjects.append(SubjectId(subject))
    return subjects


def linked(engine: View, subject: bytes) -> list[SubjectId]:
    """Return a subject and all that are linked to it, directly or through others."""
    found, pending = {bytes(subject)}, [bytes(subject)]
    with engine.index.reading() as txn:
        while pending:
            for other in engine.index.links(txn, pending.pop()):
                if other not in found:
                    found.add(other)
                    pending.append(other)
    return [SubjectId(one) for one in sorted(found)]


def one_subject(engine: View, candidates: Iterable[SubjectId]) -> SubjectId | None:
    """Return the one subject that `candidates` are, the lowest of linked ones, or None where there is none.

    Raises
    ------
    SubjectAmbiguous
        Two of them are not linked.
    """
    subjects = sorted(set(candidates))
    if not subjects:
        return None
    if len(subjects) > 1 and not set(subjects) <= set(linked(engine, subjects[0])):
        raise SubjectAmbiguous(subjects=len(subjects))
    return subjects[0]


def content_key(engine: View, subject: bytes) -> bytes:
    """Return the content-id key of a subject's shred unit, which lies in it and dies with it.

    Raises
    ------
    NotFound
        There is no such subject.
    """
    if subject == NOBODY:
        return engine.chain.nobody_content_key
    with engine.index.reading() as txn:
        address = engine.index.unit(txn, subject)
    if address is None:
        raise NotFound
    frame = engine.store.load(address)
    for entry in frame.block.entries:
        if entry.role == Role.SUBJECT and frame.block.subject == subject:
            body = engine.store.body(frame)
            return body[entry.offset : entry.offset + entry.length]
    raise IndexDamaged


def encode_identifier(identifier: Identifier) -> bytes:
    """Return an identifier as an alias entry's bytes: length of the system, system, value."""
    system = identifier.system.encode()
    return len(system).to_bytes(4, "little") + system + identifier.value.encode()


def decode_identifier(data: bytes) -> Identifier:
    """Return the identifier of an alias entry's bytes."""
    end = 4 + int.from_bytes(data[:4], "little")
    return Identifier(data[4:end].decode(), data[end:].decode())

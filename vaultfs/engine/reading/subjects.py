"""Who a record belongs to: from identifiers to subjects, through aliases and links."""

from __future__ import annotations

from collections.abc import Iterable

from vaultfs_format.entries import Role

from vaultfs.engine.engine import View
from vaultfs.errors import FieldInvalid, IndexDamaged, NotFound, Structure, SubjectAmbiguous
from vaultfs.model import MAX_IDENTIFIER_CHARS, NOBODY, Identifier, SubjectId, decoded


def claimants(engine: View, tokens: Iterable[bytes]) -> list[list[SubjectId]]:
    """Return for each identifier token the subjects for which it is asserted, confirmed against sealed entries.

    Raises
    ------
    IndexDamaged
        The index is that of another head than the keys: a new epoch has other keys for the tokens.
    """
    chain, index, head = engine.chain, engine.index, engine.head
    wanted = list(tokens)
    with index.reading() as txn:
        if (head.epoch, head.generation) != (chain.epoch, index.generation(txn)):
            raise IndexDamaged
        found = index.aliases_of(txn, chain.alias_keys(wanted))
    return [[_confirmed(engine, token, *one) for one in rows] for token, rows in zip(wanted, found, strict=True)]


def subjects_of(engine: View, identifier: Identifier) -> list[SubjectId]:
    """Return the subjects for which an identifier is asserted, confirmed against sealed entries."""
    return claimants(engine, [engine.chain.identifier_token(encode_identifier(identifier))])[0]


def _confirmed(engine: View, token: bytes, subject: bytes, handle: int) -> SubjectId:
    frame = engine.store.load(handle)
    asserted = any(entry.role == Role.ALIAS and entry.token == token for entry in frame.block.entries)
    if frame.block.subject != subject or not asserted:
        raise IndexDamaged
    return SubjectId(subject)


def identifiers_of(engine: View, subject: bytes) -> list[Identifier]:
    """Return the identifiers that are asserted for a subject.

    Raises
    ------
    NotFound
        There is no such subject.
    """
    with engine.index.reading() as txn:
        unit = engine.index.unit(txn, subject)
        handles = engine.index.alias_frames(txn, subject)
    if unit is None:
        raise NotFound
    found = []
    for handle in handles:
        frame = engine.store.load(handle)
        body = engine.store.body(frame)
        found += [
            decode_identifier(body[entry.offset : entry.offset + entry.length])
            for entry in frame.block.entries
            if entry.role == Role.ALIAS
        ]
    return found


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
        handle = engine.index.unit(txn, subject)
    if handle is None:
        raise NotFound
    frame = engine.store.load(handle)
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
    """Return the identifier of an alias entry's bytes.

    Raises
    ------
    FieldInvalid
    """
    end = 4 + int.from_bytes(data[:4], "little")
    system, value = decoded(data[4:end]), decoded(data[end:])
    if not system or not value or max(len(system), len(value)) > MAX_IDENTIFIER_CHARS:
        raise FieldInvalid(structure=Structure.ENTRIES)
    return Identifier(system, value)

"""Proofs that a list of events about a subject is complete: nothing that the log has of it was left out.

A JSON object with everything that it takes: the checkpoint, the leaf that states the heads of subjects, the bucket of
the subject, and its events in the order of the log, grouped as they were counted. See `vaultfs_format.subjectheads`.
Events may be closed: then their commitments stand for them, and it is proved how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from vaultfs_format import audit, merkle
from vaultfs_format.audit import SALT, AuditEntry, LeafKind
from vaultfs_format.disclosure import Statement, digest_of
from vaultfs_format.errors import FieldInvalid, ProofInvalid, Structure
from vaultfs_format.events.base import Event
from vaultfs_format.events.codec import decode_event
from vaultfs_format.events.disclosures import SubjectDisclosed
from vaultfs_format.layout import Buffer, require
from vaultfs_format.limits import MAX_NUMBER, MAX_SUBJECT_PROOF, MAX_TREE_PROOF
from vaultfs_format.subjectheads import BUCKETS, ROW, advanced, bucket_leaves, bucket_of, row_keys
from vaultfs_format.suite import DIGEST, FIPS
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey, open_checkpoint
from vaultfs_format.tlog.lines import bounded
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.policy import Policy

FORMAT = "vaultfs-subject-proof@v1"

Hash = Annotated[bytes, Meta(min_length=DIGEST, max_length=DIGEST)]
Path = Annotated[tuple[Hash, ...], Meta(max_length=MAX_TREE_PROOF)]
Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Number = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event about the subject, open or closed.

    Parameters
    ----------
    commit
        Number of its commit, as its entry has it.
    salted
        Salt and event; None where it is closed.
    commitment
        The commitment in its entry, where it is closed.
    """

    commit: _Number
    salted: Annotated[bytes, Meta(min_length=SALT + 1)] | None = None
    commitment: Hash | None = None

    def __repr__(self) -> str:
        return "<Counted>"

    @property
    def event(self) -> Event | None:
        """The event; None where it is closed.

        Raises
        ------
        FieldInvalid
        """
        return None if self.salted is None else decode_event(self.salted[SALT:])

    def closed(self) -> Counted:
        """Return it closed."""
        return Counted(self.commit, None, self.committed())

    def committed(self) -> bytes:
        """Return the commitment in its entry.

        Raises
        ------
        FieldInvalid
            It is both open and closed, or neither.
        """
        require((self.salted is None) != (self.commitment is None), Structure.SUBJECT_PROOF, 4)
        return self.commitment or audit.commitment(FIPS, self.salted or b"")


class Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A leaf that states the heads of subjects, and the bucket of the subject in their tree.

    Parameters
    ----------
    index, path
        The leaf, and its inclusion proof in the log.
    root
        What it states.
    rows
        The bucket.
    bucket_path
        Its inclusion proof in the tree of buckets.
    """

    index: _Number
    path: Path
    root: Hash
    rows: bytes
    bucket_path: Path


class SubjectProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of such a proof.

    Parameters
    ----------
    subject
        Surrogate of the subject.
    checkpoint
        Signed checkpoint of the log.
    stated
        The newest leaf of heads.
    groups
        Its events, a group for each leaf of heads since.
    base
        Where the log was pruned, the leaf of heads before which nothing is kept; else None.
    statements
        Records of disclosures (SPEC section 16.8), of which open events have the digests.
    """

    format: str
    subject: Id
    checkpoint: str
    stated: Stated
    groups: tuple[tuple[Counted, ...], ...]
    base: Stated | None
    statements: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "<SubjectProof>"

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def decode(cls, data: Buffer) -> SubjectProof:
        """Parse a whole file.

        Raises
        ------
        FieldInvalid, LimitExceeded
        """
        bounded(data, MAX_SUBJECT_PROOF, Structure.SUBJECT_PROOF)
        try:
            found = _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = None
        if found is None:  # here, where no error that holds data is its context
            raise FieldInvalid(structure=Structure.SUBJECT_PROOF, rule=1)
        require(found.format == FORMAT, Structure.SUBJECT_PROOF, 1)
        return found

    @property
    def first(self) -> int:
        """From which leaf of the log on these are all events about the subject."""
        return self.base.index + 1 if self.base else 0

    def verify(self, keys: Sequence[VerifierKey]) -> Checkpoint:
        """Check that the log has signed, with each of its keys, that these are all its events about the subject.

        Those before `first`, and those that came after the leaf that states it, are not covered.

        Raises
        ------
        ProofInvalid
            They are others, or one is missing or too many.
        NotSigned, SignatureInvalid, FieldInvalid, AlgorithmMissing
        """
        return self._check(open_checkpoint(self._note, keys))

    def verify_policy(self, policy: Policy) -> Checkpoint:
        """Check the same under a policy: one of its logs has signed the checkpoint, and a quorum of its witnesses.

        Raises
        ------
        ProofInvalid
            They are others, or one is missing or too many.
        NotSigned, QuorumMissing, SignatureInvalid, FieldInvalid, AlgorithmMissing
        """
        return self._check(policy.check(self._note))

    @property
    def _note(self) -> Note:
        return Note.decode(self.checkpoint.encode())

    def _check(self, head: Checkpoint) -> Checkpoint:
        """Check the rest by a checkpoint that is believed; return it."""
        key = row_keys(FIPS, [self.subject])[0]
        row = _stated_row(self.base, head, key) if self.base else b""
        last = _stated_row(self.stated, head, key)
        others = any(getattr(event, "subject", None) != self.subject for event in self.about())
        if others or self.first > self.stated.index or last != self._counted(key, row):
            raise ProofInvalid(structure=Structure.SUBJECT_PROOF)
        stated_of = {event.statement for event, _ in self.disclosed()}
        if not stated_of.issuperset(map(digest_of, self.statements)):
            raise ProofInvalid(structure=Structure.SUBJECT_PROOF)
        return head

    def about(self) -> Iterator[Event]:
        """Yield the events that are open, in the order of the log.

        Raises
        ------
        FieldInvalid
        """
        return (event for one in self._each() if (event := one.event) is not None)

    def disclosed(self) -> Iterator[tuple[SubjectDisclosed, Statement | None]]:
        """Yield the disclosures that are open, with what is stated of them; None where that is not given.

        Raises
        ------
        FieldInvalid, LimitExceeded
        """
        stated = {digest_of(one): Statement.decode(one) for one in self.statements}
        for event in self.about():
            if isinstance(event, SubjectDisclosed):
                yield event, stated.get(event.statement)

    @property
    def total(self) -> int:
        """How many events there are here, open and closed ones."""
        return sum(map(len, self.groups))

    def closed_but(self, wanted: Callable[[Event], bool], statements: Sequence[bytes] = ()) -> SubjectProof:
        """Return the same proof with all events closed but some, and with statements of these.

        Parameters
        ----------
        wanted
            Which of the events that are open stay open.
        """
        groups = (tuple(_but(one, wanted) for one in group) for group in self.groups)
        return msgspec.structs.replace(self, groups=tuple(groups), statements=tuple(statements))

    def _each(self) -> Iterator[Counted]:
        return (one for group in self.groups for one in group)

    def _counted(self, key: bytes, row: bytes) -> bytes:
        """Return the row of the subject as the groups make it of the one before; nothing where there is no event."""
        for group in self.groups:
            require(bool(group), Structure.SUBJECT_PROOF, 3)
            entries = [AuditEntry(LeafKind.EVENT, one.commit, one.committed()).encode() for one in group]
            row = advanced(FIPS, row, [(key, merkle.audit_leaves(FIPS, entries))])
        return row


def _but(one: Counted, wanted: Callable[[Event], bool]) -> Counted:
    event = one.event
    return one if event is None or wanted(event) else one.closed()


def _stated_row(stated: Stated, head: Checkpoint, key: bytes) -> bytes:
    """Return the row of a subject as a leaf of the log states it."""
    entry = AuditEntry(LeafKind.SUBJECTS, stated.index, stated.root)
    nodes = merkle.audit_nodes(FIPS)
    leaf = merkle.audit_leaf(FIPS, entry.encode())
    if not merkle.included(nodes, head.root, leaf, stated.index, head.size, stated.path):
        raise ProofInvalid(structure=Structure.SUBJECT_PROOF)
    bucket = bucket_leaves(FIPS, [stated.rows])[0]
    if not merkle.included(nodes, stated.root, bucket, bucket_of(key), BUCKETS, stated.bucket_path):
        raise ProofInvalid(structure=Structure.SUBJECT_PROOF)
    require(len(stated.rows) % ROW == 0, Structure.SUBJECT_PROOF, 2)
    return _row_in(stated.rows, key)


def _row_in(rows: bytes, key: bytes) -> bytes:
    """Return the row of a subject out of its bucket; nothing where it has none."""
    each = (rows[at : at + ROW] for at in range(0, len(rows), ROW))
    return next((row for row in each if row.startswith(key)), b"")


_decoder = msgspec.json.Decoder(SubjectProof)

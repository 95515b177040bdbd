"""What a witness knows of a log, and how it judges a request (c2sp.org/tlog-witness, add-checkpoint), without I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from vaultfs_format.errors import (
    FieldInvalid,
    FormatError,
    NotSigned,
    ProofInvalid,
    SignatureInvalid,
    UnsupportedFeature,
)
from vaultfs_format.limits import KIB, MAX_NOTE
from vaultfs_format.merkle import AUDIT_EMPTY
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import LOG_KEYS, VerifierKey, open_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.refusals import LogInconsistent, LogNotTrusted, RequestMalformed, SizeConflict
from vaultfs_format.tlog.witness import AddCheckpoint

from vaultfs_tools.witnessing.errors import Part, WitnessDamaged

MAX_SIGNERS = 64
"""Most signers of a log that a witness keeps."""

MAX_DROPPED = 1024
"""Most keys of signers that others have followed that a witness knows again; the oldest are forgotten."""

MAX_STATE = 2 * MAX_NOTE + 4 * MAX_SIGNERS * KIB + 128 * MAX_DROPPED
_FIRST = "vaultfs-witness-log@v1"
_SIGNER = "signer "
_DROPPED = "dropped "
_DIGEST = 65

Signers = tuple[tuple[VerifierKey, ...], ...]


@dataclass(frozen=True, slots=True)
class WitnessedLog:
    """A log of which a witness has the keys.

    Parameters
    ----------
    signers
        Keys of the log, by signer, the newest last: each key of one of them must have signed a checkpoint.
    last
        The checkpoint that was cosigned last, with the signatures of the log; None where there is none.
    dropped
        SHA-256 of the keys of signers that do not count any more, the newest last.
    """

    signers: Signers
    last: Note | None = None
    dropped: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.signers[0][0].name

    @property
    def head(self) -> Checkpoint:
        """What was cosigned last; a log of size 0 where nothing was."""
        return Checkpoint.decode(self.last.text) if self.last else Checkpoint(self.origin, 0, AUDIT_EMPTY)

    def with_signer(self, keys: Sequence[VerifierKey]) -> WitnessedLog:
        """Return the log with the keys of a further signer.

        Earlier ones count until a checkpoint is cosigned that a later one has signed, and then never again.

        Raises
        ------
        FieldInvalid
            They are no keys of the log, or one is of a signer that another one has followed.
        """
        signer = tuple(dict.fromkeys(keys))
        if set(signer) in map(set, self.signers):
            return self
        if not set(self.dropped).isdisjoint(map(_fingerprint, signer)):
            raise FieldInvalid
        return replace(self, signers=_checked((*self.signers, signer)))

    def judged(self, request: AddCheckpoint) -> WitnessedLog:
        """Return the log with the checkpoint of a request as the last one.

        Raises
        ------
        LogNotTrusted, SizeConflict, LogInconsistent
        AlgorithmMissing
        """
        first = self._signer_of(request.note)
        head, known = request.head, self.head
        if request.old != known.size or (head.size == known.size and head.root != known.root):
            raise SizeConflict(size=known.size)
        try:
            request.check(known.root)
        except ProofInvalid:
            raise LogInconsistent from None
        followed = [_fingerprint(key) for signer in self.signers[:first] for key in signer]
        dropped = (*self.dropped, *followed)[-MAX_DROPPED:]
        return WitnessedLog(self.signers[first:], _of_signer(request.note, self.signers[first]), dropped)

    def _signer_of(self, note: Note) -> int:
        for number in reversed(range(len(self.signers))):
            try:
                open_checkpoint(note, self.signers[number])
            except (NotSigned, SignatureInvalid):
                continue
            return number
        raise LogNotTrusted

    def encode(self) -> bytes:
        """Return the bytes of the file that a witness keeps.

        The SHA-256 of what follows, signers, keys that were dropped, an empty line, and the last checkpoint if there
        is one.
        """
        lines = [_FIRST, *(_SIGNER + " ".join(key.encode() for key in keys) for keys in self.signers)]
        lines += [_DROPPED + one for one in self.dropped]
        rest = "".join(f"{line}\n" for line in (*lines, "")).encode() + (self.last.encode() if self.last else b"")
        return _digest(rest) + rest

    @classmethod
    def decode(cls, data: bytes) -> WitnessedLog:
        """Parse a whole file.

        Raises
        ------
        WitnessDamaged
        """
        try:
            return cls._parsed(data)
        except (FormatError, UnsupportedFeature, UnicodeDecodeError):
            raise WitnessDamaged(part=Part.LOG) from None

    @classmethod
    def _parsed(cls, data: bytes) -> WitnessedLog:
        rest = data[_DIGEST:]
        if data[:_DIGEST] != _digest(rest):
            raise FieldInvalid
        start, empty, note = rest.partition(b"\n\n")
        first, *lines = start.decode().split("\n")
        dropped = tuple(line.removeprefix(_DROPPED) for line in lines if line.startswith(_DROPPED))
        lines = lines[: len(lines) - len(dropped)]
        if first != _FIRST or not empty or not all(line.startswith(_SIGNER) for line in lines):
            raise FieldInvalid
        words = [line.removeprefix(_SIGNER).split(" ") for line in lines]
        signers = _checked(tuple(tuple(VerifierKey.decode(word) for word in keys) for keys in words))
        found = cls(signers, Note.decode(note) if note else None, dropped)
        if found.head.origin != found.origin:
            raise FieldInvalid
        return found


def _fingerprint(key: VerifierKey) -> str:
    return sha256(key.encode().encode()).hexdigest()


def _digest(rest: bytes) -> bytes:
    return sha256(rest).hexdigest().encode() + b"\n"


def _checked(signers: Signers) -> Signers:
    """Return signers of one log.

    Raises
    ------
    FieldInvalid
        They are none, too many, of more than one log, or keys that no log has.
    """
    keys = [key for signer in signers for key in signer]
    one = len({key.name for key in keys}) == 1 and all(signers) and all(key.type in LOG_KEYS for key in keys)
    if not one or len(signers) > MAX_SIGNERS or any(len(signer) > len(LOG_KEYS) for signer in signers):
        raise FieldInvalid
    return signers


def _of_signer(note: Note, keys: Sequence[VerifierKey]) -> Note:
    """Return a note with one signature of each key, and nothing that others have put to it."""
    by_key = {(one.name, one.key_id): one for one in reversed(note.signatures)}
    return Note(note.text, tuple(by_key[key.name, key.key_id] for key in keys))


def request_in(data: bytes) -> AddCheckpoint:
    """Parse a request.

    Raises
    ------
    RequestMalformed
    """
    try:
        return AddCheckpoint.decode(data)
    except FormatError:
        raise RequestMalformed from None

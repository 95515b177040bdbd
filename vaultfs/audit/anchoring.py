"""Anchors against going back: checkpoints of the log that witnesses on other hosts have cosigned.

`cosign` shows the log to witnesses and keeps what they cosign; `CheckpointAnchor` lets `vaultfs.open` refuse a vault
whose log has not grown from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from vaultfs_format.errors import AlgorithmMissing, NotSigned, QuorumMissing
from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import VerifierKey, open_checkpoint, signed_by
from vaultfs_format.tlog.note import Note, NoteSignature
from vaultfs_format.tlog.policy import NONE, Policy, PolicyLog
from vaultfs_format.tlog.refusals import LogInconsistent, SizeConflict
from vaultfs_format.witness import Witnessed

from vaultfs.audit.errors import LogPrunedBefore
from vaultfs.audit.view import LogView, origin_of, shown
from vaultfs.audit.witnesses import Witness
from vaultfs.engine.vault import Vault
from vaultfs.errors import ArgumentInvalid, LogDiverged, VaultError, VaultMissing, WitnessSilent
from vaultfs.vfs import Vfs, absolute

_ATTEMPTS = 3
"""How often a witness is asked: it may cosign another request between two."""


class CheckpointDirectory:
    """Checkpoints as files in a directory, one for each log, under the SHA-256 of its origin.

    Such is the inbox of `vaultfs-witness answer`, too: what another host writes, and this one may only read.
    """

    def __init__(self, path: Path | str, vfs: Vfs | None = None) -> None:
        self.path = absolute(path)
        self._vfs = vfs or Vfs()

    def read(self, origin: str) -> bytes | None:
        """Return the checkpoint of a log, None where there is none.

        Raises
        ------
        StorageFailed, StorageReadOnly
        """
        with suppress(VaultMissing):
            return self._vfs.read(self._file(origin), MAX_NOTE)
        return None

    def keep(self, note: Note) -> None:
        """Keep a checkpoint, durably, in the place of the one before.

        Raises
        ------
        StorageFull, StorageReadOnly, StorageFailed
        """
        self._vfs.make_directory(self.path)
        self._vfs.replace(self._file(Checkpoint.decode(note.text).origin), note.encode())

    def _file(self, origin: str) -> Path:
        return self.path / f"{sha256(origin.encode()).hexdigest()}.checkpoint"


class CheckpointAnchor:
    """An anchor that knows the last checkpoint of the log which witnesses have cosigned (an `Anchor`).

    It is not shown each head: `cosign` is what it learns from. Who can write to the place that it reads can put an
    older checkpoint there, and so it should be the place of the witness; nobody but the witnesses can make a newer one.

    Parameters
    ----------
    read
        Returns the bytes of the checkpoint of an origin, None where there is none: `CheckpointDirectory.read`, or what
        asks the other host.
    policy
        Its witnesses, a quorum of whom must have cosigned. Its logs do not matter: the keys of a log change, and an
        older vault does not know those that came later.

    Raises
    ------
    ArgumentInvalid
        The policy wants no witness.
    """

    def __init__(self, read: Callable[[str], bytes | None], policy: Policy) -> None:
        if policy.quorum == NONE:
            raise ArgumentInvalid
        self._read = read
        self._policy = policy

    def last(self, vault_id: bytes) -> Checkpoint | None:
        """Return the checkpoint, if the witnesses have cosigned it."""
        data = self._read(origin_of(vault_id))
        if data is None:
            return None
        try:
            found = self._policy.check_witnesses(Note.decode(data))
        except VaultError:
            return None
        return found if found.origin == origin_of(vault_id) else None

    def see(self, witnessed: Witnessed) -> None:
        """Do nothing: witnesses are asked by `cosign`."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What witnesses have cosigned.

    Parameters
    ----------
    view
        The log that was shown to them: its checkpoint, and all that is proved by it, has their cosignatures.
    refused
        Why others have not, by their position.
    """

    view: LogView
    refused: Mapping[int, VaultError]

    @property
    def note(self) -> Note:
        """The checkpoint, with the signatures of the log and of the witnesses."""
        return self.view.checkpoint()


def cosign(
    vault: Vault, witnesses: Sequence[Witness], policy: Policy, keep: Sequence[CheckpointDirectory] = ()
) -> Cosigned:
    """Let witnesses cosign the log as it is now; that it is shown is recorded, and settled, first.

    What is kept already proves that the log was put back or changed, if it was: then it stays, and no other is kept
    in its place before somebody has removed it.

    Parameters
    ----------
    witnesses
        Are asked one after the other.
    policy
        Whose keys count, and how many must have cosigned. Its logs do not matter: the log is that of the vault.
    keep
        Where the checkpoint is kept, if the quorum has cosigned it.

    Raises
    ------
    LogDiverged
        A witness has seen a larger log, or another one, or the log has not grown from a checkpoint that is kept: the
        vault was put back, or its log was changed. Whatever others have cosigned, nothing is kept.
    LogPrunedBefore
        There is no quorum, and the log was pruned beyond what a witness has cosigned.
    QuorumMissing
        There is no quorum.
    CommitmentMismatch, VaultDamaged
    StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned, Closed
    """
    view = shown(vault, entries=0, events=0)
    known = max((_known(directory, view, policy) for directory in keep), default=0)
    refused: dict[int, VaultError] = {}
    for number, witness in enumerate(witnesses):
        try:
            view.add_cosignatures(_right(view, _asked(view, witness, known), policy))
        except LogDiverged:
            raise
        except VaultError as error:
            refused[number] = error
    try:
        check(view.checkpoint(), view.keys, policy)
    except QuorumMissing:
        why = [error for error in refused.values() if isinstance(error, LogPrunedBefore)]
        if not why:
            raise
        raise why[0] from None
    for directory in keep:
        directory.keep(view.checkpoint())
    return Cosigned(view, refused)


def check(note: Note, keys: Sequence[VerifierKey], policy: Policy) -> Checkpoint:
    """Return the checkpoint that a log has signed with each of its keys, and a quorum of the policy has cosigned.

    Raises
    ------
    NotSigned, QuorumMissing, SignatureInvalid, FieldInvalid, AlgorithmMissing
    """
    open_checkpoint(note, keys)
    return replace(policy, logs=tuple(PolicyLog(key) for key in keys)).check(note)


def join(request: Note, answers: Iterable[tuple[NoteSignature, ...]], policy: Policy) -> Note:
    """Return a checkpoint with the cosignatures of answers that were carried by hand.

    Raises
    ------
    NotSigned, QuorumMissing
        It is not signed by a log of the policy, or not cosigned by enough of its witnesses.
    SignatureInvalid
        A cosignature of one of its witnesses is wrong.
    FieldInvalid, AlgorithmMissing
    """
    found = request
    for signatures in answers:
        found = found.cosigned(_of_known(signatures, policy))
    policy.check(found)
    return found


def _known(directory: CheckpointDirectory, view: LogView, policy: Policy) -> int:
    """Return up to which size the witnesses have probably cosigned: they say so themselves if it is another.

    What is damaged, or of another log, says nothing.

    Raises
    ------
    LogDiverged
        The log has not grown from what is kept.
    StorageReadOnly, StorageFailed
    """
    data = directory.read(view.origin)
    try:
        note = Note.decode(data or b"")
        head = Checkpoint.decode(note.text)
        with suppress(QuorumMissing, AlgorithmMissing):  # others may have cosigned it, by the policy of before
            policy.check_witnesses(note)
    except VaultError:
        return 0
    with suppress(LogPrunedBefore):
        if head.origin == view.origin:
            view.check_grown_from(head)
            return head.size
    return 0


def _asked(view: LogView, witness: Witness, known: int) -> tuple[NoteSignature, ...]:
    """Return what a witness cosigns, who is told of the log from the size on that he has cosigned last.

    Raises
    ------
    LogDiverged
        He has cosigned a log that is larger than this one, or another one.
    LogPrunedBefore
        The log was pruned beyond what he has cosigned.
    WitnessRefused, WitnessSilent
    """
    for _ in range(_ATTEMPTS):
        try:
            return witness.add_checkpoint(view.request(known))
        except SizeConflict as conflict:
            if conflict.size == known or conflict.size > view.size:
                raise LogDiverged(size=conflict.size) from None
            known = conflict.size
        except LogInconsistent:
            raise LogDiverged(size=known) from None
    raise WitnessSilent


def _right(view: LogView, signatures: Iterable[NoteSignature], policy: Policy) -> tuple[NoteSignature, ...]:
    """Return signatures of witnesses of a policy; one that is wrong is refused before it spoils the checkpoint.

    Raises
    ------
    NotSigned
        There is none.
    SignatureInvalid
    """
    found = _of_known(signatures, policy)
    if not found:
        raise NotSigned
    signed_by(Note(view.checkpoint().text, found), [one.key for one in policy.witnesses])
    return found


def _of_known(signatures: Iterable[NoteSignature], policy: Policy) -> tuple[NoteSignature, ...]:
    known = {(one.key.name, one.key.key_id) for one in policy.witnesses}
    return tuple(one for one in signatures if (one.name, one.key_id) in known)

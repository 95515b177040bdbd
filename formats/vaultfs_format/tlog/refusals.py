"""What a witness answers (c2sp.org/tlog-witness), over HTTP or carried as a file: cosignatures, or why there are none.

A file needs no status beside it: it holds signature lines, or the size that the witness has cosigned last, or status
and reason of HTTP on a line.
"""

from __future__ import annotations

from typing import ClassVar

from vaultfs_format.errors import FormatError, VaultError
from vaultfs_format.layout import Buffer
from vaultfs_format.tlog.note import NoteSignature, decode_signatures
from vaultfs_format.tlog.witness import AddCheckpoint, decode_size, encode_size

# 2670-2675: what a witness refuses. --------------------------------------------------------------------------------


class WitnessRefused(VaultError):
    """The witness does not cosign the checkpoint."""

    code = 2670
    advice = "Look at which refusal it is: each says what to do."
    status: ClassVar[int] = 0
    reason: ClassVar[str] = ""

    def answer(self) -> bytes:
        """Return what the witness answers, as the bytes of a file, or the body of a response of this status."""
        return f"{self.status} {self.reason}\n".encode()


class RequestMalformed(WitnessRefused):
    """The request to the witness does not follow its form."""

    code = 2671
    status = 400
    reason = "Bad Request"
    advice = "Make the request again: it was cut, changed on its way, or made by another version."


class LogNotTrusted(WitnessRefused):
    """The checkpoint is not signed by keys that the witness has for this log."""

    code = 2672
    status = 403
    reason = "Forbidden"
    advice = (
        "If the log has a new signer, let the keeper of the witness compare its keys with the vault's, and add them."
    )


class LogUnknown(WitnessRefused):
    """The witness does not know the log."""

    code = 2673
    status = 404
    reason = "Not Found"
    advice = "Let whoever keeps the witness add the keys of the log, after comparing them with the vault's."


class SizeConflict(WitnessRefused):
    """The witness has cosigned another size of the log last, or another tree of this size."""

    code = 2674
    status = 409
    reason = "Conflict"
    advice = (
        "Ask again with the proof from the size that the facts name. If the log is not as large, or is of that size, it"
        " is not the log that the witness has seen: the vault was put back, or its log was changed."
    )

    @property
    def size(self) -> int:
        """The size that the witness has cosigned last."""
        size = self.facts.get("size")
        return size if isinstance(size, int) else 0

    def answer(self) -> bytes:
        """Return the size, as the protocol wants it."""
        return encode_size(self.size)


class LogInconsistent(WitnessRefused):
    """The log does not go on from the checkpoint that the witness has cosigned last."""

    code = 2675
    status = 422
    reason = "Unprocessable Entity"
    advice = (
        "Keep the vault as it is: unless the request was damaged, its log is not the one that the witness has seen."
    )


_ON_A_LINE = {one().answer(): one for one in (RequestMalformed, LogNotTrusted, LogUnknown, LogInconsistent)}
_BY_STATUS = {one.status: one for one in _ON_A_LINE.values()}
_MARK = "\u2014".encode()


def signatures_in(answer: Buffer) -> tuple[NoteSignature, ...]:
    """Return the cosignatures that an answer has.

    Raises
    ------
    WitnessRefused
        The one that the answer states.
    FieldInvalid, LimitExceeded
        It is no answer.
    """
    data = bytes(answer)
    if data in _ON_A_LINE:
        raise _ON_A_LINE[data]
    if data.startswith(_MARK):
        return decode_signatures(data)
    raise SizeConflict(size=decode_size(data))


def refusal_of(status: int, body: Buffer, request: AddCheckpoint | None = None) -> WitnessRefused | None:
    """Return the refusal that a status of HTTP stands for; None where the protocol has none of it.

    Parameters
    ----------
    request
        What was asked. Where it states one size for both trees, a conflict needs no size: it is the root that differs.

    Raises
    ------
    FieldInvalid, LimitExceeded
        The body does not state the size that it must.
    """
    if status == SizeConflict.status:
        try:
            return SizeConflict(size=decode_size(body))
        except FormatError:
            if request is None or request.old != request.head.size:
                raise
            return SizeConflict(size=request.old)
    refusal = _BY_STATUS.get(status)
    return None if refusal is None else refusal()

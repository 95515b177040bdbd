"""Witnesses, as the host of a vault asks them: by a callable of its own, or over a share with files.

`vaultfs.audit.httpwitness` asks servers. Any other way is a class with the one method of `Witness`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.tlog.note import NoteSignature
from vaultfs_format.tlog.refusals import WitnessRefused, signatures_in
from vaultfs_format.tlog.witness import AddCheckpoint

from vaultfs.errors import VaultError, VaultMissing, WitnessSilent
from vaultfs.vfs import Vfs, absolute

_INTERVAL = 0.05
"""Seconds between two looks for an answer."""


class Witness(Protocol):
    """Somebody who cosigns checkpoints that go on from the last one he has cosigned (c2sp.org/tlog-witness)."""

    def add_checkpoint(self, request: AddCheckpoint) -> tuple[NoteSignature, ...]:
        """Return the cosignatures of a checkpoint. Nothing is believed of them before they are verified.

        Raises
        ------
        WitnessRefused
            Why there are none: above all `SizeConflict`, with the size that was cosigned last.
        WitnessSilent
            There is no answer.
        """
        ...


class CallbackWitness:
    """A witness that is asked by a callable of the host, over whatever connects the two.

    Parameters
    ----------
    ask
        Is given the bytes of a request, as `vaultfs-witness` takes them from a file, and returns those of the answer.
        Whatever it raises counts as no answer.
    """

    def __init__(self, ask: Callable[[bytes], bytes]) -> None:
        self._ask = ask

    def add_checkpoint(self, request: AddCheckpoint) -> tuple[NoteSignature, ...]:
        """Ask by the callable."""
        return answered(lambda: self._ask(request.encode()))


class FileWitness:
    """A witness on another host, which looks into a directory for requests: `vaultfs-witness answer` run there.

    Parameters
    ----------
    outbox
        Directory for requests.
    inbox
        Directory of the answers. Only the witness must be able to write to it.
    wait
        Seconds to wait for an answer; a request that has none by then is withdrawn.
    """

    def __init__(self, outbox: Path | str, inbox: Path | str, wait: float = 60.0, vfs: Vfs | None = None) -> None:
        self._outbox, self._inbox = absolute(outbox), absolute(inbox)
        self._wait = wait
        self._vfs = vfs or Vfs()

    def add_checkpoint(self, request: AddCheckpoint) -> tuple[NoteSignature, ...]:
        """Put a request into the outbox, and wait for the answer."""
        return answered(lambda: self._exchanged(request.encode()))

    def _exchanged(self, data: bytes) -> bytes:
        name = sha256(data).hexdigest()
        question, answer = self._outbox / f"{name}.request", self._inbox / f"{name}.response"
        deadline = time.monotonic() + self._wait
        staged = self._vfs.stage(question, data)
        self._vfs.show(staged)  # to the account of the witness: it holds nothing secret
        self._vfs.rename(staged, question)
        try:
            while True:
                try:
                    return self._vfs.read(answer, MAX_NOTE)
                except VaultMissing:
                    if time.monotonic() >= deadline:
                        raise
                time.sleep(_INTERVAL)
        finally:
            self._vfs.unlink(question)


def answered(ask: Callable[[], bytes]) -> tuple[NoteSignature, ...]:
    """Return the cosignatures in an answer; what asking for it raises is withheld.

    Raises
    ------
    WitnessRefused
        The one that the answer states.
    WitnessSilent
        There is no answer, or none that can be understood.
    """
    failure: VaultError = WitnessSilent()
    try:
        return signatures_in(ask())
    except WitnessRefused as refusal:
        failure = refusal
    except Exception:  # noqa: BLE001, S110 - of a host's own callable, whose text may hold anything
        pass
    raise failure

"""The directory of a witness: its keys, and of each log the last checkpoint that it has cosigned.

What is judged and what is kept is one step: under a lock on the directory, and durable before a cosignature is given
out.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from vaultfs_format.errors import FieldInvalid
from vaultfs_format.tlog.keys import VerifierKey
from vaultfs_format.tlog.note import Note, NoteSignature, encode_signatures
from vaultfs_format.tlog.policy import NONE
from vaultfs_format.tlog.refusals import LogUnknown, WitnessRefused

from vaultfs_tools.keyless.durable import make_directory, write
from vaultfs_tools.witnessing.errors import Part, WitnessDamaged
from vaultfs_tools.witnessing.keys import draw_keys, read_keys
from vaultfs_tools.witnessing.log import MAX_STATE, WitnessedLog, request_in

_KEY = "key"
_LOGS = "logs"
_SUFFIX = ".log"


def seconds() -> int:
    """Return the time now, in seconds since 1970."""
    return int(time.time())


class Keeper:
    """A witness.

    Parameters
    ----------
    path
        Its directory, which no log may write to.
    clock
        Seconds since 1970, which cosignatures state.

    Raises
    ------
    WitnessDamaged
        The directory has no key.
    """

    def __init__(self, path: Path, clock: Callable[[], int] = seconds) -> None:
        self._path = path
        self._clock = clock
        self._keys = read_keys(path / _KEY)
        if not (path / _LOGS).is_dir():
            raise WitnessDamaged(part=Part.LOG)

    @classmethod
    def create(cls, path: Path, name: str, clock: Callable[[], int] = seconds) -> Keeper:
        """Make a witness with keys of its own, which never leave the directory.

        Raises
        ------
        FileExistsError
            There is one already.
        FieldInvalid
            No key can have the name, or it says in a policy that nobody is asked.
        """
        if name == NONE.decode():
            raise FieldInvalid
        keys = draw_keys(name)
        if (path / _KEY).exists():
            raise FileExistsError
        make_directory(path / _LOGS)
        write(path / _KEY, "".join(key.encode() for key in keys).encode())  # last: without it there is no witness
        return cls(path, clock)

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """The keys that verify what it cosigns."""
        return tuple(key.public for key in self._keys)

    def add_log(self, keys: Sequence[VerifierKey]) -> WitnessedLog:
        """Take the keys of a signer of a log, all of which must sign: of a new log, or of one whose signer changed.

        Raises
        ------
        FieldInvalid
            They are of more than one log, or no keys of a log, or one is of a signer that another one has followed.
        """
        if not keys:
            raise FieldInvalid
        with self._locked():
            path = self._file(keys[0].name)
            known = self._read(path) if path.exists() else None
            found = (known or WitnessedLog(())).with_signer(keys)
            if found != known:
                self._write(path, found)
            return found

    def logs(self) -> Iterator[WitnessedLog]:
        """Yield what it knows of each log."""
        for path in sorted((self._path / _LOGS).glob(f"*{_SUFFIX}")):
            yield self._read(path)

    def log(self, origin: str) -> WitnessedLog:
        """Return what it knows of a log.

        Raises
        ------
        LogUnknown
        """
        path = self._file(origin)
        if not path.exists():
            raise LogUnknown
        return self._read(path)

    def add_checkpoint(self, data: bytes) -> tuple[NoteSignature, ...]:
        """Cosign the checkpoint of a request (c2sp.org/tlog-witness, add-checkpoint), if it goes on from the last one.

        Raises
        ------
        WitnessRefused
        WitnessDamaged, AlgorithmMissing
        """
        request = request_in(data)
        with self._locked():
            known = self.log(request.head.origin)
            found = known.judged(request)
            if (found.signers, found.head) != (known.signers, known.head):
                self._write(self._file(found.origin), found)
        return self._cosigned(request.note.text)

    def answer(self, data: bytes) -> bytes:
        """Return the answer to a request as the bytes of a file: cosignatures, or why there are none."""
        try:
            return encode_signatures(self.add_checkpoint(data)).encode()
        except WitnessRefused as refusal:
            return refusal.answer()

    def checkpoint(self, origin: str) -> Note | None:
        """Return the last checkpoint of a log that was cosigned, with the signatures of log and witness.

        Raises
        ------
        LogUnknown
        """
        last = self.log(origin).last
        return last and last.cosigned(self._cosigned(last.text))

    def _cosigned(self, text: str) -> tuple[NoteSignature, ...]:
        now = self._clock()
        return tuple(key.signer.signature(text, now) for key in self._keys)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from judging, and remove what one that was killed has left."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for path in (self._path / _LOGS).glob("*.tmp"):
                path.unlink()
            yield
        finally:
            os.close(descriptor)

    def _file(self, origin: str) -> Path:
        return self._path / _LOGS / (sha256(origin.encode()).hexdigest() + _SUFFIX)

    def _read(self, path: Path) -> WitnessedLog:
        with path.open("rb") as file:
            found = WitnessedLog.decode(file.read(MAX_STATE))
        if self._file(found.origin) != path:
            raise WitnessDamaged(part=Part.LOG)
        return found

    def _write(self, path: Path, log: WitnessedLog) -> None:
        write(path, log.encode())

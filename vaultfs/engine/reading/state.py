"""Control state: small versioned values under a namespace and key, which checkpoints, consents and holds are made of.

That a state is *absent* is never concluded from the index alone: the tokens of all states are read from the files once,
when the first absence is asked about, and kept current from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from vaultfs_format.entries import Role
from vaultfs_format.frame import FrameClass

from vaultfs.engine.engine import View
from vaultfs.engine.opening.replay import FoundFrame, live_frames, segment_frames
from vaultfs.errors import ArgumentInvalid, FieldInvalid, IndexDamaged, Structure
from vaultfs.model import check_text, decoded

MAX_STATE = 48 * 1024
MAX_NAMESPACE = 256
MAX_KEY = 1024
"""Longest value, namespace and key, in bytes."""


@dataclass(frozen=True, slots=True)
class State:
    """A control state.

    Parameters
    ----------
    version
        1 for the first value; 0 where there is none.
    value
        The value, None where there is none.
    """

    version: int
    value: bytes | None = field(repr=False)


def encode_state(namespace: str, key: bytes, value: bytes) -> bytes:
    """Return a state as an entry's bytes: lengths of namespace and key, namespace, key, value."""
    check_text(namespace, MAX_NAMESPACE)
    name = namespace.encode()
    if not 0 < len(name) <= MAX_NAMESPACE or len(key) > MAX_KEY or len(value) > MAX_STATE:
        raise ArgumentInvalid(key=len(key), value=len(value))
    return len(name).to_bytes(2, "little") + len(key).to_bytes(2, "little") + name + key + value


def decode_state(data: bytes) -> tuple[str, bytes, bytes]:
    """Return namespace, key and value of a state entry's bytes.

    Raises
    ------
    FieldInvalid
    """
    name_end = 4 + int.from_bytes(data[:2], "little")
    key_end = name_end + int.from_bytes(data[2:4], "little")
    namespace = decoded(data[4:name_end])
    if namespace is None or key_end > len(data):
        raise FieldInvalid(structure=Structure.ENTRIES)
    return namespace, data[name_end:key_end], data[key_end:]


class States:
    """The control states of an open vault.

    Parameters
    ----------
    census
        Returns the tokens of all states that the files hold.
    """

    def __init__(self, engine: View, census: Callable[[], AbstractSet[bytes]]) -> None:
        self._engine = engine
        self._census = census

    def version(self, token: bytes) -> int:
        """Return the current version of a state by its token, 0 where there is none."""
        with self._engine.index.reading() as txn:
            found = self._engine.index.state(txn, token)
        if found is not None:
            return found[0]
        if token in self._census():
            raise IndexDamaged
        return 0

    def read(self, namespace: str, key: bytes) -> State:
        """Return a state, confirmed against its sealed entry."""
        engine = self._engine
        token = engine.chain.state_token(namespace, key)
        if self.version(token) == 0:
            return State(0, None)
        with engine.index.reading() as txn:
            found = engine.index.state(txn, token)
        if found is None:
            raise IndexDamaged
        version, handle, row = found
        frame = engine.store.load(handle)
        if row >= len(frame.block.entries):
            raise IndexDamaged
        entry = frame.block.entries[row]
        if (entry.role, entry.token, entry.version) != (Role.STATE, token, version):
            raise IndexDamaged
        body = engine.store.body(frame)
        stored_namespace, stored_key, value = decode_state(body[entry.offset : entry.offset + entry.length])
        if (stored_namespace, stored_key) != (namespace, key):
            raise IndexDamaged
        return State(version, value)


def states_of(engine: View, namespace: str) -> dict[bytes, bytes]:
    """Return the values of all states of a namespace by their keys, as the files have them.

    Raises
    ------
    VaultDamaged
    """
    newest: dict[bytes, tuple[int, bytes]] = {}
    with engine.lock:
        engine.check()
        for frame in _control_frames(engine):
            body = frame.body()
            for entry in frame.entries().entries:
                stored, key, value = decode_state(body[entry.offset : entry.offset + entry.length])
                if stored == namespace and entry.version > newest.get(key, (0, b""))[0]:
                    newest[key] = entry.version, value
    return {key: value for key, (_, value) in newest.items()}


def _control_frames(engine: View) -> Iterator[FoundFrame]:
    """Yield the frames of the files that may hold states."""
    yield from (frame for frame in live_frames(engine) if frame.row.header.frame_class is FrameClass.CONTROL)
    for row in engine.head.segments:
        if row.frame_class is FrameClass.CONTROL:
            yield from segment_frames(engine, row)


def state_tokens(frame: FoundFrame) -> Iterator[bytes]:
    """Yield the tokens of the states that a frame holds."""
    if frame.row.header.frame_class is FrameClass.CONTROL:
        yield from (entry.token for entry in frame.entries().entries if entry.role == Role.STATE)


class Census:
    """The tokens of all states of a vault that is open for writing: read once, then kept current by its commits."""

    def __init__(self, engine: View) -> None:
        self._engine = engine
        self._tokens: set[bytes] | None = None

    def tokens(self) -> AbstractSet[bytes]:
        """Return the tokens of all states."""
        if self._tokens is None:
            with self._engine.lock:
                self._engine.check()
                self._tokens = {token for frame in _control_frames(self._engine) for token in state_tokens(frame)}
        return self._tokens

    def learn(self, tokens: AbstractSet[bytes]) -> None:
        """Take note of states that a commit has made."""
        if self._tokens is not None:
            self._tokens |= tokens

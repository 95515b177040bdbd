"""Keeping keys from being used when their lives do not permit it, and recording that somebody tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from vaultfs_format.events.keys import KeyRefused, KeyRiskAccepted
from vaultfs_format.superblock import Superblock

from vaultfs.audit.events import NOBODYS_SESSION, Event
from vaultfs.engine.custody.lives import Lives
from vaultfs.errors import KeyExpired, KeyNotUsable
from vaultfs.keys.lifecycle import KeyKind
from vaultfs.keys.recipients import Known, Unlocker


class _Recorder(Protocol):
    def __call__(self, events: Sequence[Event], *, durable: bool) -> None: ...


class Guard:
    """What stands before the keys of an open vault.

    Parameters
    ----------
    record
        Writes audit events.
    """

    def __init__(self, lives: Lives, record: _Recorder, clock: Callable[[], int]) -> None:
        self._lives = lives
        self._record = record
        self._clock = clock

    def admit(self, superblock: Superblock, unlock: Unlocker, *, accept_risk: bool) -> None:
        """Refuse whoever has opened the vault by a recipient that may not be used, or record that this was accepted.

        Raises
        ------
        KeyExpired, KeyNotUsable
        """
        at_risk = False
        if not isinstance(unlock, Known) and self._lives.restricted(superblock):
            try:
                self._lives.unlocked(superblock, unlock)
            except (KeyExpired, KeyNotUsable):
                if not accept_risk:
                    self._refused(KeyKind.RECIPIENT)
                    raise
                at_risk = True
        if accept_risk and self._lives.accept_risk():
            at_risk = True
        if at_risk:
            self._record([KeyRiskAccepted(self._clock(), NOBODYS_SESSION)], durable=True)

    def check_process(self) -> None:
        """Refuse to open anything while the key of the epoch must not be used for that.

        Raises
        ------
        KeyExpired, KeyNotUsable
        """
        with self.recording(lambda: KeyKind.EPOCH):
            self._lives.check_process()

    @contextmanager
    def recording(self, kind: Callable[[], KeyKind]) -> Iterator[None]:
        """Record, durably, that a key was not to be used.

        Parameters
        ----------
        kind
            Returns of which kind the key is.
        """
        try:
            yield
        except (KeyExpired, KeyNotUsable):
            self._refused(kind())
            raise

    def _refused(self, kind: KeyKind) -> None:
        self._record([KeyRefused(self._clock(), NOBODYS_SESSION, kind)], durable=True)

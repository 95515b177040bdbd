"""Copies of the vault: when each was last made, and what its keeper says of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vaultfs_format.events.vault import CopyGivenUp, CopyKeysConfirmed

from vaultfs.audit.events import NOBODYS_SESSION, Event, encoded
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.custody import copies
from vaultfs.engine.custody.copies import KnownCopy, known_copies
from vaultfs.engine.vault import Vault
from vaultfs.errors import ArgumentInvalid, NotFound


def copies_of(vault: Vault) -> Mapping[bytes, int]:
    """Return for each copy that is known, by its id, when it was last brought up to date.

    Nobody has proved it: a copy is claimed in a file that anybody can write who can write to the vault's directory.

    Returns
    -------
    Mapping
        Ids to microseconds since 1970-01-01T00:00Z.

    Raises
    ------
    Closed, VaultDamaged
    """
    return {copy: known.made for copy, known in known_copies(vault.engine).items()}


def confirm_keys(vault: Vault, copy: bytes, epoch: int) -> None:
    """Say that a key bundle of this epoch lies with a copy that is not brought up to date any more.

    Then nothing that is needed to open the copy goes with the secrets of earlier epochs.

    Parameters
    ----------
    epoch
        The one that the bundle is of: a turn may have begun another one since it was made.

    Raises
    ------
    NotFound
        There is no such copy.
    ArgumentInvalid
        Another epoch is in force: make a bundle now, and put it beside the copy.
    """
    with vault.engine.lock:
        if epoch != vault.engine.head.epoch:
            raise ArgumentInvalid(epoch=epoch)
        _set(vault, copy, CopyKeysConfirmed, forget=False)


def give_up(vault: Vault, copy: bytes) -> None:
    """Forget a copy: it no longer keeps secrets of earlier epochs, and cannot be opened once these are destroyed.

    Raises
    ------
    NotFound
        There is no such copy.
    """
    _set(vault, copy, CopyGivenUp, forget=True)


def _set(vault: Vault, copy: bytes, kind: Callable[[int, bytes, bytes], Event], *, forget: bool) -> None:
    engine = vault.engine
    with engine.lock:
        state = vault.steady(lambda: vault.states.read(copies.NAMESPACE, copy))
        known = KnownCopy.decode(state.value)
        if known is None:
            raise NotFound
        now = engine.options.clock()
        keys = max(now, engine.chain.turn.time + 1)  # the clock may have been set back since
        value = b"" if forget else known._replace(keys=keys).encode()
        events = encoded(engine.suite, kind(now, NOBODYS_SESSION, copy))
        vault.commit(control_intent(engine, copies.NAMESPACE, copy, value, state.version, events))
        vault.retire()

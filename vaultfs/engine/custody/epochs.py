"""Secrets of epochs in the stores: the present one, and those before, destroyed once no copy needs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from vaultfs_format.epoch import EpochSecret, epoch_root
from vaultfs_format.events.keys import SecretsDestroyed
from vaultfs_format.head import Head
from vaultfs_format.layout import Buffer
from vaultfs_format.suite import same

from vaultfs.audit.events import NOBODYS_SESSION
from vaultfs.engine.custody.copies import known_copies
from vaultfs.engine.engine import Engine
from vaultfs.errors import EpochSecretMissing, VaultError
from vaultfs.keys.stores import EpochStore, asked

FURTHER = 0
"""The number of a store that is not one of those with which the vault was opened; these are counted from 1."""

_Outdated = Mapping[int, Sequence[int] | None]
"""Epochs by the number of a store; None for one that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The secret of an epoch was destroyed in a store, which does not list it any more.

    Parameters
    ----------
    store
        The number of the store: 1 for the first with which the vault was opened, `FURTHER` for none of these.
    """

    store: int
    epoch: int

    def event(self, now: int) -> SecretsDestroyed:
        """Return what the log says of it."""
        return SecretsDestroyed(now, NOBODYS_SESSION, self.store, self.epoch)


@dataclass(frozen=True, slots=True)
class Destruction:
    """What became of the secrets of earlier epochs.

    Parameters
    ----------
    receipts
        Those that were destroyed just now, or before, and are not logged yet.
    pending
        How many are left; a store that cannot be asked counts as one.
    waiting
        How many copies of the vault have not been brought up to date since the epoch began: they keep them.
    """

    receipts: tuple[Receipt, ...]
    pending: int
    waiting: int


def retire(
    engine: Engine,
    further: EpochStore | None = None,
    begun: Iterable[Receipt] = (),
    begin: Callable[[Collection[Receipt]], bool] = lambda _: True,
) -> Destruction:
    """Destroy the secrets of earlier epochs, unless a copy of the vault still needs the keys of the present one.

    Call at any time: what is done is not done again.

    Parameters
    ----------
    further
        Another store than those of the vault, in which it is done instead.
    begun
        What earlier calls have begun to destroy, and nobody has logged: what is gone of it has a receipt, too.
    begin
        Told what is about to be destroyed; returns whether it may be.
    """
    stores = dict(enumerate(engine.stores, 1)) if further is None else {FURTHER: further}
    old = _outdated(engine, stores)
    waiting = lagging(engine) if any(old.values()) or None in old.values() else 0
    chosen = [] if waiting else [Receipt(number, epoch) for number, epochs in old.items() for epoch in epochs or ()]
    left = old
    if chosen and begin(chosen):
        for one in chosen:
            with suppress(Exception):  # of a host's own store; it is asked again
                stores[one.store].destroy(engine.vault_id, one.epoch)
        left = _outdated(engine, stores)
    return Destruction(tuple(_gone([*begun, *chosen], left)), _count(left), waiting)


def _gone(begun: Iterable[Receipt], left: _Outdated) -> Iterable[Receipt]:
    """Return what the stores do not list any more, of those that can be asked."""
    for one in sorted({*begun}, key=lambda one: (one.store, one.epoch)):
        kept = left.get(one.store)
        if kept is not None and one.epoch not in kept:
            yield one


def _outdated(engine: Engine, stores: Mapping[int, EpochStore]) -> _Outdated:
    """Return the epochs before this one whose secrets each store keeps."""
    found: dict[int, Sequence[int] | None] = dict.fromkeys(stores)
    for number, store in stores.items():
        with suppress(Exception):  # of a host's own store
            found[number] = [epoch for epoch in store.epochs(engine.vault_id) if epoch < engine.head.epoch]
    return found


def _count(old: _Outdated) -> int:
    """Return how many secrets are left; a store that cannot be asked counts as one."""
    return sum(1 if epochs is None else len(epochs) for epochs in old.values())


def pending(engine: Engine) -> int:
    """Return how many secrets of earlier epochs are left; a store that cannot be asked counts as one, after a turn."""
    return _count(_outdated(engine, dict(enumerate(engine.stores, 1)))) if engine.chain.turn.time else 0


def may_be_kept(engine: Engine, epoch: int) -> bool:
    """Return whether a store has the secret of an earlier epoch, or cannot be asked."""
    left = _outdated(engine, dict(enumerate(engine.stores, 1))).values()
    return any(epochs is None or epoch in epochs for epochs in left)


def oldest_copy(engine: Engine) -> int | None:
    """Return when the copy of the vault that is most behind was brought up to date; None where none is known."""
    return min((copy.made for copy in known_copies(engine).values()), default=None)


def lagging(engine: Engine) -> int:
    """Return how many copies of the vault do not have the keys of this epoch."""
    return sum(copy.opens <= engine.chain.turn.time for copy in known_copies(engine).values())


def holders(stores: Iterable[EpochStore], head: Head) -> int:
    """Return how many of the epoch stores hold the vault's secret: with one, losing it loses everything.

    Of stores that hold different ones only the most that agree are counted: without the root key nothing tells which
    are right.
    """
    found: list[EpochSecret] = []
    for store in stores:
        with suppress(Exception):
            found.append(store.get(head.vault_id, head.epoch))
    return max((sum(same(one.secret, other.secret) for other in found) for one in found), default=0)


def present_secret(engine: Engine, root_key: Buffer) -> EpochSecret:
    """Return the secret of this epoch, from the first store that has it.

    Raises
    ------
    EpochSecretMissing
        None has.
    """
    vault_id, epoch = engine.vault_id, engine.head.epoch
    for store in engine.stores:
        with suppress(VaultError):
            found = asked(partial(store.get, vault_id, epoch))
            if same(epoch_root(engine.suite, root_key, found.secret, vault_id, epoch), engine.chain.epoch_root):
                return found
    raise EpochSecretMissing(epoch=epoch)

"""Destroying the secrets of earlier epochs so that each is on record, wherever it is cut off.

What is about to be destroyed is kept as a control state before any store is told to, and taken out of it by the commit
that logs it: whoever opens the vault next logs what was destroyed, and not logged.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from vaultfs.audit.events import encoded
from vaultfs.engine.committing.control import control_intent
from vaultfs.engine.custody.epochs import Destruction, Receipt, retire
from vaultfs.engine.custody.lives import NAMESPACE
from vaultfs.errors import StorageFull

if TYPE_CHECKING:
    from vaultfs.engine.vault import Vault

_BEGUN = b"destroying"
_NUMBER = 4
_ROW = 2 * _NUMBER


def destroy_outdated(vault: Vault) -> Destruction:
    """Destroy what `retire` says in the stores of a vault, and log it. Call under the lock.

    Without space to say that it has begun nothing is destroyed; without space to log it that is done the next time.
    """
    begun = _begun(vault)

    def begin(chosen: Collection[Receipt]) -> bool:
        coming = begun | {*chosen}
        with suppress(StorageFull):
            if coming != begun:
                _keep(vault, coming)
            return True
        return False

    retired = retire(vault.engine, None, begun, begin)
    if retired.receipts:
        with suppress(StorageFull):
            _keep(vault, _begun(vault) - {*retired.receipts}, retired.receipts)
    return retired


def _begun(vault: Vault) -> set[Receipt]:
    """Return what was begun, and is not logged."""
    value = vault.state(NAMESPACE, _BEGUN).value or b""
    rows = (value[at : at + _ROW] for at in range(0, len(value), _ROW))
    return {Receipt(int.from_bytes(row[:_NUMBER], "little"), int.from_bytes(row[_NUMBER:], "little")) for row in rows}


def _keep(vault: Vault, begun: Collection[Receipt], done: Collection[Receipt] = ()) -> None:
    """Commit what was begun, with events of what is done."""
    engine = vault.engine
    pairs = sorted((one.store, one.epoch) for one in begun)
    value = b"".join(number.to_bytes(_NUMBER, "little") for pair in pairs for number in pair)
    now, version = engine.options.clock(), vault.state(NAMESPACE, _BEGUN).version
    events = encoded(engine.suite, *(one.event(now) for one in done))
    vault.commit(control_intent(engine, NAMESPACE, _BEGUN, value, version, events))

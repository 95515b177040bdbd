"""What a process does that is going to be cut off: opens the vault, and commits, settles and reopens by chance."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

from crash.host import Act, Host
from crash.ledger import Ledger
from crash.model import PEOPLE, Model
from crash.oracle import BLOB, KEYS, state_of
from vaultfs.vfs import Vfs


def work(path: Path, ledger: Ledger, allowed: Sequence[Model | None], seed: int, vfs: Vfs | None = None) -> None:
    """Write to a vault without end, telling a ledger.

    Parameters
    ----------
    allowed
        The states that the vault at `path` may be in.
    """
    host, chance = Host(path, ledger, vfs), random.Random(seed)
    host.first_seed(seed * 1_000_000)
    if path.exists():
        host.open()
        known = {record for model in allowed if model is not None for record in model.lines}
        number, _ = state_of(host.vault, allowed, known)
        ledger.resolve(number)
        found = allowed[number]
    else:
        host.create()
        found = Model()
    alive = [record for record, line in found.lines.items() if not line.hidden] if found else []
    for number in itertools.count(1):
        host.commit(*_acts(host, chance, alive, number))
        if chance.random() < 0.15:
            host.vault.settle()
        elif chance.random() < 0.05:
            host.vault.rebuild_index()
        elif chance.random() < 0.1:
            host.reopen(index=chance.random() < 0.7)


def _acts(host: Host, chance: random.Random, alive: list[str], number: int) -> list[Act]:
    person = chance.choice(list(PEOPLE))
    size = BLOB if chance.random() < 0.2 else chance.randrange(1, 2000)
    acts = [host.put(size, person), host.state(chance.choice(KEYS), str(number))]
    if alive and chance.random() < 0.2:
        acts.append(host.delete(alive.pop(chance.randrange(len(alive)))))
    return acts

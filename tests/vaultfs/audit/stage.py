"""Where calls are tried: a vault with a record of each of two subjects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vaultfs


class Gate:
    """Permits everything until it is shut, or falls."""

    shut = False
    fallen = False

    def permits(self, _: vaultfs.Request) -> bool:
        if self.fallen:
            raise GateFallen
        return not self.shut


class GateFallen(Exception):
    """What a policy raises that fails."""


@dataclass
class Stage:
    """A vault with a record of each of two subjects, and a session."""

    place: Path
    vault: vaultfs.Vault
    session: vaultfs.Session
    gate: Gate
    record: vaultfs.RecordId
    one: vaultfs.SubjectId
    two: vaultfs.SubjectId

    def txn(self, act: Callable[[vaultfs.Transaction], Any]) -> None:
        """Act in a transaction that commits."""
        with self.session.transaction() as txn:
            act(txn)

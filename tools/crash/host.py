"""A host: a program that keeps a vault, and takes note of what it is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vaultfs_format.stanza import Argon2Cost

import vaultfs
from crash.ledger import Ledger
from crash.model import NAMESPACE, PEOPLE, Effect, content
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.vfs import Vfs, converted

PASSPHRASE = _AtAnyCost(b"correct horse battery staple", Argon2Cost(64, 1, 1))
WHO = vaultfs.Principal("dr-who", frozenset({"physician"}))
OPTIONS = vaultfs.Options(sync_bound=3600.0)
"""No timer: buffered events become durable when the scenario says so."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Act = Callable[[vaultfs.Transaction], Effect]
"""Stages something in a transaction, and returns its effect."""


def open_vault(path: Path, vfs: Vfs | None = None, *, older: bool = False) -> vaultfs.Vault:
    """Open a vault of the crash tests, also if it is `older` than what an anchor has seen."""
    return vaultfs.open(
        path, unlock=PASSPHRASE, policy=vaultfs.PermitAll(), options=OPTIONS, accept_older=older, vfs=vfs
    )


class Host:
    """A program that keeps a vault."""

    def __init__(self, path: Path, ledger: Ledger, vfs: Vfs | None = None) -> None:
        self.path = path
        self.ledger = ledger
        self.vfs = vfs or Vfs()
        self._vault: vaultfs.Vault | None = None
        self._seed = 0
        self.records: list[str] = []
        """The ids of what this host has put, in order."""

    @classmethod
    def of(cls, vault: vaultfs.Vault, ledger: Ledger) -> Host:
        """Return a host of a vault that is open."""
        host = cls(vault.path, ledger)
        host._vault = vault
        return host

    @property
    def vault(self) -> vaultfs.Vault:
        """The open vault."""
        if self._vault is None:
            raise ValueError("the vault is not open")
        return self._vault

    def first_seed(self, seed: int) -> None:
        """Let the contents of records begin at a seed, unlike those of hosts before."""
        self._seed = seed

    def session(self) -> vaultfs.Session:
        """Open a session."""
        return self.vault.session(WHO, "TREAT")

    # The life of a vault.

    def create(self) -> None:
        """Create the vault."""
        self.ledger.begin(None)
        self._vault = vaultfs.create(
            self.path, recipients=[PASSPHRASE], policy=vaultfs.PermitAll(), options=OPTIONS, vfs=self.vfs
        )
        self.ledger.acknowledge()

    def open(self) -> None:
        """Open the vault."""
        self._vault = open_vault(self.path, self.vfs)

    def close(self) -> None:
        """Close the vault."""
        if self._vault is not None:
            vault, self._vault = self._vault, None
            vault.close()

    def reopen(self, *, index: bool = True) -> None:
        """Close the vault and open it again, with or without its index."""
        self.close()
        if not index:
            with converted():
                shutil.rmtree(self.path / "index")
        self.open()

    def turn(self, person: str = "") -> None:
        """Begin another epoch, and dispose of a person, if one is given."""
        identifier = PEOPLE[person] if person else None
        with self.session() as s:
            subjects = s.subjects(identifier) if identifier else []
        self.ledger.begin([("dispose", person)] if person else [])
        self.vault.keys.turn(PASSPHRASE, subjects)
        self.ledger.acknowledge()

    def reencrypt(self) -> None:
        """Seal everything anew."""
        self.ledger.begin([])
        self.vault.keys.reencrypt()
        self.ledger.acknowledge()

    def prune(self) -> None:
        """Remove all of the log that is settled."""
        self.ledger.begin([])
        now = timedelta(microseconds=self.vault.engine.options.clock())
        self.vault.maintenance.prune_log(_EPOCH + now, minimum_age=timedelta(0))
        self.ledger.acknowledge()

    def die(self) -> None:
        """End as a killed process ends: nothing is written any more."""
        if self._vault is not None:
            self._vault.engine.poison()
            self.close()

    # Transactions.

    def commit(self, *acts: Act) -> None:
        """Commit one transaction."""
        with self.session() as s:
            self.finish(s.transaction(), *acts)

    def finish(self, txn: vaultfs.Transaction, *acts: Act) -> None:
        """Commit a transaction that was begun."""
        effects = [act(txn) for act in acts]
        self.ledger.begin(effects)
        txn.commit()
        self.ledger.acknowledge()

    def put(self, size: int, person: str = "one", replaces: str = "") -> Act:
        """Return an act that puts a record, or a new version of one."""
        self._seed += 1
        seed = self._seed

        def act(txn: vaultfs.Transaction) -> Effect:
            old = vaultfs.RecordId(bytes.fromhex(replaces)) if replaces else None
            record = txn.put(content(seed, size), kind="Observation", subject=PEOPLE[person], replaces=old).hex()
            self.records.append(record)
            return ("put", record, seed, size, person, replaces)

        return act

    @staticmethod
    def delete(record: str) -> Act:
        """Return an act that deletes a record."""

        def act(txn: vaultfs.Transaction) -> Effect:
            txn.delete(vaultfs.RecordId(bytes.fromhex(record)))
            return ("delete", record)

        return act

    @staticmethod
    def undelete(record: str) -> Act:
        """Return an act that shows a deleted record again."""

        def act(txn: vaultfs.Transaction) -> Effect:
            txn.undelete(vaultfs.RecordId(bytes.fromhex(record)))
            return ("undelete", record)

        return act

    @staticmethod
    def state(key: str, value: str) -> Act:
        """Return an act that sets a control state."""

        def act(txn: vaultfs.Transaction) -> Effect:
            txn.set_state(NAMESPACE, key.encode(), value.encode())
            return ("state", key, value)

        return act

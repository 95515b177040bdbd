"""The public calls that leave events: the classes of which every method has a row, and the functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import vaultfs
from vaultfs.audit import accounting, anchoring, log, report, verifying, view
from vaultfs.audit.exporting import reconciling
from vaultfs.engine.committing.writing import WritingSession
from vaultfs.engine.custody.lives import KeptLives
from vaultfs.engine.custody.rekeying import Keys
from vaultfs.engine.reader import Reader
from vaultfs.storage import copies
from vaultfs.storage.maintenance import Maintenance

CLASSES = {
    "Vault": vaultfs.Vault,
    "Reader": Reader,
    "Session": WritingSession,
    "Transaction": vaultfs.Transaction,
    "Keys": Keys,
    "Lives": KeptLives,
    "Maintenance": Maintenance,
}


def takes_vault(function: Callable[..., object]) -> bool:
    """Return whether a public function is given a vault to act on."""
    first = next(iter(inspect.signature(function).parameters), "")
    return first == "vault" and not function.__name__.startswith("_")


AUDIT = (accounting, anchoring, log, reconciling, report, verifying, view)
FUNCTIONS = {
    "vaultfs.create", "vaultfs.open", "vaultfs.open_reader", "migrate.Importer.run", "migrate.redrive",
    "migrate.Exporter.run",
    "vaultfs_tools.copying.Copier.run", "vaultfs_tools.copying.restore", "vaultfs_tools.backup.main",
    "audit.Delivery.run", "audit.Delivery.resend",
    *(f"audit.{name}" for module in AUDIT for name, value in vars(module).items()
      if inspect.isfunction(value) and value.__module__ == module.__name__ and takes_vault(value)),
    *(f"storage.copies.{name}" for name, value in vars(copies).items()
      if inspect.isfunction(value) and value.__module__ == copies.__name__ and not name.startswith("_")),
}  # fmt: skip

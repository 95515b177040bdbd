"""A witness of logs, on a host that has no vault: what it has cosigned of each log, and what it refuses.

Imports the format and the standard library, nothing else. `WitnessedLog` judges, `Keeper` holds the state in a
directory: the new state is durable before a cosignature is given out, and two processes never judge at the same time.
"""

from vaultfs_tools.witnessing.keeper import Keeper
from vaultfs_tools.witnessing.log import WitnessedLog

__all__ = ["Keeper", "WitnessedLog"]

"""The engine's program for failing calls: opens, recovers, commits, settles, closes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from crash.host import Host
from crash.injecting import Outcome
from crash.ledger import Allowed, History, Report
from crash.oracle import BLOB, check, state_of
from vaultfs.errors import CommitUnknown, VaultError, WriterPoisoned


class Writing:
    """A bit of everything on a vault with segments and a journal to recover.

    Parameters
    ----------
    start
        A new directory, for the vault whose process died.
    """

    def __init__(self, start: Path) -> None:
        start.mkdir()
        self.start = start
        history = History()
        host = Host(start / "v", history)
        host.create()
        host.commit(host.put(300), host.put(BLOB, "two"))
        host.vault.settle()
        host.commit(host.put(200, "nobody"), host.put(BLOB, "two"), host.state("a", "1"))
        host.vault.committer.sync()
        host.die()
        self._allowed: Allowed = history.allowed()
        self._records = host.records

    def play(self, place: Path, outcome: Outcome) -> str:
        host = Host(place / "v", Report(outcome.write))
        try:
            self._program(host)
        except CommitUnknown:
            return _poisoned(host)
        except VaultError as error:
            with suppress(VaultError):
                host.close()
            return f"coded {error.code}"
        return "done"

    def _program(self, host: Host) -> None:
        """Open and recover, put, settle, delete, undelete, put anew, close."""
        host.first_seed(1000)
        host.open()
        number, _ = state_of(host.vault, self._allowed, self._records)
        host.ledger.resolve(number)
        host.commit(host.put(400), host.put(BLOB, "two"), host.state("b", "1"))
        host.commit(host.delete(self._records[0]))
        host.vault.settle()
        host.commit(host.undelete(self._records[0]), host.put(500, "one", self._records[0]), host.put(BLOB, "nobody"))
        host.turn("two")
        host.close()

    def judge(self, place: Path, lines: Sequence[bytes]) -> None:
        history = History(allowed=self._allowed)
        history.records = dict.fromkeys(self._records, 0)
        history.read(lines)
        check(place / "v", history.allowed(), history, 0, settle=True)


def _poisoned(host: Host) -> str:
    """See to it that a writer whose commit failed refuses the next one."""
    try:
        with host.session() as s, s.transaction() as txn:
            host.put(10)(txn)
    except WriterPoisoned:
        return "poisoned"
    except VaultError as error:
        return f"broken: the next commit gives {error.code}"
    else:
        return "broken: the next commit succeeds"
    finally:
        host.die()

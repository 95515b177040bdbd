"""A report on the log of a time: who has acted how often, on whom and why, and what became of keys, copies and files.

Nobody is named in it but by the host's ids of who acted; patients are surrogates, and all else is codes and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vaultfs_format.events.vault import LogReported
from vaultfs_format.stanzas import stanza_id

from vaultfs.audit.events import NOBODYS_SESSION
from vaultfs.audit.tallying import Table, Tally, stands
from vaultfs.audit.verifying import checked
from vaultfs.engine.files.heads import read_superblock
from vaultfs.engine.log.logbase import kept_since
from vaultfs.engine.vault import Vault
from vaultfs.errors import ArgumentInvalid
from vaultfs.keys.lifecycle import KeyKind, KeyRef


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a report.

    Parameters
    ----------
    key
        What was counted; empty for a person who is not known: the opening of the session was pruned.
    count
        How many events; of CLOCK_STEPS and of ages in HEALTH, how many seconds.
    first, last
        Time of the first and of the last of them, in microseconds since 1970; None where it is about no time. Of
        CLOCK_STEPS the time of the event and that of the one before.
    """

    table: Table
    key: str = field(repr=False)
    count: int
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the log says of a time. It was made of a log that was checked as a whole, and found good.

    Parameters
    ----------
    vault_id
        Of the vault.
    since, until
        The time: microseconds since 1970; the second is the first that is not in it.
    complete
        From when on every event of it was counted: later than `since` where the log was pruned since.
    leaves
        Of the log, all of which were checked.
    events
        Of the time.
    clock_steps
        How often the clock went back between two events, anywhere in the log; those of a second or more are rows.
    healed
        Files of the log that are damaged, and of which nothing is lost.
    rows
        By table; in each the most frequent first.
    """

    vault_id: bytes
    since: int
    until: int
    complete: int
    leaves: int
    events: int
    clock_steps: int
    healed: int
    rows: tuple[Row, ...] = field(repr=False)

    def table(self, table: Table) -> tuple[Row, ...]:
        """Return the rows of a table."""
        return tuple(row for row in self.rows if row.table is table)


def report(vault: Vault, since: int, until: int) -> Report:
    """Return a report on a time; that it was made is recorded first, and is in it where that lies in the time.

    The vault is settled before, so that what readers of other processes have logged so far is in it. The whole log is
    read and checked: who opened a session before the time may act in it. It is an act of the vault's keeper: no policy
    is asked.

    Parameters
    ----------
    since, until
        Microseconds since 1970 in UTC; the second is the first that is not in it.

    Raises
    ------
    ArgumentInvalid
        It is no time.
    CommitmentMismatch, VaultDamaged
        The log is not the one that was written (`verify`): nothing is reported of it.
    StorageFull, StorageReadOnly, StorageFailed, WriterPoisoned, Closed
    """
    if not 0 <= since < until < 1 << 63:
        raise ArgumentInvalid
    engine = vault.engine
    engine.check_writable()
    vault.record([LogReported(engine.options.clock(), NOBODYS_SESSION, since, until)], durable=True)
    vault.settle()
    found, tally = checked(vault, lambda: Tally(since, until))
    rows = [Row(table, key, count.count, count.first, count.last) for table, key, count in tally.rows()]
    rows += [*_key_states(vault), *_health(vault)]
    complete = max(since, kept_since(engine, engine.head))
    counts = found.leaves, tally.events, tally.steps, len(found.healed)
    return Report(vault.id, since, until, complete, *counts, tuple(rows))


def _key_states(vault: Vault) -> Iterator[Row]:
    """Yield in which state each key is now."""
    superblock, _ = read_superblock(vault.engine.vfs, vault.engine.layout, vault.engine.head)
    refs = [KeyRef.epoch(number) for number in range(1, vault.engine.head.epoch + 1)]
    refs += [KeyRef.signer(one.number) for one in superblock.signers()]
    refs += [KeyRef(KeyKind.RECIPIENT, stanza_id(superblock.suite, one)) for one in superblock.stanzas]
    now = vault.engine.options.clock()
    for ref in refs:
        yield Row(Table.KEY_STATES, stands(ref.kind, ref.id, vault.lives.life(ref).at(now)), 1)


def _health(vault: Vault) -> Iterator[Row]:
    """Yield how things stand now: ages in seconds, counts, and a row for each concern."""
    found = vault.maintenance.health()
    counts = {
        "files_lost": len(found.lost),
        "files_damaged": len(found.damaged),
        "scrub_overdue_seconds": round(found.overdue),
        **({} if found.scrubbed is None else {"scrub_age_seconds": round(found.scrubbed)}),
        "mirrors_missing": found.mirrors_missing,
        "copies_unpaired": found.unpaired,
        "epoch_stores": found.epoch_stores,
        "secrets_pending": found.secrets_pending,
        "anchors": found.anchors,
        "anchors_unseen": found.unseen,
        **{f"copy_age_seconds {copy.hex()}": round(age) for copy, age in sorted(found.copies.items())},
        **{f"concern {one.name.lower()}": 1 for one in found.concerns},
    }
    yield from (Row(Table.HEALTH, key, count) for key, count in counts.items())

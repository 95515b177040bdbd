"""The state of an open vault that its parts share: files, keys, index, live journals, and the numbers given out.

A `View` is what reading needs, an `Engine` what writing needs beside it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from vaultfs_format.audit import AuditEntry
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.journal import NO_JOURNAL, JournalHeader, JournalRole
from vaultfs_format.suite import Suite

from vaultfs.engine.custody.renewal import Renewal
from vaultfs.engine.files.journal import JournalFile
from vaultfs.engine.files.mirrors import Mirror
from vaultfs.engine.files.parts import PartFiles
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.indexing.index import ContainerKind, Index
from vaultfs.engine.opening.unlocking import Held
from vaultfs.engine.reading.store import FrameStore
from vaultfs.engine.settling.catalogue import Catalogue
from vaultfs.errors import Closed, Forked, TooLarge, WriterPoisoned
from vaultfs.keys.chain import KeyChain
from vaultfs.kinds import Registry, decode_names
from vaultfs.metrics import Metrics, NoMetrics
from vaultfs.vfs import Vfs

NUMBER_BLOCK = 1 << 32
"""Record numbers that a journal reserves: far more than it can hold, so that it never needs a second block."""


def microseconds() -> int:
    """Return the time now, in microseconds since 1970."""
    return time.time_ns() // 1000


class Condition(Enum):
    """What an open vault can do.

    OPEN: everything. FULL: the disk is full; it reads, each read audited in a reserve, and writes again when there is
    space. POISONED: a write or sync failed so that the files are in doubt; it must be closed and opened again. CLOSED.
    """

    OPEN = "open"
    FULL = "full"
    POISONED = "poisoned"
    CLOSED = "closed"


@dataclass(slots=True)
class LiveJournal:
    """A journal that is not settled yet.

    Parameters
    ----------
    number
        Its number in the index.
    parts
        Ids of the part files that its groups name.
    catalogue
        Its frames; None where an earlier process has written some, until it is settled.
    """

    number: int
    journal: JournalFile
    parts: set[bytes] = field(default_factory=set)
    catalogue: Catalogue | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How a vault is run.

    Parameters
    ----------
    settle_bytes
        Bytes of the journals at which commits settle them into segments; settling holds them in memory.
    sync_bound
        Seconds within which a buffered audit event is made durable.
    clock
        Microseconds since 1970 in UTC.
    index_growth
        How many times as large as the pages that are in use the file of the index may be; beyond that it is made anew,
        which is looked after with each settling and every few hundred commits. A reader that is stopped in the middle
        of a look-up keeps pages from being used again.
    metrics
        Receives what is counted and timed.
    """

    settle_bytes: int = 64 * 1024 * 1024
    sync_bound: float = 1.0
    clock: Callable[[], int] = microseconds
    index_growth: float = 1.5
    metrics: Metrics = field(default_factory=NoMetrics)


class View:
    """What reading needs of an open vault. Changed under `lock` only."""

    def __init__(
        self, vfs: Vfs, layout: Layout, head: Head, chain: KeyChain, registries: tuple[Registry, Registry],
        index: Index, options: Options,
    ) -> None:  # fmt: skip
        self.vfs = vfs
        self.layout = layout
        self.head = head
        self.chain = chain
        self.suite: Suite = head.suite
        self.vault_id = head.vault_id
        self.kinds, self.media_types = registries
        self.options = options
        self.index = index
        self.metrics = options.metrics
        self.store = FrameStore(vfs, layout, self.suite, chain, index, self.metrics)
        self.lock = threading.RLock()
        self.live: list[LiveJournal] = []
        self.next_container = 1
        self.next_handle = 1
        self.condition = Condition.OPEN
        self._process = os.getpid()

    @property
    def closed(self) -> bool:
        """Whether the vault was closed."""
        return self.condition is Condition.CLOSED

    @property
    def poisoned(self) -> bool:
        """Whether a failure has put the files in doubt."""
        return self.condition is Condition.POISONED

    def poison(self) -> None:
        """Accept nothing more: the files are in doubt."""
        if not self.closed:
            self.condition = Condition.POISONED

    def holds_lock(self) -> bool:
        """Return whether it is this thread that has `lock`."""
        return self.lock._is_owned()  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001 - as conditions ask

    def check(self) -> None:
        """Refuse a closed vault, and one that was opened before a fork.

        Raises
        ------
        Closed, Forked
        """
        if self._process != os.getpid():
            raise Forked
        if self.closed:
            raise Closed

    def names(self, row: SegmentRow) -> bool:
        """Return whether the head names a segment. Call under `lock`, which keeps a settling from taking it away."""
        return row in self.head.segments

    def open_journal(self, name: str, *, mend: bool = False) -> JournalFile:
        """Open a writer's journal for scanning. Parameters and errors are those of `JournalFile.open`."""
        path = self.layout.journals / name
        mirror = Mirror(self.vfs, self.layout.copy_of(path))
        return JournalFile.open(self.vfs, path, self.chain.journal_keys, mirror, mend=mend)

    def take_container(self) -> int:
        """Return a container number that was never used."""
        number = self.next_container
        self.next_container += 1
        return number

    def take_handles(self, count: int) -> int:
        """Return the first of `count` consecutive frame handles that are not in use."""
        first = self.next_handle
        self.next_handle += count
        return first


class Engine(View):
    """What a vault that is open for writing consists of. The committer holds `lock` while it writes."""

    def __init__(self, vfs: Vfs, layout: Layout, held: Held, index: Index, options: Options) -> None:
        head, names = held.head, decode_names(held.chain.registry)
        super().__init__(vfs, layout, head, held.chain, names, index, options)
        self.signing = held.signing
        self.stores = held.stores
        self.anchors = held.anchors
        self.seen = held.seen
        """Generation of the newest head that was seen of this vault when it was opened, by a signer that it knows."""
        self.older = self.accepting = held.older
        """Whether an older vault was accepted; and whether no head says so yet, or that the vault was restored from a
        copy: record numbers may have been given out again."""
        self.mirroring = False
        """Whether segments have mirrors."""
        self.renewal = Renewal()
        """The re-encryption that was begun. Nothing is merged until it is complete."""
        self.parts = PartFiles(vfs, layout, self.suite, self.vault_id)
        self.active: LiveJournal | None = None
        self.leaves = head.tree_size - 1
        """Leaves of the audit tree so far. The first journal of a head begins by repeating the head's last one."""
        self.stated: AuditEntry | None = None
        """The newest leaf that states heads of subjects, once it is known."""
        self.last_commit = head.last_commit
        self._maintaining = threading.RLock()
        self.disposed: set[bytes] = set()
        """Subjects that were disposed of since the vault was opened: what was begun for them before must not commit."""
        self.claims = 0
        """Changes after a group whose commits assert identifiers has been indexed: until then nobody has come first."""
        self.settle_at = options.settle_bytes
        """Bytes of the live journals at which they are settled next."""
        self._numbers = threading.Lock()
        self._next_number = 0
        self._last_number = -1

    def check_writable(self) -> None:
        """Refuse a writer that has failed.

        Raises
        ------
        Closed, Forked, WriterPoisoned
        """
        self.check()
        if self.poisoned:
            raise WriterPoisoned

    @contextmanager
    def maintained(self) -> Iterator[None]:
        """Maintain the vault: one thread at a time does, others wait. Enter it before `lock` is taken, or not at all.

        Raises
        ------
        Closed, Forked, WriterPoisoned
        """
        self.check_writable()
        with self._maintaining:
            self.check_writable()
            yield

    def writable(self) -> bool:
        """Return whether `check_writable` has nothing against this process writing."""
        return self._process == os.getpid() and not (self.closed or self.poisoned)

    def part_container(self, segment_id: bytes) -> int:
        """Return the container number of a part file, a new one if it has none."""
        number = next(iter(self.store.numbers_of(ContainerKind.PART, segment_id)), None)
        if number is None:
            number = self.take_container()
            self.store.add_part(number, segment_id)
        return number

    def draw_numbers(self, count: int) -> tuple[int, int]:
        """Return incarnation and first of `count` record numbers that nobody else gets, ever.

        Raises
        ------
        TooLarge
            This journal's numbers are used up; settling begins another.
        """
        with self._numbers:
            if self._next_number + count - 1 > self._last_number:
                with self.lock:
                    header = self.writer().journal.header
                if header.last_number <= self._last_number:
                    raise TooLarge(numbers=NUMBER_BLOCK)
                self._next_number, self._last_number = header.first_number, header.last_number
            first = self._next_number
            self._next_number += count
            return self.head.incarnation, first

    def grown(self) -> bool:
        """Return whether the live journals have reached the size for settling."""
        return sum(live.journal.end for live in self.live) >= self.settle_at

    def writer(self) -> LiveJournal:
        """Return the journal that is appended to, begun if need be. Call under `lock`.

        The header, which reserves record numbers, is durable before any of them is given out.

        Raises
        ------
        StorageFull
            No journal was begun, unless the writer is poisoned now.
        Closed, Forked, WriterPoisoned, StorageFailed
        """
        self.check_writable()
        if self.active is None:
            header = self.next_header()
            path = self.layout.journal(header.journal_id)
            journal = JournalFile.create(self.vfs, path, header, header.keys(self.chain.epoch_root))
            try:
                journal.sync()
                self.vfs.sync_directory(path.parent)
            except BaseException:
                self.poison()  # another journal after the same one would split the log
                raise
            journal.begin_mirror(self.vfs, self.layout.copy_of(path))
            return self.adopt(journal, active=True)
        return self.active

    def next_header(self) -> JournalHeader:
        """Return a header for a journal that follows the live ones."""
        last = self.live[-1].journal if self.live else None
        first = self.head.next_number
        if self.live:
            first = max(first, max(live.journal.header.last_number for live in self.live) + 1)
        return JournalHeader(
            self.suite,
            JournalRole.WRITER,
            self.chain.epoch,
            self.vault_id,
            os.urandom(16),
            os.urandom(32),
            last.header.journal_id if last else NO_JOURNAL,
            last.last_group if last else 0,
            last.end if last else 0,
            last.chain if last else bytes(32),
            self.head.generation,
            self.head.incarnation,
            first,
            first + NUMBER_BLOCK - 1,
            self.leaves,
        )

    def adopt(self, journal: JournalFile, *, active: bool) -> LiveJournal:
        """Take a journal into the live ones and make it readable."""
        catalogue = Catalogue() if journal.last_group == 0 else None
        live = LiveJournal(self.take_container(), journal, catalogue=catalogue)
        self.live.append(live)
        self.store.add_journal(live.number, journal)
        if active:
            self.active = live
        return live

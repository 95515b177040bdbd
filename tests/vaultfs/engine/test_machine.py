"""A vault against a model of dictionaries, through everything that a host and a bad day can do to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, invariant, multiple, rule

import vaultfs
from tests.vaultfs.support import crashed, create, index_content, memory, reopen, session
from vaultfs.audit.log import read_leaves
from vaultfs.engine.reading.compare import index_differences
from vaultfs.engine.settling.compaction import FAN
from vaultfs.errors import Deleted, NotFound, SubjectAmbiguous, TransactionConflict
from vaultfs.testing import strategies
from vaultfs.testing.vfs import FaultyVfs

NAMES = strategies.TWINS[:6]
KINDS = ["Observation", "Condition", "Binary"]

sizes = strategies.sizes()
dates = st.one_of(st.none(), strategies.clinical_dates(min_value=datetime(1950, 1, 1), max_value=datetime(2032, 1, 1)))
DAYS = st.sampled_from([1, 1, 1, FAN])
names = st.one_of(st.none(), st.sampled_from(NAMES))


@dataclass
class Version:
    """What a version of a record should be."""

    data: bytes
    kind: str
    subject: vaultfs.SubjectId
    when: vaultfs.ClinicalDate | None


@dataclass
class Line:
    """A record as it should be: its versions by number, and whether it is hidden."""

    versions: dict[int, Version] = field(default_factory=dict)
    last: int = 0
    deleted: bool = False

    def newest(self) -> tuple[int, Version]:
        """Return the newest version."""
        number = max(self.versions)
        return number, self.versions[number]


class VaultMachine(RuleBasedStateMachine):
    """The rules."""

    records: Bundle[vaultfs.RecordId] = Bundle("records")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="vaultfs-test-", dir=memory()))
        self.copies = 0
        self.lines: dict[vaultfs.RecordId, Line] = {}
        # In the order of the claims: surrogates are random, and what the machine does must not depend on them.
        self.claims: dict[vaultfs.Identifier, dict[vaultfs.SubjectId, None]] = {}
        self.links: set[frozenset[vaultfs.SubjectId]] = set()
        self.states: dict[bytes, tuple[int, bytes]] = {}
        self.order: list[vaultfs.RecordId] = []
        self.run: dict[str, Any] = {
            "vfs": FaultyVfs(durable=False),
            "options": vaultfs.Options(settle_bytes=400_000, sync_bound=3600),
        }
        self.vault = create(self.root / "v", **self.run)

    def teardown(self) -> None:
        self.vault.close()
        shutil.rmtree(self.root)

    # What the model says.

    def people(self, subject: vaultfs.SubjectId) -> set[vaultfs.SubjectId]:
        """Return a subject and all that are linked to it."""
        found, pending = {subject}, [subject]
        while pending:
            one = pending.pop()
            for pair in self.links:
                if one in pair:
                    for other in pair - found:
                        found.add(other)
                        pending.append(other)
        return found

    def meant(self, name: vaultfs.Identifier) -> set[vaultfs.SubjectId] | None:
        """Return the people that an identifier means, None where they are not one."""
        claims = set(self.claims.get(name, ()))
        people = self.people(min(claims)) if claims else set()
        return people if claims <= people else None

    # Changes.

    @rule(
        target=records,
        data=st.lists(sizes, min_size=1, max_size=4),
        name=names,
        kind=st.sampled_from(KINDS),
        when=dates,
    )
    def put(
        self, data: list[int], name: vaultfs.Identifier | None, kind: str, when: vaultfs.ClinicalDate | None
    ) -> MultipleResults[vaultfs.RecordId]:
        """Put records in one transaction."""
        contents = [os.urandom(size) for size in data]
        with session(self.vault) as s:
            if name is not None and self.meant(name) is None:
                with pytest.raises(SubjectAmbiguous), s.transaction() as txn:
                    txn.put(b"", kind=kind, subject=name)
                return multiple()
            with s.transaction() as txn:
                ids = [txn.put(one, kind=kind, subject=name, date=when) for one in contents]
            subject = s.get(ids[0]).info.subject
        if name is not None:
            self.claims.setdefault(name, {})[subject] = None
        for record, content in zip(ids, contents, strict=True):
            assert record not in self.lines, "an id was given out again"
            self.lines[record] = Line({1: Version(content, kind, subject, when)}, 1)
        return multiple(*ids)

    @rule(record=records, size=sizes, kind=st.sampled_from(KINDS), when=dates)
    def replace(self, record: vaultfs.RecordId, size: int, kind: str, when: vaultfs.ClinicalDate | None) -> None:
        """Put a new version."""
        line, content = self.lines[record], os.urandom(size)
        subject = line.newest()[1].subject
        with session(self.vault) as s:
            try:
                with s.transaction() as txn:
                    txn.put(content, kind=kind, subject=subject, date=when, replaces=record)
            except Deleted:
                assert line.deleted
                return
        assert not line.deleted
        line.last += 1
        line.versions[line.last] = Version(content, kind, subject, when)

    @rule(record=records)
    def delete(self, record: vaultfs.RecordId) -> None:
        """Delete a record."""
        line = self.lines[record]
        expected = pytest.raises(Deleted) if line.deleted else contextlib.nullcontext()
        with session(self.vault) as s, expected, s.transaction() as txn:
            txn.delete(record)
        if not line.deleted:
            line.deleted = True
            line.last += 1

    @rule(record=records)
    def undelete(self, record: vaultfs.RecordId) -> None:
        """Show a record again."""
        line = self.lines[record]
        with session(self.vault) as s, s.transaction() as txn:
            txn.undelete(record)
        if line.deleted:
            line.deleted = False
            line.last += 1

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES), same=st.booleans())
    def link(self, one: vaultfs.Identifier, other: vaultfs.Identifier, same: bool) -> None:
        """Link or unlink the subjects of two identifiers."""
        left, right = (list(self.claims.get(name, ())) for name in (one, other))
        if not left or not right or left[0] == right[-1]:
            return
        with session(self.vault) as s, s.transaction() as txn:
            (txn.link if same else txn.unlink)(left[0], right[-1])
        pair = frozenset((left[0], right[-1]))
        (self.links.add if same else self.links.discard)(pair)

    @rule(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def identify(self, name: vaultfs.Identifier, other: vaultfs.Identifier) -> None:
        """Assert an identifier for the subject of another."""
        claims = list(self.claims.get(other, ()))
        if claims:
            with session(self.vault) as s, s.transaction() as txn:
                txn.identify(claims[0], name)
            self.claims.setdefault(name, {})[claims[0]] = None

    @rule(key=st.sampled_from([b"a", b"b", b"c"]), value=st.binary(max_size=40), stale=st.booleans())
    def set_state(self, key: bytes, value: bytes, stale: bool) -> None:
        """Set a state, sometimes on a guard that does not hold."""
        version, _ = self.states.get(key, (0, b""))
        expected = pytest.raises(TransactionConflict) if stale else contextlib.nullcontext()
        with session(self.vault) as s, expected, s.transaction() as txn:
            txn.guard("ns", key, version + stale)
            txn.set_state("ns", key, value)
        if not stale:
            self.states[key] = (version + 1, value)

    @rule(name=names)
    def roll_back(self, name: vaultfs.Identifier | None) -> None:
        """Begin something large and give it up."""
        if name is None or self.meant(name) is not None:
            txn = session(self.vault).transaction()
            txn.put(bytes(1_200_000), kind="Binary", subject=name)
            txn.put(b"small", kind="Binary", subject=name)
            txn.rollback()

    @rule(target=records, turns=st.permutations(range(3)), lost=st.booleans(), settled=st.booleans(), days=DAYS)
    def put_at_once(self, turns: list[int], lost: bool, settled: bool, days: int) -> MultipleResults[vaultfs.RecordId]:
        """Put large records in transactions that are open together and end in turns; settle after each day of it."""
        made: list[vaultfs.RecordId] = []
        for _ in range(days):
            with session(self.vault) as s:
                open_ones = [s.transaction() for _ in turns]
                contents = [os.urandom(66_000 + 16 * turn) for turn in turns]
                ids = [
                    txn.put(content, kind="Binary", subject=None)
                    for txn, content in zip(open_ones, contents, strict=True)
                ]
                for turn in turns:
                    if lost and turn == 0:
                        open_ones[turn].rollback()
                        continue
                    open_ones[turn].commit()
                    self.lines[ids[turn]] = Line({1: Version(contents[turn], "Binary", vaultfs.NOBODY, None)}, 1)
                    made.append(ids[turn])
                    if settled:
                        self.vault.settle()
            self.vault.settle()
        for record in made:
            self.get(record)
        return multiple(*made)

    # Bad days.

    @rule()
    def settle(self) -> None:
        """Settle."""
        self.vault.settle()

    @rule()
    def reopen(self) -> None:
        """Close and open."""
        self.vault.close()
        self.vault = reopen(self.vault.path, **self.run)

    @rule(index=st.booleans())
    def kill(self, index: bool) -> None:
        """Go on with what a killed process would leave, with or without its index."""
        self.copies += 1
        copy = crashed(self.vault.path, self.root / f"copy{self.copies}", index=index)
        self.vault.close()
        self.vault = reopen(copy, **self.run)

    @rule()
    def lose_the_index(self) -> None:
        """Close, delete the index, open."""
        self.vault.close()
        shutil.rmtree(self.vault.path / "index")
        self.vault = reopen(self.vault.path, **self.run)

    @rule()
    def rebuild_index(self) -> None:
        """Make the index anew: it says the same, down to the places of frames."""
        assert index_differences(self.vault.engine, self.root / "other") == {}
        before = index_content(self.vault)
        self.vault.rebuild_index()
        assert index_content(self.vault) == before

    # What must hold.

    @rule(record=records)
    def get(self, record: vaultfs.RecordId) -> None:
        """Read a record in all its versions."""
        line = self.lines[record]
        with session(self.vault) as s:
            listed = s.versions(record)
            assert [info.version for info in listed] == sorted(line.versions)
            for info in listed:
                expected = line.versions[info.version]
                assert (info.kind, info.subject, info.date) == (expected.kind, expected.subject, expected.when)
                assert info.length == len(expected.data)
                if line.deleted:
                    with pytest.raises(Deleted):
                        s.get(record, info.version)
                else:
                    assert s.get(record, info.version).data == expected.data
            if not line.deleted:
                assert s.get(record).info.version == line.newest()[0]

    @rule(name=names, kind=st.one_of(st.none(), st.sampled_from(KINDS)), since=dates, until=dates)
    def find(
        self,
        name: vaultfs.Identifier | None,
        kind: str | None,
        since: vaultfs.ClinicalDate | None,
        until: vaultfs.ClinicalDate | None,
    ) -> None:
        """Search a subject's records."""
        with session(self.vault) as s:
            if name is None:
                people: set[vaultfs.SubjectId] | None = {vaultfs.NOBODY}
                found = s.find(subject=vaultfs.NOBODY, kind=kind, since=since, until=until)
            else:
                people = self.meant(name)
                assert set(s.subjects(name)) == set(self.claims.get(name, ()))
                if not people:
                    with pytest.raises(SubjectAmbiguous if people is None else NotFound):
                        s.find(subject=name)
                    return
                found = s.find(subject=name, kind=kind, since=since, until=until)
        assert people
        expected = set()
        for record, line in self.lines.items():
            version = line.newest()[1]
            timely = (since is None and until is None) or (
                version.when is not None
                and (since is None or since.instant() <= version.when.instant())
                and (until is None or version.when.instant() < until.instant())
            )
            if version.subject in people and kind in (None, version.kind) and timely and not line.deleted:
                expected.add(record)
        assert {info.id for info in found} == expected
        assert [info.commit for info in found] == sorted(info.commit for info in found)

    @invariant()
    def states_are_as_set(self) -> None:
        """Check all states."""
        with session(self.vault) as s:
            for key in (b"a", b"b", b"c"):
                version, value = self.states.get(key, (0, None))
                assert s.state("ns", key) == vaultfs.State(version, value)

    @rule()
    def the_log_is_whole(self) -> None:
        """Read the audit log back."""
        assert [leaf.index for leaf in read_leaves(self.vault)] == list(range(self.vault.engine.leaves))

    @rule()
    def nothing_else_is_there(self) -> None:
        """Count subjects and files."""
        with session(self.vault) as s:
            known = {one for claims in self.claims.values() for one in claims}
            assert set(s.all_subjects()) == known | {vaultfs.NOBODY}


COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck))


class TestMachine(VaultMachine.TestCase):  # type: ignore[misc, valid-type]
    """A short walk for every run."""

    settings = settings(COMMON, max_examples=25, stateful_step_count=50)


@pytest.mark.long
@pytest.mark.timeout(3600)
class TestLongMachine(VaultMachine.TestCase):  # type: ignore[misc, valid-type]
    """A long walk."""

    settings = settings(COMMON, max_examples=600, stateful_step_count=100)

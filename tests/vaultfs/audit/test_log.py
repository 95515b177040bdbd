"""The audit log: what is in it, when it is there, and that nothing in it can be changed unseen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vaultfs_format import merkle
from vaultfs_format.audit import ENTRY, AuditEntry, LeafKind
from vaultfs_format.events.codec import CLASSES
from vaultfs_format.events.records import (
    IdentifierAsserted,
    IdentifiersListed,
    RecordDeleted,
    RecordPut,
    RecordRead,
    RecordsRead,
    RecordsSearched,
    RecordUndeleted,
    StateRead,
    StateSet,
    SubjectCreated,
    SubjectExported,
    SubjectSearched,
    SubjectsLinked,
    SubjectsListed,
    SubjectsUnlinked,
    VersionsListed,
)
from vaultfs_format.events.session import SessionOpened
from vaultfs_format.events.vault import AccessMerged, Settled
from vaultfs_format.head import Head, SegmentRow
from vaultfs_format.suite import DEFAULT

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, OTHER, WHO, crashed, delete, event_types, events, events_of, put, session
from vaultfs import EventType, Outcome
from vaultfs.audit.events import (
    FIRST_VERSION,
    Event,
    encode_event,
    record_event_end,
    record_event_start,
    sealable,
    subject_created_event,
    subject_of,
    subjects_in,
    unsealed,
)
from vaultfs.audit.log import read_events, read_leaves
from vaultfs.engine.engine import View
from vaultfs.errors import CommitmentMismatch, Deleted, FieldInvalid, NotFound, SubjectAmbiguous, VaultDamaged

E = EventType


def _since(vault: vaultfs.Vault, act: Callable[[vaultfs.Session], Any]) -> list[vaultfs.Event]:
    """Return the events that an act in a session leaves, the session's own opening left out."""
    with session(vault) as s:
        before = len(events(vault))
        act(s)
        return events(vault)[before:]


def _about(found: list[vaultfs.Event]) -> list[tuple[Any, ...]]:
    """Return the class of each event, and what it has beside time and session."""
    return [(type(event), *(getattr(event, name) for name in event.__struct_fields__[2:])) for event in found]


def _types(found: list[vaultfs.Event]) -> list[EventType]:
    return [EventType(event.type) for event in found]


def test_the_life_of_a_vault_is_in_its_log(opened: Open) -> None:
    vault = opened()
    put(vault)
    vault.settle()
    vault = opened(fresh=True)
    assert event_types(vault) == [
        E.VAULT_OPENED,
        E.VAULT_CREATED,
        E.SESSION_OPENED,
        E.SUBJECT_CREATED,
        E.RECORD_PUT,
        E.SETTLED,
        E.VAULT_CLOSED,
        E.VAULT_OPENED,
    ]


def test_a_session_says_who_and_why(vault: vaultfs.Vault) -> None:
    with vault.session(WHO, "HPAYMT"):
        pass
    (opening,) = events_of(vault, SessionOpened)
    assert (opening.principal, opening.roles, opening.purpose) == ("dr-who", ("physician",), "HPAYMT")
    assert "dr-who" not in repr(opening)


def test_every_access_leaves_its_event(vault: vaultfs.Vault) -> None:
    record = put(vault)
    put(vault, subject=OTHER)
    with session(vault) as s:
        one, two = s.subjects(MRN)[0], s.subjects(OTHER)[0]

    def relate(s: vaultfs.Session) -> None:
        with s.transaction() as txn:
            txn.link(one, two)
            txn.unlink(one, two)

    def change(s: vaultfs.Session) -> None:
        with s.transaction() as txn:
            txn.put(b"new", kind="Observation", subject=MRN, replaces=record)
            txn.set_state("ns", b"k", b"v")
        with s.transaction() as txn:
            txn.delete(record)
        with s.transaction() as txn:
            txn.undelete(record)

    other = vault.engine.kinds.number("Patient")
    d, kind, beside = (
        Outcome.DONE,
        vault.engine.kinds.number("Observation"),
        vault.engine.chain.event_state_token("ns", b"k"),
    )
    acts: dict[Callable[[vaultfs.Session], Any], list[tuple[Any, ...]]] = {
        lambda s: s.get(record): [(RecordRead, one, kind, record, 1, d)],
        lambda s: s.info(record, 1): [(RecordRead, one, kind, record, 1, d)],
        lambda s: s.open(record).read(): [(RecordRead, one, kind, record, 1, d)],
        lambda s: s.get_many([(record, None), (record, 1)]): [(RecordsRead, one, kind, 2, d)],
        lambda s: s.versions(record): [(VersionsListed, one, kind, record, 1, d)],
        lambda s: s.find(subject=MRN): [(RecordsSearched, one, 0, 1, d)],
        lambda s: s.find(subject=MRN, kind="Patient"): [(RecordsSearched, one, other, 0, d)],
        lambda s: s.subjects(MRN): [(SubjectSearched, one, d)],
        lambda s: s.identifiers(one): [(IdentifiersListed, one, 1, d)],
        lambda s: list(s.all_subjects()): [(SubjectsListed, 2, d)],
        lambda s: s.state("ns", b"k"): [(StateRead, beside, 0, d)],
        lambda s: s.disclose(one, 3): [(SubjectExported, one, 3)],
        relate: [
            (SubjectsLinked, one, two),
            (SubjectsLinked, two, one),
            (SubjectsUnlinked, one, two),
            (SubjectsUnlinked, two, one),
        ],
        change: [
            (RecordPut, one, kind, record, 2, d),
            (StateSet, beside, 1),
            (RecordDeleted, one, kind, record, 3, d),
            (RecordUndeleted, one, kind, record, 4, d),
        ],
    }
    for act, expected in acts.items():
        assert _about(_since(vault, act)) == expected


def test_a_subject_that_comes_with_an_identifier_is_one_event(vault: vaultfs.Vault) -> None:
    made: list[vaultfs.SubjectId] = []
    ids: list[vaultfs.RecordId] = []

    def act(s: vaultfs.Session) -> None:
        with s.transaction() as txn:
            ids.append(txn.put(b"data", kind="Observation", subject=MRN))
            made.append(txn.new_subject())
            txn.identify(made[0], OTHER)

    found = _since(vault, act)
    with session(vault) as s:
        (named,) = s.subjects(MRN)
    assert _about(found) == [
        (SubjectCreated, named, 1),
        (RecordPut, named, vault.engine.kinds.number("Observation"), ids[0], 1, Outcome.DONE),
        (SubjectCreated, made[0], 0),
        (IdentifierAsserted, made[0], False),
    ]


def test_asking_for_what_is_not_there_is_an_event_too(vault: vaultfs.Vault) -> None:
    record, gone = put(vault), put(vault, subject=OTHER)
    delete(vault, gone)
    with session(vault) as s:
        two = s.subjects(OTHER)[0]
        with s.transaction() as txn:
            txn.identify(two, MRN)
    unknown = vaultfs.Identifier("urn:x", "1")
    nobody = vaultfs.SubjectId(b"x" * 16)
    refused: list[tuple[Callable[[vaultfs.Session], Any], type[Exception], EventType]] = [
        (lambda s: s.get(gone), Deleted, E.RECORD_READ),
        (lambda s: s.get(record, 9), NotFound, E.RECORD_READ),
        (lambda s: s.get(vaultfs.RecordId(bytes(16))), NotFound, E.RECORD_READ),
        (lambda s: s.get_many([(gone, None)]), Deleted, E.RECORDS_READ),
        (lambda s: s.versions(vaultfs.RecordId(bytes(16))), NotFound, E.VERSIONS_LISTED),
        (lambda s: s.find(subject=unknown), NotFound, E.RECORDS_SEARCHED),
        (lambda s: s.find(subject=MRN), SubjectAmbiguous, E.RECORDS_SEARCHED),
        (lambda s: s.identifiers(nobody), NotFound, E.IDENTIFIERS_LISTED),
    ]
    for act, error, kind in refused:

        def attempt(s: vaultfs.Session, act: Callable[..., Any] = act, error: type[Exception] = error) -> None:
            with pytest.raises(error):
                act(s)

        found = _since(vault, attempt)
        assert [(e.type, e.outcome) for e in found] == [(kind, Outcome.FAILED)]
    assert _types(_since(vault, lambda s: s.subjects(unknown))) == [E.SUBJECT_SEARCHED]


def test_a_strict_session_returns_when_the_event_is_durable_a_buffered_one_before(opened: Open) -> None:
    vault = opened(options=vaultfs.Options(sync_bound=3600))
    record = put(vault)
    journal = vault.engine.writer().journal
    with session(vault) as s:
        s.get(record)
        assert journal.durable < journal.last_group
    with vault.session(WHO, "TREAT", strict=True) as s:
        assert journal.durable == journal.last_group
        s.get(record)
        assert journal.durable == journal.last_group


def test_a_buffered_event_becomes_durable_within_the_bound(opened: Open) -> None:
    vault = opened(options=vaultfs.Options(sync_bound=0.02))
    record = put(vault)
    with session(vault) as s:
        s.get(record)
    journal = vault.engine.writer().journal
    vault.committer._timer.join(5)  # type: ignore[union-attr]
    assert journal.durable == journal.last_group


@pytest.mark.parametrize("settled", [False, True])
def test_nothing_is_released_when_its_event_cannot_be_written(vault: vaultfs.Vault, settled: bool) -> None:
    record = put(vault)
    if settled:
        vault.settle()
    with session(vault) as s:
        vault.engine.poison()
        for call in (s.get, s.info, s.open, s.versions):
            with pytest.raises(vaultfs.VaultError):
                call(record)
        with pytest.raises(vaultfs.VaultError):
            s.find(subject=MRN)


def _root(leaves: list[AuditEntry]) -> merkle.CompactRange:
    tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
    tree.extend(merkle.audit_leaves(DEFAULT, [leaf.encode() for leaf in leaves]))
    return tree


def test_the_head_states_the_tree_over_all_that_was_logged(opened: Open) -> None:
    vault = opened()
    heads: list[Head] = [vault.engine.head]
    for step in range(4):
        put(vault)
        if step % 2:
            vault = opened(fresh=True)
        vault.settle()
        heads.append(vault.engine.head)
        leaves = [leaf.entry for leaf in read_leaves(vault)]
        for head in heads:
            known = [*leaves, vault.engine.head.live_set()]
            assert known[head.tree_size - 1] == head.live_set()
            assert _root(known[: head.tree_size]).peaks == list(head.peaks)
        assert sum(leaf.kind is LeafKind.LIVESET for leaf in leaves) == len(heads) - 1


def test_leaves_are_counted_without_gap_over_reopenings_and_crashes(opened: Open, tmp_path: Path) -> None:
    vault = opened()
    for step in range(12):
        put(vault, b"%d" % step)
        match step % 4:
            case 0:
                vault = opened(vault.path, fresh=True)
            case 1 | 2:
                vault = opened(crashed(vault.path, tmp_path / f"crash{step}", index=step % 3 == 0))
            case _:
                vault.settle()
        indexes = [leaf.index for leaf in read_leaves(vault)]
        assert indexes == list(range(len(indexes)))
        assert len(indexes) == vault.engine.leaves
        assert event_types(vault).count(E.RECORD_PUT) == step + 1


def test_the_log_can_be_read_while_it_grows_and_settles(vault: vaultfs.Vault) -> None:
    put(vault)
    reading = read_events(vault)
    first = next(reading)
    put(vault)
    vault.settle()
    put(vault)
    rest = list(reading)
    assert [first[0], *(index for index, _ in rest)] == [index for index, _ in read_events(vault)][: 1 + len(rest)]


def test_more_events_than_fit_a_frame_are_read_back_in_order(vault: vaultfs.Vault) -> None:
    with session(vault) as s, s.transaction() as txn:
        for _ in range(20_000):
            txn.put(b"", kind="Observation", subject=MRN)
    for _ in range(2):
        assert event_types(vault).count(E.RECORD_PUT) == 20_000
        vault.settle()


class TestTampering:
    @pytest.mark.parametrize("settled", [False, True])
    def test_a_clear_entry_that_does_not_match_its_event_is_found(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch, settled: bool
    ) -> None:
        put(vault)
        if settled:
            vault.settle()
        monkeypatch.setattr("vaultfs.engine.log.leaves.commitments", lambda _, salted: [bytes(32) for _ in salted])
        with pytest.raises(CommitmentMismatch):
            events(vault)

    @pytest.mark.parametrize("change", ["event missing", "entry missing", "event added"])
    def test_missing_and_surplus_are_found(
        self, vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        put(vault)
        vault.settle()
        log = "vaultfs.engine.log.leaves."
        from vaultfs.engine.log import leaves as module

        read, found = module.segment_section, module._events
        if change == "event missing":
            monkeypatch.setattr(log + "_events", lambda frames: list(found(frames))[:-1].__iter__())
        elif change == "entry missing":

            def short(engine: View, row: SegmentRow) -> module.Section:
                section = read(engine, row)
                return section._replace(entries=section.entries[: -ENTRY.size])

            monkeypatch.setattr(log + "segment_section", short)
        else:
            monkeypatch.setattr(log + "_events", lambda frames: (list(found(frames)) * 2).__iter__())
        with pytest.raises(VaultDamaged):
            events(vault)

    def test_a_log_that_is_not_the_one_in_the_head_is_found(self, vault: vaultfs.Vault) -> None:
        from dataclasses import replace

        put(vault)
        vault.settle()
        head = vault.engine.head
        vault.engine.head = replace(head, peaks=[bytes(32) for _ in head.peaks])
        with pytest.raises(CommitmentMismatch):
            events(vault)
        put(vault)
        with pytest.raises(CommitmentMismatch):
            events(vault)
        vault.engine.head = replace(head, segments=[])
        with pytest.raises(VaultDamaged):
            events(vault)
        vault.engine.head = head


def test_events_survive_encoding_and_damage_is_told() -> None:
    given = [RecordRead(n, b"s" * 16, b"p" * 16, 96, b"r" * 16, n, Outcome.DONE) for n in range(3)]
    packed = sealable(DEFAULT, [encode_event(event) for event in given])
    body = b"".join(packed.chunks)
    assert list(unsealed(DEFAULT, body)) == list(zip(given, packed.commitments, strict=True))
    for broken in (body[:-1], body[:10], b"\x05\0\0\0" + bytes(16) + b"\xc1\xc1\xc1\xc1\xc1"):
        with pytest.raises(FieldInvalid):
            list(unsealed(DEFAULT, broken))
    assert sealable(DEFAULT, []) == ([], [])


@pytest.mark.parametrize("version", [1, 2, 70_000])
def test_events_that_are_made_of_pieces_are_those_of_their_classes(version: int) -> None:
    at, session, subject, record = 1_700_000_000_000_000, b"s" * 16, b"p" * 16, b"r" * 16
    start = record_event_start(E.RECORD_PUT, at, session, subject, 96)
    end = FIRST_VERSION if version == 1 else record_event_end(version)
    assert start + record + end == encode_event(RecordPut(at, session, subject, 96, record, version, Outcome.DONE))
    made = subject_created_event(at, session, subject, version)
    assert made == encode_event(SubjectCreated(at, session, subject, version))


def test_reading_the_log_leaves_no_file_open(opened: Open) -> None:
    vault = opened()
    put(vault, bytes(range(256)) * 1000)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert events(vault)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("body", [b"\1", (3).to_bytes(4, "little") + bytes(16) + b"\x93\1\2", bytes(20)])
def test_events_whose_subjects_cannot_be_told_are_told_by_a_code(body: bytes) -> None:
    with pytest.raises(FieldInvalid):
        list(subjects_in(body))


def test_the_subjects_of_events_are_those_that_they_decode_to() -> None:
    about = [None, bytes(16), b"s" * 16]
    made: list[Event] = [SubjectSearched(at, bytes(16), subject, Outcome.DONE) for at, subject in enumerate(about)]
    made += [Settled(4, bytes(16)), AccessMerged(5, bytes(16), b"j" * 16, 1)]
    (body,) = sealable(DEFAULT, [encode_event(one) for one in made]).chunks
    assert list(subjects_in(body)) == [subject_of(one) for one in made] == [b"", bytes(16), b"s" * 16, b"", b""]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_subject_is_the_first_field_of_an_event_that_is_about_one(kind: EventType) -> None:
    own = [field for field in CLASSES[kind].__struct_fields__ if field not in {"at", "session"}]
    assert "subject" not in own[1:]

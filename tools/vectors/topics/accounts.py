"""Sections 16.7 and 16.8: what is proved of events, and of all events about a subject; disclosures."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from vaultfs_format import audit, merkle, subjectheads
from vaultfs_format.audit import AuditEntry, LeafKind
from vaultfs_format.disclosure import Statement, SuspensionStatement, digest_of
from vaultfs_format.errors import CommitmentMismatch, FieldInvalid, ProofInvalid, Structure
from vaultfs_format.eventproof import EventProof
from vaultfs_format.events.base import Event, Outcome
from vaultfs_format.events.codec import encode_event
from vaultfs_format.events.disclosures import Basis, SubjectDisclosed
from vaultfs_format.events.records import RecordPut, RecordRead
from vaultfs_format.levels import HashLevels, inclusion_proof, root_at
from vaultfs_format.subjectproof import FORMAT, Counted, Stated, SubjectProof
from vaultfs_format.suite import DEFAULT
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import note_signers, sign_checkpoint
from vaultfs_format.tlog.note import Note
from vaultfs_format.tlog.proof import LogProof

from vectors import scenes, world
from vectors.case import Case, Topic
from vectors.world import seeded

ORIGIN = "vault.example/audit"
TIME = 1_700_000_000
AT = TIME * 1_000_000
NODES = merkle.audit_nodes(DEFAULT)
SIGNERS = note_signers(world.SIGNING, ORIGIN)[:1]
KEYS = [one.key.encode() for one in SIGNERS]
SUBJECT, OTHER, NONE = (seeded(f"subject {name}", 16) for name in ("one", "other", "none"))
STATEMENT = Statement(
    seeded("salt of a statement", 16), "Health department", None, "Laboratory results", "45 CFR", None
)
SAID = STATEMENT.encode()
DAY = 24 * 3600 * 1_000_000


def _record(kind: type[RecordPut | RecordRead], subject: bytes, number: int) -> Event:
    return kind(AT + number, seeded("session", 16), subject, 1, seeded(f"record {number}", 16), 1, Outcome.DONE)


def _disclosed(number: int, statement: bytes) -> Event:
    record = seeded(f"record {number}", 16)
    digest = digest_of(statement)
    return SubjectDisclosed(AT + number, seeded("session", 16), SUBJECT, record, digest, 2, Basis.PUBLIC_HEALTH)


def _salted(event: Event) -> bytes:
    return seeded(f"salt {event.at}", 16) + encode_event(event)


FIRST = [_record(RecordPut, SUBJECT, 1), _record(RecordPut, OTHER, 2), _record(RecordRead, SUBJECT, 3)]
SECOND = [_disclosed(4, SAID), _disclosed(5, b"of which nothing is shown")]
Rows = Callable[[list[bytes]], list[bytes]]


class _Log:
    """A small log: events, a leaf of kind 3, more events, and another one.

    Parameters
    ----------
    changed
        What becomes of the rows of all buckets before the last leaf states them.
    """

    def __init__(self, changed: Rows = lambda buckets: buckets) -> None:
        self.buckets = [b""] * subjectheads.BUCKETS
        self.entries = [scenes.LIVE_SET]
        for commit, events in ((1, FIRST), (2, SECOND)):
            found = [AuditEntry(LeafKind.EVENT, commit, audit.commitment(DEFAULT, _salted(one))) for one in events]
            self.first, self.before = len(self.entries), [*self.buckets]
            self._count(events, found)
            self.entries += found
            if commit == 2:
                self.buckets = changed(self.buckets)
            self.entries.append(AuditEntry(LeafKind.SUBJECTS, len(self.entries), self._tree(self.buckets)[1]))
        self.entries.append(scenes.LIVE_SET)
        self.hashes = HashLevels(NODES)
        self.hashes.extend(merkle.audit_leaves(DEFAULT, [one.encode() for one in self.entries]))
        self.root = root_at(NODES, self.hashes, self.size, merkle.AUDIT_EMPTY)
        self.note: Note = sign_checkpoint(Checkpoint(ORIGIN, self.size, self.root), SIGNERS, TIME)

    @property
    def size(self) -> int:
        return len(self.entries)

    def _count(self, events: Sequence[Event], entries: Sequence[AuditEntry]) -> None:
        for subject in (SUBJECT, OTHER):
            own = [
                one.encode()
                for event, one in zip(events, entries, strict=True)
                if getattr(event, "subject", None) == subject
            ]
            if own:
                (key,) = subjectheads.row_keys(DEFAULT, [subject])
                at = subjectheads.bucket_of(key)
                found = [(key, merkle.audit_leaves(DEFAULT, own))]
                self.buckets[at] = subjectheads.advanced(DEFAULT, self.buckets[at], found)

    @staticmethod
    def _tree(buckets: Sequence[bytes]) -> tuple[HashLevels, bytes]:
        tree = HashLevels(NODES)
        tree.extend(subjectheads.bucket_leaves(DEFAULT, buckets))
        return tree, root_at(NODES, tree, len(buckets), b"")

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        return tuple(inclusion_proof(NODES, self.hashes, index, self.size))

    def event_proof(self, index: int, salted: bytes) -> EventProof:
        """Return the proof of an entry."""
        return EventProof(LogProof(index, self.inclusion(index), self.note), self.entries[index], salted)

    def proof(self, subject: bytes = SUBJECT, groups: Sequence[Sequence[Event]] = ()) -> SubjectProof:
        """Return the proof of all events about a subject, by the last leaf of kind 3."""
        stated = self._stated(subject, self.size - 2, self.buckets)
        counted = tuple(tuple(Counted(commit, _salted(one)) for one in group) for commit, group in enumerate(groups, 1))
        return SubjectProof(FORMAT, subject, self.note.encode().decode(), stated, counted, None, ())

    def base(self, subject: bytes = SUBJECT) -> Stated:
        """Return the base of a proof, where the log was pruned behind the first leaf of kind 3."""
        return self._stated(subject, self.first - 1, self.before)

    def _stated(self, subject: bytes, index: int, buckets: Sequence[bytes]) -> Stated:
        tree, root = self._tree(buckets)
        at = subjectheads.bucket_of(subjectheads.row_keys(DEFAULT, [subject])[0])
        path = tuple(inclusion_proof(NODES, tree, at, len(buckets)))
        return Stated(index, self.inclusion(index), root, buckets[at], path)


LOG = _Log()
WHOLE = LOG.proof(SUBJECT, [[FIRST[0], FIRST[2]], SECOND])
new = msgspec.structs.replace
PRUNED = new(WHOLE, base=LOG.base(), groups=WHOLE.groups[1:])


def cases() -> list[Case]:
    """Return the scenarios of proofs of events, and of disclosures."""
    topic = Topic("accounts")
    for make in (_events, _subjects, _shapes, _changed, _statements, _suspensions):
        make(topic)
    return topic.cases


def _events(topic: Topic) -> None:
    proof = LOG.event_proof(1, _salted(FIRST[0]))
    live = LOG.event_proof(0, b"")
    topic.good("event", "An event.", "event-proof", "LPR-5", data=proof.encode(), keys=KEYS)
    topic.good("live-set", "A live set, which has no event.", "event-proof", "LPR-5", data=live.encode(), keys=KEYS)
    for name, comment, one in (
        ("live-set-with-event", "A live set with an event.", replace(live, salted=proof.salted)),
        ("event-without", "An entry of an event without it.", replace(proof, salted=b"")),
        ("event-of-salt", "A salt and no event.", replace(proof, salted=bytes(16))),
    ):
        topic.bad(name, comment, "event-proof", "LPR-5", FieldInvalid, Structure.LOG_PROOF, 5,
                  data=one.encode(), keys=KEYS)  # fmt: skip
    topic.bad("event-of-another", "The event of another entry.", "event-proof", "LPR-5", CommitmentMismatch,
              Structure.LOG_PROOF, data=replace(proof, salted=_salted(FIRST[1])).encode(), keys=KEYS)  # fmt: skip


def _subjects(topic: Topic) -> None:
    def good(name: str, comment: str, rules: str, proof: SubjectProof) -> None:
        topic.good(name, comment, "subject-proof", rules, data=proof.encode(), keys=KEYS)

    good("subject", "Four events about a subject, in two groups.", "SPR-1 SPR-2 SPR-3 SPR-4 SPR-20", WHOLE)
    good("subject-of-nothing", "A subject about which there is no event.", "SPR-20", LOG.proof(NONE))
    closed = WHOLE.closed_but(lambda event: isinstance(event, SubjectDisclosed), [SAID])
    good(
        "subject-closed", "Events that are closed, and a statement of one that is open.", "SPR-4 SPR-20 SPR-21", closed
    )
    good("subject-pruned", "The events behind the base of a log that was pruned.", "SPR-1 SPR-20", PRUNED)
    nothing = new(LOG.proof(OTHER), base=LOG.base(OTHER))
    good("subject-pruned-nothing", "A subject whose events were all pruned.", "SPR-20", nothing)
    good("subject-all-closed", "All events are closed.", "SPR-4 SPR-20", WHOLE.closed_but(lambda _: False))
    for name, comment, one in (
        ("statement-of-none", "A statement that no event has.", new(WHOLE, statements=(_other(),))),
        (
            "statement-of-closed",
            "A statement of an event that is closed.",
            new(WHOLE.closed_but(lambda _: False), statements=(SAID,)),
        ),
    ):
        topic.bad(name, comment, "subject-proof", "SPR-21", ProofInvalid, Structure.SUBJECT_PROOF,
                  data=one.encode(), keys=KEYS)  # fmt: skip


def _other() -> bytes:
    return new(STATEMENT, recipient="Somebody else").encode()


def _shapes(topic: Topic) -> None:
    def bad(name: str, comment: str, rule: int, data: bytes) -> None:
        topic.bad(f"subject-{name}", comment, "subject-proof", f"SPR-{rule}", FieldInvalid, Structure.SUBJECT_PROOF,
                  rule, data=data, keys=KEYS)  # fmt: skip

    def edited(without: str = "", **changes: Any) -> bytes:
        found = json.loads(WHOLE.encode()) | changes
        return json.dumps({name: value for name, value in found.items() if name != without}).encode()

    bad("no-json", "No JSON.", 1, WHOLE.encode()[:-3])
    bad("without-member", "A member is missing.", 1, edited("groups"))
    bad("without-base", "Nothing says whether the log was pruned.", 1, edited("base"))
    bad("more-members", "A member too many.", 1, edited(more=1))
    bad("other-format", "Another format.", 1, edited(format="vaultfs-subject-proof@v2"))
    bad("short-id", "A surrogate of 3 bytes.", 1, edited(subject="AAAA"))
    stated = json.loads(WHOLE.encode())["stated"]
    bad("negative", "A negative index.", 1, edited(stated=stated | {"index": -1}))
    bad("base-more", "A base with a member too many.", 1, edited(base=stated | {"more": 1}))
    bad("empty-group", "A group without events.", 3, new(WHOLE, groups=(*WHOLE.groups, ())).encode())
    torn = _Log(lambda buckets: [one + b"\0" if one else b"" for one in buckets])
    bad("torn-rows", "A bucket with a byte too many.", 2, torn.proof(SUBJECT, [[FIRST[0], FIRST[2]], SECOND]).encode())
    (first, *others), last = WHOLE.groups
    for name, comment, one in (
        ("open-and-closed", "An event both open and closed.", new(first, commitment=first.committed())),
        ("neither", "An event neither open nor closed.", Counted(first.commit)),
    ):
        bad(name, comment, 4, new(WHOLE, groups=((one, *others), last)).encode())


def _changed(topic: Topic) -> None:
    (first, second), last = WHOLE.groups
    stated = WHOLE.stated
    path = stated.path[1:]
    for name, comment, one in (
        ("event-less", "An event is left out.", new(WHOLE, groups=((first,), last))),
        ("closed-less", "A closed event is left out.", new(WHOLE.closed_but(lambda _: False), groups=((first,), last))),
        ("group-less", "The last group is left out.", new(WHOLE, groups=WHOLE.groups[:1])),
        ("order", "Two events in the other order.", new(WHOLE, groups=((second, first), last))),
        ("one-group", "Two groups are one.", new(WHOLE, groups=((first, second, *last),))),
        ("twice", "An event is there twice.", new(WHOLE, groups=((first, first, second), last))),
        ("other-commit", "Another commit.", new(WHOLE, groups=((new(first, commit=9), second), last))),
        ("other-commitment", "Another commitment.",
         new(WHOLE, groups=((Counted(1, None, bytes(32)), second), last))),
        ("of-another", "An event about somebody else.",
         new(WHOLE, groups=((first, Counted(1, _salted(FIRST[1])), second), last))),
        ("other-subject", "Another subject.", new(WHOLE, subject=OTHER)),
        ("subject-left-out", "A subject with events, and none of them.", new(WHOLE, groups=())),
        ("base-twice", "All events, and a base.", new(WHOLE, base=LOG.base())),
        ("base-less", "The base is left out.", new(PRUNED, base=None)),
        ("base-of-another", "The base of another subject.", new(PRUNED, base=LOG.base(OTHER))),
        ("base-other-index", "Another leaf of the base.", new(PRUNED, base=new(LOG.base(), index=3))),
        ("base-other-root", "Another root of the base.", new(PRUNED, base=new(LOG.base(), root=bytes(32)))),
        ("base-other-rows", "Another bucket of the base.", new(PRUNED, base=new(LOG.base(), rows=b""))),
        ("base-is-last", "The base is the leaf itself.", new(WHOLE, base=stated, groups=())),
        ("other-index", "Another leaf.", new(WHOLE, stated=new(stated, index=4))),
        ("other-root", "Another root of buckets.", new(WHOLE, stated=new(stated, root=bytes(32)))),
        ("other-rows", "Another bucket.", new(WHOLE, stated=new(stated, rows=b""))),
        ("path-less", "A hash of the path is missing.", new(WHOLE, stated=new(stated, path=path))),
        ("bucket-path", "Another path of the bucket.", new(WHOLE, stated=new(stated, bucket_path=()))),
    ):  # fmt: skip
        topic.bad(f"subject-{name}", comment, "subject-proof", "SPR-20", ProofInvalid, Structure.SUBJECT_PROOF,
                  data=one.encode(), keys=KEYS)  # fmt: skip


def _packed(*parts: Any) -> bytes:
    return msgspec.msgpack.encode(parts)


def _statements(topic: Topic) -> None:
    full = new(STATEMENT, address="1 Main Street", date=dt.date(2024, 2, 29))
    topic.good("statement", "What is stated of a disclosure.", "disclosure", "DSC-1", data=SAID)
    topic.good("statement-whole", "With an address and a day.", "disclosure", "DSC-1", data=full.encode())
    salt, texts = STATEMENT.salt, ("a", None, "b", "c", None)
    for name, comment, data in (
        ("less", "A part is missing.", _packed(salt, *texts[:-1])),
        ("more", "A part too many.", _packed(salt, *texts, None)),
        ("empty", "An empty text.", _packed(salt, "", None, "b", "c", None)),
        ("long", "A text of 2,049 characters.", _packed(salt, "a" * 2049, None, "b", "c", None)),
        ("salt", "A salt of 15 bytes.", _packed(salt[:-1], *texts)),
        ("day", "No day.", _packed(salt, "a", None, "b", "c", "2023-02-29")),
        ("nobody", "No recipient.", _packed(salt, None, None, "b", "c", None)),
        ("form", "A text in a longer form.", _packed(salt, *texts).replace(b"\xa1a", b"\xd9\x01a")),
        ("behind", "A byte behind it.", SAID + b"\0"),
    ):
        topic.bad(f"statement-{name}", comment, "disclosure", "DSC-1", FieldInvalid, Structure.DISCLOSURE, 1, data=data)


def _suspensions(topic: Topic) -> None:
    written = SuspensionStatement("Sheriff", AT, AT + 400 * DAY, oral=False)
    oral = SuspensionStatement("Sheriff", AT, AT + 30 * DAY, oral=True)
    topic.good("suspension", "A written statement, for 400 days.", "suspension", "DSC-2", data=written.encode())
    topic.good("suspension-oral", "An oral statement, for 30 days.", "suspension", "DSC-2", data=oral.encode())
    for name, comment, data in (
        ("longer", "An oral statement, for longer than 30 days.", _packed("Sheriff", AT, AT + 30 * DAY + 1, True)),
        ("before", "It ends when it begins.", _packed("Sheriff", AT, AT, False)),
        ("nobody", "It names nobody.", _packed("", AT, AT + 1, False)),
        ("less", "A part is missing.", _packed("Sheriff", AT, AT + 1)),
    ):
        topic.bad(f"suspension-{name}", comment, "suspension", "DSC-2", FieldInvalid, Structure.DISCLOSURE, 2,
                  data=data)  # fmt: skip

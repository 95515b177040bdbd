"""A vault whose log witnesses on another host have cosigned: what is kept of it, and what it keeps from happening."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from vaultfs_format.errors import NotSigned, QuorumMissing, SignatureInvalid
from vaultfs_format.eventproof import EventProof
from vaultfs_format.events.records import RecordPut
from vaultfs_format.events.vault import LogExported, RollbackAccepted
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_format.tlog.keys import signed_by
from vaultfs_format.tlog.note import Note, NoteSignature
from vaultfs_format.tlog.policy import Policy, PolicyLog
from vaultfs_format.tlog.refusals import LogNotTrusted, LogUnknown, SizeConflict, signatures_in
from vaultfs_format.tlog.witness import AddCheckpoint
from vaultfs_tools.witnessing import Keeper
from vaultfs_tools.witnessing.keys import policy_of

import vaultfs
from tests.vaultfs.support import PASSPHRASE, create, events_of, put, read_only, reopen
from vaultfs.audit.anchoring import CheckpointAnchor, CheckpointDirectory, check, cosign, join
from vaultfs.audit.log import read_leaves
from vaultfs.audit.view import LogView, origin_of, prove
from vaultfs.audit.witnesses import CallbackWitness
from vaultfs.errors import (
    ArgumentInvalid,
    CommitmentMismatch,
    LogDiverged,
    NotFound,
    RolledBack,
    VaultDamaged,
    WitnessSilent,
)
from vaultfs.keys.stores import Required
from vaultfs.storage.health import Concern


@dataclass
class Hosts:
    """Two hosts: on the first a vault with all that remembers its heads there, on the second a witness."""

    place: Path

    def __post_init__(self) -> None:
        (self.place / "one").mkdir(parents=True)
        self.keeper = Keeper.create(self.place / "two" / "witness", "witness.example")
        self.policy = policy_of(self.keeper.keys)
        self.witness = CallbackWitness(self.keeper.answer)
        self.local = vaultfs.DirectoryAnchor(self.place / "one" / "anchor")
        self.kept = CheckpointDirectory(self.place / "one" / "kept")
        self.word = CheckpointAnchor(self.told, self.policy)
        """What the witness says that is asked itself."""

    @property
    def path(self) -> Path:
        return self.place / "one" / "v"

    def told(self, origin: str) -> bytes | None:
        note = self.keeper.checkpoint(origin)
        return None if note is None else note.encode()

    def make(self) -> None:
        """Make the vault, of which the witness gets the keys, and let it cosign the log."""
        with create(self.path) as vault:
            put(vault, b"one")
            self.keeper.add_log(LogView(vault).keys)
            self.cosign(vault)

    def cosign(self, vault: vaultfs.Vault) -> None:
        cosign(vault, [self.witness], self.policy, [self.kept])

    def grow(self, anchors: Sequence[vaultfs.DirectoryAnchor] = (), records: int = 1) -> None:
        """Store more, and let the witness cosign it."""
        with reopen(self.path, anchors=[self.local, *anchors]) as vault:
            for _ in range(records):
                put(vault, b"more")
            self.cosign(vault)

    def copy(self) -> Path:
        """Return a copy of all of the first host."""
        return Path(shutil.copytree(self.place / "one", self.place / "copy"))

    def put_back(self, copy: Path) -> None:
        """Put all of the first host back: vault, epoch store, anchors, and what was kept of the witness's word."""
        shutil.rmtree(self.place / "one")
        shutil.copytree(copy, self.place / "one")


@pytest.fixture
def hosts(in_memory: Path) -> Hosts:
    """Return two hosts, whose vault nobody else uses."""
    found = Hosts(in_memory)
    found.make()
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hosts, vaultfs.Vault]]:
    """Return two hosts, and their vault, opened, whose log may be cosigned."""
    found = Hosts(tmp_path_factory.mktemp("hosts") / "hosts")
    found.make()
    with reopen(found.path) as vault:
        yield found, vault


class Fixed:
    """A witness that answers what it was told to."""

    def __init__(self, *answers: tuple[NoteSignature, ...] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    def add_checkpoint(self, request: AddCheckpoint) -> tuple[NoteSignature, ...]:
        self.asked.append(request.old)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class TestGoingBack:
    """Somebody has all of the first host, and cannot write on the second one."""

    def test_a_vault_put_back_with_all_of_its_host_is_noticed_by_the_word_of_the_witness_alone(
        self, hosts: Hosts
    ) -> None:
        copy = hosts.copy()
        hosts.grow()
        hosts.put_back(copy)
        here = CheckpointAnchor(hosts.kept.read, hosts.policy)
        reopen(hosts.path, anchors=[hosts.local, here]).close()  # unnoticed
        hosts.put_back(copy)
        for act in (reopen, read_only):
            with pytest.raises(RolledBack) as refused:
                act(hosts.path, anchors=[hosts.word])
            facts = refused.value.facts
            assert facts["leaves"] < facts["witnessed"]  # type: ignore[operator] # both are numbers
            assert facts["witnessed"] == hosts.keeper.log(next(hosts.keeper.logs()).origin).head.size

    def test_one_that_was_written_on_until_it_was_as_long_is_noticed(self, hosts: Hosts) -> None:
        """The size alone would not tell: what was cosigned is not its beginning."""
        copy = hosts.copy()
        hosts.grow()
        hosts.put_back(copy)
        with reopen(hosts.path) as vault:
            for _ in range(20):
                put(vault, b"something else")
            with pytest.raises(LogDiverged):
                hosts.cosign(vault)
            head = hosts.keeper.log(origin_of(vault.id)).head
            assert head.size < vault.engine.head.tree_size
        for act in (reopen, read_only):
            with pytest.raises(RolledBack):
                act(hosts.path, anchors=[hosts.word])

    def test_the_witness_says_so_when_it_is_asked_to_cosign(self, hosts: Hosts) -> None:
        copy = hosts.copy()
        hosts.grow(records=9)
        hosts.put_back(copy)
        with reopen(hosts.path) as vault:
            with pytest.raises(LogDiverged) as refused:
                hosts.cosign(vault)
            assert refused.value.facts == {"size": hosts.keeper.log(origin_of(vault.id)).head.size}

    def test_one_put_back_beyond_a_change_of_signers_is_noticed(self, hosts: Hosts) -> None:
        """The older vault does not know the signer of what was cosigned: its word counts all the same."""
        copy = hosts.copy()
        with reopen(hosts.path) as vault:
            vault.keys.turn(PASSPHRASE, new_signer=True)
            with pytest.raises(QuorumMissing):
                hosts.cosign(vault)
            hosts.keeper.add_log(LogView(vault).keys)
            hosts.cosign(vault)
        reopen(hosts.path, anchors=[hosts.word]).close()
        hosts.put_back(copy)
        with pytest.raises(RolledBack):
            reopen(hosts.path, anchors=[hosts.word])

    def test_a_log_of_which_a_part_is_missing_is_not_taken_for_one_that_has_grown(self, hosts: Hosts) -> None:
        with reopen(hosts.path) as vault:
            put(vault)
            vault.settle()
        for segment in hosts.path.rglob("*.vseg"):
            if "audit" in segment.parts:
                segment.unlink()
        with pytest.raises((VaultDamaged, RolledBack)):
            reopen(hosts.path, anchors=[hosts.word])

    def test_it_may_be_accepted_and_that_is_recorded(self, hosts: Hosts) -> None:
        copy = hosts.copy()
        hosts.grow()
        with reopen(hosts.path) as vault:
            vault.settle()
            lost = vault.engine.head.generation
        hosts.put_back(copy)
        with reopen(hosts.path, anchors=[hosts.word], accept_older=True) as vault:
            (event,) = events_of(vault, RollbackAccepted)
            assert event.generation >= lost
            assert vault.engine.head.generation > lost
            assert vault.engine.head.incarnation == 1
            with pytest.raises(LogDiverged):  # a witness does not forget: from here on it takes another one
                hosts.cosign(vault)
            other = Keeper.create(hosts.place / "two" / "another", "witness.example")
            other.add_log(LogView(vault).keys)
            cosign(vault, [CallbackWitness(other.answer)], policy_of(other.keys), [hosts.kept])
        reopen(hosts.path, anchors=[CheckpointAnchor(hosts.kept.read, policy_of(other.keys))]).close()

    def test_what_is_kept_on_a_third_host_is_not_replaced_before_somebody_removes_it(self, hosts: Hosts) -> None:
        """It proves that the vault was put back, when all witnesses of today have forgotten, or are new."""
        third = CheckpointDirectory(hosts.place / "third")
        copy = hosts.copy()
        with reopen(hosts.path) as vault:
            put(vault)
            cosign(vault, [hosts.witness], hosts.policy, [third])
        hosts.put_back(copy)
        forgetful = Keeper.create(hosts.place / "forgetful", "witness.example")
        (file,) = third.path.iterdir()
        before = file.read_bytes()
        with reopen(hosts.path) as vault:
            forgetful.add_log(LogView(vault).keys)
            new, fresh = policy_of(forgetful.keys), CheckpointDirectory(hosts.place / "fresh")
            for policy in (hosts.policy, new):
                with pytest.raises(LogDiverged) as told:
                    cosign(vault, [CallbackWitness(forgetful.answer)], policy, [fresh, third])
                assert told.value.facts == {"size": Checkpoint.decode(Note.decode(before).text).size}
                assert forgetful.checkpoint(origin_of(vault.id)) is None
            assert file.read_bytes() == before
            assert not fresh.path.exists()
            file.unlink()
            cosign(vault, [CallbackWitness(forgetful.answer)], new, [fresh, third])
        assert file.read_bytes() != before

    def test_one_witness_that_has_seen_more_is_heard_whatever_the_others_cosign(self, hosts: Hosts) -> None:
        copy = hosts.copy()
        hosts.grow()
        hosts.put_back(copy)
        other = Keeper.create(hosts.place / "two" / "other", "other.example")
        asked = [CallbackWitness(other.answer), hosts.witness]
        with reopen(hosts.path) as vault:
            other.add_log(LogView(vault).keys)
            kept = hosts.kept.read(origin_of(vault.id))
            for witnesses in (asked, asked[::-1]):
                with pytest.raises(LogDiverged):
                    cosign(vault, witnesses, policy_of(other.keys), [hosts.kept])
            assert hosts.kept.read(origin_of(vault.id)) == kept


class TestAnchor:
    def test_a_log_that_has_grown_is_opened(self, hosts: Hosts) -> None:
        for _ in range(3):
            with reopen(hosts.path, anchors=[hosts.word]) as vault:
                put(vault)
                vault.settle()
                assert vault.maintenance.health().unseen == 0
        with read_only(hosts.path, anchors=[hosts.word]) as reader:
            assert reader.engine.head.tree_size > hosts.keeper.log(origin_of(reader.id)).head.size

    @pytest.mark.parametrize(
        "harm", ["none", "garbage", "of another log", "not cosigned", "of another witness", "raises"]
    )
    def test_what_is_no_word_of_the_witness_says_nothing(
        self, shared: tuple[Hosts, vaultfs.Vault], harm: str, tmp_path: Path
    ) -> None:
        """Somebody who forges it keeps nobody from opening a vault, and is not asked where he is required."""
        hosts, vault = shared
        note = hosts.keeper.checkpoint(origin_of(vault.id))
        assert note is not None
        larger = replace(Checkpoint.decode(note.text), size=10**6)
        other = Keeper.create(tmp_path / "other", "witness.example")
        text = larger.encode()
        by_other = tuple(key.signer.signature(text, 1) for key in other._keys)
        stranger = replace(larger, origin="other.example").encode()
        answers: dict[str, bytes | None] = {
            "none": None,
            "garbage": b"\xff",
            "of another log": Note(
                stranger, tuple(k.signer.signature(stranger, 1) for k in hosts.keeper._keys)
            ).encode(),
            "not cosigned": Note(text, note.signatures[:2]).encode(),
            "of another witness": Note(text, by_other).encode(),
        }

        def read(_: str) -> bytes | None:
            if harm == "raises":
                raise ConnectionError
            return answers[harm]

        anchor = CheckpointAnchor(read, hosts.policy)
        if harm != "raises":
            assert anchor.last(vault.id) is None
        read_only(hosts.path, anchors=[anchor], access_log=tmp_path).close()
        with pytest.raises(WitnessSilent):
            read_only(hosts.path, anchors=[Required(anchor)], access_log=tmp_path)

    def test_an_anchor_that_is_required_and_says_something_is_as_any_other(self, hosts: Hosts) -> None:
        with reopen(hosts.path, anchors=[Required(hosts.word), hosts.local]) as vault:
            put(vault)
            hosts.cosign(vault)
        reopen(hosts.path, anchors=[Required(hosts.word), Required(hosts.local)]).close()

    def test_an_anchor_without_witnesses_is_none(self, shared: tuple[Hosts, vaultfs.Vault]) -> None:
        with pytest.raises(ArgumentInvalid):
            CheckpointAnchor(shared[0].told, Policy.decode(b"quorum none\n"))

    def test_a_witness_that_is_ahead_is_a_concern(self, shared: tuple[Hosts, vaultfs.Vault]) -> None:
        _, vault = shared

        class Ahead:
            def last(self, vault_id: bytes) -> Checkpoint:
                return Checkpoint(origin_of(vault_id), 10**6, bytes(32))

            def see(self, _: object) -> None:
                pass

        vault.engine.anchors = [*vault.engine.anchors, Ahead()]
        try:
            health = vault.maintenance.health()
        finally:
            vault.engine.anchors = vault.engine.anchors[:-1]
        assert health.unseen == 1
        assert Concern.UNSEEN in health.concerns


class TestCosigning:
    def test_the_checkpoint_has_the_signatures_of_all(self, shared: tuple[Hosts, vaultfs.Vault]) -> None:
        hosts, vault = shared
        done = cosign(vault, [hosts.witness], hosts.policy, [hosts.kept])
        assert check(done.note, done.view.keys, hosts.policy).size == done.view.size
        assert len(signed_by(done.note, [*done.view.keys, *hosts.keeper.keys])) == 4
        assert hosts.kept.read(done.view.origin) == done.note.encode()
        assert not done.refused
        (*_, event) = events_of(vault, LogExported)
        assert (event.entries, event.events) == (0, 0)

    def test_what_is_proved_by_it_holds_under_a_policy(self, shared: tuple[Hosts, vaultfs.Vault]) -> None:
        hosts, vault = shared
        done = cosign(vault, [hosts.witness], hosts.policy)
        index = next(leaf.index for leaf in read_leaves(vault) if isinstance(leaf.event, RecordPut))
        whole = replace(hosts.policy, logs=tuple(PolicyLog(key) for key in done.view.keys))
        for made in (done.view.prove(index), prove(vault, index, done.note)):
            proof = EventProof.decode(made.encode())
            assert proof.verify_policy(whole).size == done.view.size
            assert proof.verify(done.view.keys).size == done.view.size
            assert isinstance(proof.event, RecordPut)
            with pytest.raises(NotSigned):
                proof.verify_policy(hosts.policy)
            with pytest.raises(CommitmentMismatch):
                replace(proof, salted=proof.salted[:-1] + bytes([proof.salted[-1] ^ 1])).verify_policy(whole)
        with pytest.raises(QuorumMissing):
            EventProof.decode(prove(vault, index).encode()).verify_policy(whole)

    def test_nothing_is_proved_by_a_checkpoint_that_is_older_or_of_another_log(
        self, shared: tuple[Hosts, vaultfs.Vault]
    ) -> None:
        hosts, vault = shared
        done = cosign(vault, [hosts.witness], hosts.policy)
        put(vault)
        vault.settle()
        view = LogView(vault)
        with pytest.raises(NotFound):
            view.prove(view.size - 1, done.note)
        text = replace(Checkpoint.decode(done.note.text), root=bytes(32)).encode()
        with pytest.raises(LogDiverged):
            view.prove(0, replace(done.note, text=text))

    def test_a_witness_is_asked_from_the_size_that_it_states(self, shared: tuple[Hosts, vaultfs.Vault]) -> None:
        hosts, vault = shared
        cosign(vault, [hosts.witness], hosts.policy, [hosts.kept])
        known = hosts.keeper.log(origin_of(vault.id)).head.size
        asked: list[int] = []

        def ask(data: bytes) -> bytes:
            asked.append(AddCheckpoint.decode(data).old)
            return hosts.keeper.answer(data)

        put(vault)
        cosign(vault, [CallbackWitness(ask)], hosts.policy)
        now = hosts.keeper.log(origin_of(vault.id)).head.size
        cosign(vault, [CallbackWitness(ask)], hosts.policy, [hosts.kept])
        assert asked == [0, known, known, now]
        cosign(vault, [CallbackWitness(ask)], hosts.policy, [hosts.kept])
        assert len(asked) == 5

    def test_some_of_the_witnesses_are_enough_if_the_policy_says_so(
        self, shared: tuple[Hosts, vaultfs.Vault], tmp_path: Path
    ) -> None:
        """What one of them does wrong spoils nothing of what the others cosign."""
        hosts, vault = shared
        keepers = [Keeper.create(tmp_path / str(number), f"w{number}.example") for number in range(3)]
        policies = [policy_of(keeper.keys) for keeper in keepers]
        words = "\n".join(
            [*(policy.encode().decode().rpartition("quorum")[0] for policy in policies),
             "group two 2 w0.example w1.example w2.example", "quorum two", ""]
        )  # fmt: skip
        policy = Policy.decode(words.encode())
        for keeper in keepers[:2]:
            keeper.add_log(LogView(vault).keys)
        wrong = keepers[2]._keys[0].signer.signature(Checkpoint("x", 1, bytes(32)).encode(), 1)
        unknown = hosts.keeper._keys[0].signer.signature(Checkpoint("x", 1, bytes(32)).encode(), 1)
        asked = [CallbackWitness(keeper.answer) for keeper in keepers]
        done = cosign(vault, [Fixed((wrong,)), asked[2], *asked[:2], Fixed((unknown,)), Fixed(())], policy)
        assert {at: type(error) for at, error in done.refused.items()} == {
            0: SignatureInvalid, 1: LogUnknown, 4: NotSigned, 5: NotSigned,
        }  # fmt: skip
        assert len(done.note.signatures) == 6
        with pytest.raises(QuorumMissing):
            cosign(vault, [asked[0], asked[2]], policy)

    def test_a_witness_that_contradicts_itself_is_given_up(self, shared: tuple[Hosts, vaultfs.Vault]) -> None:
        hosts, vault = shared
        witness = Fixed(*(SizeConflict(size=size) for size in (1, 2, 3, 4)))
        with pytest.raises(QuorumMissing):
            cosign(vault, [witness], hosts.policy)
        assert witness.asked == [0, 1, 2]

    def test_nothing_is_kept_without_a_quorum(self, shared: tuple[Hosts, vaultfs.Vault], tmp_path: Path) -> None:
        hosts, vault = shared
        kept = CheckpointDirectory(tmp_path / "kept")
        with pytest.raises(QuorumMissing):
            cosign(vault, [Fixed(LogNotTrusted())], hosts.policy, [kept])
        assert kept.read(origin_of(vault.id)) is None

    @pytest.mark.parametrize("harm", ["garbage", "another root", "another log"])
    def test_what_was_kept_and_is_damaged_is_passed_over(
        self, shared: tuple[Hosts, vaultfs.Vault], tmp_path: Path, harm: str
    ) -> None:
        """A root that the witnesses have not signed is no other log."""
        hosts, vault = shared
        kept = CheckpointDirectory(tmp_path)
        note = cosign(vault, [hosts.witness], hosts.policy, [kept]).note
        (file,) = tmp_path.iterdir()
        head = Checkpoint.decode(note.text)
        other = replace(head, origin="other.example").encode()
        harmed = {
            "garbage": b"\xff",
            "another root": replace(note, text=replace(head, root=bytes(32)).encode()).encode(),
            "another log": Note(other, tuple(key.signer.signature(other, 1) for key in hosts.keeper._keys)).encode(),
        }[harm]
        file.write_bytes(harmed)
        again = cosign(vault, [hosts.witness], hosts.policy, [kept]).note
        assert kept.read(origin_of(vault.id)) == file.read_bytes() == again.encode()

    def test_answers_that_were_carried_are_joined(self, shared: tuple[Hosts, vaultfs.Vault]) -> None:
        hosts, vault = shared
        view = LogView(vault)
        request = view.request(hosts.keeper.log(view.origin).head.size)
        answer = signatures_in(hosts.keeper.answer(request.encode()))
        whole = replace(hosts.policy, logs=tuple(PolicyLog(key) for key in view.keys))
        note = join(request.note, [answer, answer], whole)
        assert whole.check(note).size == view.size
        with pytest.raises(QuorumMissing):
            join(request.note, [answer[:1]], whole)
        with pytest.raises(SignatureInvalid):
            join(request.note, [(replace(answer[0], blob=bytes(72)),)], whole)

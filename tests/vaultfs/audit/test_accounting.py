"""What the log has about a subject: all of it, with who acted, and a proof that nothing is missing."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from vaultfs_format.errors import FieldInvalid, NotSigned, ProofInvalid, VaultError
from vaultfs_format.events.records import RecordPut, RecordRead, RecordsSearched, SubjectExported
from vaultfs_format.events.vault import SubjectAccounted
from vaultfs_format.subjectproof import SubjectProof
from vaultfs_format.tlog.keys import VerifierKey

import vaultfs
from tests.vaultfs.engine.years import kept_apart
from tests.vaultfs.support import PASSPHRASE, WHO, create, put, reopen
from vaultfs.audit import moving, view
from vaultfs.audit.accounting import Accounting, account
from vaultfs.audit.events import subject_of
from vaultfs.audit.log import read_leaves
from vaultfs.audit.view import LogView
from vaultfs.engine.log.leaves import Leaf, leaves
from vaultfs.errors import ArgumentInvalid, VaultDamaged

ONE, OTHER = (vaultfs.Identifier("urn:example:mrn", name) for name in ("one", "other"))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[vaultfs.Vault]:
    """Return a vault in which two subjects were written about and read, over several settlings and a turn."""
    with create(tmp_path / "v") as vault:
        for number in range(3):
            for subject in (ONE, OTHER):
                record = put(vault, b"%d" % number, subject=subject)
                with vault.session(WHO, "TREAT") as session:
                    session.get(record)
                    session.find(subject=subject)
            if number != 1:
                vault.settle()
        vault.keys.turn(PASSPHRASE, new_signer=True)
        yield vault


def surrogate(vault: vaultfs.Vault, identifier: vaultfs.Identifier) -> vaultfs.SubjectId:
    """Return the surrogate of a subject."""
    with vault.session(WHO, "TREAT") as session:
        return session.subjects(identifier)[0]


def accounted(vault: vaultfs.Vault) -> tuple[Accounting, tuple[VerifierKey, ...]]:
    """Return the accounting of the first subject, and the keys that verify it."""
    found = account(vault, surrogate(vault, ONE))
    return found, LogView(vault).keys


def test_it_has_every_event_and_who_acted_and_why(vault: vaultfs.Vault) -> None:
    found, _ = accounted(vault)
    subject = surrogate(vault, ONE)
    expected = [
        (leaf.index, leaf.event)
        for leaf in read_leaves(vault)
        if leaf.event is not None and subject_of(leaf.event) == subject and leaf.index <= found.entries[-1].index
    ]
    assert [(one.index, one.event) for one in found.entries] == expected
    kinds = [type(one.event) for one in found.entries]
    assert [kinds.count(kind) for kind in (RecordPut, RecordRead, RecordsSearched)] == [3, 3, 3]
    assert kinds[-1] is SubjectAccounted
    assert found.entries[-1].session is None
    who = {(one.session.principal, one.session.purpose) for one in found.entries if one.session}
    assert who == {(WHO.id, "TREAT")}


def test_the_proof_holds_with_public_keys_alone(vault: vaultfs.Vault) -> None:
    found, keys = accounted(vault)
    proof = SubjectProof.decode(found.proof.encode())
    assert proof.verify(keys).origin == f"vaultfs/{vault.id.hex()}"
    assert list(proof.about()) == [one.event for one in found.entries]
    assert len(proof.groups) == 3


def test_events_are_closed_and_still_counted(vault: vaultfs.Vault) -> None:
    found, keys = accounted(vault)
    some = found.proof.closed_but(lambda event: isinstance(event, RecordRead))
    proof = SubjectProof.decode(some.encode())
    proof.verify(keys)
    assert [type(event) for event in proof.about()] == [RecordRead] * 3
    assert proof.total == len(found.entries)
    none = proof.closed_but(lambda _: False)
    none.verify(keys)
    assert list(none.about()) == []
    assert len(none.encode()) < len(proof.encode()) < len(found.proof.encode())


def test_it_is_proved_that_there_is_nothing_about_a_subject(vault: vaultfs.Vault) -> None:
    _, keys = accounted(vault)
    found = account(vault, vaultfs.SubjectId(bytes(15) + b"\1"))
    assert [type(one.event) for one in found.entries] == [SubjectAccounted]
    found.proof.verify(keys)
    nothing = msgspec.structs.replace(accounted(vault)[0].proof, subject=bytes(15) + b"\2", groups=())
    with pytest.raises(ProofInvalid):  # unless its bucket happens to be the same, which has no row of it either
        nothing.verify(keys)


def _changes() -> dict[str, Callable[[SubjectProof], SubjectProof]]:
    new = msgspec.structs.replace

    def stated(**fields: object) -> Callable[[SubjectProof], SubjectProof]:
        return lambda proof: new(proof, stated=new(proof.stated, **fields))

    return {
        "an event is left out": lambda proof: new(proof, groups=(proof.groups[0][1:], *proof.groups[1:])),
        "a group is left out": lambda proof: new(proof, groups=proof.groups[1:]),
        "the last events are left out": lambda proof: new(proof, groups=proof.groups[:-1]),
        "events are swapped": lambda proof: new(proof, groups=(proof.groups[0][::-1], *proof.groups[1:])),
        "groups are joined": lambda proof: new(proof, groups=(sum(proof.groups, ()),)),
        "an event is there twice": lambda proof: new(proof, groups=(*proof.groups, proof.groups[0][:1])),
        "another commit": lambda proof: new(
            proof, groups=((new(proof.groups[0][0], commit=1), *proof.groups[0][1:]), *proof.groups[1:])
        ),
        "another subject": lambda proof: new(proof, subject=bytes(16)),
        "a head before that is later": lambda proof: new(proof, base=proof.stated),
        "a head before, and no events": lambda proof: new(proof, base=proof.stated, groups=()),
        "another root": stated(root=bytes(32)),
        "another index": stated(index=1),
        "no rows": stated(rows=b""),
        "no path": stated(path=()),
        "no path of the bucket": stated(bucket_path=()),
    }


@pytest.mark.parametrize("change", _changes())
def test_nothing_can_be_left_out_or_put_in(vault: vaultfs.Vault, change: str) -> None:
    found, keys = accounted(vault)
    with pytest.raises(ProofInvalid):
        _changes()[change](found.proof).verify(keys)


def test_a_checkpoint_of_another_vault_does_not_count(vault: vaultfs.Vault, tmp_path: Path) -> None:
    found, _ = accounted(vault)
    with create(tmp_path / "other") as other, pytest.raises(NotSigned):
        found.proof.verify(LogView(other).keys)


def test_events_about_others_are_not_taken_for_its_own(vault: vaultfs.Vault) -> None:
    found, keys = accounted(vault)
    other = account(vault, surrogate(vault, OTHER)).proof
    mixed = msgspec.structs.replace(other, subject=found.proof.subject, stated=other.stated)
    with pytest.raises(ProofInvalid):
        mixed.verify(keys)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"format": 1}'])
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(FieldInvalid):
        SubjectProof.decode(data)


@pytest.mark.parametrize("name", SubjectProof.__struct_fields__)
def test_a_proof_without_one_of_its_members_is_refused(vault: vaultfs.Vault, name: str) -> None:
    found, _ = accounted(vault)
    whole = json.loads(found.proof.encode())
    assert SubjectProof.decode(json.dumps(whole).encode()) == found.proof
    whole.pop(name)
    with pytest.raises(FieldInvalid):
        SubjectProof.decode(json.dumps(whole).encode())


def test_a_proof_of_another_format_or_with_an_empty_group_or_torn_rows_is_refused(vault: vaultfs.Vault) -> None:
    found, keys = accounted(vault)
    new = msgspec.structs.replace
    with pytest.raises(FieldInvalid):
        SubjectProof.decode(new(found.proof, format="vaultfs-subject-proof@v2").encode())
    with pytest.raises(FieldInvalid):
        new(found.proof, groups=(*found.proof.groups, ())).verify(keys)
    (first, *others), *later = found.proof.groups
    for one in (new(first, commitment=first.committed()), new(first, salted=None)):
        with pytest.raises(FieldInvalid):
            new(found.proof, groups=((one, *others), *later)).verify(keys)
    torn = new(found.proof, stated=new(found.proof.stated, rows=b"x"))
    with pytest.raises(VaultError):
        torn.verify(keys)


def test_nobody_has_no_accounting(vault: vaultfs.Vault) -> None:
    with pytest.raises(ArgumentInvalid):
        account(vault, vaultfs.NOBODY)


def test_what_left_the_vault_is_among_it(tmp_path: Path) -> None:
    from vaultfs_tools import export

    from tests.vaultfs_tools.vaults import secret_file

    with create(tmp_path / "v") as vault:
        put(vault, b'{"resourceType": "Patient"}', subject=ONE, kind="Patient", media_type="application/fhir+json")
    given = secret_file(tmp_path / "passphrase", PASSPHRASE.secret)
    words = [str(tmp_path / "v"), str(tmp_path / "out"), "--plaintext", "--passphrase-file", str(given)]
    assert export.main([*words, "--as", "a clerk", "--purpose", "PATRQT"]) == 0
    with reopen(tmp_path / "v") as vault:
        found = account(vault, surrogate(vault, ONE))
    (gone,) = (one for one in found.entries if isinstance(one.event, SubjectExported))
    assert gone.session is not None
    assert (gone.session.principal, gone.session.purpose) == ("a clerk", "PATRQT")


@pytest.mark.parametrize("harm", ["zeros", "gone"])
@pytest.mark.parametrize("index", [True, False])
def test_where_a_leaf_that_is_counted_is_lost_there_is_no_accounting(tmp_path: Path, harm: str, index: bool) -> None:
    with create(tmp_path / "v") as vault:
        vault.maintenance.mirror_segments(on=True)
        for number in range(2):
            put(vault, b"%d" % number, subject=ONE)
            vault.settle()
        vault.maintenance.run(60)
        subject = surrogate(vault, ONE)
        assert len(account(vault, subject).entries) > 3
    lost = [path for path in (tmp_path / "v").rglob("*.vseg") if "audit" in path.parts]
    assert len({path.name for path in lost}) < len(lost), "each has its mirror"
    for path in lost:
        if harm == "zeros":
            path.write_bytes(bytes(path.stat().st_size))
        else:
            path.unlink()
    if not index:
        shutil.rmtree(tmp_path / "v" / "index")
    with reopen(tmp_path / "v") as vault:
        put(vault, b"later", subject=ONE)
        with pytest.raises(VaultDamaged):
            account(vault, subject)


class _Back:
    """A clock that brings files back once the vault has settled: their medium was away while it did."""

    def __init__(self) -> None:
        self.vault: vaultfs.Vault | None = None
        self.generation = 0
        self.away: list[Path] = []

    def __call__(self) -> int:
        if self.vault is not None and self.vault.engine.head.generation > self.generation:
            while self.away:
                path = self.away.pop()
                path.with_suffix(".away").rename(path)
        return 1_700_000_000_000_000


def test_where_heads_could_not_be_stated_there_is_no_accounting_until_they_are(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        for number in range(2):
            put(vault, b"%d" % number, subject=ONE)
            vault.settle()
        subject = surrogate(vault, ONE)
        vault.rebuild_index()
    clock = _Back()
    clock.away = [path for path in (tmp_path / "v").rglob("*.vseg") if "audit" in path.parts]
    assert clock.away
    for path in clock.away:
        path.rename(path.with_suffix(".away"))
    with reopen(tmp_path / "v", options=vaultfs.Options(clock=clock)) as vault:
        clock.vault, clock.generation = vault, vault.engine.head.generation
        with pytest.raises(VaultDamaged):
            account(vault, subject)
        assert not clock.away
        found = account(vault, subject)
        found.proof.verify(LogView(vault).keys)
        assert [type(one.event) for one in found.entries].count(SubjectAccounted) == 2


class _Meanwhile:
    """Has another thread act each time that the log is about to be read, and waits until it has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]) -> None:
        self.acts, self.left, self.reads = acts, list(acts), 0
        for module in (view, moving):
            monkeypatch.setattr(module, "leaves", self)

    def __call__(self, *args: Any) -> Iterator[Leaf]:
        self.reads += 1
        if self.left:
            thread = threading.Thread(target=self.left.pop(0), daemon=True)
            thread.start()
            thread.join(20)
            assert not thread.is_alive(), "it waits for the accounting"
        return leaves(*args)


def test_commits_go_on_while_it_is_read(vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = surrogate(vault, ONE)
    meanwhile = _Meanwhile(monkeypatch, *[lambda: put(vault, b"meanwhile", subject=ONE)] * 3)
    found = account(vault, subject)
    assert (meanwhile.reads, meanwhile.left) == (3, [])
    found.proof.verify(LogView(vault).keys)
    assert [type(one.event) for one in found.entries][-1] is SubjectAccounted
    assert len(account(vault, subject).entries) == len(found.entries) + 4


def test_settlings_go_on_while_it_is_read(vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = surrogate(vault, ONE)
    account(vault, subject)

    def settled() -> None:
        put(vault, b"meanwhile", subject=ONE)
        vault.settle()

    with kept_apart():
        meanwhile = _Meanwhile(monkeypatch, settled)
        found = account(vault, subject)
    assert meanwhile.reads == 3
    found.proof.verify(LogView(vault).keys)
    assert len(account(vault, subject).entries) == len(found.entries) + 2


@pytest.mark.parametrize("times", [1, 3])
def test_what_a_settling_has_moved_is_read_again_and_in_the_end_alone(
    vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    subject = surrogate(vault, ONE)

    def merged() -> None:
        put(vault, b"meanwhile", subject=ONE)
        with kept_apart(fan=2):
            vault.settle()

    meanwhile = _Meanwhile(monkeypatch, *[merged] * times)
    found = account(vault, subject)
    assert meanwhile.reads == times + 3
    found.proof.verify(LogView(vault).keys)
    assert [type(one.event) for one in found.entries].count(RecordPut) == 3 + times


def test_a_proof_shows_nothing_in_its_repr(vault: vaultfs.Vault) -> None:
    found, _ = accounted(vault)
    assert repr(found.proof) == "<SubjectProof>"
    assert repr(found.proof.groups[0][0]) == "<Counted>"

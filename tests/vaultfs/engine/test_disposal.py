"""What was disposed of, in three turns one after the other, is had from no copy that there ever was, by nobody.

Copied are the vault, its second place, a reader's log and a backup, before each turn; the vault lives on meanwhile: it
settles, merges segments, imports and is read. Then all of these copies together are in the hands of somebody who has
everything that opens the vault as it stands (`adversary.py`).
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pytest
from vaultfs_format import sha2
from vaultfs_tools import backup, fsck

import vaultfs
from tests.vaultfs.engine.adversary import Adversary, contents
from tests.vaultfs.migrate.support import MRN, ndjson, observation
from tests.vaultfs.migrate.support import patient as resource
from tests.vaultfs.support import PASSPHRASE, WHO, create, get, put, read_only, reopen
from vaultfs.engine.reading.subjects import encode_identifier
from vaultfs.keys.stores import DirectoryStore, EpochStore
from vaultfs.migrate.importer import Importer
from vaultfs.storage.copies import confirm_keys, copies_of

TURNS = ([0, 1], [2], [3])
"""Who is disposed of, by turn."""

PATIENTS = 7
LARGE = 150_000


@dataclass
class Person:
    """A patient of whom much is unlike that of anybody else: what is found of it is of this one.

    Parameters
    ----------
    mark
        Stands in all that is kept in the name of the person.
    """

    number: int
    mark: str = field(default_factory=lambda: os.urandom(12).hex())
    records: dict[vaultfs.RecordId, bytes] = field(default_factory=dict)

    @property
    def identifier(self) -> vaultfs.Identifier:
        return vaultfs.Identifier(MRN, f"mrn-{self.mark}")

    @property
    def source(self) -> str:
        """The name of the file that the person's records are imported from."""
        return f"patient-{self.mark}.ndjson"

    def file(self) -> bytes:
        """Return what is in that file."""
        own = resource(self.mark, (MRN, self.identifier.value), name=f"family-{self.mark}")
        return ndjson(own, observation(f"o-{self.mark}", f"Patient/{self.mark}", f"value {self.mark}")).encode()

    def fill(self, vault: vaultfs.Vault, round_: int) -> None:
        """Put records of the person, small ones and a large one, old versions and deletions among them."""
        text = f"{self.mark} in round {round_} ".encode()
        for data in (text, text * (LARGE // len(text)), os.urandom(LARGE) + text):
            self.records[put(vault, data, subject=self.identifier)] = data
        with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
            old = txn.put(b"old " + text, kind="Observation", subject=self.identifier)
        with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
            txn.put(b"new " + text, kind="Observation", subject=self.identifier, replaces=old)
            txn.delete(next(iter(self.records)))
        self.records.pop(next(iter(self.records)))
        self.records[old] = b"new " + text

    def guesses(self, known: Adversary) -> dict[str, bytes]:
        """Return what would confirm a guess of the person, with the keys that there are, by what it stands for."""
        token = known.chain.identifier_token(encode_identifier(self.identifier))
        found = {
            "identifier token": token,
            "key in the index": known.chain.alias_keys([token])[0],
            "digest of the source file": known.chain.suite.digest(self.file()),
            "SHA-256 of the source file": sha2.digest(self.file()),
            "mark": self.mark.encode(),
        }
        for number, data in enumerate(self.records.values()):
            for of, key in enumerate(known.content_keys):
                found[f"content id of record {number} by key {of}"] = known.chain.content_id(key, data)
        return found


@dataclass
class Scene:
    """What there is when everything has happened: the vault, its stores, and all copies that were ever made."""

    path: Path
    copies: Path
    stores: list[EpochStore]
    people: list[Person]
    sources: str
    """The root of the import."""

    @property
    def gone(self) -> list[Person]:
        return [self.people[number] for number in chain(*TURNS)]

    @property
    def raw(self) -> list[bytes]:
        """Every file that there ever was, but for the stores and what was imported."""
        return [*contents(self.copies), *contents(self.path), *contents(self.path.with_name("second"))]

    @property
    def left(self) -> list[Person]:
        return [one for one in self.people if one not in self.gone]


def live(vault: vaultfs.Vault, people: list[Person], round_: int) -> None:
    """Fill a vault; some of it is settled, some lies in journals."""
    for person in people:
        person.fill(vault, round_)
    vault.settle()
    for person in people:
        person.fill(vault, round_ + 1)


def merge(vault: vaultfs.Vault, person: Person) -> None:
    """Settle often, so that segments are merged into others."""
    for number in range(12):
        put(vault, b"later %d" % number, subject=person.identifier)
        vault.settle()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    place = tmp_path_factory.mktemp("disposal")
    path, second, sources, copies = place / "v", place / "second", place / "legacy", place / "copies"
    stores: list[EpochStore] = [DirectoryStore(place / "store"), DirectoryStore(place / "other store")]
    people = [Person(number) for number in range(PATIENTS)]
    sources.mkdir()
    for person in people:
        (sources / person.source).write_bytes(person.file())
    create(path, epoch_stores=stores, copies=second).close()
    for number, turn in enumerate(TURNS):
        there = [one for one in people if one.number not in chain(*TURNS[:number])]
        with reopen(path, epoch_stores=stores) as vault, read_only(path, epoch_stores=stores) as reader:
            if number == 0:
                with vault.session(WHO, "TREAT") as session:
                    assert not Importer(vault, session).run([sources]).differing
            live(vault, there, 10 * number)
            for person in there:
                with reader.session(WHO, "TREAT") as session:
                    for info in session.find(subject=person.identifier):
                        session.get(info.id)
            for root in (path, second):
                shutil.copytree(root, copies / f"amid {number}" / root.name)
        for root in (path, second):
            shutil.copytree(root, copies / f"closed {number}" / root.name)
        with reopen(path, epoch_stores=stores) as vault:
            vault.settle()
        assert backup.main(["copy", str(path), str(copies / "backup")]) == 0
        shutil.copytree(copies / "backup", copies / f"backup {number}")
        with reopen(path, epoch_stores=stores) as vault:
            merge(vault, people[-1])
            with vault.session(WHO, "TREAT") as session:
                subjects = [session.subjects(people[one].identifier)[0] for one in turn]
            vault.keys.turn(PASSPHRASE, subjects)
    with reopen(path, epoch_stores=stores) as vault:
        (copy,) = copies_of(vault)
        confirm_keys(vault, copy, vault.engine.head.epoch)
        vault.retire()
    return Scene(path, copies, stores, people, str(sources))


@pytest.fixture(scope="module")
def adversary(scene: Scene) -> Adversary:
    return Adversary(scene.path, scene.stores)


@pytest.fixture(scope="module")
def opened(scene: Scene, adversary: Adversary) -> list[bytes]:
    """Return all that can be read of every file that there ever was."""
    return adversary.opened(scene.path.parent)


def test_the_keys_of_earlier_epochs_are_in_no_store(scene: Scene) -> None:
    with reopen(scene.path, epoch_stores=scene.stores) as vault:
        assert [store.epochs(vault.id) for store in scene.stores] == [[vault.engine.head.epoch]] * 2
        assert vault.engine.head.epoch == 1 + len(TURNS)


def test_everything_was_copied_that_a_vault_leaves(scene: Scene) -> None:
    """The control of the scene: journals with what was not settled, a reader's log, old indexes, merged segments."""
    for pattern in ("*.vjrn", "*.vacc", "data.mdb", "*.part", "*.vkey.1", "keyring.1", "keyring.2"):
        assert [*scene.copies.rglob(pattern)], pattern
    assert [*scene.path.glob("retired/*")]
    now = {one.name for one in scene.path.rglob("*.vseg")}
    assert {one.name for one in scene.copies.rglob("*.vseg")} - now


def test_of_what_was_disposed_of_nothing_is_had_from_all_copies_with_all_keys(
    scene: Scene, opened: list[bytes]
) -> None:
    everything = [*opened, *scene.raw]
    for person in scene.gone:
        assert not [one for one in everything if person.mark.encode() in one]


def test_no_guess_of_who_or_what_was_disposed_of_is_confirmed(
    scene: Scene, adversary: Adversary, opened: list[bytes]
) -> None:
    """By tokens of identifiers, keys of the index, ids of contents, digests of files, by each key that is left."""
    everything = b"\0".join([*opened, *scene.raw])
    assert len(adversary.content_keys) > len(scene.left)
    for person in scene.gone:
        assert [what for what, guess in person.guesses(adversary).items() if guess in everything] == []


def test_of_a_file_whose_patients_are_gone_its_token_alone_is_left(
    scene: Scene, adversary: Adversary, opened: list[bytes]
) -> None:
    """Known, and stated in SECURITY.md: who guesses root and path of an import has it confirmed, and nothing else."""
    everything = b"\0".join(opened)
    for person in scene.gone:
        assert adversary.chain.source_token(scene.sources, person.source) in everything
        assert person.source.encode() not in everything


def test_the_same_guesses_confirm_who_is_still_there(scene: Scene, adversary: Adversary, opened: list[bytes]) -> None:
    """The control: what is looked for would be found."""
    everything = b"\0".join([*opened, *contents(scene.path)])
    for person in scene.left:
        found = {what for what, guess in person.guesses(adversary).items() if guess in everything}
        assert {"identifier token", "key in the index", "mark"} <= found
        assert len([what for what in found if what.startswith("content id")]) >= len(person.records)


def test_segments_of_a_backup_and_the_tables_of_now_give_all_of_the_others(scene: Scene, tmp_path: Path) -> None:
    """They are older than the last turn, and the vault has merged some of them since."""
    shutil.copytree(scene.copies / "backup", tmp_path / "old", ignore=shutil.ignore_patterns("*.vkey.*", "keyring.*"))
    shutil.copytree(scene.path, tmp_path / "now", ignore=shutil.ignore_patterns("*.vseg", "*.vjrn"))
    found = Adversary(scene.path, scene.stores).opened(tmp_path)
    for person in scene.left:
        for data in person.records.values():
            assert any(data in one for one in found)
    for person in scene.gone:
        assert not any(person.mark.encode() in one for one in found)


def test_the_vault_gives_all_of_the_others_byte_for_byte(scene: Scene) -> None:
    with reopen(scene.path, epoch_stores=scene.stores) as vault:
        for person in scene.left:
            assert {record: get(vault, record) for record in person.records} == person.records
    assert fsck.main([str(scene.path), "--check-only"]) == 0

"""Signers hand over: who has today's keys alone can put nothing in the place of what earlier signers have signed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from vaultfs_format import merkle
from vaultfs_format.errors import SignatureInvalid
from vaultfs_format.events.keys import SignerAdded
from vaultfs_format.handover import Handover
from vaultfs_format.head import Head
from vaultfs_format.keyring import Compartment, Keyring, SigningTag
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import HANDOVER, SIGNER, PublicKey, Superblock
from vaultfs_tools import fsck
from vaultfs_tools.keyless import Severity, VaultFiles
from vaultfs_tools.keyless import check as checked
from vectors.world import with_tree

import vaultfs
from tests.vaultfs.support import PASSPHRASE, crashed, create, get, put, read_only, reopen
from vaultfs.audit.log import read_leaves
from vaultfs.engine.files.paths import Layout
from vaultfs.engine.opening.unlocking import Opener
from vaultfs.errors import CommitmentMismatch, EpochSecretMissing, NotAuthentic
from vaultfs.keys.chain import open_signing
from vaultfs.vfs import Vfs


def signing_of(vault: Path) -> SigningKeys:
    """Return the private keys of the signer of a vault that opens."""
    opener = Opener(Vfs(), Layout(vault), PASSPHRASE, [])
    unlocked = opener.unlock()
    return open_signing(opener.keys(unlocked)[1], unlocked.epoch_root)


class Line(NamedTuple):
    """A vault of three signers, whose journals are settled, and what somebody with its keys of today knows.

    Parameters
    ----------
    earlier
        The private keys of the signers before, which somebody had kept.
    hashes
        Those of all leaves but the last.
    """

    path: Path
    record: vaultfs.RecordId
    earlier: Sequence[SigningKeys]
    keys: SigningKeys
    epoch_root: bytes
    root_key: bytes
    hashes: Sequence[bytes]

    @property
    def head(self) -> Head:
        """Return the head in force."""
        return Head.decode((self.path / "head").read_bytes())

    @property
    def superblock_name(self) -> str:
        """Return the name of VAULT."""
        return f"VAULT.{self.head.superblock_generation}"

    @property
    def superblock(self) -> Superblock:
        """Return VAULT."""
        return Superblock.decode((self.path / self.superblock_name).read_bytes())

    def put_head(self, keys: SigningKeys, **changes: Any) -> None:
        """Write a head that is authentic, and signed with these keys."""
        head = with_tree(replace(self.head, signer=keys.signer.number, **changes), self.hashes)
        head = replace(head, signatures=keys.sign_head(head.statement()))
        for place in ("head", "copies/head"):
            (self.path / place).write_bytes(head.encode(self.epoch_root))

    def put_keys(self, signers: Sequence[bytes], handovers: Sequence[Handover]) -> None:
        """Write a VAULT with these signers and handovers, and a head that names it."""
        old = self.superblock
        keys = [key for key in old.public_keys if key.purpose not in (SIGNER, HANDOVER)]
        keys += [PublicKey(SIGNER, one) for one in signers]
        keys += [PublicKey(HANDOVER, one.encode()) for one in handovers]
        data = replace(old, public_keys=keys).encode(self.root_key)
        for place in ("", "copies"):
            (self.path / place / f"VAULT.{old.generation}").write_bytes(data)
        self.put_head(self.keys, superblock_digest=DEFAULT.digest(data))

    def signers(self) -> list[bytes]:
        """Return the values of the signers."""
        return [one.encode() for one in self.superblock.signers()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Line:
    place, earlier = tmp_path_factory.mktemp("line"), []
    with create(place / "v") as vault:
        record = put(vault)
        for _ in range(2):
            earlier.append(signing_of(place / "v"))
            vault.keys.turn(PASSPHRASE, new_signer=True)
            put(vault)
        vault.settle()
        leaves = [leaf.entry.encode() for leaf in read_leaves(vault)]
        path = crashed(place / "v", place / "settled")
        data = (path / f"VAULT.{vault.engine.head.superblock_generation}").read_bytes()
        root_key = bytes(PASSPHRASE.unlock(Superblock.decode(data)))
        epoch_root = bytes(vault.engine.chain.epoch_root)
        size = vault.engine.head.tree_size
    for journal in path.rglob("*.vjrn"):  # it has nothing but the event of the settling
        journal.unlink()
    hashes = merkle.audit_leaves(DEFAULT, leaves[: size - 1])
    return Line(path, record, earlier, signing_of(path), epoch_root, root_key, hashes)


@pytest.fixture
def line(made: Line, tmp_path: Path) -> Line:
    """Return a copy of it that a test may change."""
    return made._replace(path=crashed(made.path, tmp_path / "line"))


def found(line: Line, signer: bytes | None = None) -> list[tuple[str, str]]:
    """Return what a check without keys finds wrong, and in which file."""
    report = checked(VaultFiles(line.path), signer=signer)
    return [(type(one.error).__name__, one.file) for one in report.findings if one.severity is Severity.ERROR]


# What a handover says.


def test_the_signer_before_has_settled_an_event_that_names_the_next(line: Line) -> None:
    superblock = line.superblock
    with reopen(line.path) as vault:
        leaves = list(read_leaves(vault))
    added = {leaf.event.signer: (leaf.index, leaf.event) for leaf in leaves if isinstance(leaf.event, SignerAdded)}
    assert added.keys() == {2, 3}
    for handover, signer in zip(superblock.handovers(), superblock.signers()[1:], strict=True):
        index, event = added[signer.number]
        assert event.fingerprint == signer.fingerprint == handover.fingerprint
        assert index < handover.tree_size


def test_the_part_of_each_signer_ends_where_it_says(made: Line) -> None:
    hashes = list(made.hashes)
    superblock = made.superblock
    superblock.check_line()
    for handover in superblock.handovers():
        tree = merkle.CompactRange(merkle.audit_nodes(DEFAULT))
        tree.extend(hashes[: handover.tree_size])
        assert tree.root(merkle.AUDIT_EMPTY) == handover.tree_root
    sizes = [one.tree_size for one in superblock.handovers()]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] < made.head.tree_size


def test_the_private_keys_go_with_the_epoch(tmp_path: Path) -> None:
    with create(tmp_path / "v") as vault:
        put(vault)
        old = crashed(tmp_path / "v", tmp_path / "old")
        vault.keys.turn(PASSPHRASE, new_signer=True)
        today = bytes(vault.engine.chain.epoch_root)
        before = Keyring.decode((old / "keyring.1").read_bytes())
        with pytest.raises(NotAuthentic):
            before.open(today, Compartment.SIGNING)
        now = Keyring.decode((tmp_path / "v" / "keyring.2").read_bytes()).open(today, Compartment.SIGNING)
        assert bytes(now[SigningTag.NUMBER]) == (2).to_bytes(4, "little")
        store = tmp_path / "today.epoch"
        shutil.copytree(tmp_path / "v.epoch", store)
    with pytest.raises(EpochSecretMissing):
        reopen(old, epoch_stores=[vaultfs.DirectoryStore(store)])


# What somebody with the keys of today, and some of before, may try.


def resigned(number: int) -> Callable[[Line], None]:
    return lambda line: line.put_head(line.earlier[number - 1])


def dropped(line: Line) -> None:
    line.put_keys(line.signers(), line.superblock.handovers()[:1])


def first_dropped(line: Line) -> None:
    line.put_keys(line.signers()[1:], line.superblock.handovers()[1:])


def swapped(line: Line) -> None:
    line.put_keys(line.signers(), line.superblock.handovers()[::-1])


def forged(line: Line, **changes: Any) -> None:
    one, two = line.superblock.handovers()
    line.put_keys(line.signers(), [one, replace(two, **changes).signed(line.keys)])


def cut_short(line: Line) -> None:
    """The log of the second signer was cut off, and its handover made to fit by who has the keys of the third."""
    forged(line, tree_size=line.superblock.handovers()[1].tree_size - 1)


def of_another_vault(line: Line) -> None:
    one, two = line.superblock.handovers()
    line.put_keys(line.signers(), [one, replace(two, vault_id=bytes(16)).signed(line.earlier[1])])


def another_signer_before(line: Line) -> None:
    """The second signer is one whose keys the forger has, so that it can sign anything."""
    own = SigningKeys(DEFAULT, 2, bytes(96))
    one, two = line.superblock.handovers()
    first, _, last = line.signers()
    line.put_keys([first, own.signer.encode(), last], [one, two.signed(own)])


@pytest.mark.parametrize(
    ("attack", "where"),
    [
        (resigned(1), "head"),
        (resigned(2), "head"),
        (dropped, "VAULT"),
        (first_dropped, "VAULT"),
        (swapped, "VAULT"),
        (forged, "VAULT"),
        (cut_short, "VAULT"),
        (of_another_vault, "VAULT"),
        (another_signer_before, "VAULT"),
    ],
)
def test_it_is_found_by_opening_and_without_keys(line: Line, attack: Callable[[Line], None], where: str) -> None:
    attack(line)
    named = found(line)
    assert ("SignatureInvalid", line.superblock_name if where == "VAULT" else where) in named
    with pytest.raises(SignatureInvalid):
        reopen(line.path)
    with pytest.raises(SignatureInvalid):
        read_only(line.path)
    assert fsck.main([str(line.path), "--check-only"]) == 4


def test_a_log_that_goes_on_where_it_was_not_handed_over_is_found(line: Line) -> None:
    """Even one that the signer before has handed over by mistake: what it has stated is not what is there."""
    one, two = line.superblock.handovers()
    line.put_keys(line.signers(), [one, replace(two, tree_root=bytes(32)).signed(line.earlier[1])])
    assert found(line) == [("TreeMismatch", line.superblock_name)]
    with reopen(line.path, accept_older=True) as vault, pytest.raises(CommitmentMismatch):
        list(read_leaves(vault))


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_log_that_ends_before_a_handover_is_found(line: Line, beyond: int) -> None:
    one, two = line.superblock.handovers()
    size = line.head.tree_size + beyond
    line.put_keys(line.signers(), [one, replace(two, tree_size=size).signed(line.earlier[1])])
    assert ("SignatureInvalid", "head") in found(line)
    with pytest.raises(SignatureInvalid):
        reopen(line.path)


# Fingerprints that were noted.


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_fingerprint_of_any_signer_leads_to_the_newest(
    line: Line, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    noted = line.superblock.signers()[number - 1].fingerprint
    report = checked(VaultFiles(line.path), signer=noted)
    assert report.pinned
    assert report.findings == []
    assert fsck.main([str(line.path), "--check-only", "--signer", noted.hex()]) == 0
    assert capsys.readouterr().out.endswith("\nconsistent\n")


@pytest.mark.parametrize("attack", [dropped, first_dropped, forged, another_signer_before])
def test_a_fingerprint_leads_no_further_than_handovers_do(line: Line, attack: Callable[[Line], None]) -> None:
    noted = line.superblock.signers()[0].fingerprint
    attack(line)
    assert ("SignerUnknown", "head") in found(line, noted)


def test_what_was_written_is_there_whoever_signs(line: Line) -> None:
    with reopen(line.path) as vault:
        assert get(vault, line.record) == b"data"
        assert vault.engine.signing.signer.number == 3

"""A vault that somebody else has written to, and copies whose head cannot be read: nothing of the copy is replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from vaultfs_format.copymark import CopyMark
from vaultfs_format.errors import SignatureInvalid
from vaultfs_format.head import Head
from vaultfs_format.signing import SEEDS, SigningKeys
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import SIGNER, PublicKey, Superblock
from vaultfs_tools.copying import restore
from vaultfs_tools.copying.errors import CopyUnreadable, SourceOlder, SourceUnproved
from vaultfs_tools.keyless.errors import SignerUnknown

from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.copying.support import copy, errors
from tests.vaultfs_tools.copying.test_copying import add

HEADS = ("head", "copies/head")
SUPERBLOCKS = ("VAULT.1", "copies/VAULT.1")


def forge(vault: Path, **changes: object) -> Head:
    """Write a head that names no segments, and nobody has signed, to both places of a vault."""
    head = vaults.head_of(vault)
    forged = vaults.changed(head, generation=head.generation + 1, segments=type(head.segments)(), **changes)
    for name in HEADS:
        (vault / name).write_bytes(forged.encode(bytes(32)))
    return forged


def add_signer(vault: Path) -> bytes:
    """Have a vault name a further signer, who signs a head that names no segments; return the fingerprint."""
    superblock = Superblock.decode((vault / "VAULT.1").read_bytes())
    keys = SigningKeys(DEFAULT, 2, os.urandom(SEEDS))
    named = [*superblock.public_keys, PublicKey(SIGNER, keys.signer.encode())]
    data = Superblock(superblock.suite, superblock.vault_id, 1, superblock.stanzas, named).encode(bytes(32))
    for name in SUPERBLOCKS:
        (vault / name).write_bytes(data)
    forged = forge(vault, superblock_digest=superblock.suite.digest(data), signer=2)
    signed = vaults.changed(forged, signatures=keys.sign_head(forged.statement()))
    for name in HEADS:
        (vault / name).write_bytes(signed.encode(bytes(32)))
    return keys.signer.fingerprint


def signer_of(vault: Path) -> bytes:
    """Return the fingerprint of the signer of a vault."""
    return Superblock.decode((vault / "VAULT.1").read_bytes()).signer(1).fingerprint


@pytest.mark.parametrize("given", [True, False])
def test_a_head_whose_signer_nobody_can_tell_replaces_nothing(vault: Path, made: Path, given: bool) -> None:
    signer = signer_of(vault) if given else None
    before = vaults.tree(made)
    forge(vault, superblock_digest=os.urandom(32))
    for verify in (False, True):
        with pytest.raises(SourceUnproved):
            copy(vault, made, signer=signer, verify=verify)
    assert vaults.tree(made) == before


def test_a_first_copy_of_a_vault_without_its_signer_is_made_and_doubtful(vault: Path, tmp_path: Path) -> None:
    for name in SUPERBLOCKS:
        vaults.flip(vault / name, 100)
    for _ in range(2):
        assert errors(copy(vault, tmp_path / "new")) == [("VAULT.1", 1106)]
        assert CopyMark.decode((tmp_path / "new" / "copy").read_bytes()).doubtful
    assert vaults.rows_of(tmp_path / "new") == vaults.rows_of(vault)


def test_where_the_signer_is_given_and_cannot_be_told_nothing_is_copied_or_restored(
    vault: Path, made: Path, tmp_path: Path
) -> None:
    signer = signer_of(vault)
    for place in (vault, made):
        for name in SUPERBLOCKS:
            vaults.flip(place / name, 100)
    with pytest.raises(SourceUnproved):
        copy(vault, tmp_path / "new", signer=signer)
    assert not list((tmp_path / "new").rglob("*.vseg"))
    with pytest.raises(SourceUnproved):
        restore(made, tmp_path / "restored", signer=signer)
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("given", ["nobody", "the first", "the added one"])
def test_a_signer_that_was_added_without_a_handover_signs_nothing_that_is_copied(
    vault: Path, made: Path, given: str
) -> None:
    before = vaults.tree(made)
    first = signer_of(vault)
    added = add_signer(vault)
    signer = {"nobody": None, "the first": first, "the added one": added}[given]
    with pytest.raises(SignatureInvalid):
        copy(vault, made, signer=signer)
    for name in SUPERBLOCKS:
        (made / name).unlink()
    with pytest.raises(SignatureInvalid):
        copy(vault, made, signer=signer)
    assert vaults.tree(made) == {name: data for name, data in before.items() if name not in SUPERBLOCKS}


@pytest.mark.parametrize("given", [True, False])
def test_a_copy_follows_to_whom_its_signer_has_handed_over(vault: Path, made: Path, given: bool) -> None:
    first = signer_of(vault)
    with vaults.opened(vault) as source:
        source.keys.turn(vaults.unlocking(), new_signer=True)
    done = copy(vault, made, signer=first if given else None)
    assert done.report.pinned is given
    assert done.report.signer != first
    assert vaults.head_of(made).signer == 2
    assert vaults.findings(made) == []


def test_a_copy_does_not_follow_where_another_signer_of_its_number_has_handed_over(vault: Path, tmp_path: Path) -> None:
    """Another vault, with the id and the later head of this one."""
    made = tmp_path / "copy"
    copy(vault, made)
    stranger = SigningKeys(DEFAULT, 1, os.urandom(SEEDS))
    head = vaults.head_of(made)
    forged = vaults.changed(head, signatures=stranger.sign_head(head.statement()))
    for name in HEADS:
        (made / name).write_bytes(forged.encode(bytes(32)))
    with vaults.opened(vault) as source:
        source.keys.turn(vaults.unlocking(), new_signer=True)
    with pytest.raises(SignerUnknown):
        copy(vault, made)


@pytest.mark.parametrize("newer", [True, False])
def test_a_copy_whose_head_cannot_be_read_is_not_written_over(full: Path, vault: Path, made: Path, newer: bool) -> None:
    """What it holds may be newer than the vault that was put back."""
    add(vault, settle=True)
    copy(vault, made)
    for name in HEADS:
        if newer:
            vaults.make_newer(made / name)
        else:
            vaults.flip(made / name, 200)
    before = vaults.tree(made)
    with pytest.raises(CopyUnreadable):
        copy(full, made)
    assert vaults.tree(made) == before
    assert errors(copy(full, made, allow_older=True)) == []
    assert vaults.head_of(made) == vaults.head_of(full)


def test_of_two_damaged_heads_of_a_copy_what_they_give_together_counts(full: Path, vault: Path, made: Path) -> None:
    add(vault, settle=True)
    copy(vault, made)
    expected = vaults.tree(made)
    vaults.flip(made / "head", 200)
    vaults.flip(made / "copies" / "head", 300)
    with pytest.raises(SourceOlder):
        copy(full, made)
    assert errors(copy(vault, made)) == []
    assert vaults.tree(made) == expected

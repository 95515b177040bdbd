"""Which head is in force, and that nothing is ever healed from one that the vault's signer has not signed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format.head import Head
from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import SIGNER, PublicKey, Superblock
from vaultfs_tools.keyless import Finding, Severity, VaultFiles, check, heal
from vaultfs_tools.keyless.files import copy_name, table_name

from tests.vaultfs_tools import vaults

STRANGER = SigningKeys(DEFAULT, 1, bytes(96))


def fingerprint(vault: Path) -> bytes:
    """Return the fingerprint of the signer of a vault."""
    return vaults.signing_of(vault).signer.fingerprint


def healed(vault: Path, signer: bytes | None = None) -> list[Finding]:
    """Check a vault and heal it; return what was found."""
    report = check(VaultFiles(vault), signer=signer)
    heal(VaultFiles(vault), report)
    return report.findings


def told(found: list[Finding]) -> set[tuple[str, str, Severity]]:
    return {(f.file, type(f.error).__name__, f.severity) for f in found}


def left_alone(vault: Path, signer: bytes | None = None) -> list[str]:
    """Check and heal a vault, to which nothing must be written; return what is left of what was found."""
    before = vaults.tree(vault)
    found = healed(vault, signer)
    assert Severity.CORRECTED not in {f.severity for f in found}
    assert vaults.tree(vault) == before
    return [type(f.error).__name__ for f in found if f.severity is Severity.ERROR]


def put(vault: Path, place: str, head: Head) -> None:
    (vault / place).write_bytes(head.encode(bytes(32)))


def signed_by_stranger(head: Head) -> Head:
    return replace(head, signatures=STRANGER.sign_head(head.statement()))


def take_over(vault: Path, *, generation: int) -> None:
    """Put what a stranger has made in the place of all copies: VAULT with other keys, a key table, and their head."""
    head = vaults.head_of(vault)
    files = VaultFiles(vault)
    known = Superblock.decode(files.read("VAULT.1"))
    keys = [key for key in known.public_keys if key.purpose != SIGNER]
    other = replace(known, public_keys=[*keys, PublicKey(SIGNER, STRANGER.signer.encode())]).encode(bytes(32))
    row, *rest = head.segments
    table = bytearray(files.read(table_name(row))[:-32])
    table[-1] ^= 1
    table += head.suite.digest(bytes(table))
    changed = replace(
        head,
        generation=generation,
        superblock_digest=head.suite.digest(other),
        segments=[row._replace(table_digest=bytes(table[-32:])), *rest],
    )
    (vault / "copies/VAULT.1").write_bytes(other)
    (vault / copy_name(table_name(row))).write_bytes(table)
    put(vault, "copies/head", signed_by_stranger(changed))


# One head is signed, the other is not.


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("place", ["head", "copies/head"])
@pytest.mark.parametrize("generation", [1, 3, 99])
def test_a_head_with_wrong_signatures_is_healed_from_the_signed_one(
    vault: Path, place: str, generation: int, *, pinned: bool
) -> None:
    signer = fingerprint(vault) if pinned else None
    before = vaults.tree(vault)
    put(vault, place, replace(vaults.head_of(vault), generation=generation, signatures=bytes(2484)))
    assert told(healed(vault, signer)) == {(place, "SignatureInvalid", Severity.CORRECTED)}
    assert vaults.tree(vault) == before
    vaults.opened(vault).close()


@pytest.mark.parametrize("generation", [2, 3, 4])
def test_with_the_signer_given_what_a_stranger_put_into_the_copies_is_healed(vault: Path, generation: int) -> None:
    signer = fingerprint(vault)
    before = vaults.tree(vault)
    take_over(vault, generation=generation)
    found = healed(vault, signer)
    assert ("copies/head", "SignerUnknown", Severity.CORRECTED) in told(found)
    assert {f.severity for f in found} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before


@pytest.mark.parametrize("generation", [2, 3, 4])
def test_without_it_two_signers_are_told_and_nothing_is_written(vault: Path, generation: int) -> None:
    take_over(vault, generation=generation)
    assert "HeadsDisagree" in left_alone(vault)


# No head is known to be the vault's.


def harm(vault: Path) -> None:
    """Damage one of each kind of what a good head would heal."""
    vaults.flip(vault / "copies/keyring.1", 60)
    vaults.flip(next((vault / "copies/segments").rglob("*.vkey.1")), 60)
    vaults.flip(next((vault / "segments").rglob("*.vseg")), 4200)
    vaults.flip(vaults.journals_of(vault)[0], 4200)


def test_what_is_harmed_is_healed_under_a_good_head(vault: Path) -> None:
    """The control of the tests that follow."""
    before = vaults.tree(vault)
    harm(vault)
    assert {f.severity for f in healed(vault)} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before


def test_under_a_head_with_wrong_signatures_nothing_is_healed(vault: Path) -> None:
    harm(vault)
    forged = signed_by_stranger(vaults.head_of(vault))
    for place in ("head", "copies/head"):
        put(vault, place, forged)
    assert left_alone(vault).count("SignatureInvalid") == 1


def test_two_heads_with_wrong_signatures_are_both_told(vault: Path) -> None:
    head = vaults.head_of(vault)
    put(vault, "head", signed_by_stranger(head))
    put(vault, "copies/head", signed_by_stranger(replace(head, generation=2)))
    assert left_alone(vault).count("SignatureInvalid") == 2


def test_where_the_signer_is_another_than_the_given_one_nothing_is_healed(vault: Path) -> None:
    harm(vault)
    assert "SignerUnknown" in left_alone(vault, bytes(32))


def test_where_vault_is_lost_nothing_is_healed(vault: Path) -> None:
    harm(vault)
    for place in ("VAULT.1", "copies/VAULT.1"):
        (vault / place).unlink()
    assert left_alone(vault).count("FileMissing") == 2


def test_where_no_head_is_left_that_the_given_signer_could_have_signed_nothing_is_healed(vault: Path) -> None:
    harm(vault)
    signer = fingerprint(vault)
    for place in ("head", "copies/head"):
        (vault / place).unlink()
    assert left_alone(vault, signer).count("FileMissing") == 2


def test_a_newer_head_that_names_a_vault_file_nobody_has_is_not_in_force(vault: Path) -> None:
    harm(vault)
    generation = vaults.head_of(vault).generation
    vaults.put_head(
        vault, vaults.changed(vaults.head_of(vault), generation=9, superblock_digest=bytes(32)), "copies/head"
    )
    assert vaults.checked(vault).generation == generation
    assert "HeadsDisagree" in left_alone(vault)


def test_an_older_head_that_names_a_vault_file_nobody_has_is_healed_where_the_signer_is_given(vault: Path) -> None:
    before, signer = vaults.tree(vault), fingerprint(vault)
    old = vaults.changed(vaults.head_of(vault), generation=2, superblock_digest=bytes(32))
    vaults.put_head(vault, old, "copies/head")
    assert left_alone(vault) == ["CopyStale"]
    assert told(healed(vault, signer)) == {("copies/head", "CopyStale", Severity.CORRECTED)}
    assert vaults.tree(vault) == before


@pytest.mark.parametrize("changes", [{"last_commit": 1}, {"vault_id": bytes(16)}])
def test_where_two_signed_heads_contradict_each_other_nothing_is_healed(
    vault: Path, changes: dict[str, object]
) -> None:
    harm(vault)
    vaults.put_head(vault, vaults.changed(vaults.head_of(vault), **changes), "copies/head")
    assert {"HeadsDisagree", "Disagreement"} & set(left_alone(vault))


def test_a_head_put_together_from_two_damaged_copies_heals_only_if_it_is_signed(vault: Path) -> None:
    before, forged = vaults.tree(vault), signed_by_stranger(vaults.head_of(vault))
    for number, place in enumerate(("head", "copies/head")):
        vaults.flip(vault / place, 40 + number)
    assert {f.severity for f in healed(vault)} == {Severity.CORRECTED}
    assert vaults.tree(vault) == before
    for number, place in enumerate(("head", "copies/head")):
        put(vault, place, forged)
        vaults.flip(vault / place, 40 + number)
    assert "SignatureInvalid" in left_alone(vault)

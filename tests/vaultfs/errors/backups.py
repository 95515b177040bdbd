"""Scenarios: what keeps a vault from being copied, or a copy from being restored."""

from __future__ import annotations

import fcntl

import pytest
from vaultfs_tools.copying import turn
from vaultfs_tools.copying.small import InForce

from tests.vaultfs.errors.world import World, flip, make, reaches


@reaches("PlacesOverlap")
def a_vault_should_be_copied_into_itself(world: World) -> set[int]:
    return world.backup("copy", world.path, world.path / "copy")


@reaches("OtherCopy")
def the_copy_of_another_vault_is_there(world: World) -> set[int]:
    world.backup("copy", make(world.stored / "other.vault"), world.stored / "copy")
    return world.backup("copy", world.path, world.stored / "copy")


@reaches("SourceOlder")
def a_vault_was_put_back_after_it_was_copied(world: World) -> set[int]:
    older = world.copy("older.vault")
    world.put(world.session())
    world.vaults[-1].settle()
    world.close()
    world.backup("copy", world.path, world.stored / "copy")
    return world.backup("copy", older, world.stored / "copy")


@reaches("CopyBusy")
def two_programs_copy_to_one_place(world: World) -> set[int]:
    world.backup("copy", world.path, world.stored / "copy")
    with (world.stored / "copy.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return world.backup("copy", world.path, world.stored / "copy")


@reaches("SourceChanging")
def the_vault_is_settled_whenever_it_was_looked_at(world: World) -> set[int]:
    """What is copied goes with every turn, as where small segments are merged again and again."""
    vault = world.opened()
    present = turn.Gatherer.gather

    def gather(self: turn.Gatherer, inforce: InForce) -> turn.Turn:
        world.put(world.session(vault))
        vault.settle()
        for path in world.path.rglob("*.vkey.1"):
            path.rename(path.with_suffix(".away"))
        found = present(self, inforce)
        for path in world.path.rglob("*.away"):
            path.rename(path.with_suffix(".1"))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turn.Gatherer, "gather", gather)
        return world.backup("copy", world.path, world.stored / "copy")


@reaches("PlaceTaken")
def a_copy_should_be_restored_over_something(world: World) -> set[int]:
    world.backup("copy", world.path, world.stored / "copy")
    return world.backup("restore", world.stored / "copy", world.path)


@reaches("BundleUnfit")
def the_key_bundle_is_older_than_the_copy(world: World) -> set[int]:
    world.backup("bundle", world.path, world.stored / "bundle")
    world.put(world.session())
    world.vaults[-1].settle()
    world.close()
    world.backup("copy", world.path, world.stored / "copy")
    return world.backup("restore", world.stored / "copy", world.stored / "new", "--bundle", world.stored / "bundle")


@reaches("ReportInvalid")
def a_report_is_no_report(world: World) -> set[int]:
    report = world.stored / "report.json"
    report.write_bytes(b"all is well")
    return world.backup("verify-report", report, "--vault", world.path)


@reaches("CopyUnreadable")
def the_heads_of_a_copy_have_rotted(world: World) -> set[int]:
    world.backup("copy", world.path, world.stored / "copy")
    for name in ("head", "copies/head"):
        flip(world.stored / "copy" / name, 200)
    return world.backup("copy", world.path, world.stored / "copy")


@reaches("SourceUnproved")
def a_vault_has_lost_whom_it_is_signed_by(world: World) -> set[int]:
    signer = "0" * 64
    for path in world.path.rglob("VAULT.1"):
        path.unlink()
    return world.backup("copy", world.path, world.stored / "copy", "--signer", signer)


@reaches("DirectoryLinked")
def a_directory_of_a_copy_leads_elsewhere(world: World) -> set[int]:
    world.backup("copy", world.path, world.stored / "copy")
    (world.stored / "copy" / "journal").rename(world.stored / "away")
    (world.stored / "copy" / "journal").symlink_to(world.stored / "away")
    return world.backup("copy", world.path, world.stored / "copy")

"""Scenarios: what keeps a rescue from its work, and what it does not give back."""

from __future__ import annotations

import shutil

from tests.vaultfs.errors.world import PATIENT, PLANTED, World, flip, make, reaches
from tests.vaultfs_tools import vaults


@reaches("SuperblockLost")
def both_copies_of_vault_are_damaged_alike(world: World) -> set[int]:
    for place in ("VAULT.1", "copies/VAULT.1"):
        flip(world.path / place, 100)
    return world.rescue()


@reaches("SecretLost")
def the_epoch_store_is_gone(world: World) -> set[int]:
    shutil.rmtree(world.path.with_name(world.path.name + ".epoch"))
    return world.rescue()


@reaches("VaultsMixed")
def the_files_of_two_vaults_lie_in_one_folder(world: World) -> set[int]:
    other = make(world.stored / "other.vault")
    shutil.copy(other / "VAULT.1", world.path / "VAULT.2")
    return world.rescue()


@reaches("OutputNotEmpty")
def there_is_something_where_a_rescue_should_go(world: World) -> set[int]:
    return world.rescue(out=world.hidden)


@reaches("OutputInside")
def a_rescue_should_go_into_the_vault(world: World) -> set[int]:
    return world.rescue(out=world.path / "segments")


@reaches("KeyLost")
def both_copies_of_all_key_tables_are_gone(world: World) -> set[int]:
    for path in world.path.rglob("*.vkey.1"):
        path.unlink()
    return world.rescue()


@reaches("PartLost")
def the_row_of_a_part_is_damaged(world: World) -> set[int]:
    with world.session() as session:
        world.put(session)
        journal = vaults.journals_of(world.path)[-1]
        size = journal.stat().st_size
        with session.transaction() as txn:
            txn.put(PLANTED.data("large", 1_200_000), kind="Binary", subject=PATIENT)
    world.close()
    vaults.flip_both(journal, journal.read_bytes().index(b"VFRM\0\2", size) + 32)
    return world.rescue()


@reaches("VersionLost")
def the_segment_of_a_first_version_is_gone(world: World) -> set[int]:
    before = set(world.path.rglob("*.vseg"))
    with world.session() as session:
        record = world.put(session)
        world.vaults[-1].settle()
        added = set(world.path.rglob("*.vseg")) - before
        world.put(session, replaces=record)
    world.close()
    for path in added:
        path.unlink()
    return world.rescue()


@reaches("StretchUnreadable")
def the_beginning_of_a_group_is_damaged(world: World) -> set[int]:
    journal = vaults.journals_of(world.path)[-1]
    vaults.flip_both(journal, vaults.groups_of(journal)[1])
    return world.rescue()


@reaches("BytesUnnamed")
def the_end_of_a_journal_is_cut_off(world: World) -> set[int]:
    journal = vaults.journals_of(world.path)[-1]
    vaults.write(journal, journal.read_bytes()[: vaults.groups_of(journal)[1]])
    return world.rescue()


@reaches("JournalLost")
def the_salt_of_a_journal_is_damaged(world: World) -> set[int]:
    vaults.flip_both(vaults.journals_of(world.path)[-1], 60)
    return world.rescue()

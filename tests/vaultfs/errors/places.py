"""Scenarios: the vault as a place, its secrets, its writer, and the operating system below it."""

from __future__ import annotations

import errno
import resource
import shutil
from pathlib import Path

import lmdb
from vaultfs_format.stanza import Argon2Cost

import vaultfs
from tests.vaultfs.errors.world import PATIENT, PLANTED, SECRET, WHO, World, reaches
from vaultfs.testing.vfs import FaultyVfs, Operation
from vaultfs.vfs import path_lock


@reaches("VaultExists")
def a_vault_is_created_where_one_is(world: World) -> None:
    vaultfs.create(world.path, recipients=[SECRET])


@reaches("VaultMissing")
def a_vault_is_opened_where_none_is(world: World) -> None:
    world.opened(world.hidden / PLANTED.plain("nowhere"))


@reaches("WriterBusy")
def a_vault_is_opened_twice(world: World) -> None:
    world.opened()
    world.opened(wait=0.05)


@reaches("NoRecipientMatches")
def a_passphrase_is_mistyped(world: World) -> None:
    world.opened(unlock=vaultfs.Passphrase(PLANTED.text("mistyped").encode()))


@reaches("NotEnoughMemory")
def a_passphrase_costs_more_memory_than_there_is(world: World) -> set[int]:
    def create() -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 29), used + (1 << 29)))
        costly = vaultfs.Passphrase(PLANTED.text("passphrase").encode(), Argon2Cost(1 << 20, 1, 1))
        vaultfs.create(world.stored / "new", recipients=[costly])

    return world.in_a_child(create)


@reaches("EpochSecretMissing")
def the_epoch_store_is_not_mounted(world: World) -> None:
    shutil.rmtree(world.path.with_name(world.path.name + ".epoch"))
    world.opened()


@reaches("StorageFull")
def the_disk_fills_up(world: World) -> None:
    vfs = FaultyVfs()
    with world.session(world.opened(vfs=vfs)) as session, session.transaction() as txn:
        txn.put(PLANTED.data("put"), kind="Observation", subject=PATIENT)
        vfs.fail(Operation.APPEND, error=errno.ENOSPC)


@reaches("StorageReadOnly")
def the_file_system_turns_read_only(world: World) -> None:
    vfs = FaultyVfs()
    vault = world.opened(vfs=vfs)
    vfs.fail(Operation.CREATE, Operation.APPEND, error=errno.EROFS, lasting=True)
    vault.settle()


@reaches("StorageFailed")
def the_device_fails_while_the_vault_is_opened(world: World) -> None:
    vfs = FaultyVfs()
    vfs.fail(Operation.SYNC, error=errno.EIO)
    world.opened(vfs=vfs).settle()


@reaches("WriterPoisoned")
def work_goes_on_after_a_write_has_failed(world: World) -> None:
    vfs = FaultyVfs()
    with world.session(world.opened(vfs=vfs)) as session:
        vfs.fail(Operation.APPEND, error=errno.EIO)
        with world.watch.failing():
            world.put(session)
        world.put(session)


@reaches("CommitUnknown")
def the_device_fails_while_a_commit_is_synced(world: World) -> None:
    vfs = FaultyVfs()
    with world.session(world.opened(vfs=vfs)) as session, session.transaction() as txn:
        txn.put(PLANTED.data("put"), kind="Observation", subject=PATIENT)
        vfs.fail(Operation.SYNC, error=errno.EIO)


@reaches("ReadOnly")
def a_reader_begins_a_transaction(world: World) -> None:
    with world.reading().session(WHO, PLANTED.text("purpose")) as session:
        session.transaction()


@reaches("AccessLogBusy")
def a_process_hangs_that_looks_through_the_access_journals(world: World) -> None:
    with path_lock(world.path / "journal", exclusive=True, wait=0):
        world.reading()


@reaches("AccessLogMissing")
def a_reader_cannot_write_to_the_vault(world: World) -> None:
    files = FaultyVfs()
    files.fail(Operation.CREATE, error=errno.EROFS, lasting=True)
    world.reading(vfs=files)


@reaches("IndexMissing")
def a_reader_finds_no_index(world: World) -> None:
    shutil.rmtree(world.path / "index")
    world.reading()


@reaches("RolledBack")
def an_older_copy_takes_the_place_of_the_vault(world: World) -> None:
    copy = world.hidden / "copy"
    shutil.copytree(world.path, copy)
    with world.opened() as vault:
        vault.settle()
    shutil.rmtree(world.path)
    shutil.copytree(copy, world.path)
    world.opened()


@reaches("VaultDamaged")
def both_copies_of_the_keyring_are_lost(world: World) -> None:
    for path in world.path.rglob("keyring.1"):
        path.unlink()
    world.opened()


@reaches("IndexDamaged")
def the_index_has_lost_a_row(world: World) -> set[int]:
    with lmdb.open(str(world.path / "index"), max_dbs=10, map_size=1 << 30) as index:
        table = index.open_db(b"subjects", create=False)
        with index.begin(write=True, db=table) as txn:
            txn.delete(next(iter(txn.cursor()))[0])
    return world.fsck(keys=True)


@reaches("RecipeInvalid")
def a_recipe_was_deleted_and_its_source_is_imported_again(world: World) -> None:
    person = '{"resourceType":"Patient","name":[{"family":"' + PLANTED.plain("family") + '"}]}\n'
    world.imported("a.ndjson", person)
    vault = world.vaults[-1]
    with world.session(vault) as session, session.transaction() as txn:
        for info in session.find(subject=vaultfs.NOBODY, kind="vaultfs.recipe"):
            txn.delete(info.id)
    vault.close()
    world.imported("a.ndjson", person)

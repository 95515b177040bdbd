"""A root key that is replaced while the power fails: the vault opens by who was in force before, or after."""

from __future__ import annotations

import errno
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.support import PASSPHRASE, crashed, get, put, reopen
from vaultfs.errors import NoRecipientMatches, VaultError
from vaultfs.keys import PrivateKey
from vaultfs.testing.crash import Disk, RecordingVfs, cuts
from vaultfs.testing.vfs import FaultyVfs, Operation, When

KEY, NEW = PrivateKey.generate(), PrivateKey.generate()


def removed(vault: vaultfs.Vault) -> None:
    """Let another key take the place of the one there is."""
    (_, gone) = vault.keys.recipients()
    vault.keys.rekey(unlock=PASSPHRASE, removed=[gone.id], added=[NEW])


def in_force(path: Path, record: vaultfs.RecordId) -> PrivateKey:
    """Check and open a vault by all that open it; return which of the two keys does: the other must not."""
    assert fsck.main([str(path)]) in {0, 1}
    with reopen(path) as vault:
        assert get(vault, record) == b"data"
    try:
        reopen(path, unlock=KEY).close()
    except NoRecipientMatches:
        reopen(path, unlock=NEW).close()
        return NEW
    with pytest.raises(NoRecipientMatches):
        reopen(path, unlock=NEW)
    return KEY


def test_a_power_cut_anywhere_leaves_the_old_or_the_new_recipients_in_force(in_memory: Path) -> None:
    root = in_memory / "recorded"
    root.mkdir()
    recorder = RecordingVfs(root)
    vault = vaultfs.create(root / "v", recipients=[PASSPHRASE, KEY], policy=vaultfs.PermitAll(), vfs=recorder)
    record = put(vault)
    before = len(recorder.log)
    removed(vault)
    after = len(recorder.log)
    vault.close()
    disk, left, judged, found = Disk(), in_memory / "left", set(), set()
    for done, change in enumerate(recorder.log[:after], start=1):
        disk.make(change)
        name = change.target or change.path
        if done < before or not any(part in name for part in ("VAULT", "head", "keyring", "secret")):
            continue
        for how, image in cuts(disk, chances=1, seed=done):
            if image.digest() in judged:
                continue
            judged.add(image.digest())
            image.write(left)
            key = in_force(left / "v", record)
            assert key is NEW or done < after, how
            found.add(key.secret)
            shutil.rmtree(left)
    assert len(judged) > 20
    assert found == {KEY.secret, NEW.secret}


@pytest.mark.parametrize("when", [When.NOTHING_DONE, When.ALL_DONE])
def test_a_disk_that_fails_leaves_the_old_or_the_new_recipients_in_force(in_memory: Path, when: When) -> None:
    """Each move of a file once."""
    with vaultfs.create(in_memory / "v", recipients=[PASSPHRASE, KEY], policy=vaultfs.PermitAll()) as made:
        record = put(made)
    for number in count(1):
        place, vfs = crashed(in_memory / "v", in_memory / str(number)), FaultyVfs()
        vault = reopen(place, vfs=vfs)
        vfs.fail(Operation.MOVE, error=errno.EIO, number=number, when=when)
        failed = False
        try:
            removed(vault)
        except VaultError:
            failed = True
        reached = vfs._fault is None
        with suppress(VaultError):
            vault.close()
        assert in_force(place, record) is NEW or failed
        if not reached:
            return

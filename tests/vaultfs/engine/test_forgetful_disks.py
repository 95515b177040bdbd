"""A disk that keeps something else than it was given: a turn ends no epoch before everything was read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from vaultfs_format.events.keys import RecipientAdded
from vaultfs_tools import fsck

from tests.vaultfs.engine.test_turning import GONE, LEFT, copied, dispose, fill, subject_of
from tests.vaultfs.support import PASSPHRASE, create, events_of, get, put, reopen
from vaultfs.audit.events import Outcome
from vaultfs.errors import VaultDamaged
from vaultfs.vfs import Vfs


class Forgetful(Vfs):
    """A disk that keeps other bytes of some files than it was given: of those whose names it forgets, or of none.

    Parameters
    ----------
    copies
        Whether it forgets the second copies only, or the first ones.
    """

    def __init__(self, *, copies: bool = False) -> None:
        super().__init__()
        self.forgets = ""
        self._copies = copies

    def replace(self, path: Path, data: bytes) -> None:
        broken = self.forgets and self.forgets in str(path) and self._copies == ("copies" in path.parts)
        super().replace(path, data[:-1] + bytes([data[-1] ^ 1]) if broken else data)


@pytest.mark.parametrize("copies", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("forgotten", ["keyring.", ".vkey.2", "VAULT."])
def test_a_file_that_is_not_what_was_written_keeps_an_epoch_from_ending(
    tmp_path: Path, forgotten: str, copies: bool
) -> None:
    disk = Forgetful(copies=copies)
    with create(tmp_path / "v", vfs=disk) as vault:
        data = fill(vault)
        subjects = [subject_of(vault, patient) for patient in GONE]
        disk.forgets = forgotten
        with pytest.raises(VaultDamaged):
            vault.keys.rekey(unlock=PASSPHRASE, dispose=subjects)
        disk.forgets = ""
        assert vault.engine.head.epoch == 1
        assert {record: get(vault, record) for record in data} == data
        vault.keys.rekey(unlock=PASSPHRASE, dispose=subjects)
    assert fsck.main([str(tmp_path / "v"), "--check-only"]) == 0
    reopen(tmp_path / "v").close()


@pytest.mark.parametrize("copies", [False, True], ids=["first", "second"])
def test_a_table_put_away_that_is_not_what_was_written_keeps_an_epoch_from_ending(tmp_path: Path, copies: bool) -> None:
    path, disk = tmp_path / "v", Forgetful(copies=copies)
    copied(path, tmp_path / "place")
    with reopen(path, vfs=disk) as vault:
        for number in range(40):
            put(vault, b"later %d" % number, subject=LEFT[0])
            vault.settle()
        disk.forgets = "/retired/"
        with pytest.raises(VaultDamaged):
            dispose(vault)
        disk.forgets = ""
        assert vault.engine.head.epoch == 1
        dispose(vault)
    assert fsck.main([str(path), "--check-only"]) == 0


@pytest.mark.parametrize("copies", [False, True], ids=["first", "second"])
def test_a_vault_file_that_is_not_what_was_written_lets_nobody_in(tmp_path: Path, copies: bool) -> None:
    disk, added = Forgetful(copies=copies), replace(PASSPHRASE, secret=b"another one")
    with create(tmp_path / "v", vfs=disk) as vault:
        disk.forgets = "VAULT."
        with pytest.raises(VaultDamaged):
            vault.keys.add(added, unlock=PASSPHRASE)
        disk.forgets = ""
        assert len(vault.keys.recipients()) == 1
        assert [one.outcome for one in events_of(vault, RecipientAdded)][-2:] == [Outcome.DONE, Outcome.FAILED]
        assert not [*(tmp_path / "v").rglob("VAULT.2*")]
        vault.keys.add(added, unlock=PASSPHRASE)
    reopen(tmp_path / "v", unlock=added).close()

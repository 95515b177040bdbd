"""Record ids and commit numbers: never given out twice, and telling nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import MRN, crashed, get, put, reopen, session
from vaultfs.engine import engine as engine_module
from vaultfs.errors import TooLarge


def _draw(vault: vaultfs.Vault, count: int, *, commit: bool) -> list[vaultfs.RecordId]:
    with session(vault) as s:
        txn = s.transaction()
        ids = [txn.put(b"x", kind="Observation", subject=MRN) for _ in range(count)]
        (txn.commit if commit else txn.rollback)()
    return ids


def test_an_id_is_never_given_out_again(opened: Open, tmp_path: Path) -> None:
    """Not after a rollback, a settling, a reopening, a crash, or in a branch that a crash has cut off."""
    vault = opened()
    ids = _draw(vault, 300, commit=True) + _draw(vault, 300, commit=False)
    vault.settle()
    ids += _draw(vault, 10, commit=False) + _draw(vault, 10, commit=True)
    vault = opened(fresh=True)
    ids += _draw(vault, 10, commit=False)
    for number in range(3):
        copy = crashed(vault.path, tmp_path / f"crash{number}")
        vault = opened(copy)
        ids += _draw(vault, 10, commit=number % 2 == 0)
        vault.settle()
        ids += _draw(vault, 10, commit=True)
    assert len(set(ids)) == len(ids)


def test_an_id_tells_nothing_of_order_or_date(vault: vaultfs.Vault) -> None:
    ids = _draw(vault, 256, commit=True)
    assert sorted(ids) != ids
    for position in range(16):
        assert len({record[position] for record in ids}) > 100
    early, late = put(vault, date=date(1920, 1, 1)), put(vault, date=date(2020, 1, 1))
    assert early[:4] != late[:4]


def test_numbers_that_a_journal_has_used_up_are_not_used_again(
    vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "NUMBER_BLOCK", 600)
    put(vault)
    vault.settle()
    vault.engine._next_number = vault.engine._last_number + 1
    ids = _draw(vault, 1, commit=False) + _draw(vault, 1, commit=False)
    with pytest.raises(TooLarge):
        _draw(vault, 1, commit=False)
    vault.settle()
    ids += _draw(vault, 1, commit=True)
    assert len(set(ids)) == 3


def test_commit_numbers_rise_over_settling_reopening_and_crash(opened: Open, tmp_path: Path) -> None:
    vault = opened()
    numbers = []
    for step in range(5):
        record = put(vault, b"%d" % step)
        with session(vault) as s:
            numbers.append(s.info(record).commit)
        match step:
            case 1:
                vault.settle()
            case 2:
                vault = opened(fresh=True)
            case 3:
                vault = opened(crashed(vault.path, tmp_path / "crash"))
    assert numbers == sorted(set(numbers))


def test_an_open_transaction_commits_over_a_settling(vault: vaultfs.Vault) -> None:
    with session(vault) as s:
        txn = s.transaction()
        first = txn.put(b"before", kind="Observation", subject=MRN)
        vault.settle()
        second = txn.put(b"after", kind="Observation", subject=MRN)
        txn.commit()
        assert (s.get(first).data, s.get(second).data) == (b"before", b"after")
    vault.close()
    again = reopen(vault.path)
    assert get(again, first) == b"before"
    assert put(again) not in (first, second)
    again.close()

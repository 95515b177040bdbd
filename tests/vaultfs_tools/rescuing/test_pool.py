"""Finding the keys of frames of which nothing tells the order, at a bounded price."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from vaultfs_format.entries import Entry, Role, encode_block, pack_row
from vaultfs_format.errors import DecryptionFailed
from vaultfs_format.frame import FrameClass, SealedFrame, seal_frame
from vaultfs_format.suite import DEFAULT
from vaultfs_tools.rescuing import pool
from vaultfs_tools.rescuing.errors import KeyLost
from vaultfs_tools.rescuing.pool import Pool

SUBJECT = os.urandom(16)


def _frame() -> SealedFrame:
    entries = encode_block(SUBJECT, [pack_row(*Entry(Role.LINK, token=os.urandom(16)))])
    return seal_frame(DEFAULT, FrameClass.RECORD, entries, 1, b"", frame_id=os.urandom(16), key=os.urandom(32))


@pytest.fixture(scope="module")
def frames() -> list[SealedFrame]:
    """Return frames in the order of their rows."""
    return [_frame() for _ in range(100)]


def _open(keys: Pool, frame: SealedFrame) -> int:
    """Open a frame; return how many keys were tried in vain."""
    before = keys.trials
    key, block = keys.open(frame.header, frame.entries)
    assert (key, block.subject) == (frame.key, SUBJECT)
    return before - keys.trials


def test_frames_in_their_order_cost_one_trial_each_wherever_they_begin(frames: list[SealedFrame]) -> None:
    keys = Pool(DEFAULT, [frame.key for frame in frames])
    assert _open(keys, frames[40]) == 40
    assert {_open(keys, frame) for frame in frames[41:]} == {0}


def test_a_key_whose_frame_is_found_is_tried_for_no_other_one(frames: list[SealedFrame]) -> None:
    keys = Pool(DEFAULT, [frame.key for frame in frames])
    trials = [_open(keys, frame) for frame in reversed(frames)]
    assert trials[0] == 99
    assert all(later < earlier for earlier, later in pairwise(trials))
    assert [_open(keys, frame) for frame in frames] == [0] * 100


def test_a_frame_that_has_opened_elsewhere_costs_no_trial(frames: list[SealedFrame]) -> None:
    keys = Pool(DEFAULT, [os.urandom(32)] * 100, {frame.header.frame_id: frame.key for frame in frames})
    assert {_open(keys, frame) for frame in frames} == {0}


def test_a_frame_of_which_there_is_no_key_is_looked_for_once(frames: list[SealedFrame]) -> None:
    keys, stranger = Pool(DEFAULT, [None, *(frame.key for frame in frames)]), _frame()
    for _ in range(3):
        with pytest.raises(KeyLost):
            keys.open(stranger.header, stranger.entries)
    assert pool.TRIALS - keys.trials == 100


def test_a_damaged_copy_of_a_row_does_not_take_the_key_from_a_good_one(frames: list[SealedFrame]) -> None:
    keys = Pool(DEFAULT, [frame.key for frame in frames])
    with pytest.raises(DecryptionFailed):
        keys.open(frames[3].header._replace(entries_sealed=1), frames[3].entries)
    with pytest.raises(KeyLost):
        keys.open(frames[5].header._replace(commitment=bytes(32)), frames[5].entries)
    assert _open(keys, frames[3]) == 0
    _open(keys, frames[5])


def test_many_strangers_do_not_take_for_ever_and_frames_in_order_are_found_behind_them(
    frames: list[SealedFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "TRIALS", 1000)
    keys = Pool(DEFAULT, [None if number < 10 else frame.key for number, frame in enumerate(frames)])
    for _ in range(500):
        stranger = _frame()
        with pytest.raises(KeyLost):
            keys.open(stranger.header, stranger.entries)
    assert 1000 - keys.trials < 1000 + 90 + 64 * 500
    for frame in frames[10:]:
        _open(keys, frame)

"""Opening what a process left: torn tails are void, lost groups are told, litter is swept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from vaultfs_format.events.vault import Recovered
from vaultfs_format.group import GroupDraft, GroupKind
from vaultfs_tools.keyless import VaultFiles, check
from vaultfs_tools.keyless.errors import Property

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import (
    MRN,
    answers,
    crashed,
    create,
    drop_mirrors,
    event_types,
    events,
    events_of,
    files_of,
    get,
    newer,
    put,
    reopen,
    seen,
    session,
)
from vaultfs import EventType
from vaultfs.engine.files.journal import Scanned
from vaultfs.errors import (
    UnsupportedVersion,
    VaultDamaged,
)

MIB = 1024 * 1024


class Left:
    """What a killed process left: a vault with one journal, and what each of its groups brought."""

    def __init__(self, vault: vaultfs.Vault, target: Path, records: dict[int, tuple[vaultfs.RecordId, bytes]]) -> None:
        journal = vault.engine.writer().journal
        again = journal.again()
        self.groups: list[Scanned] = list(again.scan())
        self.end = again.end
        self.records = records
        self.path = crashed(vault.path, target, mirrors=False)
        (self.journal,) = files_of(self.path, f"{journal.header.journal_id.hex()}.vjrn")
        self.bytes = self.journal.read_bytes()

    def opened(self, data: bytes, *, index: bool = False) -> vaultfs.Vault:
        """Open the vault as if the journal had held `data`."""
        copy = self.path.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        place = crashed(self.path, copy, index=index)
        (place / "journal" / self.journal.name).write_bytes(data)
        return reopen(place)

    def check(self, data: bytes, last: int) -> None:
        """Check that with a journal of `data` all is there that groups up to `last` brought, and nothing else."""
        with self.opened(data) as vault:
            for group, (record, content) in self.records.items():
                assert seen(vault, record) == (content if group <= last else None), group
            assert get(vault, put(vault, b"goes on")) == b"goes on"


@pytest.fixture
def left(vault: vaultfs.Vault, tmp_path: Path) -> Left:
    """Return a vault that was killed after a few commits."""
    records = {}
    with session(vault) as s:
        for number in range(4):
            data = os.urandom(30 + number)
            with s.transaction() as txn:
                record = txn.put(data, kind="Observation", subject=MRN)
            records[vault.engine.writer().journal.last_group] = (record, data)
    return Left(vault, tmp_path / "left", records)


def _cuts(left: Left, groups: Sequence[Scanned], step: int) -> list[int]:
    cuts: set[int] = set()
    for scanned in groups:
        end = scanned.offset + scanned.group.size
        edges = (scanned.offset, scanned.offset + scanned.group.directory_offset, end)
        cuts.update(edge + near for edge in edges for near in range(-3, 4))
        cuts.update(range(scanned.offset, end, step))
    return sorted(cut for cut in cuts if groups[0].offset <= cut <= left.end)


def _check_cuts(left: Left, cuts: Sequence[int]) -> None:
    for cut in cuts:
        whole = [s.group.number for s in left.groups if s.offset + s.group.size <= cut]
        left.check(left.bytes[:cut], whole[-1] if whole else 0)


def test_a_journal_cut_anywhere_keeps_the_groups_before_the_cut(left: Left) -> None:
    _check_cuts(left, _cuts(left, left.groups[-2:], 61))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_journal_cut_at_every_byte_keeps_the_groups_before_the_cut(left: Left) -> None:
    _check_cuts(left, _cuts(left, left.groups[-3:], 1))


def test_zeros_at_the_end_of_a_journal_were_preallocated_and_are_nothing(left: Left) -> None:
    left.check(left.bytes + bytes(5000), len(left.groups))
    with left.opened(left.bytes + bytes(5000)) as vault:
        assert not [event for event in events(vault) if event.type == EventType.RECOVERED]


@pytest.mark.parametrize(
    "junk",
    [b"\0" * 5000 + b"\1", b"VGRP" * 300, os.urandom(70), b"VGRP\0\1\0\0" + bytes(200) + b"\1"],
    ids=["zeros", "magic bytes", "random", "header"],
)
def test_what_follows_the_last_good_group_is_void_and_recorded(left: Left, junk: bytes) -> None:
    left.check(left.bytes + junk, len(left.groups))
    with left.opened(left.bytes + junk) as vault:
        (recovered,) = events_of(vault, Recovered)
        assert recovered.void == len(junk)


def test_groups_of_another_journal_behind_a_torn_one_are_void(left: Left, vault: vaultfs.Vault, tmp_path: Path) -> None:
    """A file may have grown over blocks of a journal that was removed: its groups tell nothing of this one."""
    other = create(tmp_path / "other")
    with session(other) as s:
        for _ in range(len(left.groups) + 3):
            with s.transaction() as txn:
                txn.put(b"of another vault", kind="Observation", subject=MRN)
    stale = Left(other, tmp_path / "stale", {})
    target = left.groups[-2]
    last = target.group.number - 1
    torn = left.bytes[: target.offset + target.group.size // 2]
    assert stale.groups[-1].group.last_durable > last
    left.check(torn + stale.bytes[stale.groups[-1].offset :], last)
    other.close()


def test_a_journal_cut_below_what_the_index_knows_to_be_durable_is_damage(left: Left) -> None:
    last = left.groups[-1]
    for cut in (last.offset, last.offset + 1, last.offset + last.group.size - 1):
        with pytest.raises(VaultDamaged):
            left.opened(left.bytes[:cut], index=True)
    with left.opened(left.bytes, index=True) as vault:
        assert all(seen(vault, record) == data for record, data in left.records.values())


def test_a_flipped_bit_below_a_later_group_that_says_it_was_durable_is_damage(left: Left) -> None:
    claimed = max(s.group.last_durable for s in left.groups)
    target = next(s for s in left.groups if s.group.number == claimed)
    for at in [
        *range(target.offset, target.offset + 100, 9),
        *range(target.offset, target.offset + target.group.size, 53),
    ]:
        data = bytearray(left.bytes)
        data[at] ^= 0x10
        with pytest.raises(VaultDamaged):
            left.opened(bytes(data))


def test_a_flipped_bit_in_the_last_group_makes_it_void_as_a_whole(left: Left) -> None:
    last = left.groups[-1]
    for at in range(last.offset, left.end, 41):
        data = bytearray(left.bytes)
        data[at] ^= 0x01
        left.check(bytes(data), last.group.number - 1)


def test_a_journal_of_a_newer_version_is_not_taken_for_a_damaged_one(left: Left) -> None:
    with pytest.raises(UnsupportedVersion):
        left.opened(newer(left.bytes))


def test_a_group_copied_behind_another_is_refused(left: Left) -> None:
    for scanned in left.groups:
        copied = left.bytes[scanned.offset : scanned.offset + scanned.group.size]
        with left.opened(left.bytes + copied) as vault:
            assert event_types(vault).count(EventType.RECORD_PUT) == len(left.records)


def test_groups_that_change_places_are_refused(left: Left) -> None:
    one, two = left.groups[-3], left.groups[-2]
    first = left.bytes[one.offset : one.offset + one.group.size]
    second = left.bytes[two.offset : two.offset + two.group.size]
    end = two.offset + two.group.size
    with pytest.raises(VaultDamaged):
        left.opened(left.bytes[: one.offset] + second + first + left.bytes[end:])


def test_a_group_of_another_journal_is_refused(left: Left, tmp_path: Path) -> None:
    with create(tmp_path / "foreign") as foreign:
        put(foreign, b"foreign")
        data = foreign.engine.writer().journal.file.read(0, 1 << 20)
    for offset in (4096, 0):
        left.check(left.bytes + data[offset:], len(left.groups))
    with pytest.raises(VaultDamaged):
        left.opened(data)


def test_a_journal_of_an_earlier_moment_is_damage(opened: Open, tmp_path: Path) -> None:
    """With the index, which knows better; and where later journals follow, without."""
    vault = opened()
    put(vault, b"one")
    early = crashed(vault.path, tmp_path / "early")
    put(vault, b"two")
    (journal,) = files_of(early, "*.vjrn")
    old = journal.read_bytes()
    late = crashed(vault.path, tmp_path / "late", mirrors=False)
    (late / "journal" / journal.name).write_bytes(old)
    with pytest.raises(VaultDamaged):
        reopen(late)
    vault.close()
    with reopen(vault.path):
        pass
    shutil.rmtree(vault.path / "index")
    drop_mirrors(vault.path)
    (vault.path / "journal" / journal.name).write_bytes(old)
    with pytest.raises(VaultDamaged):
        reopen(vault.path)


def _journals(vault: Path) -> list[Path]:
    return files_of(vault, "*.vjrn")


def test_a_missing_journal_is_damage(opened: Open, tmp_path: Path) -> None:
    vault = opened()
    for number in range(3):
        put(vault, b"%d" % number)
        vault = opened(fresh=True)
    path = vault.path
    vault.close()
    names = [journal.name for journal in _journals(path)]
    assert len(names) >= 3
    last = vault.engine.live[-1].journal.header.journal_id.hex() + ".vjrn"
    for name in names:
        for index in (True, False):
            if name == last and not index:
                continue  # nothing inside the vault tells: last seen values outside of it do
            copy = crashed(path, tmp_path / f"{name}{index}", index=index, mirrors=False)
            (copy / "journal" / name).unlink()
            with pytest.raises(VaultDamaged):
                reopen(copy)


def test_a_journal_that_was_settled_does_not_come_back(vault: vaultfs.Vault, tmp_path: Path) -> None:
    put(vault, b"one")
    (journal,) = _journals(vault.path)
    old = journal.read_bytes()
    vault.settle()
    before = answers(vault)
    copy = crashed(vault.path, tmp_path / "copy")
    (copy / "journal" / journal.name).write_bytes(old)
    with reopen(copy) as again:
        assert answers(again) == before
        assert not (copy / "journal" / journal.name).exists()


def test_two_journals_after_the_same_one_are_damage(vault: vaultfs.Vault, tmp_path: Path) -> None:
    """A branch: neither half may be dropped in silence."""
    put(vault)
    copies = [crashed(vault.path, tmp_path / f"copy{n}") for n in range(2)]
    for copy in copies:
        with reopen(copy) as branch:
            put(branch)
    for journal in _journals(copies[1]):
        shutil.copy(journal, copies[0] / "journal")
    with pytest.raises(VaultDamaged):
        reopen(copies[0])


@pytest.mark.parametrize("size", [0, 1, 100, 4095, 4096])
def test_a_journal_that_was_never_used_is_removed(vault: vaultfs.Vault, tmp_path: Path, size: int) -> None:
    record = put(vault)
    copy = crashed(vault.path, tmp_path / "copy")
    torn = copy / "journal" / f"{'ab' * 16}.vjrn"
    torn.write_bytes(bytes(size))
    with reopen(copy) as again:
        assert get(again, record) == b"data"
        assert not torn.exists()


def test_a_damaged_journal_header_is_damage(left: Left) -> None:
    for at in (0, 8 + 1, 30, 200, 4000, 4090):
        data = bytearray(left.bytes)
        data[at] ^= 1
        with pytest.raises(VaultDamaged):
            left.opened(bytes(data))


def test_a_closed_vault_is_opened_without_rewriting(opened: Open) -> None:
    vault = opened()
    record = put(vault)
    vault = opened(fresh=True)
    assert [live.journal.closed for live in vault.engine.live] == [False, False]
    assert EventType.RECOVERED not in event_types(vault)
    assert get(vault, record) == b"data"


def test_a_closing_record_alone_does_not_make_what_is_before_it_durable(vault: vaultfs.Vault, tmp_path: Path) -> None:
    """The sync of the record may have failed: what it does not call durable is written again."""
    record = put(vault)
    with session(vault) as s:
        s.get(record)
    journal = vault.engine.writer().journal
    durable = journal.durable
    assert durable < journal.last_group
    journal.append(GroupDraft(GroupKind.CLOSING, journal.last_group + 1, durable, 0, 0, os.urandom(16)))
    copy = crashed(vault.path, tmp_path / "copy", index=False)
    vault.engine.poison()
    with reopen(copy) as again:
        first, second = again.engine.live
        assert (first.journal.last_group, second.journal.header.predecessor_group) == (durable, durable)
        assert event_types(again).count(EventType.RECORD_READ) == 1


def test_a_commit_number_that_comes_again_is_damage(vault: vaultfs.Vault, tmp_path: Path) -> None:
    put(vault)
    engine = vault.engine
    journal = engine.writer().journal
    journal.append(
        GroupDraft(GroupKind.COMMIT, journal.last_group + 1, journal.last_group, engine.last_commit, 1, os.urandom(16))
    )
    copy = crashed(vault.path, tmp_path / "copy", index=False)
    engine.poison()
    assert Property.COMMIT_NUMBERS in {
        finding.error.facts.get("property") for finding in check(VaultFiles(copy)).findings
    }
    with pytest.raises(VaultDamaged):
        reopen(copy)


def test_many_reopenings_settle_the_journals_that_they_leave(opened: Open) -> None:
    vault = opened()
    record = put(vault)
    for _ in range(20):
        vault = opened(fresh=True)
    assert len(vault.engine.live) < 18
    assert vault.engine.head.segments
    assert get(vault, record) == b"data"


def test_doubtful_blobs_are_written_again_byte_for_byte(opened: Open, tmp_path: Path) -> None:
    vault = opened()
    with session(vault) as s:
        data = [os.urandom(MIB + 17), os.urandom(100), os.urandom(2 * MIB)]
        with s.transaction() as txn:
            ids = [txn.put(one, kind="Binary", subject=MRN) for one in data]
    copy = crashed(vault.path, tmp_path / "copy", index=False)
    old = {part.name for part in files_of(copy, "*.part")}
    with reopen(copy) as again:
        assert [get(again, record) for record in ids] == data
        assert not old & {part.name for part in files_of(copy, "*.part")}
        again.settle()
        assert [get(again, record) for record in ids] == data


def test_a_doubtful_blob_that_is_not_all_there_is_damage(vault: vaultfs.Vault, tmp_path: Path) -> None:
    put(vault, os.urandom(2 * MIB))
    harms: list[Callable[[Path], None]] = [Path.unlink, lambda part: os.truncate(part, MIB)]
    for number, harm in enumerate(harms):
        copy = crashed(vault.path, tmp_path / f"copy{number}", index=False, mirrors=False)
        (part,) = files_of(copy, "*.part")
        harm(part)
        with pytest.raises(VaultDamaged):
            reopen(copy)


@pytest.mark.parametrize("moment", ["renamed", "both names"])
def test_a_part_file_that_had_become_a_segment_when_settling_died_is_still_read(
    vault: vaultfs.Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    data = os.urandom(3 * MIB)
    record, small = put(vault, data), put(vault, b"small")

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr("vaultfs.engine.settling.settle.stage_head", die)
    with pytest.raises(Killed):
        vault.settle()
    copy = crashed(vault.path, tmp_path / "copy", index=False)
    assert not files_of(copy, "*.part")
    if moment == "both names":
        (sealed,) = (copy / "segments/main/blob").rglob("*.vseg")
        shutil.copy(sealed, copy / "segments/main/blob" / f"{sealed.stem}.part")
    monkeypatch.undo()
    for _ in range(2):
        with reopen(copy) as again:
            assert not files_of(copy, "*.vseg")
            assert (get(again, record), get(again, small)) == (data, b"small")
    with reopen(copy) as again:
        again.settle()
        assert (get(again, record), get(again, small)) == (data, b"small")


def test_recovery_leaves_every_answer_as_it_was(opened: Open, tmp_path: Path) -> None:
    """Through crashes, with and without the index, and crashes of the recovered."""
    vault = opened()
    with session(vault) as s:
        with s.transaction() as txn:
            record = txn.put(b"one", kind="Observation", subject=MRN)
            txn.put(os.urandom(MIB), kind="Binary", subject=MRN)
            txn.set_state("ns", b"k", b"v")
        vault.settle()
        with s.transaction() as txn:
            txn.put(b"two", kind="Observation", subject=MRN, replaces=record)
            txn.put(os.urandom(MIB + 1), kind="Binary", subject=None)
    expected = answers(vault, [MRN])
    path = vault.path
    for number in range(6):
        path = crashed(path, tmp_path / f"crash{number}", index=number % 2 == 0)
        vault = opened(path)
        assert answers(vault, [MRN]) == expected
        if number == 3:
            vault.settle()


class TestLitter:
    def test_what_an_interrupted_write_left_is_removed(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        record = put(vault, os.urandom(100_000))
        vault.settle()
        live = put(vault, os.urandom(100_000), subject=None)
        copy = crashed(vault.path, tmp_path / "copy")
        before = {p.relative_to(copy) for p in files_of(copy / "segments", "*") if p.is_file()}
        litter = [
            "journal/x.tmp",
            "segments/main/record/none/y.tmp",
            f"segments/main/blob/{'cd' * 16}.part",
            f"segments/main/record/2001-2001/{'ee' * 16}.vkey.1",
            f"copies/segments/main/record/2001-2001/{'ee' * 16}.vkey.1",
            "index.new/data.mdb",
        ]
        for name in litter:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(b"litter")
        with reopen(copy) as again:
            assert [name for name in litter if (copy / name).exists()] == []
            assert len(get(again, record)) == len(get(again, live)) == 100_000
        kept = {p.relative_to(copy) for p in files_of(copy / "segments", "*") if p.is_file() and p.suffix != ".part"}
        assert {p for p in before if p.suffix != ".part"} <= kept

    def test_what_is_not_understood_is_left_alone(self, opened: Open) -> None:
        """A segment that no head names, where no journal holds its frames, may be all that is left of them."""
        vault = opened()
        put(vault)
        vault.settle()
        vault.close()
        (segment,) = (vault.path / "segments/main/record").rglob("*.vseg")
        strangers = [segment.with_name(f"{'aa' * 16}.vseg"), segment.with_name("notes.txt"), vault.path / "stranger"]
        for stranger in strangers:
            stranger.write_bytes(b"?" * 5000)
        opened()
        assert all(stranger.exists() for stranger in strangers)

    def test_the_segments_of_a_settling_that_died_are_removed(
        self, vault: vaultfs.Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(vault)
        vault.settle()
        record = put(vault)
        good = {file.name for file in files_of(vault.path, "*.vseg")}

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("vaultfs.engine.settling.settle.stage_head", die)
        with pytest.raises(KeyboardInterrupt):
            vault.settle()
        monkeypatch.undo()
        copy = crashed(vault.path, tmp_path / "copy")
        assert {file.name for file in files_of(copy, "*.vseg")} > good
        with reopen(copy) as again:
            assert {file.name for file in files_of(copy, "*.vseg")} == good
            assert {file.name.partition(".")[0] + ".vseg" for file in files_of(copy, "*.vkey.1")} == good
            assert get(again, record) == b"data"

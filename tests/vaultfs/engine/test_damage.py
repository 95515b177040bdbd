"""Files that are damaged, missing or of another vault: copies stand in, all else is told and takes nothing along."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from vaultfs_format.directory import RUN, FrameRow, decode_rows
from vaultfs_format.head import SegmentRow
from vaultfs_format.healing import SlicedFile
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter
from vaultfs_format.suite import DIGEST

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import (
    MRN,
    crashed,
    create,
    drop_mirrors,
    events,
    files_of,
    flipped,
    get,
    newer,
    put,
    reopen,
    session,
)
from vaultfs.errors import (
    FormatError,
    NotAuthentic,
    UnsupportedVersion,
    VaultDamaged,
    VaultError,
)
from vaultfs.metrics import Counter, Tally
from vaultfs.storage.health import Concern
from vaultfs.storage.repair import repair, repair_queue

MIB = 1024 * 1024


NAMES = ("head", "VAULT.1", "keyring.1", "*.vkey.1")
HARMS: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(os.urandom(500)),
    "bit flipped": lambda path: path.write_bytes(flipped(path.read_bytes(), -40)),
    "version flipped": lambda path: path.write_bytes(flipped(path.read_bytes(), 8)),
    "newer": lambda path: path.write_bytes(newer(path.read_bytes())),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a directory": lambda path: [path.unlink(), path.mkdir()],  # type: ignore[func-returns-value]
}


class TestCopies:
    """Small files stand in two places; either may be lost."""

    @pytest.fixture
    def settled(self, vault: vaultfs.Vault, tmp_path: Path) -> tuple[Path, vaultfs.RecordId]:
        """Return the bytes of a vault with segments, and a record of it."""
        record = put(vault)
        vault.settle()
        return crashed(vault.path, tmp_path / "settled", index=False), record

    @pytest.mark.parametrize(
        ("name", "harm"), [(n, h) for n in NAMES for h in HARMS if n != "head" or h not in ("a directory", "newer")]
    )
    @pytest.mark.parametrize("which", ["original", "copy"])
    def test_either_may_be_harmed(
        self, settled: tuple[Path, vaultfs.RecordId], name: str, which: str, harm: str
    ) -> None:
        path, record = settled
        found = [file for file in files_of(path, name) if ("copies" in file.parts) == (which == "copy")]
        assert found
        for file in found:
            HARMS[harm](file)
        with reopen(path) as vault:
            assert get(vault, record) == b"data"

    @pytest.mark.parametrize("harm", ["removed", "garbage", "bit flipped", "cut"])
    @pytest.mark.parametrize("name", NAMES)
    def test_both_harmed_are_damage(self, settled: tuple[Path, vaultfs.RecordId], name: str, harm: str) -> None:
        path, _ = settled
        for file in files_of(path, name):
            HARMS[harm](file)
        with pytest.raises(VaultDamaged):
            reopen(path)

    @pytest.mark.parametrize("name", ["head", "VAULT.1", "keyring.1"])
    def test_an_unknown_version_in_both_is_not_damage(self, settled: tuple[Path, vaultfs.RecordId], name: str) -> None:
        path, _ = settled
        for file in files_of(path, name):
            file.write_bytes(newer(file.read_bytes()))
        with pytest.raises(UnsupportedVersion):
            reopen(path)

    def test_a_lagging_head_is_brought_up_to_date_by_opening(self, vault: vaultfs.Vault, tmp_path: Path) -> None:
        """Else losing the newer one later would bring the old live set back."""
        record = put(vault)
        vault.settle()
        old = (vault.path / "head").read_bytes()
        put(vault)
        vault.settle()
        for name in ("head", "copies/head"):
            copy = crashed(vault.path, tmp_path / name.replace("/", "-"))
            (copy / name).write_bytes(old)
            with reopen(copy) as again:
                assert get(again, record) == b"data"
            assert (
                (copy / "head").read_bytes()
                == (copy / "copies/head").read_bytes()
                == (vault.path / "head").read_bytes()
            )


def with_commit(data: bytes, commit: int, *, doubtful: bool) -> bytes:
    """Return a segment whose first commit number is another, and its leaf hashes with it: what takes no key.

    Parameters
    ----------
    doubtful
        Whether a slice of the parity is damaged, and its hash in both places, at different bits.
    """
    footer = SegmentFooter.decode(data[-FOOTER_SIZE:])
    changed = bytearray(data)
    row, end = FrameRow.decode(data, footer.directory_offset)
    run = RUN.pack(*row.runs[0])
    at = changed.index(run, footer.directory_offset, end)
    changed[at : at + len(run)] = RUN.pack(row.runs[0][0], commit)
    file = SlicedFile(lambda offset, length: data[offset : offset + length], footer)
    for number in range(at // file.geometry.slice_size, (at + len(run) - 1) // file.geometry.slice_size + 1):
        leaf = file.leaf_of(number, bytes(changed[file.offset_of(number) :][: file.length_of(number)]))
        for place in footer.leaves_offsets:
            changed[place + DIGEST * number : place + DIGEST * (number + 1)] = leaf
    if doubtful:
        parity = DIGEST * footer.geometry.slices
        for place in (footer.parity_offset, footer.leaves_offsets[0] + parity, footer.leaves_offsets[1] + parity + 1):
            changed[place] ^= 1
    return bytes(changed)


def footer_of(path: Path) -> SegmentFooter:
    """Return the footer at the end of a segment."""
    return SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])


def segment_of(vault: vaultfs.Vault, path: Path) -> SegmentRow:
    """Return the row of the segment at a place."""
    (row,) = [row for row in vault.engine.head.segments if row.segment_id.hex() == path.stem]
    return row


def due_for_merging(opened: Open) -> vaultfs.Vault:
    """Return a vault whose next settling merges small segments."""
    vault = opened()
    for number in range(8):
        if number:
            vault.settle()
        put(vault, b"%d" % number, date=date(2001, 1, 1))
    return vault


class TestDamagedSegments:
    @pytest.fixture
    def record(self, opened: Open) -> tuple[vaultfs.RecordId, Path, bytes]:
        """Return a record of 40,000 bytes, the segment in which it lies, and that segment's bytes; all is closed."""
        vault = opened()
        record = put(vault, os.urandom(40_000), subject=None)
        vault.settle()
        put(vault, b"kept")
        vault.settle()
        vault.close()
        rows, layout = vault.engine.head.segments, vault.engine.layout
        (path,) = [layout.segment(row) for row in rows if row.length > 40_000]
        return record, path, path.read_bytes()

    def test_what_is_damaged_is_read_as_it_was(
        self, opened: Open, record: tuple[vaultfs.RecordId, Path, bytes]
    ) -> None:
        """Bodies, rows and all that leads to them, wherever a bit flips; no file is written by it."""
        lost, path, whole = record
        vault = opened()
        data = get(vault, lost)
        vault.close()
        for at in (0, 100, 5000, 41_000, len(whole) // 2, *range(-2000, 0, 300)):
            harmed = flipped(whole, at)
            path.write_bytes(harmed)
            vault = opened()
            assert get(vault, lost) == data
            assert sorted(len(info.id) for info in session(vault).find(subject=vaultfs.NOBODY)) == [16]
            vault.close()
            assert path.read_bytes() == harmed
        assert len(data) == 40_000

    def test_what_was_healed_waits_for_repair(self, opened: Open, record: tuple[vaultfs.RecordId, Path, bytes]) -> None:
        lost, path, whole = record
        path.write_bytes(flipped(whole, 5000))
        vault = opened()
        get(vault, lost)
        assert vault.engine.store.damaged == {bytes.fromhex(path.stem)}

    def test_a_segment_with_too_much_damage_takes_nothing_from_the_others(
        self, opened: Open, record: tuple[vaultfs.RecordId, Path, bytes]
    ) -> None:
        """Reading what is lost is told; all else stays readable, with the index as it was."""
        lost, path, whole = record
        for harmed in (whole[:4096] + bytes(len(whole) - 4096 - 2048) + whole[-2048:], b"something else"):
            path.write_bytes(harmed)
            vault = opened()
            for _ in range(2):
                with pytest.raises((VaultDamaged, NotAuthentic, FormatError)):
                    get(vault, lost)
                assert [len(get(vault, info.id)) for info in session(vault).find(subject=MRN)][:1] == [4]
                put(vault)
            vault.close()
        path.write_bytes(whole)
        assert len(get(opened(), lost)) == 40_000

    def test_settling_merges_what_is_damaged_as_it_was(self, opened: Open) -> None:
        vault = opened()
        records = []
        for number in range(7):
            records.append(put(vault, b"%d" % number, date=date(2001, 1, 1)))
            vault.settle()
        vault.close()
        for path in (vault.path / "segments/main/record").rglob("*.vseg"):
            path.write_bytes(flipped(path.read_bytes(), 4200))
        vault = opened()
        records.append(put(vault, b"7", date=date(2001, 1, 1)))
        vault.settle()
        assert len([*(vault.path / "segments/main/record").rglob("*.vseg")]) < 7
        assert [get(vault, record) for record in records] == [b"%d" % number for number in range(8)]

    @pytest.mark.parametrize("damaged", [slice(0, 0), slice(0, 1)])
    @pytest.mark.parametrize("other", ["root", "version"])
    def test_a_footer_that_was_changed_at_the_end_does_not_hide_the_first_one(
        self, opened: Open, record: tuple[vaultfs.RecordId, Path, bytes], other: str, damaged: slice
    ) -> None:
        """Its digest or its check value fits the change; the head says which of the two is right."""
        lost, path, whole = record
        footer = SegmentFooter.decode(whole[-FOOTER_SIZE:])
        last = replace(footer, root=bytes(32)).encode() if other == "root" else newer(whole[-FOOTER_SIZE:])
        harmed = bytearray(whole[:-FOOTER_SIZE] + last)
        harmed[damaged] = bytes(len(harmed[damaged]))
        path.write_bytes(harmed)
        with opened() as vault:
            assert len(get(vault, lost)) == 40_000
            assert repair(vault.engine, segment_of(vault, path)).healed
        assert path.read_bytes() == whole

    @pytest.mark.parametrize("doubtful", [False, True])
    def test_a_commit_number_that_was_changed_with_its_hashes_is_not_believed(
        self, opened: Open, record: tuple[vaultfs.RecordId, Path, bytes], *, doubtful: bool
    ) -> None:
        """By somebody without keys; neither by the index as it is, nor when it is made anew.

        Nor is it where the hash of another slice is not known: what is known must have the root all the same.
        """
        lost, path, whole = record
        path.write_bytes(with_commit(whole, 77, doubtful=doubtful))
        vault = opened()
        with pytest.raises(VaultDamaged):
            get(vault, lost)
        assert repair(vault.engine, segment_of(vault, path)).lost
        vault.close()
        shutil.rmtree(vault.path / "index")
        with pytest.raises(VaultDamaged):
            opened()

    @pytest.mark.parametrize("doubtful", [False, True])
    def test_a_commit_number_that_was_changed_is_not_signed_by_merging(self, opened: Open, *, doubtful: bool) -> None:
        vault = due_for_merging(opened)
        vault.close()
        forged = min((vault.path / "segments/main/record").rglob("*.vseg"))
        forged.write_bytes(with_commit(forged.read_bytes(), 77, doubtful=doubtful))
        before = set(files_of(vault.path, "*.vseg"))
        vault = opened()
        vault.settle()
        assert forged.exists()
        assert bytes.fromhex(forged.stem) in vault.engine.store.damaged
        for path in set(files_of(vault.path, "*.vseg")) - before:
            footer = SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])
            rows = decode_rows(path.read_bytes()[footer.directory_offset : footer.audit_offset], footer.frames)
            assert 77 not in {commit for row in rows for _, commit in row.runs}

    @pytest.mark.parametrize("both", [False, True])
    def test_a_leaf_index_that_was_changed_is_not_believed_by_merging(self, opened: Open, *, both: bool) -> None:
        """It stands in the footers alone, and no root covers it: only the signature tells."""
        vault = due_for_merging(opened)
        vault.close()
        audits = {*(vault.path / "segments/main/audit").rglob("*.vseg")}
        first = min(footer_of(path).first_leaf for path in audits)
        for path in audits:
            footer = footer_of(path)
            with path.open("r+b") as file:
                for place in footer.footer_offsets[0 if both else 1 :]:
                    file.seek(place)
                    file.write(replace(footer, first_leaf=footer.first_leaf + 5).encode())
        vault = opened()
        vault.settle()
        assert (vault.engine.store.damaged >= {bytes.fromhex(path.stem) for path in audits}) is both
        after = {*(vault.path / "segments/main/audit").rglob("*.vseg")}
        assert (first in {footer_of(path).first_leaf for path in after - audits}) is not both
        assert (after >= audits) is both

    def test_a_directory_that_is_healed_waits_for_repair(
        self, opened: Open, record: tuple[vaultfs.RecordId, Path, bytes]
    ) -> None:
        lost, path, whole = record
        footer = SegmentFooter.decode(whole[-FOOTER_SIZE:])
        path.write_bytes(flipped(whole, footer.directory_offset + 3))
        vault = opened()
        assert Concern.DAMAGED not in vault.maintenance.health().concerns
        get(vault, lost)
        assert vault.engine.store.damaged == {bytes.fromhex(path.stem)}
        assert Concern.DAMAGED in vault.maintenance.health().concerns
        assert list(repair_queue(vault.engine))
        assert path.read_bytes() == whole
        assert Concern.DAMAGED not in vault.maintenance.health().concerns

    def test_a_read_of_what_is_whole_is_not_counted_as_healed(
        self, opened: Open, record: tuple[vaultfs.RecordId, Path, bytes]
    ) -> None:
        """In a segment of which a slice was healed before: what counts is what each read has met."""
        lost, path, whole = record
        footer = SegmentFooter.decode(whole[-FOOTER_SIZE:])
        path.write_bytes(flipped(whole, footer.directory_offset + 3))
        tally = Tally()
        vault = opened(options=vaultfs.Options(metrics=tally))
        get(vault, lost)
        assert tally.counts[Counter.HEALED_READS] == 1
        for info in session(vault).find(subject=MRN):
            get(vault, info.id)
        assert tally.counts[Counter.HEALED_READS] == 1

    @pytest.mark.parametrize("kind", ["record", "blob", "control", "audit"])
    def test_a_missing_segment_is_damage_and_the_vault_is_not_missing(self, opened: Open, kind: str) -> None:
        vault = opened()
        with session(vault) as s, s.transaction() as txn:
            small = txn.put(b"x", kind="Observation", subject=MRN)
            large = txn.put(bytes(100_000), kind="Observation", subject=MRN)
            txn.set_state("ns", b"k", b"v")
        vault.settle()
        vault = opened(fresh=True)
        for file in (vault.path / "segments/main" / kind).rglob("*.vseg"):
            file.unlink()
        reads: dict[str, Callable[[], object]] = {
            "record": lambda: get(vault, small),
            "blob": lambda: get(vault, large),
            "control": lambda: session(vault).state("ns", b"k"),
            "audit": lambda: events(vault),
        }
        with pytest.raises(VaultDamaged):
            reads[kind]()
        if kind != "blob":
            assert get(vault, large) == bytes(100_000)


def test_errors_of_opening_are_coded_and_name_no_place(tmp_path: Path) -> None:
    create(tmp_path / "v").close()
    for victim in ("head", "VAULT.1", "keyring.1", "segments", "journal", "index", "copies", "lock", "README.txt"):
        copy = crashed(tmp_path / "v", tmp_path / f"copy-{victim}")
        target = copy / victim
        if target.is_dir():
            shutil.rmtree(target)
            target.write_bytes(b"garbage")
        else:
            target.unlink(missing_ok=True)
            target.mkdir()
        try:
            reopen(copy).close()
        except VaultError as error:
            chain: BaseException | None = error
            while chain is not None:
                assert str(tmp_path) not in f"{chain} {chain!r} {chain.args}"
                chain = chain.__cause__ or chain.__context__


def test_a_body_that_rots_in_a_part_file_is_not_settled_as_if_it_were_whole(opened: Open) -> None:
    """Nothing covers an open blob segment but the frames' own tags; settling must not put a root over damage."""
    vault = opened()
    record = put(vault, os.urandom(3_000_000))
    drop_mirrors(vault.path)
    (part,) = files_of(vault.path, "*.part")
    with part.open("r+b") as file:
        file.seek(1_500_000)
        byte = file.read(1)
        file.seek(1_500_000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(VaultDamaged):
        vault.settle()
    vault = opened(fresh=True)
    assert not vault.engine.head.segments
    with pytest.raises(VaultError):
        get(vault, record)

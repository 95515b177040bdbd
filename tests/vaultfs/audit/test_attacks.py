"""Attacks on a small log: each is found at the first leaf that is wrong, or nothing is lost by it, which is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from vaultfs_format.audit import ENTRY, AuditEntry, LeafKind
from vaultfs_format.errors import FileId, Structure
from vaultfs_format.group import GROUP_MAGIC, group_sizes
from vaultfs_format.journal import HEADER_SIZE
from vaultfs_format.tlog.checkpoint import Checkpoint
from vaultfs_tools.auditing.exported import against_log
from vaultfs_tools.keyless import VaultFiles, check

import vaultfs
from tests.vaultfs.audit.small import Entries, audit_rows, forged, in_order, make, of, settled
from tests.vaultfs.support import OTHER, PASSPHRASE, crashed, create, flipped, get, lost, put, reopen
from tests.vaultfs_tools.vaults import flip, mirror_of
from vaultfs.audit.findings import Finding, Part, Verified
from vaultfs.audit.log import read_leaves
from vaultfs.audit.verifying import check_log, verify
from vaultfs.audit.view import LogView, export, prove
from vaultfs.errors import LogDiverged, RolledBack, VaultDamaged, VaultError

THIN = 499
"""Every so many bytes are tried in the usual suite: no two files are tried at the same places of their slices."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vaultfs.Vault]:
    """Return the small vault, open. What is done to its files is undone."""
    path = tmp_path_factory.mktemp("small") / "v"
    make(path)
    with reopen(path) as vault:
        for number in range(5):
            put(vault, b"%d" % number)
        assert 60 < vault.engine.leaves < 100
        yield vault


@pytest.fixture
def path(opened: vaultfs.Vault, tmp_path: Path) -> Path:
    """Return a copy of the small vault without journals."""
    return settled(opened.path, tmp_path / "copy")


@contextmanager
def harmed(*files: Path) -> Iterator[None]:
    """Give back what files hold when the attack is over."""
    held = {file: file.read_bytes() for file in files}
    try:
        yield
    finally:
        for file, data in held.items():
            file.write_bytes(data)


def journal_of(vault: vaultfs.Vault) -> Path:
    """Return the last journal of an open vault, which has several groups."""
    return vault.engine.layout.journal(vault.engine.live[-1].journal.header.journal_id)


def groups(data: bytes) -> list[int]:
    """Return where each group of a journal that is written begins, and where the last one ends."""
    at = [HEADER_SIZE]
    while data[at[-1] :].startswith(GROUP_MAGIC):
        at.append(at[-1] + group_sizes(data, at[-1]).total)
    return at


def worst(found: Verified) -> Finding:
    """Return the finding with the first leaf."""
    assert found.worst is not None
    return found.worst


# Bytes. ------------------------------------------------------------------------------------------------------------


def sweep(vault: vaultfs.Vault, step: int, segments: slice) -> int:
    """Flip one of `step` bytes of segments and of a journal; return how often that was told."""
    files = [of(vault, row) for _, row in in_order(vault)[segments]] + [journal_of(vault)]
    told, good = 0, check_log(vault)
    assert good == replace(good, findings=(), healed=())
    for number, file in enumerate(files):
        data = file.read_bytes()
        end = groups(data)[-1] if file.suffix == ".vjrn" else len(data)
        with harmed(file):
            for at in range(number * step // len(files), end, step):
                file.write_bytes(flipped(data, at))
                found = check_log(vault)
                assert [f"{one.file}" for one in found.healed] == [file.stem], at
                assert replace(found, healed=()) == good, at
                told += 1
    return told


def test_any_byte_may_flip_and_nothing_is_lost_but_it_is_told(opened: vaultfs.Vault) -> None:
    assert sweep(opened, 6 * THIN, slice(None)) > 25


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_each_byte_may_flip_and_nothing_is_lost_but_it_is_told(opened: vaultfs.Vault) -> None:
    assert sweep(opened, 1, slice(1, 2)) > 25_000


def test_a_check_without_keys_finds_what_is_healed(opened: vaultfs.Vault, tmp_path: Path) -> None:
    path = settled(opened.path, tmp_path / "copy")
    segment = next(path.rglob("audit/**/*.vseg"))
    flip(segment, 5000)
    assert {one.file for one in check(VaultFiles(path)).findings} == {str(segment.relative_to(path))}


def journal_flips(vault: vaultfs.Vault, step: int) -> int:
    """Flip one of `step` bytes of a journal and of its mirror: the first leaf of the group is told, and where it is."""
    journal = journal_of(vault)
    data, tried = journal.read_bytes(), 0
    starts, first = groups(data), first_leaves(vault)
    with harmed(journal, mirror_of(journal)):
        for at in range(HEADER_SIZE, starts[-2], step):  # the last group closes nothing: another one follows it
            journal.write_bytes(flipped(data, at))
            mirror_of(journal).write_bytes(flipped(data, at))
            number = next(number for number, end in enumerate(starts[1:]) if at < end)
            finding = worst(check_log(vault))
            assert isinstance(finding.error, VaultError)
            assert (finding.part, finding.index) == (Part.FILE, first[number]), at
            assert (str(finding.file), finding.offset) == (journal.stem, starts[number]), at
            tried += 1
    return tried


def first_leaves(vault: vaultfs.Vault) -> list[int]:
    """Return the index of the first leaf of each group of the last journal, and the one behind all."""
    live = vault.engine.live[-1].journal
    found = [live.header.first_leaf]
    for scanned in live.again().scan(live.last_group):
        found.append(found[-1] + len(scanned.group.audit) // ENTRY.size)
    return found


def test_what_flips_in_a_journal_and_its_mirror_is_found(opened: vaultfs.Vault) -> None:
    assert journal_flips(opened, THIN // 2) > 5


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_each_byte_that_flips_in_a_journal_and_its_mirror_is_found(opened: vaultfs.Vault) -> None:
    assert journal_flips(opened, 1) > 1000


def cuts(vault: vaultfs.Vault, step: int) -> int:
    """Cut the last journal and its mirror off: what is missing is told from its first leaf on."""
    journal = journal_of(vault)
    data, tried = journal.read_bytes(), 0
    starts, first = groups(data), first_leaves(vault)
    with harmed(journal, mirror_of(journal)):
        for at in range(HEADER_SIZE, starts[-1], step):
            for file in (journal, mirror_of(journal)):
                file.write_bytes(data[:at])
            whole = max(number for number, start in enumerate(starts) if start <= at)
            finding = worst(check_log(vault))
            assert (finding.index, finding.offset) == (first[whole], starts[whole]), at
            tried += 1
    return tried


def test_what_is_cut_off_a_journal_is_found(opened: vaultfs.Vault) -> None:
    assert cuts(opened, THIN // 2) > 5


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_what_is_cut_off_a_journal_at_any_byte_is_found(opened: vaultfs.Vault) -> None:
    assert cuts(opened, 1) > 1000


def segment_cuts(vault: vaultfs.Vault, number: int, step: int) -> dict[bool, int]:
    """Cut a segment off: nothing is lost, or its first leaf is told. Return how often it was each."""
    extent, row = in_order(vault)[number]
    file = of(vault, row)
    data, ends = file.read_bytes(), {True: 0, False: 0}
    with harmed(file):
        for at in range(0, len(data), step):
            file.write_bytes(data[:at])
            found = check_log(vault)
            if found.findings:
                assert extent.start <= (worst(found).index or 0) < extent.stop, at
                assert {str(one.file) for one in found.findings} == {file.stem}, at
            else:
                assert [str(one.file) for one in found.healed] == [file.stem], at
            ends[bool(found.findings)] += 1
    return ends


def test_a_segment_that_is_cut_off_is_healed_or_found(opened: vaultfs.Vault) -> None:
    assert all(count > 3 for count in segment_cuts(opened, 1, 2 * THIN).values())


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_segment_that_is_cut_off_at_any_byte_is_healed_or_found(opened: vaultfs.Vault) -> None:
    assert all(count > 1000 for count in segment_cuts(opened, 1, 1).values())


def test_entries_that_nothing_gives_back_are_told_by_the_first(opened: vaultfs.Vault) -> None:
    extent, row = in_order(opened)[1]
    file = of(opened, row)
    with harmed(file):
        lost(file, 1)
        found = check_log(opened)
        with pytest.raises(VaultDamaged):
            verify(opened)
    finding = worst(found)
    assert {one.part for one in found.findings} == {Part.FILE}
    assert finding.index in extent
    assert str(finding.file) == file.stem
    assert isinstance(finding.error, VaultDamaged)


# Order. ------------------------------------------------------------------------------------------------------------


def exchanged(pieces: list[bytes]) -> list[bytes]:
    return [pieces[0], pieces[2], pieces[1], *pieces[3:]]


def repeated(pieces: list[bytes]) -> list[bytes]:
    return [*pieces[:2], *pieces[1:]]


def left_out(pieces: list[bytes]) -> list[bytes]:
    return [pieces[0], *pieces[2:]]


@pytest.mark.parametrize(("change", "group"), [(exchanged, 1), (repeated, 2), (left_out, 1)])
def test_groups_of_a_journal_out_of_order_are_found(
    opened: vaultfs.Vault, change: Callable[[list[bytes]], list[bytes]], group: int
) -> None:
    journal = journal_of(opened)
    data, first = journal.read_bytes(), first_leaves(opened)
    starts = groups(data)
    pieces = [data[start:end] for start, end in pairwise(starts)]
    with harmed(journal, mirror_of(journal)):
        for file in (journal, mirror_of(journal)):
            file.write_bytes(data[:HEADER_SIZE] + b"".join(change(pieces)))
        finding = worst(check_log(opened))
    assert (finding.part, finding.index, finding.offset) == (Part.FILE, first[group], starts[group])


def test_a_segment_in_the_place_of_another_is_found(opened: vaultfs.Vault) -> None:
    (_, older), (extent, row), *_ = in_order(opened)
    with harmed(of(opened, row)):
        of(opened, row).write_bytes(of(opened, older).read_bytes())
        found = check_log(opened)
    (finding,) = found.findings
    assert (finding.part, finding.index, finding.file) == (Part.FILE, extent.start, FileId.of(row.segment_id))


def test_a_segment_that_is_missing_is_found(opened: vaultfs.Vault) -> None:
    extent, row = in_order(opened)[2]
    with harmed(of(opened, row)):
        of(opened, row).unlink()
        (finding,) = check_log(opened).findings
    assert (finding.index, str(finding.file)) == (extent.start, row.segment_id.hex())


# Who has all keys of today, and rewrites entries. -------------------------------------------------------------------


def swapped(entries: Entries) -> Entries:
    return [*entries[:3], entries[4], entries[3], *entries[5:]]


def cut_short(entries: Entries) -> Entries:
    return entries[:-2]


def prolonged(entries: Entries) -> Entries:
    return [*entries[:-1], entries[-2], entries[-1]]


def changed(at: int, **fields: int | bytes) -> Callable[[Entries], Entries]:
    def change(entries: Entries) -> Entries:
        made = replace(AuditEntry.decode(entries[at]), **fields).encode()  # type: ignore[arg-type] # of any field
        return [*entries[:at], made, *entries[at:][1:]]

    return change


@pytest.mark.parametrize(
    ("part", "change", "told", "leaf"),
    [
        pytest.param(1, swapped, {Part.EVENT, Part.TREE}, 3, id="entries swapped, an earlier signer's"),
        pytest.param(4, swapped, {Part.EVENT}, 3, id="entries swapped, its own"),
        pytest.param(1, changed(0, commitment=bytes(32)), {Part.TREE, Part.SUBJECTS}, 0, id="live set, an earlier one"),
        pytest.param(4, changed(0, signer=1), {Part.SIGNER}, 0, id="a part of another signer"),
        pytest.param(4, changed(-1, number=1), {Part.ENTRY}, -1, id="heads of another leaf"),
        pytest.param(4, changed(-1, commitment=bytes(32)), {Part.SUBJECTS}, -1, id="other heads of subjects"),
        pytest.param(4, changed(5, kind=LeafKind.LIVESET, signer=2), {Part.EVENT}, 6, id="an event becomes a live set"),
        pytest.param(4, changed(0, signer=0), {Part.ENTRY}, 0, id="a live set that nobody has signed"),
        pytest.param(4, cut_short, {Part.EVENT, Part.FILE}, 9, id="the last entries cut off"),
        pytest.param(4, prolonged, {Part.EVENT, Part.ENTRY, Part.FILE}, 10, id="an entry without an event"),
        pytest.param(4, left_out, {Part.EVENT, Part.ENTRY, Part.FILE}, 1, id="an entry left out"),
        pytest.param(4, repeated, {Part.EVENT, Part.ENTRY, Part.FILE}, 2, id="an entry repeated"),
    ],
)
def test_entries_that_were_rewritten_are_found(
    path: Path, tmp_path: Path, part: int, change: Callable[[Entries], Entries], told: set[Part], leaf: int
) -> None:
    with forged(path, tmp_path / "made", part, change) as made:
        with pytest.raises(RolledBack):
            reopen(made)  # an anchor has seen another head of this generation
        with reopen(made, accept_older=True) as vault:
            extent, row = in_order(vault)[part]
            found = check_log(vault)
            with pytest.raises(VaultError):
                verify(vault)
    finding = worst(found)
    assert told >= {one.part for one in found.findings} >= {finding.part}
    if Part.TREE in told:
        assert Part.TREE in {one.part for one in found.findings}
    at = extent.start + (leaf if leaf >= 0 else len(extent) + leaf)
    if finding.part is Part.TREE:
        assert (finding.index or 0) <= at
    else:
        assert (finding.index, finding.file) == (at, FileId.of(row.segment_id))


def test_the_tree_of_an_earlier_signer_is_told_by_the_part_that_it_signed(path: Path, tmp_path: Path) -> None:
    with (
        forged(path, tmp_path / "made", 1, changed(0, commitment=bytes(32))) as made,
        reopen(made, accept_older=True) as vault,
    ):
        (tree,) = (one for one in check_log(vault).findings if one.part is Part.TREE)
    assert tree.error.facts["structure"] is Structure.SIGNER
    assert tree.index == 0


def test_a_past_that_was_written_again_is_found_by_who_has_seen_the_other_one(tmp_path: Path) -> None:
    """Who has all keys, and the epoch store, cuts the log off and goes on: the log is whole, and another one."""
    with create(tmp_path / "v") as vault:
        put(vault)
        vault.settle()
        old = crashed(tmp_path / "v", tmp_path / "old")
        put(vault, subject=OTHER)
        export(vault, tmp_path / "log")
        seen = Checkpoint.decode(LogView(vault).checkpoint().text)
    with reopen(old) as vault:
        for _ in range(20):
            put(vault)
        vault.settle()
        assert check_log(vault).findings == ()
        with pytest.raises(LogDiverged):
            export(vault, tmp_path / "log")
        with pytest.raises(LogDiverged):
            LogView(vault).check_grown_from(seen)
        view = LogView(vault)
        wrong = against_log(VaultFiles(tmp_path / "log"), view.content, view.size, view.minimum).found
    assert {one.file.partition("/")[0] for one in wrong} == {"tile"}
    offset = wrong[0].error.facts["offset"]
    assert isinstance(offset, int)
    assert offset > 0


def test_what_is_shredded_is_still_in_the_tree(tmp_path: Path) -> None:
    """A subject is disposed of: events about it stay, of surrogates alone, and proofs made before still verify."""
    with create(tmp_path / "v") as vault:
        record, kept = put(vault), put(vault, subject=OTHER)
        vault.settle()
        index = next(leaf.index for leaf in read_leaves(vault) if leaf.event and leaf.event.type == 20)
        before, keys = prove(vault, index), LogView(vault).keys
        (subject,) = vault.session(vaultfs.Principal("keeper"), "HSYSADMIN").subjects(OTHER)
        vault.keys.turn(PASSPHRASE, dispose=[subject])
        assert check_log(vault).findings == ()
        assert get(vault, record) == b"data"
        with pytest.raises(VaultError):
            get(vault, kept)
        before.verify(keys)
        prove(vault, index).verify(LogView(vault).keys)
        assert verify(vault).events > 10


def test_audit_segments_are_what_the_attacks_are_on(opened: vaultfs.Vault) -> None:
    assert len(audit_rows(opened.engine.head)) >= 5
    assert len(first_leaves(opened)) > 3

"""Large records: any bytes come back however they are cut; equal parts are stored once in a subject, never across."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vaultfs_format.segment import FOOTER_SIZE, SegmentFooter

import vaultfs
from tests.vaultfs.conftest import Open
from tests.vaultfs.support import (
    MRN,
    OTHER,
    answers,
    crashed,
    create,
    delete,
    files_of,
    get,
    index_content,
    lost,
    memory,
    put,
    reopen,
    session,
)
from vaultfs.engine.reading.compare import frame_errors, index_differences
from vaultfs.errors import FormatError, NotAuthentic, TooLarge, TransactionConflict, VaultDamaged

KIB, MIB = 1024, 1024 * 1024
ROW = 1024


def image(seed: int = 1, rows: int = 1500) -> bytes:
    """Return pixels of 16 bits, 512 a row, each row near to the one above it."""
    chance = random.Random(seed)
    line = [1000 + 2 * x for x in range(512)]
    out = bytearray()
    for _ in range(rows):
        line = [value + step for value, step in zip(line, chance.choices((-2, -1, 0, 1, 2), k=512), strict=True)]
        out += b"".join(value.to_bytes(2, "little") for value in line)
    return bytes(out)


IMAGE = image()


def pixels(header: bytes) -> vaultfs.PixelData:
    """Return where the pixels of `image` lie behind a header."""
    return vaultfs.PixelData(len(header), len(IMAGE), ROW, 2)


def stored(vault: vaultfs.Vault) -> int:
    """Return the bytes of all files that hold bodies of blobs."""
    return sum(path.stat().st_size for path in (vault.path / "segments/main/blob").rglob("*.*") if path.is_file())


def put_image(vault: vaultfs.Vault, header: bytes, **more: object) -> vaultfs.RecordId:
    """Put a header and the image behind it."""
    return put(vault, header + IMAGE, pixels=pixels(header), **more)


# Laws.

HINT = st.one_of(
    st.integers(-5, 300 * KIB), st.sampled_from([0, 1, 2, 4, 63, 64, 1024, MIB // 2, MIB // 2 + 1, MIB, 1 << 62])
)
HINTS = st.none() | st.builds(vaultfs.PixelData, HINT, HINT, HINT, st.sampled_from([-1, 0, 1, 2, 3, 4, 8]))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vaultfs.Vault]:
    place = tmp_path_factory.mktemp("blobs") if memory() is None else Path(str(memory())) / f"blobs-{os.getpid()}"
    place.mkdir(exist_ok=True)
    with create(place / "vault") as vault:
        yield vault
    for path in sorted(place.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    place.rmdir()


class Trickle(io.BytesIO):
    """A file that gives fewer bytes than it is asked for."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._most, size) if size and size > 0 else self._most)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 64 * KIB - 1, 64 * KIB, 200_000, MIB - 1, MIB, MIB + 1, 2 * MIB + 70_000]),
    st.sampled_from([b"", b"before", b"b" * 66_000]),
    st.sampled_from([b"", b"after", b"a" * 66_000]),
    HINTS,
    st.sampled_from([None, 1000, 65_536, 1 << 30]),
    st.booleans(),
)
def test_what_is_put_comes_back_whatever_is_said_of_its_pixels(
    shared: vaultfs.Vault,
    seed: int,
    length: int,
    before: bytes,
    after: bytes,
    hint: vaultfs.PixelData | None,
    chunk: int | None,
    smooth: bool,
) -> None:
    chance = random.Random(seed)
    data = (IMAGE * 2)[seed % 1000 :][:length] if smooth else chance.randbytes(length)
    source = data if chunk is None else Trickle(data, chunk)
    record = put(shared, source, before=before, after=after, pixels=hint)
    with session(shared) as s:
        found = s.get(record)
        assert (found.data, found.before, found.after) == (data, before, after)
        assert found.info.length == len(data)
        with s.open(record) as file:
            for _ in range(4):
                start, size = chance.randrange(len(data) + 1), chance.choice([1, 100, 70_000, 3 * MIB])
                file.seek(start)
                assert file.read(size) == data[start : start + size]
            file.seek(3)
            assert file.read() == data[3:]


# What is stored once.


@pytest.mark.parametrize("other", [b"x" * 500, b"another header, and a longer one" * 300, b""])
def test_an_image_with_another_header_stores_only_the_header_again(vault: vaultfs.Vault, other: bytes) -> None:
    first = put_image(vault, b"header" * 100)
    size = stored(vault)
    assert size > 200 * KIB
    second = put_image(vault, other)
    assert stored(vault) < size + len(other) + 1000
    for _ in range(2):
        assert get(vault, first) == b"header" * 100 + IMAGE
        assert get(vault, second) == other + IMAGE
        vault.settle()


def test_what_is_put_again_is_not_stored_again(vault: vaultfs.Vault) -> None:
    data = os.urandom(3 * MIB + 200_000)
    with session(vault) as s, s.transaction() as txn:
        records = [txn.put(data, kind="Binary", subject=MRN) for _ in range(3)]
    records.append(put(vault, data, kind="Binary"))
    vault.settle()
    records.append(put(vault, io.BytesIO(data), kind="Binary"))
    vault.settle()
    assert stored(vault) < 1.25 * len(data)  # an eighth and a little is parity
    assert [get(vault, record) for record in records] == [data] * 5


def test_equal_bytes_of_two_subjects_are_stored_twice(vault: vaultfs.Vault) -> None:
    """Else sizes would tell of one patient what another has, and disposing of one would harm the other."""
    data = os.urandom(2 * MIB)
    for subject in (MRN, OTHER, None):
        size = stored(vault)
        assert get(vault, put(vault, data, subject=subject)) == data
        assert stored(vault) >= size + len(data)
    with session(vault) as s, s.transaction() as txn:
        txn.link(txn.subject(MRN), txn.subject(OTHER))
        third = txn.put(data, kind="Binary", subject=vaultfs.Identifier("urn:x", "third"))
    assert stored(vault) >= 4 * len(data)
    assert get(vault, third) == data


def test_a_record_of_too_many_parts_is_refused(vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaultfs_format.limits.MAX_PARTS", 3)
    with session(vault) as s, s.transaction() as txn:
        with pytest.raises(TooLarge):
            txn.put(os.urandom(3 * MIB + 100_000), kind="Binary", subject=MRN)
        record = txn.put(b"r" * (3 * MIB + 50_000), kind="Binary", subject=MRN)
    assert get(vault, record) == b"r" * (3 * MIB + 50_000)


def test_a_new_version_shares_the_parts_of_the_one_it_replaces(vault: vaultfs.Vault) -> None:
    record = put_image(vault, b"first")
    size = stored(vault)
    put_image(vault, b"second", replaces=record)
    assert stored(vault) < size + 1000
    vault.settle()
    delete(vault, record)
    with session(vault) as s:
        with s.transaction() as txn:
            txn.undelete(record)
        assert s.get(record, 1).data == b"first" + IMAGE
        assert s.get(record).data == b"second" + IMAGE


def test_sharing_survives_settling_rebuilding_and_reopening(opened: Open) -> None:
    vault = opened()
    for number in range(6):
        put_image(vault, b"%d" % number * 300)
        put(vault, IMAGE[: 700 * KIB], subject=OTHER)
        if number % 2:
            vault.settle()
    said, size = answers(vault), stored(vault)
    for act in ("settle", "rebuild_index", "settle"):
        getattr(vault, act)()
        vault = opened(fresh=True)
        assert answers(vault) == said
        assert index_differences(vault.engine, vault.path / "index") == {}
        assert list(frame_errors(vault.engine, lambda _: None)) == []
    assert stored(vault) < size + 20 * KIB


# What is relied on.


def test_a_part_that_two_transactions_wrote_at_once_is_found_either_way(vault: vaultfs.Vault) -> None:
    data = os.urandom(MIB + 100_000)
    put(vault)
    with session(vault) as s:
        one, two = s.transaction(), s.transaction()
        records = [txn.put(data, kind="Binary", subject=MRN) for txn in (one, two)]
        one.commit()
        two.commit()
    for step in (lambda: None, vault.settle, vault.rebuild_index):
        step()
        assert [get(vault, record) for record in records] == [data] * 2
        content = index_content(vault)
        assert len(content["parts"]) == 4
        assert index_differences(vault.engine, vault.path / "index") == {}


def test_a_lying_index_row_beside_a_true_one_hides_nothing(vault: vaultfs.Vault) -> None:
    """Rows that lead nowhere, or to a part of another subject, are passed over; nothing is stored twice for them."""
    first = put_image(vault, b"one")
    put(vault, os.urandom(100_000), subject=OTHER)
    index = vault.engine.index
    with index.writing() as txn:
        keys = [bytes(key) for key, _ in txn.cursor(index.tables.parts)]
        for key in keys:
            for address in (bytes(8), *(other[16:] for other in keys)):
                txn.put(key[:16] + address, b"", db=index.tables.parts)
    size = stored(vault)
    assert get(vault, first) == b"one" + IMAGE
    assert get(vault, put_image(vault, b"two")) == b"two" + IMAGE
    assert stored(vault) < size + 1000


def test_parts_of_what_was_rolled_back_are_not_relied_on(opened: Open) -> None:
    vault = opened()
    data = os.urandom(2 * MIB)

    class Unplugged(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > MIB + 70_000:
                raise OSError("unplugged")
            return super().read(size)

    with session(vault) as s:
        lost = s.transaction()
        lost.put(data, kind="Binary", subject=MRN)
        lost.rollback()
        with s.transaction() as txn:
            with pytest.raises(OSError, match="unplugged"):
                txn.put(Unplugged(data), kind="Binary", subject=MRN)
            record = txn.put(data, kind="Binary", subject=MRN)
    assert get(vault, record) == data
    vault.settle()
    assert get(opened(fresh=True), record) == data


def test_a_transaction_whose_shared_part_is_gone_at_commit_fails_and_may_run_again(vault: vaultfs.Vault) -> None:
    first = put_image(vault, b"one")
    with session(vault) as s:
        txn = s.transaction()
        txn.put(b"two" + IMAGE, kind="Binary", subject=MRN, pixels=pixels(b"two"))
        with vault.engine.index.writing() as rows:
            rows.drop(vault.engine.index.tables.parts, delete=False)
        with pytest.raises(TransactionConflict):
            txn.commit()
        with s.transaction() as again:
            second = again.put(b"two" + IMAGE, kind="Binary", subject=MRN, pixels=pixels(b"two"))
    assert get(vault, second) == b"two" + IMAGE
    assert get(vault, first) == b"one" + IMAGE


def test_a_transaction_that_relies_on_a_part_commits_after_it_was_settled(vault: vaultfs.Vault) -> None:
    put_image(vault, b"one")
    with session(vault) as s:
        txn = s.transaction()
        second = txn.put(b"two" + IMAGE, kind="Binary", subject=MRN, pixels=pixels(b"two"))
        vault.settle()
        vault.rebuild_index()
        txn.commit()
    assert get(vault, second) == b"two" + IMAGE


def _damage_image(vault: vaultfs.Vault) -> None:
    """Lose a slice in the middle of the largest blob segment."""
    path = max(files_of(vault.path, "blob/**/*.vseg"), key=lambda one: one.stat().st_size)
    footer = SegmentFooter.decode(path.read_bytes()[-FOOTER_SIZE:])
    lost(path, 100_000 // footer.geometry.slice_size)


def test_damage_of_a_shared_part_is_told_for_every_record_that_has_it(opened: Open) -> None:
    vault = opened()
    records = [put_image(vault, header) for header in (b"one", b"two", b"three")]
    apart = put(vault, os.urandom(100_000))
    vault.settle()
    _damage_image(vault)
    vault = opened(fresh=True)
    for record in records:
        with pytest.raises((VaultDamaged, NotAuthentic, FormatError)):
            get(vault, record)
        with session(vault) as s, s.open(record) as file, pytest.raises((VaultDamaged, NotAuthentic, FormatError)):
            file.read()
    assert len(get(vault, apart)) == 100_000
    assert len(list(frame_errors(vault.engine, lambda _: None))) == 1


def test_putting_the_bytes_of_a_damaged_part_again_heals_every_record_that_has_it(opened: Open) -> None:
    """A part is read before it is relied on, so that damage is not handed on."""
    vault = opened()
    records = [put_image(vault, header) for header in (b"one", b"two")]
    vault.settle()
    _damage_image(vault)
    vault = opened(fresh=True)
    records.append(put_image(vault, b"three"))
    for _ in range(2):
        assert [get(vault, record) for record in records] == [header + IMAGE for header in (b"one", b"two", b"three")]
        vault.settle()
    vault.rebuild_index()
    assert get(vault, records[0]) == b"one" + IMAGE


# Crashes.


def test_a_crash_while_a_blob_is_put_leaves_nothing_behind(vault: vaultfs.Vault, tmp_path: Path) -> None:
    kept = put_image(vault, b"kept")
    size = stored(vault)
    with session(vault) as s:
        txn = s.transaction()
        txn.put(b"new" + os.urandom(3 * MIB), kind="Binary", subject=MRN)
        txn.put(b"shared" + IMAGE, kind="Binary", subject=MRN, pixels=pixels(b"shared"))
        path = crashed(vault.path, tmp_path / "crashed")
        txn.rollback()
    with reopen(path) as again:
        assert get(again, kept) == b"kept" + IMAGE
        again.settle()
        assert stored(again) < 1.6 * size  # parity came with settling
        with session(again) as s:
            assert [info.id for info in s.find(subject=MRN)] == [kept]


def test_a_crash_after_the_commit_of_a_record_that_shares_keeps_it(vault: vaultfs.Vault, tmp_path: Path) -> None:
    put_image(vault, b"one")
    vault.settle()
    second = put_image(vault, b"two")
    for index in (True, False):
        with reopen(crashed(vault.path, tmp_path / f"crashed-{index}", index=index)) as again:
            for _ in range(2):
                assert get(again, second) == b"two" + IMAGE
                again.settle()

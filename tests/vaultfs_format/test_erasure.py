"""The erasure code: any k pieces give all others back, whichever code does the sums."""

from __future__ import annotations

import ctypes
import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaultfs_format import erasure, gf256, isal
from vaultfs_format.erasure import PureSums, Sums

ELEMENTS = st.integers(0, 255)
Summing = Callable[[int, int], Sums]


def accelerated(outputs: int, length: int) -> Sums:
    """Return sums of ISA-L, which the tests install."""
    library = isal.library()
    assert library is not None
    return isal.AcceleratedSums(library, outputs, length)


SUMS = pytest.mark.parametrize("summing", [PureSums, accelerated])


def slow_product(left: int, right: int) -> int:
    """Return the product of two elements by the definition of the field."""
    total = 0
    for power in range(8):
        if right >> power & 1:
            total ^= left << power
    for power in reversed(range(8, 15)):
        if total >> power & 1:
            total ^= gf256.POLYNOMIAL << (power - 8)
    return total


class TestField:
    def test_products_are_those_of_the_polynomial(self) -> None:
        for left, right in itertools.product(range(256), repeat=2):
            assert gf256.multiply(left, right) == slow_product(left, right)
        assert gf256.products(29) == bytes(slow_product(29, element) for element in range(256))

    def test_every_element_but_zero_has_an_inverse(self) -> None:
        for element in range(1, 256):
            assert gf256.multiply(element, gf256.inverse(element)) == 1
        with pytest.raises(ZeroDivisionError):
            gf256.inverse(0)

    @given(
        st.integers(1, 12).flatmap(
            lambda n: st.lists(st.lists(ELEMENTS, min_size=n, max_size=n), min_size=n, max_size=n)
        )
    )
    def test_a_matrix_times_its_inverse_is_one(self, matrix: list[list[int]]) -> None:
        one = tuple(tuple(int(at == row) for at in range(len(matrix))) for row in range(len(matrix)))
        try:
            inverse = gf256.inverted(matrix)
        except ZeroDivisionError:
            return
        assert gf256.product(matrix, inverse) == gf256.product(inverse, matrix) == one

    def test_a_matrix_without_inverse_is_refused(self) -> None:
        for matrix in ([[0]], [[1, 2], [1, 2]], [[0, 0], [0, 1]]):
            with pytest.raises(ZeroDivisionError):
                gf256.inverted(matrix)

    def test_rows_may_have_to_be_exchanged(self) -> None:
        assert gf256.inverted([[0, 1], [1, 0]]) == ((0, 1), (1, 0))


class TestSums:
    @SUMS
    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_sums_are_those_of_the_field(self, summing: Summing, data: st.DataObject) -> None:
        outputs, length = data.draw(st.integers(1, 9)), data.draw(st.integers(0, 200))
        pieces = data.draw(st.lists(st.binary(max_size=length), max_size=5))
        rows = [data.draw(st.lists(ELEMENTS, min_size=outputs, max_size=outputs)) for _ in pieces]
        total = summing(outputs, length)
        for row, piece in zip(rows, pieces, strict=True):
            total.add(row, memoryview(piece))
        expected = [bytearray(length) for _ in range(outputs)]
        for row, piece in zip(rows, pieces, strict=True):
            for output, factor in enumerate(row):
                for at, element in enumerate(piece):
                    expected[output][at] ^= slow_product(factor, element)
        assert total.finish() == [bytes(one) for one in expected]

    @SUMS
    def test_a_piece_that_is_longer_than_the_sums_is_refused(self, summing: Summing) -> None:
        """A library that is given its address would write behind them."""
        total = summing(2, 16)
        for length in (17, 1 << 20):
            with pytest.raises(ValueError, match="longer"):
                total.add((3, 5), bytes(length))
        total.add((1, 1), bytes(range(16)))
        assert total.finish() == [bytes(range(16))] * 2

    def test_both_ways_give_the_same_bytes(self) -> None:
        chance = random.Random(1)
        for length in (1, 31, 33, 4096, 65536, 65537):
            pure, fast = PureSums(9, length), accelerated(9, length)
            for _ in range(16):
                row, piece = chance.randbytes(9), chance.randbytes(length)
                pure.add(row, piece)
                fast.add(row, piece)
            assert pure.finish() == fast.finish()


class TestLibrary:
    @pytest.fixture(autouse=True)
    def anew(self) -> Callable[[], None]:
        isal.library.cache_clear()
        return isal.library.cache_clear

    def test_without_it_python_does_the_sums(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(erasure.sums(1, 1), isal.AcceleratedSums)
        isal.library.cache_clear()
        monkeypatch.setattr(isal, "_paths", lambda: iter(["libnowhere.so", "libc.so.6"]))
        assert isal.library() is None
        assert isinstance(erasure.sums(1, 1), PureSums)
        isal.library.cache_clear()

    def test_the_package_that_brings_it_may_be_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import importlib.metadata

        def missing(name: str) -> None:
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(importlib.metadata, "files", missing)
        assert list(isal._paths()) == ["libisal.so.2"]

    def test_a_library_that_is_wrong_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        path = next(isal._paths())
        library = isal._loaded(path)
        assert library is not None
        assert isal.right(library)
        really, tables = library.ec_encode_data_update, library.ec_init_tables

        class Wrong:
            """Does all as the library, and once in a while forgets to add."""

            def __init__(self) -> None:
                self.calls = 0
                self.ec_init_tables = tables

            def ec_encode_data_update(self, *arguments: object) -> None:
                self.calls += 1
                if self.calls % 50:
                    really(*arguments)

        monkeypatch.setattr(isal, "_loaded", lambda _: Wrong())
        assert isal.library() is None
        isal.library.cache_clear()


SHAPES = [(1, 2), (2, 2), (3, 2), (9, 5), (16, 2), (16, 8)]


@SUMS
@pytest.mark.parametrize(("data_pieces", "parity_pieces"), SHAPES)
def test_any_pieces_that_are_enough_give_all_others_back(
    monkeypatch: pytest.MonkeyPatch, summing: Summing, data_pieces: int, parity_pieces: int
) -> None:
    monkeypatch.setattr(erasure, "sums", summing)
    chance = random.Random(data_pieces)
    data = [chance.randbytes(50) for _ in range(data_pieces)]
    data[-1] = data[-1][:7]
    whole = data + erasure.encode(data_pieces, parity_pieces, data, 50)
    whole[data_pieces - 1] = whole[data_pieces - 1].ljust(50, b"\0")
    numbers = range(data_pieces + parity_pieces)
    patterns = list(itertools.combinations(numbers, parity_pieces))
    for missing in patterns if len(patterns) < 400 else chance.sample(patterns, 400):
        present = [(number, whole[number]) for number in numbers if number not in missing]
        assert erasure.rebuild(data_pieces, present, missing, 50) == [whole[number] for number in missing]
    with pytest.raises(ValueError, match="fewer pieces"):
        erasure.rebuild(data_pieces, [(number, whole[number]) for number in numbers[1:data_pieces]], [0], 50)


def test_pieces_that_are_left_out_are_zeros() -> None:
    data = [b"one", b"two"]
    assert erasure.encode(4, 2, data, 3) == erasure.encode(4, 2, [*data, bytes(3), bytes(3)], 3)


def test_the_matrix_is_the_one_that_is_specified() -> None:
    """Parity piece i (from k on), data piece j: 1/(i XOR j)."""
    for data_pieces, parity_pieces in SHAPES:
        for number in range(data_pieces):
            column = erasure.column(data_pieces, parity_pieces, number)
            assert [gf256.multiply(factor, (data_pieces + row) ^ number) for row, factor in enumerate(column)] == [
                1
            ] * parity_pieces


def test_the_system_may_have_the_library_under_its_own_name(tmp_path: Path) -> None:
    assert isal._loaded(str(tmp_path / "none.so")) is None
    assert isinstance(ctypes.CDLL(None), ctypes.CDLL)

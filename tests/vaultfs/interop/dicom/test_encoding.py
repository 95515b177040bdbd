"""How elements are found, in every encoding, and what is refused."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc

import pytest

from tests.vaultfs.interop.dicom.files import (
    BIG,
    CT,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    INSTANCE,
    JPEG,
    UNDEFINED,
    Writer,
    describe,
    dicom,
    file,
    meta,
    patient,
)
from vaultfs.errors import DicomMalformed, DicomTruncated
from vaultfs.interop.dicom import DicomAdapter
from vaultfs.interop.dicom.elements import MAX_DEPTH
from vaultfs.interop.registry import recognise

PRIVATE = [
    (0x00090010, "LO", "ACME 1.1"),
    (0x00091001, "UN", b"\x01\x02\x03\x04"),
    (0x00091002, "SQ", [[(0x00100020, "LO", "not this one")]]),
]
LATER = [(0x00400275, "SQ", [[(0x00400007, "LO", "step")], [(0x00400008, "SQ", [[(0x00080100, "SH", "x")]])]])]
ISSUED = [(0x00100024, "SQ", [[(0x00400032, "UT", "1.2.3"), (0x00400033, "CS", "ISO")]])]


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG])
def test_every_transfer_syntax_says_the_same(syntax: str, undefined: bool) -> None:
    data = dicom(*PRIVATE, *patient("4711"), *ISSUED, *LATER, syntax=syntax, undefined=undefined)
    facts = describe(data)
    assert [(one.authority, one.value) for one in facts.identifiers] == [("urn:oid:1.2.3", "4711")]
    assert facts.logical_id == INSTANCE
    assert facts.kind == "ImagingStudy"


def test_an_unknown_sequence_of_undefined_length_is_implicit_inside() -> None:
    """PS3.5, 6.2.2, note 4 of the table: VR UN with undefined length."""
    inner = Writer(IMPLICIT, undefined=True).element(0x00091001, "SQ", [[(0x00091002, "LO", "AB")]])[8:]
    data_set = Writer().head(0x00091001, "UN", UNDEFINED) + inner + Writer().elements(patient("4711"))
    assert [one.value for one in describe(file(data_set)).identifiers] == ["4711"]


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_data_set_that_is_not_in_the_syntax_that_is_stated_is_read_as_it_is(syntax: str) -> None:
    other = IMPLICIT if syntax == EXPLICIT else EXPLICIT
    data_set = Writer(other).elements([(0x00080016, "UI", CT), *patient("4711")])
    assert [one.value for one in describe(file(data_set, syntax)).identifiers] == ["4711"]


def test_an_item_without_value_representations_in_an_explicit_data_set_is_read() -> None:
    item = Writer(IMPLICIT).elements([(0x00400032, "UT", "1.2.3"), (0x00400033, "CS", "ISO")])
    sequence = Writer().item(item)
    data_set = Writer().elements(patient("4711")) + Writer().head(0x00100024, "SQ", len(sequence)) + sequence
    assert describe(file(data_set)).identifiers[0].authority == "urn:oid:1.2.3"


def test_a_value_representation_of_a_later_standard_has_a_long_length() -> None:
    """PS3.5, 7.1.2: one that is not known is read as UN is."""
    odd = struct.pack("<HH2sHI", 0x0009, 0x1001, b"QQ", 0, 2) + b"ab"
    assert [one.value for one in describe(file(odd + Writer().elements(patient("4711")))).identifiers] == ["4711"]


def test_bytes_of_zero_after_the_last_element_are_padding() -> None:
    assert describe(dicom(*patient("4711")) + bytes(300)).identifiers


def test_a_hole_of_zeros_in_the_header_is_damage() -> None:
    """What was in it may have been the patient."""
    data = bytearray(dicom((0x00080060, "CS", "CT"), *patient("4711")))
    data[-40:-20] = bytes(20)
    with pytest.raises((DicomMalformed, DicomTruncated)):
        describe(bytes(data))


def test_elements_that_are_out_of_order_are_read() -> None:
    data_set = Writer().elements([(0xFFFCFFFC, "OB", bytes(4)), *patient("4711"), (0x00080016, "UI", CT)])
    assert describe(file(data_set)).identifiers


def test_what_follows_the_pixels_is_not_looked_at() -> None:
    data = dicom(*patient("4711"), (0x7FE00010, "OW", bytes(8)), (0xFFFCFFFC, "OB", bytes(6)))
    assert describe(data + b"trailing junk").identifiers


# Recognition.


def test_the_prefix_after_the_preamble_is_enough_to_be_recognised() -> None:
    """A file that has it and nothing else is a DICOM file, a broken one."""
    head = b"II*\0" + bytes(124) + b"DICM"
    adapter = recognise(head)
    assert isinstance(adapter, DicomAdapter)
    assert describe(head).identifiers == ()


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_data_set_alone_is_recognised_by_a_sop_class_of_the_standard(syntax: str) -> None:
    elements = [(0x00080005, "CS", "ISO_IR 100"), (0x00080016, "UI", CT), (0x00080018, "UI", INSTANCE)]
    data = Writer(syntax).elements([*elements, *patient("4711")])
    assert isinstance(recognise(data), DicomAdapter)
    facts = describe(data)
    assert facts.logical_id == INSTANCE
    assert [one.value for one in facts.identifiers] == ["4711"]


def test_file_meta_information_without_a_preamble_is_recognised() -> None:
    data = dicom(*patient("4711"))[132:]
    assert data.startswith(meta()[:12])
    assert isinstance(recognise(data), DicomAdapter)
    assert describe(data).identifiers


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\0\x16\0UI\x0c\x001.2.3.4.5.6\0",
        b"\x08\0\x05\0CS\x0a\0ISO_IR 100",
        Writer().elements([(0x00080018, "UI", INSTANCE), (0x00080016, "UI", CT)]),
        Writer().elements([(0x00090018, "UI", INSTANCE), (0x00080016, "UI", CT)]),
        b"\x08\0\x16\0" + b"\xff" * 40,
        bytes(200),
        b"\x08",
    ],
    ids=["no SOP class of the standard", "none at all", "out of order", "private first", "noise", "zeros", "short"],
)
def test_what_is_not_certainly_dicom_goes_to_nobody(data: bytes) -> None:
    assert recognise(data) is None


# Refusals.


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG])
def test_a_file_that_is_cut_anywhere_is_facts_or_a_coded_error(syntax: str, undefined: bool) -> None:
    """Never another exception, and facts only where no value was cut."""
    more = [(0x7FE00010, "OW", bytes(20))]
    data = dicom(*PRIVATE, *patient("4711"), *ISSUED, *LATER, *more, syntax=syntax, undefined=undefined)
    whole = describe(data)
    understood = 0
    for length in range(132, len(data)):
        (piece,) = DicomAdapter().pieces(io.BytesIO(data[:length]))
        assert piece.data == data[:length]
        if piece.facts:
            understood += 1
            assert {one.value for one in piece.facts.identifiers} <= {one.value for one in whole.identifiers}
        else:
            assert isinstance(piece.problem, DicomTruncated | DicomMalformed)
            assert piece.problem.__context__ is None
    # Between two elements a file may end.
    assert understood < 25


@pytest.mark.parametrize("tag", [0x00091001, 0x00100020, 0x00100024, 0x7FE00010])
@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x7FFFFFFF])
def test_a_length_of_gigabytes_that_are_not_there_is_refused_before_it_is_read(tag: int, length: int) -> None:
    data = file(Writer(IMPLICIT).head(tag, "", length) + bytes(100), IMPLICIT)
    tracemalloc.start()
    with pytest.raises(DicomTruncated):
        describe(data)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_patient_id_of_megabytes_is_refused() -> None:
    with pytest.raises(DicomMalformed):
        describe(file(Writer(IMPLICIT).element(0x00100020, "LO", b"1" * (1 << 20)), IMPLICIT))


@pytest.mark.parametrize("tag", [0x00091001, 0x00400275, 0x00101002, 0x00041220])
def test_sequences_nested_ten_thousand_deep_are_refused(tag: int) -> None:
    writer = Writer(undefined=True)
    deep = (writer.head(tag, "SQ", UNDEFINED) + writer.mark(0xFFFEE000, UNDEFINED)) * 10_000
    deep += (writer.mark(0xFFFEE00D) + writer.mark(0xFFFEE0DD)) * 10_000
    begun = time.process_time()
    with pytest.raises(DicomMalformed):
        describe(file(deep))
    assert time.process_time() - begun < 5


def test_sequences_nested_as_deep_as_the_limit_are_read() -> None:
    writer = Writer(undefined=True)
    nested = (writer.head(0x00091001, "SQ", UNDEFINED) + writer.mark(0xFFFEE000, UNDEFINED)) * MAX_DEPTH
    nested += (writer.mark(0xFFFEE00D) + writer.mark(0xFFFEE0DD)) * MAX_DEPTH
    assert describe(file(nested + Writer().elements(patient("4711")))).identifiers


def test_a_deflated_file_that_inflates_without_end_is_refused() -> None:
    """A thousand to one: 100 MiB of a value that is skipped, in 100 KiB."""
    data = dicom((0x00091001, "OB", bytes(100 << 20)), *patient("4711"), syntax=DEFLATED)
    assert len(data) < 1 << 18
    tracemalloc.start()
    with pytest.raises(DicomMalformed):
        describe(data)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_sequences_of_many_items_that_decide_are_refused() -> None:
    others = [(0x00101002, "SQ", [[(0x00100020, "LO", str(number))] for number in range(5000)])]
    with pytest.raises(DicomMalformed):
        describe(dicom(*others))


@pytest.mark.parametrize(
    "broken",
    [
        Writer().head(0x00091001, "SQ", UNDEFINED) + Writer().element(0x00080005, "CS", "AB"),
        Writer().head(0x00101002, "SQ", UNDEFINED) + Writer().element(0x00080005, "CS", "AB"),
        Writer(undefined=True).head(0x00091001, "SQ", UNDEFINED) + Writer().mark(0xFFFEE000, UNDEFINED) * 2,
        Writer().head(0x00101002, "SQ", 4) + Writer().mark(0xFFFEE000),
        Writer().head(0x00101002, "SQ", 18) + Writer().mark(0xFFFEE000, 9) + Writer().element(0x00100020, "LO", "ab"),
        struct.pack("<HH2sH", 0x0009, 0x1001, b"QQ", 7),
    ],
    ids=["no item", "no item where wanted", "item in item", "too short", "item too short", "unknown and short"],
)
def test_elements_that_do_not_follow_each_other_are_refused(broken: bytes) -> None:
    with pytest.raises(DicomMalformed):
        describe(file(broken + Writer().elements(patient("4711"))))


def test_nothing_but_the_header_is_read() -> None:
    """Of pixels not a byte: a file of gigabytes is described by a few reads."""

    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            self.count += len(found)
            return found

    data = dicom(*patient("4711"), (0x00420011, "OB", bytes(1 << 20)), (0x7FE00010, "OW", bytes(1 << 20)))
    source = Counting(data)
    assert DicomAdapter().describe(source, len(data)).identifiers
    assert source.count < 2000

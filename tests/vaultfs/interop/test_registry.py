"""Which adapter reads a source."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vaultfs.interop.registry import adapters, recognise


def name_of(head: bytes) -> str | None:
    adapter = recognise(head)
    return adapter.name if adapter else None


@pytest.mark.parametrize(
    "head",
    [
        b'{"resourceType":"Patient"}',
        b'\xef\xbb\xbf\r\n\t {\n "resourceType": "Bundle"',
        b'[{"resourceType":"Patient"}]',
        b"[\n  {",
        b"[]",
        b"{}",
        b"{",
        b'{"resourceType":"Patient"}\n{"resourceType":"Patient"}\n',
    ],
)
def test_json_that_may_hold_objects_goes_to_fhir(head: bytes) -> None:
    assert name_of(head) == "fhir"


@pytest.mark.parametrize(
    "head",
    [
        rb"MSH|^~\&|A",
        b"\xef\xbb\xbfMSH|^~\\&|A",
        b"\x0bMSH|^~\\&|A",
        b"\r\n\r\n  MSH|^~\\&|A",
        rb"FHS|^~\&|A",
        rb"BHS|^~\&|A",
        b"MSH$%*!@$A",
        b"PID|1||7\rPV1|1",
        b"junk\rjunk\rMSH|^~\\&|A\r",
        b"log of 2020\r\n\x0bMSH|^~\\&|A\r",
    ],
)
def test_segments_go_to_hl7v2(head: bytes) -> None:
    assert name_of(head) == "hl7v2"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b" ",
        b"<ClinicalDocument>",
        b"%PDF-1.7",
        b"\x00" * 128 + b"DIC",
        b"a;b;c\n1;2;3\n",
        b'"text"',
        b"[1,2]",
        b"<x>\nMSH|^~\\&|\n</x>",
        b"see line\nMSH|x|y\n",
        "{}".encode("utf-16"),
    ],
)
def test_anything_else_goes_to_nobody(head: bytes) -> None:
    assert recognise(head) is None


def test_adapters_have_distinct_names_and_stay_the_same() -> None:
    assert [adapter.name for adapter in adapters()] == ["dicom", "ccda", "hl7v2", "fhir"]
    assert adapters() is adapters()


def test_importing_the_room_loads_no_format() -> None:
    program = (
        "import sys, vaultfs.interop, vaultfs.interop.registry; "
        "formats = tuple('vaultfs.interop.' + one for one in ('ccda', 'dicom', 'fhir', 'hl7v2')); "
        "sys.exit(any(name.startswith(formats) for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert done.returncode == 0

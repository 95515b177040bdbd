"""The DICOM files that pydicom ships, and those among them that cannot be understood."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pydicom.data

from vaultfs.errors import DicomTruncated, FormatUnknown

_ROOT = Path(pydicom.data.__file__).parent
_NO_DICOM = (".dump", ".gz", ".icc", ".json", ".md", ".py", ".pyc", ".txt")

FILES = sorted(
    path
    for folder in ("charset_files", "palettes", "test_files")
    for path in (_ROOT / folder).rglob("*")
    if path.is_file() and path.suffix not in _NO_DICOM and path.name != "README"
)
"""Files in the distribution itself; nothing is fetched."""

BROKEN = {
    "a3f26c279dd214951d32a1548362df3c93f9730135fa893a01552c0e632f587f": (
        DicomTruncated.code,
        "Pixel Data ends before its length",
    ),
    "2a5505656d14aca29a819083b183b79ea603de20aa85ab00534f8fb39fb88377": (
        DicomTruncated.code,
        "the sequence of records is shorter than its length",
    ),
    "15009ec7713dc53b95adfd4e1a692885240ddd34a0f18f52c0327a05cacbfd53": (
        DicomTruncated.code,
        "a sequence ends before its length",
    ),
    "52912b9950f457ac7618efaad0cdd91b52354e07fbc25abee895bd86beebf9bc": (
        FormatUnknown.code,
        "one byte too many before the data set, no preamble",
    ),
}
"""By SHA-256: the rule that a file breaks, found by reading it."""


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

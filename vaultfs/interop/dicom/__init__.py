"""DICOM Part 10 files: each is one record, kept as it is; its header says whose it is, what and when.

Promises: nothing but the header is read into memory, and of that only the few values that decide; no text of a source
in an error, and nothing logged; lengths and nesting that a file claims are checked before they are followed. May
import `vaultfs.interop`, `vaultfs.model` and `vaultfs.errors`.
"""

from vaultfs.interop.dicom.adapter import DicomAdapter

__all__ = ["DicomAdapter"]

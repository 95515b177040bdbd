"""C-CDA and other HL7 clinical documents: each is one record, kept as it is; its header says whose it is and when.

Promises: a document of any size is read in memory bounded by its largest tag; no document type, no entity but those of
XML itself, nothing fetched; no text of a source in an error. May import `vaultfs.interop`, `vaultfs.model` and
`vaultfs.errors`.
"""

from vaultfs.interop.ccda.adapter import CcdaAdapter

__all__ = ["CcdaAdapter"]

"""HL7v2 in ER7 encoding: which bytes of a source are one message, and which patient and date that message names.

Promises: the pieces joined are the source; no text of a source in an error; memory bounded by the largest record; a
`Message` never changes its bytes and can say where each part of it lies. May import `vaultfs.interop`,
`vaultfs.model`, `vaultfs.errors` and `vaultfs.kinds`.
"""

from vaultfs.interop.hl7v2.adapter import Hl7v2Adapter
from vaultfs.interop.hl7v2.message import Message, Span

__all__ = ["Hl7v2Adapter", "Message", "Span"]

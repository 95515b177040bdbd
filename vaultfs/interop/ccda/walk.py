"""Walking an XML text from tag to tag, whatever it may hold.

Expat reads it as a stream: characters are never put together, so that a text of any length costs nothing. Where a
document type begins, reading ends: without one there are no entities to expand and nothing to fetch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO
from xml.parsers import expat

from vaultfs.errors import EncodingUnknown, SourceError, XmlForbidden, XmlMalformed, XmlTooDeep

MAX_DEPTH = 256
"""Deepest nesting of elements that is read; documents nest two dozen."""

MAX_TAG_BYTES = 1024 * 1024
"""Longest tag, comment or processing instruction that is read."""

_CHUNK = 64 * 1024

Names = tuple[str, ...]
"""Names of elements from the root down, each with its namespace before a blank."""


Take = Callable[[Names, dict[str, str]], None]
"""Takes in a start tag: where it stands, itself included, and its attributes."""


class Walk:
    """Reads a text as it is fed.

    Parameters
    ----------
    take
        Called with every start tag.

    Attributes
    ----------
    document_type
        Name of the document type, where one is declared.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._path: list[str] = []
        self._fed = 0
        self.document_type: str | None = None
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Read on.

        Raises
        ------
        XmlMalformed, XmlForbidden, XmlTooDeep, EncodingUnknown
        """
        self._fed += len(data)
        problem: SourceError | None = None
        # Expat's own errors are left behind here: what they hold on to must not hang on ours.
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError:
            unknown = self._parser.ErrorCode == expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]
            problem = EncodingUnknown() if unknown else XmlMalformed(offset=self._parser.ErrorByteIndex)
        except (ValueError, LookupError):
            problem = EncodingUnknown()
        if problem is not None:
            raise problem
        if self._fed - max(self._parser.CurrentByteIndex, 0) > MAX_TAG_BYTES + _CHUNK:
            raise XmlTooDeep(limit=MAX_TAG_BYTES)

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > MAX_DEPTH:
            raise XmlTooDeep(depth=MAX_DEPTH)
        self._take(tuple(self._path), attributes)

    def _close(self, _: str) -> None:
        self._path.pop()

    def _forbidden(self, name: str, *_: object) -> None:
        self.document_type = name
        raise XmlForbidden


def walk(source: BinaryIO, take: Take) -> None:
    """Read a text to its end.

    Raises
    ------
    XmlMalformed, XmlForbidden, XmlTooDeep, EncodingUnknown
    """
    reading = Walk(take)
    while data := source.read(_CHUNK):
        for at in range(0, len(data), _CHUNK):
            reading.feed(data[at : at + _CHUNK])
    reading.feed(b"", final=True)

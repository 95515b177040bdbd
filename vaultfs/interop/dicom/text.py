"""Text in the character sets of DICOM.

Source: DICOM PS3.3, C.12.1.1.2 (Specific Character Set) and PS3.5, 6.1 (code extension by ISO 2022).
"""

from __future__ import annotations

from vaultfs.errors import EncodingUnknown

_ESCAPE = b"\x1b"

# Defined terms of character sets without code extensions; the same with them have "ISO 2022 IR" for "ISO_IR".
_SINGLE = {
    "ISO_IR 6": "ascii",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 166": "iso8859_11",
}
_TERMS = (
    {"": "ascii", "ISO_IR 192": "utf_8", "GB18030": "gb18030", "GBK": "gbk"}
    | _SINGLE
    | {term.replace("ISO_IR", "ISO 2022 IR"): codec for term, codec in _SINGLE.items()}
    | dict.fromkeys(("ISO 2022 IR 87", "ISO 2022 IR 159", "ISO 2022 IR 149", "ISO 2022 IR 58"), "ascii")
)

# What an escape sequence, without its first byte, switches to.
_ESCAPES = {
    b"(B": "ascii",
    b"(J": "shift_jis",
    b")I": "shift_jis",
    b"-A": "latin_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-L": "iso8859_5",
    b"-G": "iso8859_6",
    b"-F": "iso8859_7",
    b"-H": "iso8859_8",
    b"-M": "iso8859_9",
    b"-b": "iso8859_15",
    b"-T": "iso8859_11",
    b"$)C": "euc_kr",
    b"$)A": "gb2312",
}
_JAPANESE = (b"$B", b"$(D")


class Repertoire:
    """The character sets of a data set.

    Parameters
    ----------
    stated
        The value of Specific Character Set, empty where there is none.
    """

    def __init__(self, stated: bytes) -> None:
        first = stated.split(b"\\")[0].strip(b" \0").decode("ascii", errors="replace").upper()
        # A term that is not known reads as the default repertoire does: other text is not guessed at.
        self._codec = _TERMS.get(first.replace("ISO IR", "ISO_IR").replace("ISO-IR", "ISO_IR"), "ascii")

    def text(self, value: bytes) -> str:
        """Return a value without its padding.

        Raises
        ------
        EncodingUnknown
            It is not in the character sets of the data set.
        """
        first, *others = value.strip(b" \0\r\n\t").split(_ESCAPE)
        parts = [_decoded(first, self._codec), *(_switched(one) for one in others)]
        if None in parts:
            raise EncodingUnknown
        return "".join(part for part in parts if part)

    def texts(self, value: bytes) -> list[str]:
        """Return the values of an element of several (PS3.5, 6.4), without those that are empty.

        Raises
        ------
        EncodingUnknown
        """
        return [one for part in self.text(value).split("\\") if (one := part.strip(" \0"))]


def _switched(part: bytes) -> str | None:
    """Return the text after the first byte of an escape sequence, None where that is unknown."""
    if part.startswith(_JAPANESE):
        return _decoded(_ESCAPE + part, "iso2022_jp_2")
    for sequence, codec in _ESCAPES.items():
        if part.startswith(sequence):
            return _decoded(part[len(sequence) :], codec)
    return None


def _decoded(part: bytes, codec: str) -> str | None:
    # The codec's own error would hold the text: it must not hang on ours.
    try:
        return part.decode(codec)
    except ValueError:
        return None
